/*
 * What follows a change of the current assistant: the files, the hooks, the cleanup.
 *
 * A promotion notes in its own transaction that the files have to be written. The note
 * goes when they were written and the deploy hooks ran, so that a process that dies in
 * between, or a disk that is full, only delays it: the next renewal delivers again, and
 * never makes another assistant for it.
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

void service_run_hooks(struct service *service, const char *stage,
		       const struct profile *profile, const char *new_id,
		       const char *reason)
{
	const struct hook hook = { .profile = profile->name,
				   .assistant_id = new_id,
				   .previous_id = profile->current,
				   .reason = reason };
	int64_t limit = is_in_request(service) ? HOOK_MAX_IN_REQUEST : HOOK_MAX;

	if (service->settings->hooks_dir)
		hooks_run(service->settings->hooks_dir, stage, &hook, limit);
}

/* The files name a new id now: tells the application's hooks. */
static void run_deploy_hooks(struct service *service, const struct profile *profile,
			     const struct service_refresh *refresh)
{
	const char *directory = service->settings->hooks_dir;
	char reason[REASON_SIZE] = REASON_INITIALIZE;
	const struct hook hook = { .profile = profile->name,
				   .assistant_id = profile->current,
				   .previous_id = profile->previous,
				   .reason = reason };
	struct oam_error ignored = { 0 }; /* then the first reason has to do */

	store_rotation_reason(service->store, profile->id, profile->current, reason,
			      &ignored);
	if (directory)
		hooks_run(directory, HOOKS_DEPLOY, &hook, HOOK_MAX);
	if (refresh && refresh->deploy_hook)
		hooks_run_command(refresh->deploy_hook, &hook, HOOK_MAX);
	if (directory)
		hooks_run(directory, HOOKS_POST, &hook, HOOK_MAX);
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
	int64_t keep = keep_count(service, profile);
	struct json_object *ids;
	bool untidy;

	if (keep == 0)
		return 0;
	if (store_assistant_surplus(service->store, profile->id, keep,
				    clock_now() - PREVIOUS_GRACE, &ids, err))
		return -1;
	untidy = json_object_array_length(ids) > 0;
	json_object_put(ids);
	return untidy;
}

/* ---- all of it ---- */

static bool delivery_is_due(const struct profile *profile)
{
	return profile->publish_at > 0 && profile->current[0] != '\0' &&
	       !service_is_ahead(profile->publish_at, clock_now(), RETRY_MAX);
}

/* Writes the files, then tells the hooks of a new id. False: there is more to do later. */
static bool publish(struct service *service, const struct profile *profile,
		    const struct service_refresh *refresh)
{
	bool is_new = strcmp(profile->published, profile->current) != 0;
	struct oam_error err = { 0 };

	if (publish_files(service, profile, &err)) {
		note_failure(service, profile, &err);
		return false;
	}
	if (is_new && service->settings->hooks_dir && is_in_request(service)) {
		service->renewal_wanted = true;
		return false;
	}
	if (is_new)
		run_deploy_hooks(service, profile, refresh);
	return store_profile_published(service->store, profile->id, profile->current,
				       &err) == 0;
}

void service_deliver(struct service *service, const char *name,
		     const struct service_refresh *refresh)
{
	struct oam_error err = { 0 };
	struct profile profile;

	if (service_profile(service, name, &profile, &err) || !delivery_is_due(&profile))
		return;
	if (publish(service, &profile, refresh))
		log_write(LOG_LEVEL_INFO, "published", "request", service->request_id,
			  "profile", name, "id", profile.current, NULL);
	if (!refresh || !refresh->keep_old)
		service_tidy(service, &profile);
}

void service_deliver_soon(struct service *service, int64_t id)
{
	struct oam_error ignored = { 0 }; /* it stays due */
	struct profile profile;
	struct lease lease;

	if (store_profile_next(service->store, id - 1, &profile, &ignored) <= 0)
		return;
	if (service_lease_try(service, &profile, &lease, &ignored) > 0) {
		service_deliver(service, profile.name, NULL);
		service_lease_release(service, &lease);
	} else {
		service->renewal_wanted = true;
	}
}
