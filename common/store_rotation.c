#include "store_query.h"

void rotation_release(struct rotation *rotation)
{
	json_object_put(rotation->overrides);
	*rotation = (struct rotation){ 0 };
}

int store_rotation_start(struct store *store, int64_t profile, const char *reason,
			 const char *nonce, struct json_object *overrides,
			 const char *old_id, int64_t now, int64_t *rotation,
			 struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "INSERT INTO rotation "
		   "(profile_id, reason, nonce, old_id, started_at, overrides) "
		   "VALUES (?, ?, ?, ?, ?, ?)",
		   err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, reason);
	query_text(&q, 3, nonce);
	query_text(&q, 4, old_id);
	query_integer(&q, 5, now);
	if (overrides)
		query_json(&q, 6, overrides);
	if (query_run(&q) < 0)
		return -1;
	*rotation = sqlite3_last_insert_rowid(store->db);
	return 0;
}

int store_rotation_created(struct store *store, int64_t rotation, const char *new_id,
			   struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "UPDATE rotation SET new_id = ? WHERE rotation_id = ?",
		   err);
	query_text(&q, 1, new_id);
	query_integer(&q, 2, rotation);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_rotation_end(struct store *store, int64_t rotation, const char *outcome,
		       const struct oam_error *cause, int64_t now, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE rotation SET outcome = ?, error = ?, error_name = ?, "
		   "ended_at = ?, overrides = NULL WHERE rotation_id = ?",
		   err);
	query_text(&q, 1, outcome);
	query_text(&q, 2, cause ? cause->message : NULL);
	query_text(&q, 3, cause ? error_name(cause->code) : NULL);
	query_integer(&q, 4, now);
	query_integer(&q, 5, rotation);
	if (query_run(&q) == 0) /* recovery would find it again and again */
		error_set(err, STORE_DAMAGED, NULL, "The store",
			  "a rotation cannot be ended");
	return error_result(err);
}

int store_rotation_forget(struct store *store, int64_t rotation, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "DELETE FROM rotation WHERE outcome = 'failed' AND new_id IS NULL "
		   "AND rotation_id = (SELECT max(b.rotation_id) "
		   "  FROM rotation r JOIN rotation b ON b.profile_id = r.profile_id "
		   "    AND b.rotation_id < r.rotation_id WHERE r.rotation_id = ?)",
		   err);
	query_integer(&q, 1, rotation);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_rotation_open(struct store *store, int64_t profile, struct rotation *rotation,
			struct oam_error *err)
{
	struct query q;
	bool found;

	*rotation = (struct rotation){ 0 };
	query_open(&q, store,
		   "SELECT rotation_id, nonce, new_id, overrides, started_at "
		   "  FROM rotation "
		   "WHERE profile_id = ? AND ended_at IS NULL "
		   "ORDER BY rotation_id LIMIT 1",
		   err);
	query_integer(&q, 1, profile);
	found = query_row(&q);
	if (found) {
		rotation->id = query_get_integer(&q, 0);
		query_copy_text(&q, 1, rotation->nonce, sizeof(rotation->nonce));
		query_copy_text(&q, 2, rotation->new_id, sizeof(rotation->new_id));
		if (query_get_text(&q, 3))
			rotation->overrides = query_get_json(&q, 3);
		rotation->started_at = query_get_integer(&q, 4);
	}
	if (query_close(&q) == 0)
		return found;
	rotation_release(rotation);
	return -1;
}

int store_rotation_is_open(struct store *store, const char *nonce, struct oam_error *err)
{
	struct query q;
	bool found;

	query_open(&q, store,
		   "SELECT 1 FROM rotation WHERE nonce = ? AND ended_at IS NULL", err);
	query_text(&q, 1, nonce);
	found = query_row(&q);
	return query_close(&q) ? -1 : found;
}

int store_rotation_reason(struct store *store, int64_t profile, const char *new_id,
			  char reason[REASON_SIZE], struct oam_error *err)
{
	struct query q;
	bool found;

	query_open(&q, store,
		   "SELECT reason FROM rotation WHERE profile_id = ? AND new_id = ? "
		   "ORDER BY rotation_id DESC LIMIT 1",
		   err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, new_id);
	found = query_row(&q);
	if (found)
		query_copy_text(&q, 0, reason, REASON_SIZE);
	return query_close(&q) ? -1 : found;
}

/* A time in ms, or null. */
static int put_time(struct json_object *entry, const char *name, int64_t ms,
		    struct oam_error *err)
{
	return ms ? json_put_integer(entry, name, ms, err)
		  : json_put_null(entry, name, err);
}

static int append_rotation(struct query *q, struct json_object *history,
			   struct oam_error *err)
{
	struct json_object *entry = json_new_object(err);

	if (!entry)
		return -1;
	json_put_string(entry, "profile", query_get_text(q, 0), err);
	json_put_string(entry, "reason", query_get_text(q, 1), err);
	put_time(entry, "startedAt", query_get_integer(q, 2), err);
	put_time(entry, "endedAt", query_get_integer(q, 3), err);
	json_put_string(entry, "outcome", query_get_text(q, 4), err);
	json_put_string(entry, "previousAssistantId", query_get_text(q, 5), err);
	json_put_string(entry, "newAssistantId", query_get_text(q, 6), err);
	json_put_string(entry, "error", query_get_text(q, 7), err);
	return json_append(history, entry, err);
}

int store_rotation_history(struct store *store, int64_t profile, int64_t limit,
			   struct json_object **history, struct oam_error *err)
{
	struct query q;

	*history = json_new_array(err);
	query_open(
		&q, store,
		"SELECT p.name AS profile, r.reason, r.started_at, r.ended_at, r.outcome, "
		"       r.old_id, r.new_id, r.error "
		"  FROM rotation r JOIN profile p USING (profile_id) "
		" WHERE ?1 IN (0, profile_id) ORDER BY r.rotation_id DESC LIMIT ?2",
		err);
	query_integer(&q, 1, profile);
	query_integer(&q, 2, limit ? limit : -1);
	while (query_row(&q))
		append_rotation(&q, *history, err);
	if (query_close(&q) == 0)
		return 0;
	json_object_put(*history);
	*history = NULL;
	return -1;
}

int store_rotation_failed(struct store *store, int64_t profile, int64_t since,
			  struct oam_error *cause, struct oam_error *err)
{
	struct query q;
	bool failed;

	query_open(&q, store,
		   "SELECT outcome = 'failed', error_name, error FROM rotation "
		   "WHERE profile_id = ? AND ended_at >= ? "
		   "ORDER BY rotation_id DESC LIMIT 1",
		   err);
	query_integer(&q, 1, profile);
	query_integer(&q, 2, since);
	failed = query_row(&q) && query_get_integer(&q, 0);
	if (failed) {
		const char *name = query_get_text(&q, 1);
		const char *message = query_get_text(&q, 2);

		error_again(cause, name, message ? message : "");
	}
	return query_close(&q) ? -1 : failed;
}

/* clang-format off */
/* Hooks hear the reason of what is in use, though it may be older. */
#define OLD_ROTATIONS                                                             \
	"SELECT rotation_id FROM rotation r WHERE ended_at < ?1 "                 \
	"  AND rotation_id < (SELECT max(rotation_id) FROM rotation n "           \
	"                      WHERE n.profile_id = r.profile_id) "               \
	"  AND NOT EXISTS (SELECT 1 FROM assistant a WHERE a.id = r.new_id "      \
	"                     AND a.label IN ('current', 'previous')) LIMIT ?2"
#define OLD_ASSISTANTS                                                            \
	"SELECT seq FROM assistant WHERE deleted_at < ?1 LIMIT ?2"
/* clang-format on */

static int prune(struct store *store, const char *sql, int64_t before, int64_t limit,
		 struct oam_error *err)
{
	struct query q;

	query_open(&q, store, sql, err);
	query_integer(&q, 1, before);
	query_integer(&q, 2, limit);
	return query_run(&q);
}

/* A look first: a statement that deletes nothing locks out other writers all the same. */
static int is_any_old(struct store *store, int64_t before, struct oam_error *err)
{
	struct query q;
	bool found;

	query_open(&q, store,
		   "SELECT EXISTS (" OLD_ROTATIONS ") OR EXISTS (" OLD_ASSISTANTS ")",
		   err);
	query_integer(&q, 1, before);
	query_integer(&q, 2, 1);
	found = query_row(&q) && query_get_integer(&q, 0);
	return query_close(&q) ? -1 : found;
}

int store_history_prune(struct store *store, int64_t before, int64_t limit,
			struct oam_error *err)
{
	int found = is_any_old(store, before, err), rotations, assistants;

	if (found <= 0)
		return found;
	rotations = prune(store,
			  "DELETE FROM rotation WHERE rotation_id IN (" OLD_ROTATIONS ")",
			  before, limit, err);
	assistants = prune(store,
			   "DELETE FROM assistant WHERE seq IN (" OLD_ASSISTANTS ")",
			   before, limit, err);
	if (error_result(err))
		return -1;
	return rotations == limit || assistants == limit;
}

int store_lease_take(struct store *store, int64_t profile, const char *holder,
		     int64_t now, int64_t until, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "INSERT OR REPLACE INTO lease "
		   "(profile_id, holder, acquired_at, expires_at) VALUES (?, ?, ?, ?)",
		   err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, holder);
	query_integer(&q, 3, now);
	query_integer(&q, 4, until);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_lease_drop(struct store *store, int64_t profile, struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "DELETE FROM lease WHERE profile_id = ?", err);
	query_integer(&q, 1, profile);
	return query_run(&q) < 0 ? -1 : 0;
}
