/* Hooks that failed when they ran last. */
#include "store_query.h"

static int forget(struct store *store, int64_t profile, const char *stage,
		  struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "DELETE FROM hook WHERE profile_id = ? AND stage = ?", err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, stage);
	return query_run(&q) < 0 ? -1 : 0;
}

static int add(struct store *store, int64_t profile, const char *stage,
	       struct json_object *failure, int64_t now, struct oam_error *err)
{
	struct query q;

	/* query_text() makes NULL of "", which is the folder's name here. */
	query_open(&q, store,
		   "INSERT OR REPLACE INTO hook "
		   "(profile_id, stage, name, error, failed_at) "
		   "VALUES (?, ?, coalesce(?, ''), ?, ?)",
		   err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, stage);
	query_text(&q, 3, json_member_string(failure, "name"));
	query_text(&q, 4, json_member_string(failure, "error"));
	query_integer(&q, 5, now);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_hook_results(struct store *store, int64_t profile, const char *stage,
		       struct json_object *failed, int64_t now, struct oam_error *err)
{
	forget(store, profile, stage, err);
	for (size_t i = 0; i < json_object_array_length(failed); i++)
		add(store, profile, stage, json_object_array_get_idx(failed, i), now,
		    err);
	return error_result(err);
}

int store_hook_failed(struct store *store, int64_t profile, const char *stage,
		      struct json_object **names, struct oam_error *err)
{
	struct query q;

	*names = json_new_array(err);
	query_open(&q, store, "SELECT name FROM hook WHERE profile_id = ? AND stage = ?",
		   err);
	query_integer(&q, 1, profile);
	query_text(&q, 2, stage);
	while (query_row(&q))
		json_append_string(*names, query_get_text(&q, 0), err);
	if (query_close(&q) == 0)
		return 0;
	json_object_put(*names);
	*names = NULL;
	return -1;
}

int store_profile_hook_at(struct store *store, int64_t profile, int64_t at,
			  struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "UPDATE profile SET hook_at = ? WHERE profile_id = ?", err);
	query_integer(&q, 1, at);
	query_integer(&q, 2, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_hooked(struct store *store, int64_t profile, const char *id,
			 int64_t retry_at, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE profile SET hooked_id = ?1, hook_at = ?2, "
		   "hook_failures = iif(?2 > 0, hook_failures + 1, 0) "
		   "WHERE profile_id = ?3",
		   err);
	query_text(&q, 1, id);
	query_integer(&q, 2, retry_at);
	query_integer(&q, 3, profile);
	return query_run(&q) < 0 ? -1 : 0;
}
