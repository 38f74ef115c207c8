/*
 * Replacing a profile's assistant, in steps that are each durable before the next:
 *
 *	lease > intent with a nonce > create > record > confirm > promote > deliver
 *
 * A process that dies anywhere leaves an intent without an end. The next holder of the
 * lease looks for its nonce upstream: what was created is promoted, what was not is
 * abandoned. So nothing is created twice and nothing is lost.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hooks.h"
#include "random.h"
#include "service_private.h"

#define CREATE_MAX       (12 * CLOCK_SECOND) /* no other attempt after this */
#define CREATE_PAUSE     INT64_C(500) /* ms before the second attempt, then doubled */
#define CREATE_PAUSE_MAX (2 * CLOCK_SECOND)
#define RETRY_FIRST      CLOCK_MINUTE

/* One rotation on its way. */
struct run {
	struct service *service;
	const struct profile *profile;
	struct json_object *config;    /* what the assistant is made from */
	struct json_object *overrides; /* what the profile takes over, or NULL */
	int64_t rotation;
	int64_t started; /* when the intent was written */
	char nonce[ASSISTANT_NONCE_SIZE];
	char id[ASSISTANT_ID_SIZE]; /* "" until something was created */
	bool maybe_created;         /* if it fails now, recovery has to look */
};

static const struct oam_error no_error;

static void log_outcome(const struct run *run, const char *outcome,
			const struct oam_error *err)
{
	log_write(error_result(err) ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "rotation",
		  "request", run->service->request_id, "profile", run->profile->name,
		  "outcome", outcome, "old", run->profile->current, "new", run->id,
		  "error", err->message, "detail", err->detail, NULL);
}

static int write_intent(struct run *run, const char *reason, struct oam_error *err)
{
	if (random_base62(run->nonce, ASSISTANT_NONCE_LENGTH, err))
		return -1;
	run->started = clock_now();
	return store_rotation_start(run->service->store, run->profile->id, reason,
				    run->nonce, run->overrides, run->profile->current,
				    run->started, &run->rotation, err);
}

/*
 * One attempt to create it. When nobody knows whether it worked, the nonce tells. When it
 * did not, but may still be on its way in the server, the intent stays open, and the next
 * holder of the lease looks again.
 */
static int try_create(struct run *run, struct json_object *config,
		      struct json_object **assistant, struct oam_error *err)
{
	struct upstream *upstream = run->service->upstream;
	struct oam_error lookup = { 0 };

	if (upstream->create(upstream, config, assistant, err) == 0)
		return 0;
	if (err->code != OAM_E_UPSTREAM_AMBIGUOUS)
		return -1;
	run->maybe_created = true;
	if (upstream->find_nonce(upstream, run->nonce, run->started, assistant, &lookup))
		return -1;
	if (*assistant) {
		*err = (struct oam_error){ 0 };
		return 0;
	}
	run->maybe_created = err->upstream.status == 0;
	return -1;
}

/* A server that answered 5xx and has nothing to show is done with it: then once more. */
static int create(struct run *run, struct json_object **assistant, struct oam_error *err)
{
	int64_t pause = CREATE_PAUSE;
	char tag[ASSISTANT_NONCE_SIZE];
	struct json_object *config;

	*assistant = NULL;
	if (store_installation_tag(run->service->store, tag, err))
		return -1;
	config = assistant_stamp(run->config, tag, run->nonce, run->started, err);
	if (!config)
		return -1;
	while (try_create(run, config, assistant, err)) {
		if (err->code != OAM_E_UPSTREAM_AMBIGUOUS || run->maybe_created ||
		    pause > CREATE_PAUSE_MAX || clock_now() - run->started > CREATE_MAX)
			break;
		*err = (struct oam_error){ 0 };
		clock_sleep(pause);
		pause *= 2;
	}
	json_object_put(config);
	return error_result(err);
}

/* Takes what was created into the store, so that it can never be forgotten. */
static int record(struct run *run, struct json_object *assistant, struct oam_error *err)
{
	struct store *store = run->service->store;
	const char *id = json_member_string(assistant, "id");
	int64_t created_at = json_object_get_int64(json_member(assistant, "created_at"));
	struct json_object *config = assistant_config_of(assistant, err);

	run->maybe_created = true;
	snprintf(run->id, sizeof(run->id), "%s", id ? id : "");
	if (config && store_begin(store, err) == 0) {
		store_assistant_own(store, run->id, run->service->upstream->name, config,
				    created_at * CLOCK_SECOND, run->profile->id,
				    LABEL_PENDING, clock_now(), err);
		store_rotation_created(store, run->rotation, run->id, err);
		if (error_result(err) == 0)
			store_commit(store, err);
		store_rollback(store);
	}
	json_object_put(config);
	return error_result(err);
}

static int confirm(struct run *run, struct oam_error *err)
{
	struct upstream *upstream = run->service->upstream;
	struct json_object *assistant;

	struct oam_error cause = { 0 };

	if (upstream->retrieve(upstream, run->id, &assistant, &cause) == 0) {
		json_object_put(assistant);
		return 0;
	}
	/* The caller has not named this id: that it is not there is the server's fault. */
	if (cause.code == OAM_E_ASSISTANT_NOT_FOUND)
		return error_set(err, UPSTREAM_FAILED, NULL,
				 "the assistant that it has made is not there");
	*err = cause;
	return -1;
}

/* The profile may have been changed since the refresh began: only overrides count. */
static int take_over_overrides(struct run *run, struct oam_error *err)
{
	struct store *store = run->service->store;
	struct json_object *present, *config;

	if (!run->overrides)
		return 0;
	if (store_profile_config(store, run->profile->id, &present, err))
		return -1;
	config = assistant_merge(present, run->overrides, err);
	if (config)
		store_profile_set_config(store, run->profile->id, config, err);
	json_object_put(config);
	json_object_put(present);
	return error_result(err);
}

/* The moment of change: everything in one transaction. */
static int promote(struct run *run, const char *outcome, struct oam_error *err)
{
	struct store *store = run->service->store;
	int64_t now = clock_now();

	if (store_begin(store, err))
		return -1;
	if (store_assistant_promote(store, run->profile->id, run->id, now, err) == 0 &&
	    take_over_overrides(run, err) == 0 &&
	    store_profile_refreshed(store, run->profile->id, now, err) == 0 &&
	    store_profile_publish_at(store, run->profile->id, now, err) == 0 &&
	    store_rotation_end(store, run->rotation, outcome, NULL, now, err) == 0)
		store_commit(store, err);
	store_rollback(store);
	return error_result(err);
}

int64_t service_retry_delay(int64_t failures)
{
	int64_t delay = RETRY_FIRST;

	while (failures-- > 0 && delay < RETRY_MAX)
		delay *= 2;
	return delay < RETRY_MAX ? delay : RETRY_MAX;
}

/*
 * Without a current assistant each request tries to make one. What fails again before its
 * pause is over stands in for the failure before: a line of history for each request would
 * fill the store.
 */
static bool is_failing_on(const struct run *run)
{
	const struct profile *profile = run->profile;

	return profile->current[0] == '\0' &&
	       service_is_ahead(profile->retry_at, clock_now(), RETRY_MAX);
}

/* Keeps the failure. The intent stays open when something may have been created. */
static void note_failure(const struct run *run, const struct oam_error *cause)
{
	struct store *store = run->service->store;
	struct oam_error err = { 0 };
	int64_t now = clock_now();

	log_outcome(run, "failed", cause);
	if (store_begin(store, &err))
		return; /* the intent stays open, and recovery comes back to it */
	/* What a caller asked for and the server refuses says nothing of the rotation. */
	if (!(run->overrides && cause->code == OAM_E_UPSTREAM_REFUSED))
		service_note_failure(run->service, run->profile, cause, &err);
	if (!run->maybe_created && run->rotation) {
		if (is_failing_on(run))
			store_rotation_forget(store, run->rotation, &err);
		store_rotation_end(store, run->rotation, "failed", cause, now, &err);
	}
	if (error_result(&err) == 0)
		store_commit(store, &err);
	store_rollback(store);
}

static struct json_object *next_config(struct service *service,
				       const struct profile *profile,
				       struct json_object *overrides,
				       struct oam_error *err)
{
	struct json_object *base, *config;

	if (store_profile_config(service->store, profile->id, &base, err))
		return NULL;
	config = assistant_merge(base, overrides, err);
	json_object_put(base);
	if (config && (assistant_check(config, ASSISTANT_CREATE, "config", err) ||
		       assistant_check_managed(config, "config", err))) {
		json_object_put(config);
		return NULL;
	}
	return config;
}

/*
 * Notes a refresh that cannot even start as a failure like any other, but for two: a
 * fault in what the caller asked for, and the failure of before, met again while its
 * pause lasts. A line of history for each such request would fill the store.
 */
static void note_unstarted(struct run *run, const char *reason,
			   const struct oam_error *cause)
{
	const struct profile *profile = run->profile;
	struct oam_error err = { 0 };

	if ((run->overrides && error_status(cause->code) == 400) ||
	    (service_is_ahead(profile->retry_at, clock_now(), RETRY_MAX) &&
	     strcmp(profile->last_error, cause->message) == 0))
		return;
	write_intent(run, reason, &err);
	note_failure(run, cause);
	service_prune(run->service);
}

int service_rotate(struct service *service, const struct profile *profile,
		   struct service_refresh *refresh, struct oam_error *err)
{
	struct run run = { .service = service,
			   .profile = profile,
			   .overrides = refresh->overrides };
	struct json_object *assistant = NULL;

	run.config = next_config(service, profile, refresh->overrides, err);
	if (!run.config) {
		note_unstarted(&run, refresh->reason, err);
		return -1;
	}
	service_run_hooks(service, HOOKS_PRE, profile, refresh->reason, NULL);
	if (write_intent(&run, refresh->reason, err) || create(&run, &assistant, err) ||
	    record(&run, assistant, err) || confirm(&run, err) ||
	    promote(&run, "done", err)) {
		note_failure(&run, err);
		service_run_hooks(service, HOOKS_POST, profile, refresh->reason,
				  err->message);
	} else {
		log_outcome(&run, "done", &no_error);
		memcpy(refresh->new_id, run.id, sizeof(run.id));
		memcpy(refresh->previous_id, profile->current, sizeof(profile->current));
	}
	json_object_put(assistant);
	json_object_put(run.config);
	service_prune(service);
	return error_result(err);
}

/* ---- recovery ---- */

/* Nothing came of it, or it is gone again. */
static int abandon(struct run *run, struct oam_error *err)
{
	struct store *store = run->service->store;
	struct oam_error cause = { 0 };

	log_outcome(run, "abandoned", &no_error);
	error_set(&cause, INTERRUPTED, NULL);
	if (store_begin(store, err))
		return -1;
	if (run->id[0] != '\0')
		store_assistant_gone(store, run->id, run->service->upstream->name,
				     clock_now(), err);
	store_rotation_end(store, run->rotation, "abandoned", &cause, clock_now(), err);
	if (error_result(err) == 0)
		store_commit(store, err);
	store_rollback(store);
	return error_result(err);
}

/* What it created: by its id if that was recorded, else by its nonce. NULL: nothing. */
static int find_created(struct run *run, struct json_object **assistant,
			struct oam_error *err)
{
	struct upstream *upstream = run->service->upstream;
	struct oam_error cause = { 0 };

	*assistant = NULL;
	if (run->id[0] == '\0')
		return upstream->find_nonce(upstream, run->nonce, run->started, assistant,
					    err);
	if (upstream->retrieve(upstream, run->id, assistant, &cause) == 0 ||
	    cause.code == OAM_E_ASSISTANT_NOT_FOUND)
		return 0;
	*err = cause;
	return -1;
}

/* Finishes one interrupted rotation, or abandons it when nothing came of it. */
static int recover_one(struct run *run, struct oam_error *err)
{
	struct json_object *assistant;

	if (find_created(run, &assistant, err))
		return -1;
	if (!assistant)
		return abandon(run, err);
	if (record(run, assistant, err) == 0 && promote(run, "recovered", err) == 0)
		log_outcome(run, "recovered", &no_error);
	json_object_put(assistant);
	return error_result(err);
}

int service_recover(struct service *service, const struct profile *profile,
		    struct oam_error *err)
{
	struct rotation rotation;
	int found;

	while ((found = store_rotation_open(service->store, profile->id, &rotation,
					    err)) > 0) {
		struct run run = { .service = service,
				   .profile = profile,
				   .overrides = rotation.overrides,
				   .rotation = rotation.id,
				   .started = rotation.started_at <= clock_now()
						      ? rotation.started_at
						      : 0, /* the clock was set back */
				   .maybe_created = true };

		memcpy(run.nonce, rotation.nonce, sizeof(run.nonce));
		memcpy(run.id, rotation.new_id, sizeof(run.id));
		if (recover_one(&run, err))
			note_failure(&run, err);
		rotation_release(&rotation);
		if (error_result(err))
			return -1;
	}
	return found;
}
