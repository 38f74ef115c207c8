#include <stdlib.h>
#include <string.h>

#include "store_query.h"

static const char *const labels[] = {
	[LABEL_UNMANAGED] = "unmanaged", [LABEL_PENDING] = "pending",
	[LABEL_CURRENT] = "current",     [LABEL_PREVIOUS] = "previous",
	[LABEL_RETIRED] = "retired",     [LABEL_DELETED] = "deleted",
};

static enum assistant_label label_of(const char *text)
{
	enum assistant_label label = LABEL_UNMANAGED;

	while (label < LABEL_DELETED && (!text || strcmp(labels[label], text) != 0))
		label++;
	return label;
}

void assistant_release(struct assistant *assistant)
{
	free(assistant->upstream);
	json_object_put(assistant->config);
	*assistant = (struct assistant){ 0 };
}

#define ASSISTANT_COLUMNS \
	"id, profile_id, label, created_at, updated_at, upstream, config"

static void read_columns(struct query *q, struct assistant *assistant)
{
	const char *upstream;

	query_copy_text(q, 0, assistant->id, sizeof(assistant->id));
	assistant->profile = query_get_integer(q, 1);
	assistant->label = label_of(query_get_text(q, 2));
	assistant->created_at = query_get_integer(q, 3);
	assistant->updated_at = query_get_integer(q, 4);
	upstream = query_get_text(q, 5);
	assistant->upstream = upstream ? strdup(upstream) : NULL;
	if (!assistant->upstream)
		error_set(q->err, NO_MEMORY, NULL);
	assistant->config = query_get_json(q, 6);
	assistant->size = query_get_size(q, 6);
}

static int read_one(struct query *q, struct assistant *assistant)
{
	bool found = query_row(q);

	*assistant = (struct assistant){ 0 };
	if (found)
		read_columns(q, assistant);
	if (query_close(q) == 0)
		return found;
	assistant_release(assistant);
	return -1;
}

int store_assistant_add(struct store *store, const char *id, const char *upstream,
			struct json_object *config, int64_t created_at,
			struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "INSERT INTO assistant "
		   "(id, upstream, label, config, created_at, updated_at) "
		   "VALUES (?1, ?2, 'unmanaged', ?3, ?4, ?4)",
		   err);
	query_text(&q, 1, id);
	query_text(&q, 2, upstream);
	query_json(&q, 3, config);
	query_integer(&q, 4, created_at);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_assistant_import(struct store *store, const char *id, const char *upstream,
			   struct json_object *config, int64_t created_at, int64_t now,
			   struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "INSERT INTO assistant "
		   "(id, upstream, label, config, created_at, updated_at) "
		   "VALUES (?1, ?2, 'unmanaged', ?3, ?4, ?5) "
		   "ON CONFLICT (id) DO UPDATE SET upstream = ?2, label = 'unmanaged', "
		   "  profile_id = NULL, config = ?3, created_at = ?4, updated_at = ?5, "
		   "  deleted_at = NULL "
		   "WHERE label = 'deleted'",
		   err);
	query_text(&q, 1, id);
	query_text(&q, 2, upstream);
	query_json(&q, 3, config);
	query_integer(&q, 4, created_at);
	query_integer(&q, 5, now);
	return query_run(&q);
}

int store_assistant_find(struct store *store, const char *id, struct assistant *assistant,
			 struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "SELECT " ASSISTANT_COLUMNS " FROM assistant WHERE id = ?",
		   err);
	query_text(&q, 1, id);
	return read_one(&q, assistant);
}

int store_assistant_find_nonce(struct store *store, const char *upstream,
			       const char *nonce, struct assistant *assistant,
			       struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "SELECT " ASSISTANT_COLUMNS " FROM assistant "
		   "WHERE json_extract(config, '$.metadata.oam_nonce') = ? "
		   "AND upstream = ? AND label <> 'deleted' ORDER BY seq LIMIT 1",
		   err);
	query_text(&q, 1, nonce);
	query_text(&q, 2, upstream);
	return read_one(&q, assistant);
}

int store_assistant_set_config(struct store *store, const char *id,
			       struct json_object *config, int64_t now,
			       struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE assistant SET config = ?, updated_at = ? "
		   "WHERE id = ? AND label <> 'deleted'",
		   err);
	query_json(&q, 1, config);
	query_integer(&q, 2, now);
	query_text(&q, 3, id);
	return query_run(&q);
}

int store_assistant_delete(struct store *store, const char *id, int64_t now,
			   struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE assistant SET label = 'deleted', deleted_at = ?1, "
		   "updated_at = ?1 WHERE id = ?2 AND label <> 'deleted'",
		   err);
	query_integer(&q, 1, now);
	query_text(&q, 2, id);
	return query_run(&q);
}

/* clang-format off */
#define IS_THEIRS "((upstream = 'embedded') = (?3 = 'embedded'))"
/* clang-format on */

int store_assistant_gone(struct store *store, const char *id, const char *upstream,
			 int64_t now, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE assistant SET updated_at = ?1, "
		   "  label = iif(" IS_THEIRS ", 'deleted', 'retired'), "
		   "  deleted_at = iif(" IS_THEIRS ", ?1, NULL) "
		   "WHERE id = ?2 AND label <> 'deleted' "
		   "  AND (" IS_THEIRS " OR profile_id IS NOT NULL)",
		   err);
	query_integer(&q, 1, now);
	query_text(&q, 2, id);
	query_text(&q, 3, upstream);
	return query_run(&q);
}

int store_assistant_own(struct store *store, const char *id, const char *upstream,
			struct json_object *config, int64_t created_at, int64_t profile,
			enum assistant_label label, int64_t now, struct oam_error *err)
{
	struct query q;
	int changed;

	query_open(&q, store,
		   "INSERT INTO assistant (id, upstream, profile_id, label, config, "
		   "                       created_at, updated_at) "
		   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
		   "ON CONFLICT (id) DO UPDATE SET profile_id = ?3, label = ?4, "
		   "  config = ?5, updated_at = ?7, deleted_at = NULL "
		   "WHERE profile_id IS NULL OR profile_id = ?3",
		   err);
	query_text(&q, 1, id);
	query_text(&q, 2, upstream);
	query_integer(&q, 3, profile);
	query_text(&q, 4, labels[label]);
	query_json(&q, 5, config);
	query_integer(&q, 6, created_at);
	query_integer(&q, 7, now);
	changed = query_run(&q);
	if (changed == 0)
		return error_set(err, CONFLICT, NULL,
				 "The assistant belongs to another profile");
	return changed < 0 ? -1 : 0;
}

/* Moves what the profile has under one label to another; none is fine. */
static int relabel(struct store *store, int64_t profile, enum assistant_label from,
		   enum assistant_label to, int64_t now, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE assistant SET label = ?, updated_at = ? "
		   "WHERE profile_id = ? AND label = ?",
		   err);
	query_text(&q, 1, labels[to]);
	query_integer(&q, 2, now);
	query_integer(&q, 3, profile);
	query_text(&q, 4, labels[from]);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_assistant_promote(struct store *store, int64_t profile, const char *id,
			    int64_t now, struct oam_error *err)
{
	struct query q;

	/* In this order, so that the unique indexes hold in between. */
	if (relabel(store, profile, LABEL_PREVIOUS, LABEL_RETIRED, now, err) ||
	    relabel(store, profile, LABEL_CURRENT, LABEL_PREVIOUS, now, err))
		return -1;
	query_open(&q, store,
		   "UPDATE assistant SET label = 'current', updated_at = ? "
		   "WHERE id = ? AND profile_id = ? AND label <> 'deleted'",
		   err);
	query_integer(&q, 1, now);
	query_text(&q, 2, id);
	query_integer(&q, 3, profile);
	switch (query_run(&q)) {
	case 1:
		return 0;
	case 0:
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	default:
		return -1;
	}
}

/* ---- pages ---- */

/* Where a cursor stands in the order. Rows of deleted assistants stay, so it does too. */
static int find_cursor(struct store *store, const char *param, const char *id,
		       int64_t *created_at, int64_t *seq, struct oam_error *err)
{
	struct query q;
	bool found;

	if (!id)
		return 0;
	query_open(&q, store, "SELECT created_at, seq FROM assistant WHERE id = ?", err);
	query_text(&q, 1, id);
	found = query_row(&q);
	if (found) {
		*created_at = query_get_integer(&q, 0);
		*seq = query_get_integer(&q, 1);
	}
	if (query_close(&q))
		return -1;
	return found ? 0 : error_set(err, ASSISTANT_NOT_FOUND, param, id);
}

/* clang-format off */
/* The rows between two places of the order, both left out. */
#define BETWEEN                                                                   \
	"FROM assistant WHERE upstream = ?1 AND label <> 'deleted' "              \
	"  AND (created_at, seq) > (?2, ?3) AND (created_at, seq) < (?4, ?5) "

#define PAGE_QUERY(order)                                                         \
	"SELECT " ASSISTANT_COLUMNS " " BETWEEN                                   \
	"ORDER BY created_at " order ", seq " order " LIMIT ?6"

/* With `before` alone it is the page right before it: the last rows of the range. */
#define PAGE_BEFORE_QUERY(order, reverse)                                         \
	"SELECT " ASSISTANT_COLUMNS " FROM (SELECT seq, " ASSISTANT_COLUMNS " "   \
	BETWEEN "ORDER BY created_at " reverse ", seq " reverse " LIMIT ?6) "     \
	"ORDER BY created_at " order ", seq " order
/* clang-format on */

static const char *page_query(const struct store_page *page)
{
	if (page->before && !page->after && page->limit)
		return page->ascending ? PAGE_BEFORE_QUERY("ASC", "DESC")
				       : PAGE_BEFORE_QUERY("DESC", "ASC");
	return page->ascending ? PAGE_QUERY("ASC") : PAGE_QUERY("DESC");
}

int store_assistant_page(struct store *store, const struct store_page *page,
			 int (*visit)(const struct assistant *, void *context,
				      struct oam_error *),
			 void *context, struct oam_error *err)
{
	int64_t low[2] = { INT64_MIN, INT64_MIN }, high[2] = { INT64_MAX, INT64_MAX };
	int64_t *after = page->ascending ? low : high;
	int64_t *before = page->ascending ? high : low;
	struct query q;
	int over = 0;

	if (find_cursor(store, "after", page->after, &after[0], &after[1], err) ||
	    find_cursor(store, "before", page->before, &before[0], &before[1], err))
		return -1;
	query_open(&q, store, page_query(page), err);
	query_text(&q, 1, page->upstream);
	query_integer(&q, 2, low[0]);
	query_integer(&q, 3, low[1]);
	query_integer(&q, 4, high[0]);
	query_integer(&q, 5, high[1]);
	query_integer(&q, 6, page->limit ? page->limit : -1);
	while (over == 0 && query_row(&q)) {
		struct assistant assistant = { 0 };

		read_columns(&q, &assistant);
		if (error_result(err) == 0)
			over = visit(&assistant, context, err);
		assistant_release(&assistant);
	}
	return query_close(&q);
}

/* ---- what may go ---- */

/* clang-format off */
#define SURPLUS_QUERY(columns)                                                    \
	"SELECT " columns " FROM (SELECT id, label, updated_at FROM assistant "   \
	"  WHERE profile_id = ?1 AND label <> 'deleted' AND label <> 'pending' "  \
	"    AND (upstream = 'embedded') = (?4 = 'embedded') "                    \
	"  ORDER BY created_at DESC, seq DESC LIMIT -1 OFFSET ?2) "               \
	"WHERE label <> 'current' "                                               \
	"  AND NOT (label = 'previous' AND ?3 > 0 AND updated_at >= ?3) "         \
	/* applications still read what the files name */                         \
	"  AND id IS NOT (SELECT published_id FROM profile WHERE profile_id = ?1)"
/* clang-format on */

static void open_surplus(struct query *q, struct store *store, const char *sql,
			 const struct store_surplus *surplus, struct oam_error *err)
{
	query_open(q, store, sql, err);
	query_integer(q, 1, surplus->profile);
	query_integer(q, 2, surplus->keep);
	query_integer(q, 3, surplus->spare_previous_since);
	query_text(q, 4, surplus->upstream);
}

int store_assistant_surplus(struct store *store, const struct store_surplus *surplus,
			    struct json_object **ids, struct oam_error *err)
{
	struct query q;

	*ids = json_new_array(err);
	open_surplus(&q, store, SURPLUS_QUERY("id"), surplus, err);
	while (query_row(&q))
		json_append_string(*ids, query_get_text(&q, 0), err);
	if (query_close(&q) == 0)
		return 0;
	json_object_put(*ids);
	*ids = NULL;
	return -1;
}

int store_assistant_count_surplus(struct store *store,
				  const struct store_surplus *surplus, int64_t *count,
				  struct oam_error *err)
{
	struct query q;

	open_surplus(&q, store, SURPLUS_QUERY("count(*)"), surplus, err);
	*count = query_row(&q) ? query_get_integer(&q, 0) : 0;
	return query_close(&q);
}

int store_assistant_may_go(struct store *store, const char *id, const char *nonce,
			   struct oam_error *err)
{
	struct query q;
	bool used;

	query_open(&q, store,
		   "SELECT 1 FROM assistant a LEFT JOIN profile p USING (profile_id) "
		   "WHERE a.id = ?1 AND (a.label IN ('current', 'pending') "
		   "  OR p.published_id = a.id "
		   /* hosted here, and not recorded by its rotation yet */
		   "  OR (a.label = 'unmanaged' AND EXISTS (SELECT 1 FROM rotation r "
		   "      WHERE r.nonce = json_extract(a.config, '$.metadata.oam_nonce') "
		   "        AND r.ended_at IS NULL))) "
		   "UNION ALL "
		   "SELECT 1 FROM rotation WHERE nonce = ?2 AND ended_at IS NULL",
		   err);
	query_text(&q, 1, id);
	query_text(&q, 2, nonce);
	used = query_row(&q);
	return query_close(&q) ? -1 : !used;
}
