/* Changing, deleting and cleaning up assistants. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

#define MARK_AT_ONCE 64 /* deletions in one transaction of the store */

/*
 * Callers may send back the metadata that they were shown: reserved pairs that say what
 * is there already are no change, and are taken out of `updates`.
 */
static void drop_unchanged_reserved(struct json_object *updates,
				    struct json_object *assistant)
{
	static const char *const reserved[] = { ASSISTANT_META_TAG,
						ASSISTANT_META_NONCE };
	struct json_object *metadata = json_member(updates, "metadata");
	struct json_object *present = json_member(assistant, "metadata");

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		const char *ours = json_member_string(present, reserved[i]);
		const char *theirs = json_member_string(metadata, reserved[i]);

		if (ours && theirs && strcmp(ours, theirs) == 0)
			json_object_object_del(metadata, reserved[i]);
	}
}

int service_create(struct service *service, struct json_object *config,
		   struct json_object **assistant, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;

	*assistant = NULL;
	if (assistant_check(config, ASSISTANT_CREATE, "", err) ||
	    assistant_check_unreserved(config, "", err) ||
	    upstream->create(upstream, config, assistant, err))
		return -1;
	log_write(LOG_LEVEL_INFO, "created", "request", service->request_id, "id",
		  json_member_string(*assistant, "id"), NULL);
	return 0;
}

/*
 * The updates after which `assistant` came that the store still says: somebody may have
 * changed the same fields since, and brings that to the profile himself.
 */
static struct json_object *still_true(struct json_object *updates,
				      struct json_object *assistant,
				      const struct assistant *row, struct oam_error *err)
{
	struct json_object *left = json_new_object(err);
	struct json_object *now = assistant_object(row->id, row->created_at, row->config,
						   err);

	json_object_object_foreach (updates, name, value) {
		if (!json_object_equal(json_member(assistant, name),
				       json_member(now, name)))
			continue;
		if (value)
			json_put(left, name, json_object_get(value), err);
		else
			json_put_null(left, name, err);
	}
	json_object_put(now);
	return left;
}

/* After a change upstream: what the store says of it, and of later refreshes. */
static int remember_update(struct service *service, const char *id,
			   struct json_object *updates, struct json_object *assistant,
			   struct oam_error *err)
{
	struct store *store = service->store;
	struct json_object *config = assistant_config_of(assistant, err);
	struct json_object *base = NULL, *merged = NULL, *left = NULL;
	struct assistant row = { 0 };
	int found;

	if (!config || store_begin(store, err))
		goto out;
	found = store_assistant_find(store, id, &row, err);
	/* The embedded upstream is the store, and may hold a later change already. */
	if (found > 0 && service->settings->base_url)
		store_assistant_set_config(store, id, config, clock_now(), err);
	else if (found > 0)
		updates = left = still_true(updates, assistant, &row, err);
	if (found > 0 && row.label == LABEL_CURRENT &&
	    store_profile_config(store, row.profile, &base, err) == 0) {
		merged = assistant_merge(base, updates, err);
		if (merged)
			store_profile_set_config(store, row.profile, merged, err);
	}
	if (error_result(err) == 0)
		store_commit(store, err);
	store_rollback(store);
out:
	assistant_release(&row);
	json_object_put(merged);
	json_object_put(base);
	json_object_put(left);
	json_object_put(config);
	return error_result(err);
}

/* What belongs to a profile must leave room for the pairs that the manager adds. */
static int check_updates(struct service *service, const char *id,
			 struct json_object *updates, const char *path,
			 struct oam_error *err)
{
	struct assistant row;
	int found;
	bool owned;

	if (assistant_check(updates, ASSISTANT_MODIFY, path, err))
		return -1;
	found = store_assistant_find(service->store, id, &row, err);
	if (found < 0)
		return -1;
	owned = found > 0 && row.profile != 0;
	if (found)
		assistant_release(&row);
	return owned ? assistant_check_managed(updates, path, err)
		     : assistant_check_unreserved(updates, path, err);
}

int service_update(struct service *service, const char *id, struct json_object *updates,
		   const char *path, struct json_object **assistant,
		   struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct json_object *present = NULL, *changes = NULL;

	*assistant = NULL;
	if (service_details(service, NULL, id, &present, err))
		return -1;
	drop_unchanged_reserved(updates, present);
	changes = json_copy(updates, err);
	if (!changes || check_updates(service, id, changes, path, err))
		goto out;
	if (json_object_object_get_ex(changes, "metadata", NULL) &&
	    assistant_keep_reserved(present, changes, err))
		goto out;
	if (upstream->modify(upstream, id, changes, assistant, err) == 0)
		remember_update(service, id, updates, *assistant, err);
out:
	if (error_result(err)) {
		json_object_put(*assistant);
		*assistant = NULL;
	}
	json_object_put(changes);
	json_object_put(present);
	return error_result(err);
}

int service_delete(struct service *service, const char *id, struct oam_error *err)
{
	struct oam_error result = { 0 };

	if (!assistant_id_is_valid(id))
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	service->upstream->remove(service->upstream, id, &result);
	/* Gone, whoever did it: then the store must not offer it any more. */
	if (service->settings->base_url &&
	    (!error_result(&result) || result.code == OAM_E_ASSISTANT_NOT_FOUND) &&
	    store_assistant_delete(service->store, id, clock_now(), err) < 0)
		return -1;
	if (error_result(&result)) {
		*err = result;
		return -1;
	}
	log_write(LOG_LEVEL_INFO, "deleted", "request", service->request_id, "id", id,
		  NULL);
	return 0;
}

/* ---- cleanup ---- */

/* 1 when no profile uses it now and no rotation is making it. */
static int may_go(struct service *service, const char *id, struct oam_error *err)
{
	struct assistant row;
	int found = store_assistant_find(service->store, id, &row, err);
	bool used;

	if (found <= 0)
		return found < 0 ? -1 : 1;
	used = row.label == LABEL_CURRENT || row.label == LABEL_PENDING;
	assistant_release(&row);
	return !used;
}

static int put_failure(struct json_object *failed, const char *id,
		       const struct oam_error *cause, struct oam_error *err)
{
	struct json_object *entry = json_new_object(err);

	if (!entry)
		return -1;
	json_put_string(entry, "id", id, err);
	json_put_string(entry, "code", error_code(cause->code), err);
	json_put_string(entry, "message", cause->message, err);
	return json_append(failed, entry, err);
}

/* What came of a cleanup, while it runs. */
struct report {
	struct service *service;
	struct service_cleanup *cleanup;
	size_t marked; /* how many of cleanup->deleted the store knows as deleted */
	struct oam_error *err;
};

/*
 * Marks in one transaction what went since the last time. A process that dies before it
 * loses nothing: the next cleanup finds them gone.
 */
static int mark_deleted(struct report *report)
{
	struct store *store = report->service->store;
	struct json_object *deleted = report->cleanup->deleted;
	size_t count = json_object_array_length(deleted);
	int64_t now = clock_now();

	if (report->marked == count || store_begin(store, report->err))
		return error_result(report->err);
	for (; report->marked < count; report->marked++) {
		struct json_object *id = json_object_array_get_idx(deleted,
								   report->marked);

		store_assistant_delete(store, json_object_get_string(id), now,
				       report->err);
	}
	if (error_result(report->err) == 0)
		store_commit(store, report->err);
	store_rollback(store);
	return error_result(report->err);
}

static void on_removed(const char *id, const struct oam_error *result, void *context)
{
	struct report *report = context;
	struct json_object *deleted = report->cleanup->deleted;

	if (error_result(result) && result->code != OAM_E_ASSISTANT_NOT_FOUND) {
		put_failure(report->cleanup->failed, id, result, report->err);
		return;
	}
	json_append_string(deleted, id, report->err);
	if (json_object_array_length(deleted) - report->marked >= MARK_AT_ONCE)
		mark_deleted(report);
}

static void log_cleanup(const struct service *service,
			const struct service_cleanup *cleanup)
{
	char deleted[16], failed[16];

	snprintf(deleted, sizeof(deleted), "%zu",
		 json_object_array_length(cleanup->deleted));
	snprintf(failed, sizeof(failed), "%zu",
		 json_object_array_length(cleanup->failed));
	log_write(LOG_LEVEL_INFO, "cleanup", "request", service->request_id, "deleted",
		  deleted, "failed", failed, NULL);
}

/* The ids that still may go: looked at as late as can be. */
static struct json_object *still_surplus(struct service *service, struct json_object *ids,
					 struct oam_error *err)
{
	struct json_object *left = json_new_array(err);

	for (size_t i = 0; !error_result(err) && i < json_object_array_length(ids); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));

		if (may_go(service, id, err) > 0)
			json_append_string(left, id, err);
	}
	return left;
}

int service_delete_all(struct service *service, struct service_cleanup *cleanup,
		       struct oam_error *err)
{
	struct json_object *wanted = still_surplus(service, cleanup->deleted, err);
	struct report report = { .service = service, .cleanup = cleanup, .err = err };

	json_object_put(cleanup->deleted);
	cleanup->deleted = json_new_array(err);
	cleanup->failed = json_new_array(err);
	if (error_result(err) == 0) {
		service->upstream->remove_all(service->upstream, wanted, on_removed,
					      &report, err);
		mark_deleted(&report);
		log_cleanup(service, cleanup);
	}
	json_object_put(wanted);
	return error_result(err);
}

/* Everything that the upstream has but the newest `keep` and what is in use. */
static int list_surplus(struct service *service, int64_t keep, struct json_object **ids,
			struct oam_error *err)
{
	const struct upstream_page everything = { 0 };
	struct json_object *assistants;

	*ids = json_new_array(err);
	if (!*ids || service_list(service, &everything, &assistants, err))
		return -1;
	for (size_t i = (size_t)keep; i < json_object_array_length(assistants); i++) {
		const char *id = json_member_string(
			json_object_array_get_idx(assistants, i), "id");

		if (id && may_go(service, id, err) > 0)
			json_append_string(*ids, id, err);
	}
	json_object_put(assistants);
	return error_result(err);
}

int service_cleanup(struct service *service, const char *name,
		    struct service_cleanup *cleanup, struct oam_error *err)
{
	struct profile profile;

	cleanup->deleted = cleanup->failed = NULL;
	if (service_profile(service, name, &profile, err))
		return -1;
	if (cleanup->keep_count == 0)
		cleanup->keep_count = profile.keep_count >= 0
					      ? profile.keep_count
					      : service->settings->keep_count;
	if (cleanup->keep_count ==
	    0) /* automatic cleanup is off; this one was asked for */
		cleanup->keep_count = CLEANUP_KEEP_DEFAULT;
	if (cleanup->all)
		list_surplus(service, cleanup->keep_count, &cleanup->deleted, err);
	else
		store_assistant_surplus(service->store, profile.id, cleanup->keep_count,
					0, &cleanup->deleted, err);
	if (error_result(err))
		return -1;
	if (!cleanup->dry_run)
		return service_delete_all(service, cleanup, err);
	cleanup->failed = json_new_array(err);
	return error_result(err);
}
