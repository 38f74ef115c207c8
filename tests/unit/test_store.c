/* store: what the SQL promises, and that every failure leaves the store as it was. */
#include <sqlite3.h>

#include "temp_store.h"

static int setup(void **state)
{
	struct temp_store *temp = calloc(1, sizeof(*temp));

	temp_store_open(temp);
	*state = temp;
	return 0;
}

static int teardown(void **state)
{
	temp_store_close(*state);
	free(*state);
	return 0;
}

static struct store *store_of(void **state)
{
	return ((struct temp_store *)*state)->store;
}

static struct profile add_profile(struct store *store, const char *name)
{
	struct json_object *config = parse("{\"model\":\"gpt-4o\"}");
	struct oam_error err = { 0 };
	struct profile profile;
	char key[64];

	snprintf(key, sizeof(key), "KEY_%s", name);
	assert_ok(store_profile_add(store, name, config, key, 1, &err));
	assert_int_equal(store_profile_find(store, name, &profile, &err), 1);
	json_object_put(config);
	return profile;
}

static void add(struct store *store, const char *id, int64_t created_at)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	assert_ok(store_assistant_add(store, id, "embedded", config, created_at, &err));
	json_object_put(config);
}

static void own(struct store *store, const char *id, int64_t profile, int64_t created_at)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	assert_ok(store_assistant_own(store, id, "embedded", config, created_at, profile,
				      LABEL_PENDING, created_at, &err));
	json_object_put(config);
}

static void promote(struct store *store, const char *id, int64_t profile, int64_t now)
{
	struct oam_error err = { 0 };

	assert_ok(store_begin(store, &err));
	assert_ok(store_assistant_promote(store, profile, id, now, &err));
	assert_ok(store_commit(store, &err));
}

static enum assistant_label label_of(struct store *store, const char *id)
{
	struct oam_error err = { 0 };
	struct assistant row;

	assert_int_equal(store_assistant_find(store, id, &row, &err), 1);
	enum assistant_label label = row.label;

	assistant_release(&row);
	return label;
}

static void test_migration_is_recorded_and_idempotent(void **state)
{
	struct temp_store *temp = *state;
	struct oam_error err = { 0 };
	char tag[ASSISTANT_NONCE_SIZE], again[ASSISTANT_NONCE_SIZE];
	int from, to;

	assert_ok(store_installation_tag(temp->store, tag, &err));
	assert_ok(store_migrate(temp->path, &from, &to, &err));
	assert_int_equal(from, to);
	assert_ok(store_installation_tag(temp->store, again, &err));
	assert_string_equal(tag, again);
	assert_int_equal(strlen(tag), ASSISTANT_NONCE_LENGTH);
}

static void test_open_without_a_file(void **state)
{
	struct oam_error err = { 0 };
	struct store *store;

	(void)state;
	assert_int_equal(store_open("/nonexistent/oam.db", &store, &err), -1);
	assert_int_equal(err.code, OAM_E_STORE_SCHEMA);
	assert_null(strstr(err.message, "/nonexistent")); /* paths are for the log */
	assert_null(store);
}

static void test_profile_names(void **state)
{
	char longest[PROFILE_NAME_SIZE + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[PROFILE_NAME_SIZE] = '\0';
	assert_false(profile_name_is_valid(longest));
	longest[PROFILE_NAME_SIZE - 1] = '\0';
	assert_true(profile_name_is_valid(longest));
	assert_true(profile_name_is_valid("a-b_9"));
	assert_false(profile_name_is_valid(""));
	assert_false(profile_name_is_valid("A"));
	assert_false(profile_name_is_valid("a b"));
	assert_false(profile_name_is_valid("a\n"));
	assert_false(profile_name_is_valid("\xc3\xa4"));
}

static void test_profile_round_trip(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct json_object *config = parse("{\"model\":\"x\",\"name\":\"N\"}"), *read;
	struct oam_error err = { 0 };

	assert_int_equal(profile.interval, 86400000);
	assert_int_equal(profile.keep_count, -1);
	assert_int_equal(profile.refreshed_at, 0);
	assert_string_equal(profile.current, "");
	assert_false(profile.unfinished);
	assert_ok(store_profile_set_interval(store, profile.id, 60000, &err));
	assert_ok(store_profile_set_config(store, profile.id, config, &err));
	assert_ok(store_profile_failed(store, profile.id, "broken", 5, 9, &err));
	assert_int_equal(store_profile_find(store, "one", &profile, &err), 1);
	assert_int_equal(profile.interval, 60000);
	assert_int_equal(profile.failures, 1);
	assert_int_equal(profile.retry_at, 9);
	assert_string_equal(profile.last_error, "broken");
	assert_ok(store_profile_config(store, profile.id, &read, &err));
	assert_int_equal(json_object_equal(config, read), 1);
	assert_ok(store_profile_refreshed(store, profile.id, 77, &err));
	assert_int_equal(store_profile_find(store, "one", &profile, &err), 1);
	assert_int_equal(profile.failures, 0);
	assert_int_equal(profile.refreshed_at, 77);
	assert_string_equal(profile.last_error, "");
	json_object_put(config);
	json_object_put(read);
}

static void test_profile_unknown_and_next(void **state)
{
	struct store *store = store_of(state);
	struct profile one = add_profile(store, "one"), two = add_profile(store, "two"),
		       p;
	struct oam_error err = { 0 };

	assert_int_equal(store_profile_find(store, "none", &p, &err), 0);
	assert_int_equal(store_profile_next(store, 0, &p, &err), 1);
	assert_int_equal(p.id, one.id);
	assert_int_equal(store_profile_next(store, one.id, &p, &err), 1);
	assert_int_equal(p.id, two.id);
	assert_int_equal(store_profile_next(store, two.id, &p, &err), 0);
}

static void test_the_store_refuses_a_short_interval(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct oam_error err = { 0 };

	assert_int_equal(store_profile_set_interval(store, profile.id, 59999, &err), -1);
	assert_int_equal(err.code, OAM_E_CONFLICT);
}

static void test_promote_moves_the_labels(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct oam_error err = { 0 };
	const char *const ids[] = { "asst_a", "asst_b", "asst_c" };

	for (int i = 0; i < 3; i++) {
		own(store, ids[i], profile.id, i + 1);
		promote(store, ids[i], profile.id, i + 1);
	}
	assert_int_equal(label_of(store, "asst_a"), LABEL_RETIRED);
	assert_int_equal(label_of(store, "asst_b"), LABEL_PREVIOUS);
	assert_int_equal(label_of(store, "asst_c"), LABEL_CURRENT);
	assert_int_equal(store_profile_find(store, "one", &profile, &err), 1);
	assert_string_equal(profile.current, "asst_c");
	assert_string_equal(profile.previous, "asst_b");
}

static void test_promote_of_a_stranger_changes_nothing(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct oam_error err = { 0 };

	own(store, "asst_a", profile.id, 1);
	promote(store, "asst_a", profile.id, 1);
	add(store, "asst_x", 2);
	assert_ok(store_begin(store, &err));
	assert_int_equal(store_assistant_promote(store, profile.id, "asst_x", 2, &err),
			 -1);
	store_rollback(store);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	assert_int_equal(label_of(store, "asst_a"), LABEL_CURRENT);
}

static void test_an_assistant_has_one_owner(void **state)
{
	struct store *store = store_of(state);
	struct profile one = add_profile(store, "one"), two = add_profile(store, "two");
	struct json_object *config = parse("{}");
	struct oam_error err = { 0 };

	own(store, "asst_a", one.id, 1);
	assert_int_equal(store_assistant_own(store, "asst_a", "embedded", config, 1,
					     two.id, LABEL_PENDING, 1, &err),
			 -1);
	assert_int_equal(err.code, OAM_E_CONFLICT);
	json_object_put(config);
}

static void test_ids_are_unique(void **state)
{
	struct store *store = store_of(state);
	struct json_object *config = parse("{}");
	struct oam_error err = { 0 };

	add(store, "asst_a", 1);
	assert_int_equal(
		store_assistant_add(store, "asst_a", "embedded", config, 2, &err), -1);
	assert_int_equal(err.code, OAM_E_CONFLICT);
	json_object_put(config);
}

static void test_deleted_rows_stay_but_do_not_change(void **state)
{
	struct store *store = store_of(state);
	struct json_object *config = parse("{\"model\":\"new\"}");
	struct oam_error err = { 0 };

	add(store, "asst_a", 1);
	assert_int_equal(store_assistant_delete(store, "asst_a", 5, &err), 1);
	assert_int_equal(store_assistant_delete(store, "asst_a", 6, &err), 0);
	assert_int_equal(store_assistant_set_config(store, "asst_a", config, 7, &err), 0);
	assert_int_equal(label_of(store, "asst_a"), LABEL_DELETED);
	json_object_put(config);
}

static void test_find_by_nonce(void **state)
{
	struct store *store = store_of(state);
	struct json_object *config = parse("{\"metadata\":{\"oam_nonce\":\"N1\"}}");
	struct oam_error err = { 0 };
	struct assistant row;

	add(store, "asst_a", 1);
	assert_ok(store_assistant_add(store, "asst_n", "embedded", config, 2, &err));
	assert_int_equal(store_assistant_find_nonce(store, "embedded", "N1", &row, &err),
			 1);
	assert_string_equal(row.id, "asst_n");
	assistant_release(&row);
	assert_int_equal(store_assistant_find_nonce(store, "elsewhere", "N1", &row, &err),
			 0);
	assert_int_equal(store_assistant_delete(store, "asst_n", 3, &err), 1);
	assert_int_equal(store_assistant_find_nonce(store, "embedded", "N1", &row, &err),
			 0);
	json_object_put(config);
}

/* ---- pages ---- */

static int collect(const struct assistant *row, void *text, struct oam_error *err)
{
	(void)err;
	strcat(text, row->id + strlen("asst_"));
	return 0;
}

static void assert_page(struct store *store, struct store_page page, const char *expected)
{
	struct oam_error err = { 0 };
	char text[256] = "";

	page.upstream = "embedded";
	assert_ok(store_assistant_page(store, &page, collect, text, &err));
	assert_string_equal(text, expected);
}

static void test_pages_in_both_orders(void **state)
{
	struct store *store = store_of(state);

	add(store, "asst_a", 10);
	add(store, "asst_b", 20);
	add(store, "asst_c", 20); /* the same time: order of arrival decides */
	add(store, "asst_d", 20);
	add(store, "asst_e", 30);
	assert_page(store, (struct store_page){ 0 }, "edcba");
	assert_page(store, (struct store_page){ .ascending = true }, "abcde");
	assert_page(store, (struct store_page){ .limit = 2 }, "ed");
	assert_page(store, (struct store_page){ .after = "asst_d", .limit = 2 }, "cb");
	assert_page(store, (struct store_page){ .after = "asst_a" }, "");
	assert_page(store, (struct store_page){ .before = "asst_c" }, "ed");
	assert_page(store, (struct store_page){ .before = "asst_b", .limit = 2 }, "dc");
	assert_page(store, (struct store_page){ .after = "asst_e", .before = "asst_b" },
		    "dc");
	assert_page(store, (struct store_page){ .ascending = true, .after = "asst_b" },
		    "cde");
	assert_page(store, (struct store_page){ .ascending = true, .before = "asst_b" },
		    "a");
}

static void test_a_cursor_outlives_its_assistant(void **state)
{
	struct store *store = store_of(state);
	struct oam_error err = { 0 };
	struct store_page page = { .upstream = "embedded", .after = "asst_never" };
	char text[64] = "";

	add(store, "asst_a", 1);
	add(store, "asst_b", 2);
	add(store, "asst_c", 3);
	assert_int_equal(store_assistant_delete(store, "asst_b", 9, &err), 1);
	assert_page(store, (struct store_page){ .after = "asst_b" }, "a");
	assert_page(store, (struct store_page){ 0 }, "ca");
	assert_int_equal(store_assistant_page(store, &page, collect, text, &err), -1);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	assert_string_equal(err.param, "after");
}

static void assert_surplus(struct store *store, int64_t profile, int64_t keep,
			   int64_t since, const char *expected)
{
	struct oam_error err = { 0 };
	const struct store_surplus surplus = { .profile = profile,
					       .upstream = "embedded",
					       .keep = keep,
					       .spare_previous_since = since };
	struct json_object *ids;
	int64_t count;

	assert_ok(store_assistant_surplus(store, &surplus, &ids, &err));
	assert_string_equal(json_text(ids), expected);
	assert_ok(store_assistant_count_surplus(store, &surplus, &count, &err));
	assert_int_equal(count, json_object_array_length(ids));
	json_object_put(ids);
}

static void test_surplus(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct oam_error err = { 0 };

	for (int i = 0; i < 5; i++) {
		char id[32];

		snprintf(id, sizeof(id), "asst_%d", i);
		own(store, id, profile.id, i + 1);
		promote(store, id, profile.id, 100 + i);
	}
	assert_surplus(store, profile.id, 3, 0, "[\"asst_1\",\"asst_0\"]");
	assert_surplus(store, profile.id, 1, 104, "[\"asst_2\",\"asst_1\",\"asst_0\"]");
	assert_surplus(store, profile.id, 1, 105,
		       "[\"asst_3\",\"asst_2\",\"asst_1\",\"asst_0\"]");
	strcpy(profile.current, "asst_1");
	assert_ok(store_profile_published(store, &profile, false, 106, &err));
	assert_surplus(store, profile.id, 3, 0, "[\"asst_0\"]");
	assert_surplus(store, profile.id, 5, 0, "[]");
}

/* A server that has never heard of what is hosted here does not delete it. */
static void test_what_another_server_denies(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct store_surplus surplus = { .profile = profile.id,
					 .upstream = "http://far.example/v1" };
	struct oam_error err = { 0 };
	int64_t count;

	own(store, "asst_a", profile.id, 1);
	promote(store, "asst_a", profile.id, 2);
	add(store, "asst_b", 1);
	assert_int_equal(store_assistant_gone(store, "asst_a", surplus.upstream, 3, &err),
			 1);
	assert_int_equal(label_of(store, "asst_a"), LABEL_RETIRED);
	assert_int_equal(store_assistant_gone(store, "asst_b", surplus.upstream, 3, &err),
			 0);
	assert_int_equal(label_of(store, "asst_b"), LABEL_UNMANAGED);
	assert_ok(store_assistant_count_surplus(store, &surplus, &count, &err));
	assert_int_equal(count, 0);
	assert_int_equal(store_assistant_gone(store, "asst_a", "embedded", 4, &err), 1);
	assert_int_equal(label_of(store, "asst_a"), LABEL_DELETED);
	assert_ok(error_result(&err));
}

/* ---- rotations ---- */

static void test_rotation_life(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 }, cause = { 0 }, again = { 0 };
	struct rotation rotation;
	int64_t id;

	assert_int_equal(store_rotation_open(store, profile.id, &rotation, &err), 0);
	assert_ok(store_rotation_start(store, profile.id, "api", "N1", config, "", 5, &id,
				       &err));
	assert_int_equal(store_profile_find(store, "one", &profile, &err), 1);
	assert_true(profile.unfinished);
	assert_int_equal(store_rotation_open(store, profile.id, &rotation, &err), 1);
	assert_string_equal(rotation.nonce, "N1");
	assert_string_equal(rotation.new_id, "");
	assert_string_equal(json_member_string(rotation.overrides, "model"), "m");
	rotation_release(&rotation);
	assert_int_equal(store_rotation_is_open(store, "N1", &err), 1);
	assert_int_equal(store_rotation_failed(store, profile.id, 0, &again, &err), 0);
	error_set(&cause, UPSTREAM_RATE_LIMITED, NULL);
	assert_ok(store_rotation_end(store, id, "failed", &cause, 9, &err));
	assert_int_equal(store_rotation_open(store, profile.id, &rotation, &err), 0);
	assert_int_equal(store_rotation_is_open(store, "N1", &err), 0);
	assert_int_equal(store_rotation_failed(store, profile.id, 9, &again, &err), 1);
	assert_int_equal(again.code, OAM_E_UPSTREAM_RATE_LIMITED);
	assert_string_equal(again.message, cause.message);
	assert_int_equal(store_rotation_failed(store, profile.id, 10, &again, &err), 0);
	json_object_put(config);
}

static int64_t count(void **state, const char *sql)
{
	struct temp_store *temp = *state;
	sqlite3_stmt *statement;
	int64_t value;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(temp->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

/* A rotation that ended at `at`, and made `new_id`; `at` 0: it did not end. */
static void rotate(struct store *store, int64_t profile, const char *new_id, int64_t at)
{
	static int number;
	struct json_object *overrides = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	char nonce[16];
	int64_t id;

	snprintf(nonce, sizeof(nonce), "n%d", ++number);
	assert_ok(store_rotation_start(store, profile, "api", nonce, overrides, "", 1,
				       &id, &err));
	assert_ok(store_rotation_created(store, id, new_id, &err));
	if (at)
		assert_ok(store_rotation_end(store, id, "done", NULL, at, &err));
	json_object_put(overrides);
}

/* Neither the overrides nor what a deleted assistant was made from are kept. */
static void test_history_has_no_configurations(void **state)
{
	struct store *store = store_of(state);
	struct profile profile = add_profile(store, "one");
	struct json_object *config = parse(
		"{\"model\":\"m\",\"name\":\"N\",\"instructions\":\"long\","
		"\"metadata\":{\"a\":\"b\"}}");
	struct oam_error err = { 0 };
	struct assistant row;

	rotate(store, profile.id, "asst_a", 5);
	rotate(store, profile.id, "asst_b", 0);
	assert_int_equal(count(state, "SELECT count(overrides) FROM rotation"), 1);
	assert_int_equal(
		count(state, "SELECT count(overrides) FROM rotation WHERE ended_at > 0"),
		0);
	assert_ok(store_assistant_add(store, "asst_a", "embedded", config, 1, &err));
	assert_int_equal(store_assistant_delete(store, "asst_a", 5, &err), 1);
	assert_int_equal(store_assistant_find(store, "asst_a", &row, &err), 1);
	assert_string_equal(json_member_string(row.config, "name"), "N");
	assert_string_equal(json_member_string(row.config, "model"), "m");
	assert_string_equal(json_member_string(json_member(row.config, "metadata"), "a"),
			    "b");
	assert_null(json_member(row.config, "instructions"));
	assistant_release(&row);
	json_object_put(config);
}

static void test_old_history_is_pruned(void **state)
{
	struct store *store = store_of(state);
	struct profile one = add_profile(store, "one"), two = add_profile(store, "two");
	struct oam_error err = { 0 };

	own(store, "asst_previous", one.id, 1);
	promote(store, "asst_previous", one.id, 1);
	own(store, "asst_current", one.id, 2);
	promote(store, "asst_current", one.id, 2);
	rotate(store, one.id, "asst_previous", 10);
	rotate(store, one.id, "asst_current", 11);
	for (int i = 0; i < 5; i++)
		rotate(store, one.id, "", 20);
	rotate(store, one.id, "", 0);  /* is on its way */
	rotate(store, two.id, "", 30); /* its only one */
	rotate(store, one.id, "", 100);
	for (int i = 0; i < 3; i++) {
		char id[16];

		snprintf(id, sizeof(id), "asst_%d", i);
		add(store, id, 1);
		assert_int_equal(store_assistant_delete(store, id, 40 + i, &err), 1);
	}
	assert_int_equal(store_history_prune(store, 20, 3, &err), 0); /* not so old */
	assert_int_equal(count(state, "SELECT count(*) FROM rotation"), 10);
	assert_int_equal(store_history_prune(store, 42, 3, &err), 1);
	assert_int_equal(count(state, "SELECT count(*) FROM rotation"), 7);
	assert_int_equal(
		count(state, "SELECT count(*) FROM assistant WHERE label = 'deleted'"),
		1);
	assert_int_equal(store_history_prune(store, 42, 3, &err), 0);
	assert_int_equal(count(state, "SELECT count(*) FROM rotation"), 5);
	assert_int_equal(store_history_prune(store, 1000, 3, &err), 0);
	assert_int_equal(count(state, "SELECT count(*) FROM rotation"), 5);
	assert_int_equal(
		count(state, "SELECT count(*) FROM rotation WHERE ended_at IS NULL"), 1);
	assert_int_equal(
		count(state, "SELECT count(*) FROM assistant WHERE label = 'deleted'"),
		0);
}

/* Who publishes clears only what was due when he looked. */
static void test_what_became_due_meanwhile_stays_due(void **state)
{
	struct store *store = store_of(state);
	struct profile one = add_profile(store, "one"), now;
	struct oam_error err = { 0 };

	strcpy(one.current, "asst_a");
	assert_ok(store_profile_publish_at(store, one.id, 7, &err));
	one.publish_at = 7;
	assert_ok(store_profile_publish_at(store, one.id, 7, &err)); /* the same ms */
	assert_ok(store_profile_published(store, &one, false, 8, &err));
	assert_int_equal(store_profile_get(store, one.id, &now, &err), 1);
	assert_string_equal(now.published, "asst_a");
	assert_int_equal(now.publish_at, 8);
	assert_ok(store_profile_published(
		store, &(struct profile){ .id = one.id, .publish_at = 8 }, false, 8,
		&err));
	assert_int_equal(store_profile_get(store, one.id, &now, &err), 1);
	assert_int_equal(now.publish_at, 0);
	assert_int_equal(store_profile_get(store, one.id + 1, &now, &err), 0);
}

static void test_a_transaction_is_all_or_nothing(void **state)
{
	struct store *store = store_of(state);
	struct oam_error err = { 0 };
	struct assistant row;

	assert_ok(store_begin(store, &err));
	add(store, "asst_a", 1);
	store_rollback(store);
	store_rollback(store); /* harmless */
	assert_int_equal(store_assistant_find(store, "asst_a", &row, &err), 0);
}

static void test_an_error_stops_what_follows(void **state)
{
	struct store *store = store_of(state);
	struct oam_error err = { 0 };

	error_set(&err, INTERNAL, NULL);
	assert_int_equal(store_begin(store, &err), -1);
	assert_int_equal(store_assistant_delete(store, "asst_a", 1, &err), -1);
	assert_int_equal(err.code, OAM_E_INTERNAL);
}

static int64_t interval_of(struct store *store, const char *name)
{
	struct oam_error err = { 0 };
	struct profile profile;

	assert_int_equal(store_profile_find(store, name, &profile, &err), 1);
	assert_string_equal(profile.name, name);
	return profile.interval;
}

/* A profile is kept as long as the file is the same: nobody may see an old one for it. */
static void test_a_profile_is_never_stale(void **state)
{
	struct temp_store *temp = *state;
	struct store *store = temp->store, *other;
	struct profile one = add_profile(store, "one"), two = add_profile(store, "two");
	struct oam_error err = { 0 };

	assert_ok(store_open(temp->path, &other, &err));
	for (int64_t hours = 1; hours < 20; hours++) {
		struct store *writer = hours % 3 ? other : store;

		assert_ok(store_profile_set_interval(writer, one.id, hours * 3600000,
						     &err));
		for (int turn = 0; turn < 3; turn++) {
			assert_int_equal(interval_of(store, "one"), hours * 3600000);
			assert_int_equal(interval_of(other, "one"), hours * 3600000);
		}
		assert_int_equal(interval_of(store, "two"), two.interval);
	}

	/* Within a transaction its own changes are seen, and after a rollback they are not. */
	assert_ok(store_begin(store, &err));
	assert_ok(store_profile_set_interval(store, one.id, 60000, &err));
	assert_int_equal(interval_of(store, "one"), 60000);
	assert_int_equal(interval_of(other, "one"), 19 * 3600000);
	store_rollback(store);
	assert_int_equal(interval_of(store, "one"), 19 * 3600000);
	assert_int_equal(interval_of(other, "one"), 19 * 3600000);
	store_close(other);
}

/* A write-ahead log leaves the counter alone that tells of changes. */
static void test_a_profile_is_never_stale_with_a_log(void **state)
{
	struct temp_store *temp = *state;
	struct profile one = add_profile(temp->store, "one");
	struct store *other;
	struct oam_error err = { 0 };
	sqlite3 *db;

	store_close(temp->store);
	assert_int_equal(sqlite3_open(temp->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	assert_ok(store_open(temp->path, &temp->store, &err));
	assert_ok(store_open(temp->path, &other, &err));
	for (int64_t hours = 1; hours < 20; hours++) {
		assert_ok(
			store_profile_set_interval(other, one.id, hours * 3600000, &err));
		assert_int_equal(interval_of(temp->store, "one"), hours * 3600000);
	}
	store_close(other);
}

/* ---- what others wrote into the file ---- */

static void change(const struct temp_store *temp, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(temp->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_a_store_without_a_tag(void **state)
{
	char tag[ASSISTANT_NONCE_SIZE] = "untouched";
	struct oam_error err = { 0 };

	change(*state, "DELETE FROM installation");
	assert_int_equal(store_installation_tag(store_of(state), tag, &err), -1);
	assert_int_equal(err.code, OAM_E_STORE_DAMAGED);
	assert_string_equal(err.message,
			    "The store is damaged: installation, row 1: it is missing.");
}

static void test_a_row_that_we_would_not_write(void **state)
{
	static const char *const changes[] = {
		"UPDATE profile SET env_key = 'JWT_SECRET'",
		"UPDATE profile SET env_key = 'A' || char(10)",
		"UPDATE profile SET env_key = 'A' || char(0) || 'B'",
		"UPDATE profile SET env_key = cast(x'ff' AS TEXT)",
		"UPDATE profile SET env_key = 'A', failures = -1",
		"UPDATE profile SET failures = 0, retry_at = 1 << 62",
		"UPDATE profile SET retry_at = 0, published_id = '../x'",
	};
	struct store *store = store_of(state);
	struct oam_error err = { 0 };
	struct profile profile = add_profile(store, "one");

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		err = (struct oam_error){ 0 };
		change(*state, changes[i]);
		assert_int_equal(store_profile_find(store, "one", &profile, &err), -1);
		assert_int_equal(err.code, OAM_E_STORE_DAMAGED);
		assert_non_null(strstr(err.message, "where profile_id is 1: "));
	}
	err = (struct oam_error){ 0 };
	change(*state, "UPDATE profile SET published_id = NULL");
	assert_int_equal(store_profile_find(store, "one", &profile, &err), 1);
}

/* The store is beside it already; what is gone is tested with the command. */
static void test_restore_takes_rows_alone(void **state)
{
	struct temp_store *temp = *state;
	struct oam_error err = { 0 };
	struct store_health health;
	char copy[128], *saved;

	add_profile(temp->store, "one");
	snprintf(copy, sizeof(copy), "%s/copy.db", temp->folder);
	change(temp, "CREATE TRIGGER later AFTER UPDATE ON profile BEGIN "
		     "UPDATE profile SET env_key = 'JWT_SECRET'; END");
	assert_ok(store_inspect(temp->store, &health, &err));
	assert_string_equal(health.trigger, "later");
	assert_ok(store_backup(temp->path, copy, &err));
	assert_ok(store_restore(temp->path, copy, &saved, &err));
	assert_non_null(saved);
	assert_int_equal(access(saved, F_OK), 0);
	free(saved);
	assert_false(store_was_replaced(temp->store));
	assert_ok(store_inspect(temp->store, &health, &err));
	assert_string_equal(health.trigger, "");
	assert_int_equal(interval_of(temp->store, "one"), 86400000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_migration_is_recorded_and_idempotent),
		TEST(test_open_without_a_file),
		TEST(test_profile_names),
		TEST(test_profile_round_trip),
		TEST(test_profile_unknown_and_next),
		TEST(test_the_store_refuses_a_short_interval),
		TEST(test_promote_moves_the_labels),
		TEST(test_promote_of_a_stranger_changes_nothing),
		TEST(test_an_assistant_has_one_owner),
		TEST(test_ids_are_unique),
		TEST(test_deleted_rows_stay_but_do_not_change),
		TEST(test_find_by_nonce),
		TEST(test_pages_in_both_orders),
		TEST(test_a_cursor_outlives_its_assistant),
		TEST(test_surplus),
		TEST(test_what_another_server_denies),
		TEST(test_rotation_life),
		TEST(test_history_has_no_configurations),
		TEST(test_old_history_is_pruned),
		TEST(test_what_became_due_meanwhile_stays_due),
		TEST(test_a_transaction_is_all_or_nothing),
		TEST(test_an_error_stops_what_follows),
		TEST(test_a_profile_is_never_stale),
		TEST(test_a_profile_is_never_stale_with_a_log),
		TEST(test_a_store_without_a_tag),
		TEST(test_a_row_that_we_would_not_write),
		TEST(test_restore_takes_rows_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
