/*
 * What follows a change of the current assistant: the files, the hooks, the cleanup.
 *
 * A promotion notes in its own transaction that the files have to be written; when they
 * are, that the deploy hooks have to run. Each note goes when its work is done, so that a
 * process that dies in between, a disk that is full or a hook that fails only delays it:
 * the next renewal delivers again, and never makes another assistant for it.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hooks.h"
#include "publish.h"
#include "service_private.h"

#define PREVIOUS_GRACE      CLOCK_HOUR /* applications may still use the id before */
#define TIDY_MAX            (25 * CLOCK_SECOND)
#define HOOK_MAX            (60 * CLOCK_SECOND)
#define HOOK_MAX_IN_REQUEST (5 * CLOCK_SECOND) /* web servers wait 30 s for all of it */

/* Somebody waits for the answer, and a web server counts the seconds. */
static bool is_in_request(const struct service *service)
{
	return service->upstream->deadline != 0;
}

/* ---- files ---- */

static int publish_files(struct service *service, const struct profile *profile,
			 struct oam_error *err)
{
	const struct settings *settings = service->settings;
	const struct publish_rules rules = { .store = settings->db,
					     .in_place = settings->write_in_place == 1 };
	struct oam_error cause = { 0 };
	struct assistant row;
	char *path;

	if (store_assistant_find(service->store, profile->current, &row, err) < 0)
		return -1;
	publish_env(settings->env_file, profile->env_key, profile->current, &rules, err);
	path = publish_config_path(
		settings->config_file,
		strcmp(profile->name, PROFILE_DEFAULT) == 0 ? NULL : profile->name,
		&cause);
	if (path) /* also when the .env could not be written */
		publish_config(path, row.id, row.config, row.created_at, &rules, &cause);
	free(path);
	assistant_release(&row);
	if (error_result(&cause) && !error_result(err))
		*err = cause;
	return error_result(err);
}

static void note_failure(struct service *service, const struct profile *profile,
			 const struct oam_error *cause)
{
	int64_t retry_at = clock_now() + service_retry_delay(profile->publish_failures);
	struct oam_error err = { 0 };

	log_write(LOG_LEVEL_WARN, "publish", "request", service->request_id, "profile",
		  profile->name, "id", profile->current, "error", cause->message,
		  "detail", cause->detail, NULL);
	store_profile_publish_failed(service->store, profile->id, cause->message,
				     retry_at, &err);
}

/* ---- hooks ---- */

/* Keeps what came of a stage; nothing when all is, and was, well. */
static void keep_results(struct service *service, const struct profile *profile,
			 const char *stage, struct json_object *failed)
{
	struct store *store = service->store;
	struct oam_error err = { 0 };

	if (json_object_array_length(failed) == 0 && profile->hooks_failed == 0)
		return;
	if (store_begin(store, &err) == 0) {
		if (store_hook_results(store, profile->id, stage, failed, clock_now(),
				       &err) == 0)
			store_commit(store, &err);
		store_rollback(store);
	}
	if (error_result(&err))
		log_write(LOG_LEVEL_WARN, "hook", "stage", stage, "error", err.message,
			  "detail", err.detail, NULL);
}

/*
 * Runs a stage, or `command` when that is not NULL, and keeps what failed. `only`: as
 * hooks_run() has it. False when something has to run again.
 */
static bool run_stage(struct service *service, const struct profile *profile,
		      const struct hook *hook, struct hooks_stage *stage,
		      const char *command)
{
	struct oam_error err = { 0 };
	int failed = 0;

	stage->folder = service->settings->hooks_dir;
	stage->failed = json_new_array(&err);
	stage->limit = is_in_request(service) ? HOOK_MAX_IN_REQUEST : HOOK_MAX;
	if (command)
		failed = hooks_run_command(command, stage, hook, &err);
	else if (stage->folder && strcmp(stage->name, HOOKS_COMMAND) != 0)
		failed = hooks_run(stage, hook, &err);
	if (error_result(&err) == 0)
		keep_results(service, profile, stage->name, stage->failed);
	json_object_put(stage->failed);
	return failed == 0 && error_result(&err) == 0;
}

void service_run_hooks(struct service *service, const char *name,
		       const struct profile *profile, const char *reason,
		       const char *error)
{
	const struct hook hook = { .profile = profile->name,
				   .assistant_id = "",
				   .previous_id = profile->current,
				   .reason = reason,
				   .error = error };
	struct hooks_stage stage = { .name = name };

	run_stage(service, profile, &hook, &stage, NULL);
}

/* What asked for the current assistant; REASON_INITIALIZE when that cannot be found. */
static void find_reason(struct service *service, const struct profile *profile,
			char reason[REASON_SIZE])
{
	strcpy(reason, REASON_INITIALIZE);
	store_rotation_reason(service->store, profile->id, profile->current, reason,
			      &(struct oam_error){ 0 });
}

/* The files could not be written. Within a request, the next try tells it. */
static void tell_unpublished(struct service *service, const struct profile *profile,
			     const struct oam_error *cause)
{
	char reason[REASON_SIZE];
	const struct hook hook = { .profile = profile->name,
				   .assistant_id = profile->current,
				   .previous_id = profile->previous,
				   .reason = reason,
				   .error = cause->message };
	struct hooks_stage post = { .name = HOOKS_POST };

	if (is_in_request(service))
		return;
	find_reason(service, profile, reason);
	run_stage(service, profile, &hook, &post, NULL);
}

/* The names of the deploy hooks that have to run again, or NULL: all. */
static struct json_object *again(struct service *service, const struct profile *profile)
{
	struct json_object *names = NULL;
	struct oam_error ignored = { 0 }; /* then all of them run */

	if (strcmp(profile->hooked, profile->current) == 0)
		store_hook_failed(service->store, profile->id, HOOKS_DEPLOY, &names,
				  &ignored);
	if (names && json_object_array_length(names) > 0)
		return names;
	json_object_put(names); /* it could not be kept which ones failed */
	return NULL;
}

/*
 * The files name a new id now: tells the application's hooks. After a failure only those
 * that failed run again, since the others may restart what uses the id.
 */
static void run_deploy_hooks(struct service *service, const struct profile *profile,
			     const struct service_refresh *refresh)
{
	bool is_new = strcmp(profile->hooked, profile->current) != 0;
	char reason[REASON_SIZE];
	const struct hook hook = { .profile = profile->name,
				   .assistant_id = profile->current,
				   .previous_id = profile->previous,
				   .reason = reason };
	struct hooks_stage deploy = { .name = HOOKS_DEPLOY },
			   post = { .name = HOOKS_POST };
	struct hooks_stage command = { .name = HOOKS_COMMAND };
	int64_t retry_at = clock_now() + service_retry_delay(profile->hook_failures);
	struct oam_error err = { 0 };

	/*
	 * Keep the next time first: else the hooks would run at each renewal while the
	 * store cannot be written.
	 */
	if (store_profile_hook_at(service->store, profile->id, retry_at, &err))
		return;
	find_reason(service, profile, reason);
	deploy.only = again(service, profile);
	if (run_stage(service, profile, &hook, &deploy, NULL))
		retry_at = 0;
	json_object_put(deploy.only);
	if (is_new) {
		run_stage(service, profile, &hook, &command,
			  refresh ? refresh->deploy_hook : NULL);
		run_stage(service, profile, &hook, &post, NULL);
	}
	store_profile_hooked(service->store, profile->id, profile->current, retry_at,
			     &err);
}

/* ---- cleanup ---- */

/* How many are kept; 0: no automatic cleanup. */
static int64_t keep_count(const struct service *service, const struct profile *profile)
{
	return profile->keep_count >= 0 ? profile->keep_count
					: service->settings->keep_count;
}

void service_tidy(struct service *service, const struct profile *profile)
{
	struct service_cleanup cleanup = { .keep_count = keep_count(service, profile) };
	struct oam_error err = { 0 };
	int64_t deadline = service->upstream->deadline;

	if (cleanup.keep_count == 0)
		return;
	if (!deadline) /* others may wait for the lease */
		service->upstream->deadline = clock_monotonic() + TIDY_MAX;
	service_clean(service, profile, clock_now() - PREVIOUS_GRACE, &cleanup, &err);
	service->upstream->deadline = deadline;
	if (error_result(&err))
		log_write(LOG_LEVEL_WARN, "cleanup", "profile", profile->name, "error",
			  err.message, "detail", err.detail, NULL);
	json_object_put(cleanup.deleted);
	json_object_put(cleanup.failed);
}

int service_is_untidy(struct service *service, const struct profile *profile,
		      struct oam_error *err)
{
	const struct store_surplus surplus = {
		.profile = profile->id,
		.upstream = service_upstream_name(service),
		.keep = keep_count(service, profile),
		.spare_previous_since = clock_now() - PREVIOUS_GRACE,
	};
	int64_t count;

	if (surplus.keep == 0)
		return 0;
	if (store_assistant_count_surplus(service->store, &surplus, &count, err))
		return -1;
	return count > 0;
}

/* ---- all of it ---- */

int service_delivery(const struct profile *profile, int64_t now)
{
	int work = 0;

	if (profile->current[0] == '\0')
		return 0;
	if (profile->publish_at > 0 &&
	    !service_is_ahead(profile->publish_at, now, RETRY_MAX))
		work |= WORK_PUBLISH;
	if (profile->hook_at > 0 && strcmp(profile->published, profile->current) == 0 &&
	    !service_is_ahead(profile->hook_at, now, RETRY_MAX))
		work |= WORK_HOOKS;
	return work;
}

/* Writes the files. From then on the deploy hooks are due, if the id is new. */
static void publish(struct service *service, const struct profile *profile,
		    const struct service_refresh *refresh)
{
	bool with_hooks = service->settings->hooks_dir || profile->hooks_failed > 0 ||
			  (refresh && refresh->deploy_hook);
	struct oam_error err = { 0 };

	if (publish_files(service, profile, &err)) {
		note_failure(service, profile, &err);
		tell_unpublished(service, profile, &err);
		return;
	}
	if (store_profile_published(service->store, profile, with_hooks, clock_now(),
				    &err) == 0)
		log_write(LOG_LEVEL_INFO, "published", "request", service->request_id,
			  "profile", profile->name, "id", profile->current, NULL);
}

/* Hooks may take a minute each: within a request they are left to a renewal beside it. */
static void tell_hooks(struct service *service, const struct profile *profile,
		       const struct service_refresh *refresh)
{
	if (is_in_request(service))
		service->renewal_wanted = true;
	else
		run_deploy_hooks(service, profile, refresh);
}

void service_deliver(struct service *service, const char *name,
		     const struct service_refresh *refresh)
{
	struct oam_error err = { 0 };
	struct profile profile;
	int due;

	if (service_profile(service, name, &profile, &err))
		return;
	due = service_delivery(&profile, clock_now());
	if (due & WORK_PUBLISH) {
		publish(service, &profile, refresh);
		if (service_profile_again(service, &profile, &err))
			return;
	}
	if (service_delivery(&profile, clock_now()) & WORK_HOOKS)
		tell_hooks(service, &profile, refresh);
	if ((due & WORK_PUBLISH) && !(refresh && refresh->keep_old))
		service_tidy(service, &profile);
}

void service_deliver_soon(struct service *service, int64_t id)
{
	struct oam_error ignored = { 0 }; /* it stays due */
	struct profile profile;
	struct lease lease;

	if (store_profile_get(service->store, id, &profile, &ignored) <= 0)
		return;
	if (service_lease_try(service, &profile, &lease, &ignored) > 0) {
		service_deliver(service, profile.name, NULL);
		service_lease_release(service, &lease);
	} else {
		service->renewal_wanted = true;
	}
}
