/* Cleaning up old assistants. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

#define MARK_AT_ONCE 64 /* deletions in one transaction of the store */

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

/* A removal that may be on its way, and the claim on its assistant. */
struct claimed {
	char id[ASSISTANT_ID_SIZE]; /* "" when this is free */
	int claim;
};

/* A cleanup while it runs. */
struct report {
	struct service *service;
	struct service_cleanup *cleanup;
	struct claimed claimed[UPSTREAM_REMOVALS_MAX]; /* over HTTP */
	size_t marked; /* how many of cleanup->deleted the store knows as deleted */
	size_t done, total;
	struct oam_error *err;
};

/* ---- claims ---- */

/* The entry of the id, or with "" a free one. NULL when there is none. */
static struct claimed *find_claimed(struct report *report, const char *id)
{
	for (size_t i = 0; i < UPSTREAM_REMOVALS_MAX; i++)
		if (strcmp(report->claimed[i].id, id) == 0)
			return &report->claimed[i];
	return NULL;
}

static void release(struct report *report, const char *id)
{
	struct claimed *claimed = find_claimed(report, id);

	if (!claimed || id[0] == '\0')
		return;
	service_claim_release(&claimed->claim);
	claimed->id[0] = '\0';
}

/* 1 with the claim, 0 when another process adopts or deletes the assistant. */
static int claim(struct report *report, const char *id, struct oam_error *err)
{
	struct claimed *claimed = find_claimed(report, "");
	int held;

	if (!claimed) /* the upstream promised not to ask for so many */
		return error_set(err, INTERNAL, NULL);
	held = service_claim_try(report->service, id, &claimed->claim, err);
	if (held > 0)
		snprintf(claimed->id, sizeof(claimed->id), "%s", id);
	return held;
}

static void tell_progress(struct report *report)
{
	struct service *service = report->service;

	if (service->progress)
		service->progress(++report->done, report->total,
				  service->progress_context);
}

/*
 * Asked right before a removal. The embedded upstream asks within the transaction that
 * removes it, which excludes an adoption; over HTTP the claim does.
 */
static int may_remove(const char *id, void *context, struct oam_error *err)
{
	struct report *report = context;
	struct service *service = report->service;
	int may = service->settings->base_url ? claim(report, id, err) : 1;

	if (may > 0)
		may = store_assistant_may_go(service->store, id, NULL, err);
	if (may > 0)
		return 1;
	release(report, id);
	tell_progress(report);
	return may;
}

/* ---- what came of it ---- */

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

		store_assistant_gone(store, json_object_get_string(id),
				     report->service->upstream->name, now, report->err);
	}
	if (error_result(report->err) == 0)
		store_commit(store, report->err);
	store_rollback(store);
	return error_result(report->err);
}

static void note(struct report *report, const char *id, const struct oam_error *result)
{
	struct json_object *deleted = report->cleanup->deleted;

	if (error_result(result) && result->code != OAM_E_ASSISTANT_NOT_FOUND) {
		put_failure(report->cleanup->failed, id, result, report->err);
		return;
	}
	json_append_string(deleted, id, report->err);
	if (json_object_array_length(deleted) - report->marked >= MARK_AT_ONCE)
		mark_deleted(report);
}

/*
 * The claim may end before the assistant is marked as deleted: nobody can adopt it in
 * between, since the server says that it is gone.
 */
static void on_removed(const char *id, const struct oam_error *result, void *context)
{
	struct report *report = context;

	release(report, id);
	note(report, id, result);
	tell_progress(report);
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

static void remove_all(struct report *report, struct json_object *ids)
{
	const struct upstream_remover remover = { .may = may_remove,
						  .done = on_removed,
						  .context = report };
	struct upstream *upstream = report->service->upstream;

	report->total = json_object_array_length(ids);
	upstream->remove_all(upstream, ids, &remover, report->err);
	for (size_t i = 0; i < UPSTREAM_REMOVALS_MAX; i++) /* it may have broken off */
		release(report, report->claimed[i].id);
	mark_deleted(report);
}

int service_delete_all(struct service *service, struct service_cleanup *cleanup,
		       struct oam_error *err)
{
	struct json_object *wanted = cleanup->deleted;
	struct report report = { .service = service, .cleanup = cleanup, .err = err };

	cleanup->deleted = json_new_array(err);
	cleanup->failed = json_new_array(err);
	if (error_result(err) == 0) {
		remove_all(&report, wanted);
		log_cleanup(service, cleanup);
	}
	json_object_put(wanted);
	return error_result(err);
}

/* ---- what may go ---- */

/* A walk over what the upstream has, newest first. Only ids are kept. */
struct selection {
	struct service *service;
	const struct profile *profile;
	const char *tag; /* of this store */
	int64_t keep, newer;
	struct json_object *ids; /* what may go */
};

static const char *nonce_of(struct json_object *assistant)
{
	return json_member_string(json_member(assistant, "metadata"),
				  ASSISTANT_META_NONCE);
}

static int select_surplus(struct json_object *assistant, void *context,
			  struct oam_error *err)
{
	struct selection *selection = context;
	const char *id = json_member_string(assistant, "id");

	if (selection->newer++ < selection->keep || !id)
		return 0;
	if (store_assistant_may_go(selection->service->store, id, nonce_of(assistant),
				   err) > 0)
		json_append_string(selection->ids, id, err);
	return error_result(err);
}

/* What is not valid is not ours, and stays; the upstream has logged it. */
static int leave_invalid(struct json_object *assistant, void *context,
			 struct oam_error *err)
{
	(void)assistant;
	(void)context;
	(void)err;
	return 0;
}

/* Everything that the upstream has but the newest `keep` and what is in use. */
static int list_surplus(struct service *service, int64_t keep, struct json_object **ids,
			struct oam_error *err)
{
	const struct upstream_page everything = { .invalid = leave_invalid };
	struct selection selection = { .service = service,
				       .keep = keep,
				       .ids = json_new_array(err) };

	*ids = selection.ids;
	if (!*ids)
		return -1;
	return service_each(service, &everything, select_surplus, &selection, err);
}

/*
 * True when an assistant that the store does not know carries our tag, and no rotation is
 * making it now. Whether the store still does not know it, may_remove() asks.
 */
static bool is_stray(const struct selection *selection, struct json_object *assistant,
		     const char *id, struct oam_error *err)
{
	const char *tag = json_member_string(json_member(assistant, "metadata"),
					     ASSISTANT_META_TAG);

	if (!tag || strcmp(tag, selection->tag) != 0)
		return false;
	return store_assistant_may_go(selection->service->store, id, nonce_of(assistant),
				      err) > 0;
}

static int select_stray(struct json_object *assistant, void *context,
			struct oam_error *err)
{
	struct selection *selection = context;
	const char *id = json_member_string(assistant, "id");
	struct assistant row = { 0 };
	int known = id ? store_assistant_find(selection->service->store, id, &row, err)
		       : -1;
	bool is_owned = known > 0 && row.profile == selection->profile->id;

	if (known > 0)
		assistant_release(&row);
	if (known == 0 && is_stray(selection, assistant, id, err)) {
		is_owned = true;
		if (selection->newer >= selection->keep)
			json_append_string(selection->ids, id, err);
	}
	selection->newer += is_owned;
	return error_result(err);
}

/* Adds the strays that are older than the newest `keep` of the profile and themselves. */
static int add_strays(struct service *service, const struct profile *profile,
		      int64_t keep, struct json_object *ids, struct oam_error *err)
{
	const struct upstream_page everything = { .invalid = leave_invalid };
	char tag[ASSISTANT_NONCE_SIZE];
	struct selection selection = { .service = service,
				       .profile = profile,
				       .tag = tag,
				       .keep = keep,
				       .ids = ids };

	if (store_installation_tag(service->store, tag, err))
		return -1;
	return service_each(service, &everything, select_stray, &selection, err);
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
	const struct store_surplus surplus = {
		.profile = profile->id,
		.upstream = service->upstream->name,
		.keep = cleanup->keep_count,
		.spare_previous_since = spare_previous_since,
	};

	if (store_assistant_surplus(service->store, &surplus, &cleanup->deleted, err))
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
