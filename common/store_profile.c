#include <ctype.h>
#include <string.h>

#include "settings.h"
#include "store_query.h"

bool profile_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length < PROFILE_NAME_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

const char *profile_key_fault(const char *key)
{
	size_t length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_");

	if (length == 0 || key[length] != '\0' || length >= PROFILE_KEY_SIZE ||
	    isdigit((unsigned char)key[0]))
		return "only letters, digits and _ are allowed in a name";
	if (settings_is_known(key) || strncmp(key, "OAM_", 4) == 0)
		return "the name is taken by a setting of this program";
	return NULL;
}

/* clang-format off */
/* One statement for the hot path: the profile, its two ids, its lease. */
#define SELECT_PROFILE                                                            \
	"SELECT p.profile_id, p.name AS profile, p.env_key, p.interval_ms, "      \
	"       coalesce(p.keep_count, -1), p.refreshed_at, p.retry_at, "         \
	"       p.failures, p.failed_at, p.last_error, c.id, v.id, l.expires_at, " \
	"       EXISTS (SELECT 1 FROM rotation r "                                \
	"                WHERE r.profile_id = p.profile_id "                      \
	"                  AND r.ended_at IS NULL), "                             \
	"       p.verified_at, coalesce(c.upstream = 'embedded', 0), "            \
	"       p.publish_at, p.publish_failures, p.publish_error, "              \
	"       p.published_id, p.assistants, "                                   \
	"       p.hook_at, p.hooked_id, p.hook_failures, "                        \
	"       (SELECT count(*) FROM hook h WHERE h.profile_id = p.profile_id), " \
	"       (SELECT max(failed_at) FROM hook h "                              \
	"         WHERE h.profile_id = p.profile_id), "                           \
	"       (SELECT group_concat(error, ' ') FROM hook h "                    \
	"         WHERE h.profile_id = p.profile_id) "                            \
	"  FROM profile p "                                                       \
	"  LEFT JOIN assistant c "                                                \
	"    ON c.profile_id = p.profile_id AND c.label = 'current' "             \
	"  LEFT JOIN assistant v "                                                \
	"    ON v.profile_id = p.profile_id AND v.label = 'previous' "            \
	"  LEFT JOIN lease l ON l.profile_id = p.profile_id "
/* clang-format on */

/* For is_unchanged(); to be called while the query has its row. */
static void keep(struct store *store, const struct profile *profile)
{
	store->kept = *profile;
	if (!store_file_counter(store, &store->kept_at))
		store->kept.id = 0;
}

/* True when the profile that is kept is the one of that name, and nothing was written since. */
static bool is_unchanged(const struct store *store, const char *name)
{
	uint32_t counter;

	return store->kept.id && strcmp(store->kept.name, name) == 0 &&
	       store_file_counter(store, &counter) && counter == store->kept_at;
}

static void read_hooks(struct query *q, struct profile *profile)
{
	const char *error = query_get_text(q, 26);

	profile->hook_at = query_get_integer(q, 21);
	query_copy_text(q, 22, profile->hooked, sizeof(profile->hooked));
	profile->hook_failures = query_get_integer(q, 23);
	profile->hooks_failed = query_get_integer(q, 24);
	profile->hook_failed_at = query_get_integer(q, 25);
	error_copy(profile->hook_error, sizeof(profile->hook_error), error ? error : "");
}

/* Reads the one row, if there is one, and closes. */
static int read_profile(struct query *q, struct profile *profile)
{
	bool found = query_row(q);

	*profile = (struct profile){ 0 };
	if (found) {
		profile->id = query_get_integer(q, 0);
		query_copy_text(q, 1, profile->name, sizeof(profile->name));
		query_copy_text(q, 2, profile->env_key, sizeof(profile->env_key));
		profile->interval = query_get_integer(q, 3);
		profile->keep_count = query_get_integer(q, 4);
		profile->refreshed_at = query_get_integer(q, 5);
		profile->retry_at = query_get_integer(q, 6);
		profile->failures = query_get_integer(q, 7);
		profile->failed_at = query_get_integer(q, 8);
		query_copy_text(q, 9, profile->last_error, sizeof(profile->last_error));
		query_copy_text(q, 10, profile->current, sizeof(profile->current));
		query_copy_text(q, 11, profile->previous, sizeof(profile->previous));
		profile->lease_until = query_get_integer(q, 12);
		profile->unfinished = query_get_integer(q, 13) != 0;
		profile->verified_at = query_get_integer(q, 14);
		profile->current_is_hosted = query_get_integer(q, 15) != 0;
		profile->publish_at = query_get_integer(q, 16);
		profile->publish_failures = query_get_integer(q, 17);
		query_copy_text(q, 18, profile->publish_error,
				sizeof(profile->publish_error));
		query_copy_text(q, 19, profile->published, sizeof(profile->published));
		profile->assistants = query_get_integer(q, 20);
		read_hooks(q, profile);
		keep(q->store, profile);
	}
	return query_close(q) ? -1 : found;
}

int store_profile_find(struct store *store, const char *name, struct profile *profile,
		       struct oam_error *err)
{
	struct query q;

	if (is_unchanged(store, name)) {
		*profile = store->kept;
		return 1;
	}
	query_open(&q, store, SELECT_PROFILE "WHERE p.name = ?", err);
	query_text(&q, 1, name);
	return read_profile(&q, profile);
}

int store_profile_get(struct store *store, int64_t id, struct profile *profile,
		      struct oam_error *err)
{
	struct query q;

	query_open(&q, store, SELECT_PROFILE "WHERE p.profile_id = ?", err);
	query_integer(&q, 1, id);
	return read_profile(&q, profile);
}

int store_profile_next(struct store *store, int64_t after, struct profile *profile,
		       struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   SELECT_PROFILE "WHERE p.profile_id > ? ORDER BY p.profile_id LIMIT 1",
		   err);
	query_integer(&q, 1, after);
	return read_profile(&q, profile);
}

int store_profile_add(struct store *store, const char *name, struct json_object *config,
		      const char *env_key, int64_t now, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "INSERT INTO profile (name, config, env_key, made_at) "
		   "VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
		   err);
	query_text(&q, 1, name);
	query_json(&q, 2, config);
	query_text(&q, 3, env_key);
	query_integer(&q, 4, now);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_config(struct store *store, int64_t profile,
			 struct json_object **config, struct oam_error *err)
{
	struct query q;

	*config = NULL;
	query_open(&q, store, "SELECT config FROM profile WHERE profile_id = ?", err);
	query_integer(&q, 1, profile);
	if (query_row(&q))
		*config = query_get_json(&q, 0);
	if (query_close(&q))
		return -1;
	return *config ? 0 : error_set(err, INTERNAL, NULL);
}

int store_profile_set_config(struct store *store, int64_t profile,
			     struct json_object *config, struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "UPDATE profile SET config = ? WHERE profile_id = ?", err);
	query_json(&q, 1, config);
	query_integer(&q, 2, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

/* Runs an UPDATE of one column of a profile: `SET column = ?1 … WHERE profile_id = ?2`. */
static int set_integer(struct store *store, const char *sql, int64_t value,
		       int64_t profile, struct oam_error *err)
{
	struct query q;

	query_open(&q, store, sql, err);
	query_integer(&q, 1, value);
	query_integer(&q, 2, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_set_interval(struct store *store, int64_t profile, int64_t interval,
			       struct oam_error *err)
{
	return set_integer(store,
			   "UPDATE profile SET interval_ms = ? WHERE profile_id = ?",
			   interval, profile, err);
}

int store_profile_set_keep_count(struct store *store, int64_t profile, int64_t keep_count,
				 struct oam_error *err)
{
	return set_integer(
		store,
		"UPDATE profile SET keep_count = nullif(?, -1) WHERE profile_id = ?",
		keep_count, profile, err);
}

int store_profile_key_owner(struct store *store, const char *env_key, const char *but,
			    char name[PROFILE_NAME_SIZE], struct oam_error *err)
{
	struct query q;
	bool found;

	query_open(&q, store,
		   "SELECT name FROM profile WHERE env_key = ? COLLATE NOCASE "
		   "AND name <> ? LIMIT 1",
		   err);
	query_text(&q, 1, env_key);
	query_text(&q, 2, but);
	found = query_row(&q);
	if (found)
		query_copy_text(&q, 0, name, PROFILE_NAME_SIZE);
	return query_close(&q) ? -1 : found;
}

int store_profile_set_key(struct store *store, int64_t profile, const char *env_key,
			  struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "UPDATE profile SET env_key = ? WHERE profile_id = ?", err);
	query_text(&q, 1, env_key);
	query_integer(&q, 2, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

/* One statement about a profile, without a result. */
static int run_for(struct store *store, int64_t profile, const char *sql,
		   struct oam_error *err)
{
	struct query q;

	query_open(&q, store, sql, err);
	query_integer(&q, 1, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_remove(struct store *store, int64_t profile, int64_t now,
			 struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE assistant SET profile_id = NULL, updated_at = ?2, "
		   "label = iif(label = 'deleted', 'deleted', 'unmanaged') "
		   "WHERE profile_id = ?1",
		   err);
	query_integer(&q, 1, profile);
	query_integer(&q, 2, now);
	query_run(&q);
	run_for(store, profile, "DELETE FROM rotation WHERE profile_id = ?", err);
	run_for(store, profile, "DELETE FROM lease WHERE profile_id = ?", err);
	run_for(store, profile, "DELETE FROM hook WHERE profile_id = ?", err);
	return run_for(store, profile, "DELETE FROM profile WHERE profile_id = ?", err);
}

int store_profile_publish_at(struct store *store, int64_t profile, int64_t at,
			     struct oam_error *err)
{
	/*
	 * Never the value of before: so whoever publishes now notices that it is due
	 * again.
	 */
	return set_integer(store,
			   "UPDATE profile SET publish_at = ?1 + (publish_at = ?1), "
			   "publish_failures = 0, publish_error = NULL "
			   "WHERE profile_id = ?2",
			   at, profile, err);
}

int store_profile_published(struct store *store, const struct profile *profile,
			    bool with_hooks, int64_t now, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE profile SET published_id = ?1, "
		   "publish_at = iif(publish_at = ?2, 0, publish_at), "
		   "publish_failures = 0, publish_error = NULL, "
		   "hook_at = iif(?3 AND hooked_id IS NOT ?1, ?4, hook_at), "
		   "hook_failures = iif(hooked_id IS ?1, hook_failures, 0) "
		   "WHERE profile_id = ?5",
		   err);
	query_text(&q, 1, profile->current);
	query_integer(&q, 2, profile->publish_at);
	query_integer(&q, 3, with_hooks);
	query_integer(&q, 4, now);
	query_integer(&q, 5, profile->id);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_publish_failed(struct store *store, int64_t profile,
				 const char *message, int64_t retry_at,
				 struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE profile SET publish_at = ?, publish_error = ?, "
		   "publish_failures = publish_failures + 1 WHERE profile_id = ?",
		   err);
	query_integer(&q, 1, retry_at);
	query_text(&q, 2, message);
	query_integer(&q, 3, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_refreshed(struct store *store, int64_t profile, int64_t now,
			    struct oam_error *err)
{
	struct query q;

	query_open(
		&q, store,
		"UPDATE profile SET refreshed_at = ?1, verified_at = ?1, failures = 0, "
		"last_error = NULL, failed_at = NULL, retry_at = 0 "
		"WHERE profile_id = ?2",
		err);
	query_integer(&q, 1, now);
	query_integer(&q, 2, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

int store_profile_verified(struct store *store, int64_t profile, int64_t now,
			   struct oam_error *err)
{
	return set_integer(store,
			   "UPDATE profile SET verified_at = ? WHERE profile_id = ?", now,
			   profile, err);
}

int store_profile_failed(struct store *store, int64_t profile, const char *message,
			 int64_t now, int64_t retry_at, struct oam_error *err)
{
	struct query q;

	query_open(&q, store,
		   "UPDATE profile SET failures = failures + 1, last_error = ?, "
		   "failed_at = ?, retry_at = ? WHERE profile_id = ?",
		   err);
	query_text(&q, 1, message);
	query_integer(&q, 2, now);
	query_integer(&q, 3, retry_at);
	query_integer(&q, 4, profile);
	return query_run(&q) < 0 ? -1 : 0;
}

static int count_by(struct store *store, const char *sql, int64_t profile,
		    store_count *visit, void *context, struct oam_error *err)
{
	struct query q;

	query_open(&q, store, sql, err);
	query_integer(&q, 1, profile);
	while (query_row(&q)) {
		const char *kind = query_get_text(&q, 0);

		if (kind)
			visit(kind, query_get_integer(&q, 1), context);
	}
	return query_close(&q);
}

int store_count_assistants(struct store *store, int64_t profile, store_count *visit,
			   void *context, struct oam_error *err)
{
	return count_by(store,
			"SELECT label, count(*) FROM assistant "
			"WHERE profile_id = ? AND label <> 'deleted' GROUP BY label",
			profile, visit, context, err);
}

int store_count_rotations(struct store *store, int64_t profile, store_count *visit,
			  void *context, struct oam_error *err)
{
	return count_by(store,
			"SELECT coalesce(outcome, 'running'), count(*) FROM rotation "
			"WHERE profile_id = ? GROUP BY outcome",
			profile, visit, context, err);
}
