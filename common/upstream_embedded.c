/*
 * The embedded upstream: hosts assistants in the store, as OpenAI did on its servers.
 *
 * It knows nothing of profiles. What it creates is 'unmanaged' until the service makes it
 * a profile's own; so both upstreams look the same from above.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "upstream.h"

/* Bounds of one transaction and of one query, for which others may have to wait. */
#define REMOVED_AT_ONCE 1000
#define READ_AT_ONCE    100
#define READ_BYTES      ((size_t)1024 * 1024)

static int embedded_create(struct upstream *upstream, struct json_object *config,
			   struct json_object **assistant, struct oam_error *err)
{
	struct json_object *kept = NULL;
	char id[ASSISTANT_ID_SIZE];
	int64_t now = clock_now();

	*assistant = NULL;
	if (assistant_check(config, ASSISTANT_CREATE, "", err) == 0 &&
	    assistant_id_make(id, err) == 0)
		kept = assistant_merge(config, NULL, err);
	if (kept &&
	    store_assistant_add(upstream->store, id, upstream->name, kept, now, err) == 0)
		*assistant = assistant_object(id, now, kept, err);
	json_object_put(kept);
	return *assistant ? 0 : -1;
}

/* Finds a row that this upstream still hosts; the store has those of other servers too. */
static int find(struct upstream *upstream, const char *id, struct assistant *row,
		struct oam_error *err)
{
	int found = store_assistant_find(upstream->store, id, row, err);

	if (found < 0)
		return -1;
	if (found && row->label != LABEL_DELETED &&
	    strcmp(row->upstream, upstream->name) == 0)
		return 0;
	if (found)
		assistant_release(row);
	return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
}

static int embedded_retrieve(struct upstream *upstream, const char *id,
			     struct json_object **assistant, struct oam_error *err)
{
	struct assistant row;

	*assistant = NULL;
	if (find(upstream, id, &row, err))
		return -1;
	*assistant = assistant_object(row.id, row.created_at, row.config, err);
	assistant_release(&row);
	return *assistant ? 0 : -1;
}

/*
 * Reads and writes in one transaction, the caller's if he has one, so that no concurrent
 * change is lost.
 */
static int embedded_modify(struct upstream *upstream, const char *id,
			   struct json_object *changes, struct json_object **assistant,
			   struct oam_error *err)
{
	struct store *store = upstream->store;
	bool is_part = store_is_in_transaction(store);
	struct json_object *merged = NULL;
	struct assistant row = { 0 };

	*assistant = NULL;
	if (assistant_check(changes, ASSISTANT_MODIFY, "", err) ||
	    (!is_part && store_begin(store, err)))
		return -1;
	if (find(upstream, id, &row, err))
		goto out;
	merged = assistant_merge(row.config, changes, err);
	if (!merged || assistant_check(merged, ASSISTANT_CREATE, "", err))
		goto out;
	*assistant = assistant_object(row.id, row.created_at, merged, err);
	if (*assistant)
		store_assistant_set_config(store, id, merged, clock_now(), err);
	if (!is_part && error_result(err) == 0)
		store_commit(store, err);
out:
	if (!is_part)
		store_rollback(store);
	if (error_result(err)) {
		json_object_put(*assistant);
		*assistant = NULL;
	}
	json_object_put(merged);
	assistant_release(&row);
	return error_result(err);
}

static int embedded_remove(struct upstream *upstream, const char *id,
			   struct oam_error *err)
{
	struct assistant row;
	int changed;

	if (find(upstream, id, &row, err))
		return -1;
	assistant_release(&row);
	changed = store_assistant_delete(upstream->store, id, clock_now(), err);
	if (changed < 0)
		return -1;
	return changed ? 0 : error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
}

static const char *id_at(struct json_object *ids, size_t index)
{
	return json_object_get_string(json_object_array_get_idx(ids, index));
}

/* One transaction: a commit waits for the disk, and one can carry many. */
static int remove_some(struct upstream *upstream, struct json_object *ids, size_t first,
		       const struct upstream_remover *remover, struct oam_error *err)
{
	struct store *store = upstream->store;
	size_t count = json_object_array_length(ids) - first;
	struct oam_error result = { 0 };
	bool removed[REMOVED_AT_ONCE] = { false };

	if (count > REMOVED_AT_ONCE)
		count = REMOVED_AT_ONCE;
	if (store_begin(store, err))
		return -1;
	for (size_t i = 0; !error_result(err) && i < count; i++) {
		const char *id = id_at(ids, first + i);

		removed[i] = remover->may(id, remover->context, err) > 0;
		if (removed[i])
			store_assistant_delete(store, id, clock_now(), err);
	}
	if (error_result(err) == 0)
		store_commit(store, err);
	store_rollback(store);
	for (size_t i = 0; !error_result(err) && i < count; i++)
		if (removed[i])
			remover->done(id_at(ids, first + i), &result, remover->context);
	return error_result(err);
}

static int embedded_remove_all(struct upstream *upstream, struct json_object *ids,
			       const struct upstream_remover *remover,
			       struct oam_error *err)
{
	size_t count = json_object_array_length(ids);

	for (size_t i = 0; !error_result(err) && i < count; i += REMOVED_AT_ONCE)
		remove_some(upstream, ids, i, remover, err);
	return error_result(err);
}

/* Rows that were read together. */
struct rows {
	struct json_object *assistants;
	size_t bytes;
};

/* 1 when these are enough for once. */
static int collect(const struct assistant *row, void *context, struct oam_error *err)
{
	struct rows *rows = context;

	rows->bytes += row->size;
	if (json_append(rows->assistants,
			assistant_object(row->id, row->created_at, row->config, err),
			err))
		return -1;
	return rows->bytes >= READ_BYTES ||
	       json_object_array_length(rows->assistants) >= READ_AT_ONCE;
}

/*
 * Reads the next rows of the page, visits them, and moves page->after and page->limit on.
 * 1 when the page is over.
 */
static int visit_some(struct upstream *upstream, struct store_page *page,
		      char after[ASSISTANT_ID_SIZE], upstream_visit *visit, void *context,
		      struct oam_error *err)
{
	struct rows rows = { .assistants = json_new_array(err) };
	size_t count = 0;
	int over = 0;

	if (rows.assistants &&
	    store_assistant_page(upstream->store, page, collect, &rows, err) == 0)
		count = json_object_array_length(rows.assistants);
	for (size_t i = 0; over == 0 && i < count; i++) {
		struct json_object *assistant = json_object_array_get_idx(rows.assistants,
									  i);

		snprintf(after, ASSISTANT_ID_SIZE, "%s",
			 json_member_string(assistant, "id"));
		over = visit(assistant, context, err);
	}
	json_object_put(rows.assistants);
	page->after = after;
	if (page->limit && (page->limit -= (int64_t)count) == 0)
		over = 1;
	if (count < READ_AT_ONCE && rows.bytes < READ_BYTES)
		over = 1;
	return error_result(err) ? -1 : over;
}

static int embedded_each(struct upstream *upstream, const struct upstream_page *page,
			 upstream_visit *visit, void *context, struct oam_error *err)
{
	struct store_page rows = {
		.upstream = upstream->name,
		.ascending = page->ascending,
		.after = page->after,
		.before = page->before,
		.limit = page->limit,
	};
	char after[ASSISTANT_ID_SIZE];
	int over;

	do
		over = visit_some(upstream, &rows, after, visit, context, err);
	while (over == 0);
	return error_result(err);
}

static int embedded_find_nonce(struct upstream *upstream, const char *nonce,
			       int64_t since, struct json_object **assistant,
			       struct oam_error *err)
{
	struct assistant row;
	int found = store_assistant_find_nonce(upstream->store, upstream->name, nonce,
					       &row, err);

	(void)since; /* the index does not need it */
	*assistant = NULL;
	if (found <= 0)
		return found;
	*assistant = assistant_object(row.id, row.created_at, row.config, err);
	assistant_release(&row);
	return error_result(err);
}

static void embedded_close(struct upstream *upstream)
{
	free(upstream);
}

int upstream_embedded_open(struct store *store, struct upstream **out,
			   struct oam_error *err)
{
	struct upstream *upstream = malloc(sizeof(*upstream));

	*out = upstream;
	if (!upstream)
		return error_set(err, NO_MEMORY, NULL);
	*upstream = (struct upstream){
		.name = UPSTREAM_EMBEDDED,
		.store = store,
		.create = embedded_create,
		.retrieve = embedded_retrieve,
		.modify = embedded_modify,
		.remove = embedded_remove,
		.remove_all = embedded_remove_all,
		.each = embedded_each,
		.find_nonce = embedded_find_nonce,
		.close = embedded_close,
	};
	return 0;
}
