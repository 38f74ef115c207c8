/* Cleaning up old assistants. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

#define MARK_AT_ONCE 64 /* deletions in one transaction of the store */

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
	size_t done, total;
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

/* Tells whoever waits, then does what on_removed() does. */
static void on_each(const char *id, const struct oam_error *result, void *context)
{
	struct report *report = context;
	struct service *service = report->service;

	on_removed(id, result, context);
	if (service->progress)
		service->progress(++report->done, report->total,
				  service->progress_context);
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
		report.total = json_object_array_length(wanted);
		service->upstream->remove_all(service->upstream, wanted, on_each, &report,
					      err);
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

/*
 * 1 when an assistant that the store does not know carries our tag, and no rotation is
 * making it now. Whether the store still does not know it, service_delete_all() asks.
 */
static int is_stray(struct service *service, struct json_object *assistant,
		    const char *tag, struct oam_error *err)
{
	struct json_object *metadata = json_member(assistant, "metadata");
	const char *theirs = json_member_string(metadata, ASSISTANT_META_TAG);
	const char *nonce = json_member_string(metadata, ASSISTANT_META_NONCE);
	int open;

	if (!theirs || strcmp(theirs, tag) != 0)
		return 0;
	open = nonce ? store_rotation_is_open(service->store, nonce, err) : 0;
	return open < 0 ? -1 : !open;
}

/* Adds the strays that are older than the newest `keep` of the profile and themselves. */
static int add_strays(struct service *service, const struct profile *profile,
		      int64_t keep, struct json_object *ids, struct oam_error *err)
{
	const struct upstream_page everything = { 0 };
	struct json_object *assistants;
	char tag[ASSISTANT_NONCE_SIZE];
	int64_t newer = 0;

	if (store_installation_tag(service->store, tag, err) ||
	    service_list(service, &everything, &assistants, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(assistants); i++) {
		struct json_object *assistant = json_object_array_get_idx(assistants, i);
		const char *id = json_member_string(assistant, "id");
		struct assistant row = { 0 };
		int known = store_assistant_find(service->store, id, &row, err);
		bool is_owned = known > 0 && row.profile == profile->id;

		if (known > 0)
			assistant_release(&row);
		if (known < 0)
			break;
		if (known == 0 && is_stray(service, assistant, tag, err) > 0) {
			is_owned = true;
			if (newer >= keep)
				json_append_string(ids, id, err);
		}
		newer += is_owned;
	}
	json_object_put(assistants);
	return error_result(err);
}

/* Moves all elements to the end of another array; takes `from` over. */
static void move_all(struct json_object *from, struct json_object *to,
		     struct oam_error *err)
{
	for (size_t i = 0; from && i < json_object_array_length(from); i++)
		json_append(to, json_object_get(json_object_array_get_idx(from, i)), err);
	json_object_put(from);
}

/* After what the store knows is gone, so that few pages are left to look at. */
static int delete_strays(struct service *service, const struct profile *profile,
			 struct service_cleanup *cleanup, struct oam_error *err)
{
	struct service_cleanup strays = { .deleted = json_new_array(err) };

	if (strays.deleted &&
	    add_strays(service, profile, cleanup->keep_count, strays.deleted, err) == 0 &&
	    json_object_array_length(strays.deleted) > 0)
		service_delete_all(service, &strays, err);
	move_all(strays.deleted, cleanup->deleted, err);
	move_all(strays.failed, cleanup->failed, err);
	return error_result(err);
}

int service_clean(struct service *service, const struct profile *profile,
		  int64_t spare_previous_since, struct service_cleanup *cleanup,
		  struct oam_error *err)
{
	bool has_strays = service->settings->base_url != NULL;

	if (store_assistant_surplus(service->store, profile->id, cleanup->keep_count,
				    spare_previous_since, &cleanup->deleted, err))
		return -1;
	if (!cleanup->dry_run) {
		if (service_delete_all(service, cleanup, err))
			return -1;
		return has_strays ? delete_strays(service, profile, cleanup, err) : 0;
	}
	cleanup->failed = json_new_array(err);
	if (has_strays)
		add_strays(service, profile, cleanup->keep_count, cleanup->deleted, err);
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
	if (!cleanup->all)
		return service_clean(service, &profile, 0, cleanup, err);
	if (list_surplus(service, cleanup->keep_count, &cleanup->deleted, err))
		return -1;
	if (!cleanup->dry_run)
		return service_delete_all(service, cleanup, err);
	cleanup->failed = json_new_array(err);
	return error_result(err);
}
