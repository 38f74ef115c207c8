/* Which id to use: from the store, adopted from the application's files, or new. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "publish.h"
#include "service_private.h"

#define WAIT_MAX  (25 * CLOCK_SECOND) /* before any web server gives up */
#define WAIT_STEP INT64_C(20)
#define ASK_PAUSE (5 * CLOCK_SECOND)

/* ---- ids that the application's files name ---- */

static int id_in_env_file(struct service *service, const struct profile *profile,
			  char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	char *value;

	if (settings_read_now(service->settings, profile->env_key, &value, err))
		return -1;
	if (value && assistant_id_is_valid(value))
		strcpy(id, value); /* a valid id fits */
	else if (value && value[0])
		log_write(LOG_LEVEL_WARN, "not-an-id", "setting", profile->env_key, NULL);
	free(value);
	return 0;
}

/* The JSON file speaks of the default profile. One that cannot be read names no id. */
static int id_in_config_file(struct service *service, const struct profile *profile,
			     char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	struct oam_error cause = { 0 };
	struct json_object *tree = NULL;
	const char *value;
	size_t length;
	char *text;

	(void)err;
	if (strcmp(profile->name, PROFILE_DEFAULT) != 0)
		return 0;
	if (file_read(service->settings->config_file, PUBLISH_CONFIG_MAX, &text, &length,
		      &cause) == 0 &&
	    text)
		publish_read(text, length, &tree, &cause);
	value = json_member_string(tree, "assistantId");
	if (value && assistant_id_is_valid(value))
		strcpy(id, value); /* a valid id fits */
	if (error_result(&cause))
		log_write(LOG_LEVEL_WARN, "config-file", "error", cause.message, "detail",
			  cause.detail, NULL);
	json_object_put(tree);
	free(text);
	return 0;
}

static int id_in_store(struct service *service, const struct profile *profile,
		       char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	(void)service;
	(void)err;
	memcpy(id, profile->current, sizeof(profile->current));
	return 0;
}

/*
 * 1 when the id may be used, 0 when the store knows better: it was replaced or deleted
 * here (then a copy of it in a file is stale), or it is another profile's.
 */
static int is_usable(struct service *service, const struct profile *profile,
		     const char *id, struct oam_error *err)
{
	struct assistant row;
	int found = store_assistant_find(service->store, id, &row, err);
	bool usable;

	if (found <= 0)
		return found < 0 ? -1 : 1;
	usable = (row.label == LABEL_UNMANAGED && row.profile == 0) ||
		 (row.profile == profile->id && row.label == LABEL_CURRENT);
	assistant_release(&row);
	return usable;
}

/*
 * Asks the upstream about an id: 1 with *assistant, 0 when it is not to be used. A current
 * id that the upstream denies is given up.
 */
static int try_id(struct service *service, const struct profile *profile, const char *id,
		  struct json_object **assistant, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct oam_error cause = { 0 };
	int usable = is_usable(service, profile, id, err);

	if (usable <= 0)
		return usable;
	if (upstream->retrieve(upstream, id, assistant, &cause) == 0)
		return 1;
	if (cause.code != OAM_E_ASSISTANT_NOT_FOUND) {
		*err = cause;
		return -1;
	}
	return store_assistant_gone(service->store, id, upstream->name, clock_now(),
				    err) < 0
		       ? -1
		       : 0;
}

/*
 * The first id that can be used and that the upstream confirms: 1 with *assistant, 0 when
 * there is none. Unless `claim` is NULL, *claim is then the claim on it if it is to be
 * adopted, so that nobody deletes it, and no other profile adopts it, until that is done.
 */
static int choose(struct service *service, const struct profile *profile, int *claim,
		  struct json_object **assistant, struct oam_error *err)
{
	static int (*const sources[])(
		struct service *, const struct profile *, char id[ASSISTANT_ID_SIZE],
		struct oam_error *) = { id_in_env_file, id_in_store, id_in_config_file };
	int chosen = 0;

	*assistant = NULL;
	for (size_t i = 0; !chosen && i < sizeof(sources) / sizeof(sources[0]); i++) {
		char id[ASSISTANT_ID_SIZE] = "";

		if (sources[i](service, profile, id, err))
			return -1;
		if (!id[0])
			continue;
		if (claim && strcmp(id, profile->current) != 0 &&
		    service_claim_wait(service, id, claim, err))
			return -1;
		chosen = try_id(service, profile, id, assistant, err);
		if (chosen <= 0 && claim)
			service_claim_release(claim);
	}
	return chosen;
}

/* ---- adoption ---- */

/*
 * Within a transaction. 1 when the profile may have it: since it was looked at another one
 * may have taken it, or somebody may have deleted it here.
 */
static int is_free(struct service *service, const struct profile *profile, const char *id,
		   struct oam_error *err)
{
	struct assistant row;
	int found = store_assistant_find(service->store, id, &row, err);
	bool is_free;

	if (found <= 0)
		return found < 0 ? -1 : 1;
	is_free = (row.profile == 0 || row.profile == profile->id) &&
		  (row.label != LABEL_DELETED || service->settings->base_url);
	assistant_release(&row);
	return is_free;
}

int service_take_over(struct service *service, const struct profile *profile,
		      struct json_object *assistant, struct oam_error *err)
{
	struct store *store = service->store;
	const char *id = json_member_string(assistant, "id");
	int64_t created_at = json_object_get_int64(json_member(assistant, "created_at"));
	struct json_object *config = assistant_config_of(assistant, err);
	struct oam_error unfit = { 0 };
	int64_t now = clock_now();
	int taken = -1;

	if (!config || store_begin(store, err))
		goto out;
	taken = is_free(service, profile, id, err);
	if (taken <= 0)
		goto out;
	store_assistant_own(store, id, service->upstream->name, config,
			    created_at * CLOCK_SECOND, profile->id, LABEL_PENDING, now,
			    err);
	if (error_result(err) == 0)
		store_assistant_promote(store, profile->id, id, now, err);
	store_profile_refreshed(store, profile->id, now, err);
	store_profile_publish_at(store, profile->id, now, err);
	assistant_drop_reserved(config); /* it may have been made elsewhere */
	/* A profile without a past takes over how its first assistant is configured. */
	if (profile->refreshed_at == 0 &&
	    assistant_check(config, ASSISTANT_CREATE, "", &unfit) == 0 &&
	    assistant_check_managed(config, "", &unfit) == 0)
		store_profile_set_config(store, profile->id, config, err);
	if (error_result(err) == 0 && store_commit(store, err) == 0)
		log_write(LOG_LEVEL_INFO, "adopted", "request", service->request_id,
			  "profile", profile->name, "id", id, NULL);
out:
	store_rollback(store);
	json_object_put(config);
	return error_result(err) ? -1 : taken;
}

/*
 * With the lease: takes over what choose() finds: 1 with its id, 0 when there is nothing.
 * When another profile took that assistant first, the search goes on. Each round leaves
 * one id fewer to look at.
 */
static int adopt_any(struct service *service, struct profile *profile,
		     char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	struct json_object *assistant;
	int claim = -1, chosen, taken = 0;

	while (!taken &&
	       (chosen = choose(service, profile, &claim, &assistant, err)) > 0) {
		/* It is one that we asked for, and fits. */
		strcpy(id, json_member_string(assistant, "id"));
		taken = strcmp(id, profile->current) == 0
				? 1
				: service_take_over(service, profile, assistant, err);
		service_claim_release(&claim);
		json_object_put(assistant);
	}
	return taken ? taken : chosen;
}

/* With the lease: recovers, then adopts or creates. */
static int establish(struct service *service, struct profile *profile, const char *reason,
		     char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	struct service_refresh refresh = { .reason = reason };
	int adopted;

	if (service_recover(service, profile, err) ||
	    service_profile_again(service, profile, err))
		return -1;
	adopted = adopt_any(service, profile, id, err);
	if (adopted)
		return adopted < 0 ? -1 : 0;
	/* choose() may have found that the current one is gone. */
	if (service_profile_again(service, profile, err) ||
	    service_rotate(service, profile, &refresh, err))
		return -1;
	memcpy(id, refresh.new_id, sizeof(refresh.new_id));
	return 0;
}

/* How it went for the process that we waited for: 1 good, 0 not done yet. */
static int look_again(struct service *service, struct profile *profile, int64_t since,
		      char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	struct oam_error cause = { 0 };
	int failed;

	if (service_profile_again(service, profile, err))
		return -1;
	if (profile->current[0] != '\0') {
		memcpy(id, profile->current, sizeof(profile->current));
		return 1;
	}
	failed = store_rotation_failed(service->store, profile->id, since, &cause, err);
	if (failed > 0)
		*err = cause;
	return failed ? -1 : 0;
}

/* Takes the lease and establishes, or shares what the holder of the lease makes. */
static int establish_or_wait(struct service *service, struct profile *profile,
			     const char *reason, char id[ASSISTANT_ID_SIZE],
			     struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + WAIT_MAX, since = clock_now();
	struct lease lease;

	if (service->upstream->deadline) /* all that comes after shares this time */
		deadline = service->upstream->deadline;
	for (;;) {
		int held = service_lease_try(service, profile, &lease, err), known;

		if (held < 0)
			return -1;
		if (held) {
			establish(service, profile, reason, id, err);
			service_deliver(service, profile->name, NULL);
			service_lease_release(service, &lease);
			return error_result(err);
		}
		known = look_again(service, profile, since, id, err);
		if (known)
			return known < 0 ? -1 : 0;
		if (clock_monotonic() >= deadline)
			return error_set(err, WAIT_TIMED_OUT, NULL, profile->name);
		clock_sleep(WAIT_STEP);
	}
}

int service_initialize(struct service *service, const char *name,
		       char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	struct json_object *assistant;
	struct profile profile;
	bool settled;
	int chosen;

	if (service_profile(service, name, &profile, err))
		return -1;
	chosen = choose(service, &profile, NULL, &assistant, err);
	if (chosen < 0)
		return -1;
	settled = chosen &&
		  strcmp(json_member_string(assistant, "id"), profile.current) == 0;
	json_object_put(assistant);
	if (!settled)
		return establish_or_wait(service, &profile, REASON_INITIALIZE, id, err);
	memcpy(id, profile.current, sizeof(profile.current));
	return 0;
}

/* With the lease: makes what the upstream has under this id the current one. */
static int adopt_claimed(struct service *service, const struct profile *profile,
			 const char *id, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct json_object *assistant = NULL, *again = NULL;
	int claim;

	if (service_claim_wait(service, id, &claim, err))
		return -1;
	if (upstream->retrieve(upstream, id, &assistant, err) == 0 &&
	    strcmp(id, profile->current) != 0 &&
	    service_take_over(service, profile, assistant, err) == 0 &&
	    upstream->retrieve(upstream, id, &again, err) == 0)
		error_set(err, CONFLICT, NULL,
			  "The assistant belongs to another profile");
	service_claim_release(&claim);
	json_object_put(again);
	json_object_put(assistant);
	return error_result(err);
}

int service_adopt(struct service *service, const char *name, const char *id,
		  struct oam_error *err)
{
	struct profile profile;
	struct lease lease;
	int held;

	if (!assistant_id_is_valid(id))
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	if (service_profile(service, name, &profile, err))
		return -1;
	held = service_lease_try(service, &profile, &lease, err);
	if (held < 0)
		return -1;
	if (held == 0)
		return error_set(err, REFRESH_RUNNING, NULL, name);
	if (service_recover(service, &profile, err) == 0 &&
	    service_profile_again(service, &profile, err) == 0)
		adopt_claimed(service, &profile, id, err);
	service_deliver(service, name, NULL);
	service_lease_release(service, &lease);
	return error_result(err);
}

/*
 * Requests ask for a renewal once in ASK_PAUSE at most, also when renewals cannot do
 * their work, and never when the store cannot be written.
 */
static bool may_ask_for_renewal(struct service *service)
{
	int64_t now = clock_monotonic();

	if (service->asked_at && now - service->asked_at < ASK_PAUSE)
		return false;
	service->asked_at = now;
	if (store_is_writable(service->store))
		return true;
	log_write(LOG_LEVEL_ERROR, "renewal", "error",
		  "this user may not write the store or its folder", NULL);
	return false;
}

int service_current_status(struct service *service, const char *name,
			   struct service_status *status, struct oam_error *err)
{
	struct profile *profile = &status->profile;
	char id[ASSISTANT_ID_SIZE];
	int64_t now = clock_now();

	if (service_profile(service, name, profile, err))
		return -1;
	if (profile->current[0] == '\0') {
		if (establish_or_wait(service, profile, REASON_EXPIRY, id, err) ||
		    service_status(service, name, status, err))
			return -1;
		strcpy(profile->current, id); /* even if it was replaced since */
		return 0;
	}
	if (service_work(service, profile, now) &&
	    !service_is_ahead(profile->lease_until, now, LEASE_TIME) &&
	    may_ask_for_renewal(service))
		service->renewal_wanted = true;
	service_status_fill(service, status, now);
	return 0;
}

int service_current(struct service *service, const char *name, char id[ASSISTANT_ID_SIZE],
		    struct oam_error *err)
{
	struct service_status status;

	if (service_current_status(service, name, &status, err))
		return -1;
	memcpy(id, status.profile.current, sizeof(status.profile.current));
	return 0;
}
