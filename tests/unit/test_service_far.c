/*
 * service: assistants on a server over HTTP, which may have others than the store knows.
 * The server is an array here, in the order of creation.
 */
#include "clock.h"
#include "temp_service.h"

#define URL "https://far.example/v1"

static struct temp_service *t;

static struct {
	struct json_object *assistants;
	int made;
	void (*meanwhile)(void); /* what others do before a deletion, or NULL */
	enum oam_code create, retrieve, modify, remove, list; /* OAM_OK: it works */
} server;

/* ---- the server ---- */

static int raise_fault(enum oam_code code, struct oam_error *err)
{
	if (code == OAM_E_ASSISTANT_NOT_FOUND)
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, "injected");
	return code ? error_set(err, UPSTREAM_FAILED, NULL, "injected") : 0;
}

static size_t find(const char *id)
{
	size_t i = 0;

	for (; i < json_object_array_length(server.assistants); i++) {
		const char *is = json_member_string(
			json_object_array_get_idx(server.assistants, i), "id");

		if (is && strcmp(is, id) == 0)
			break;
	}
	return i;
}

static bool has(const char *id)
{
	return find(id) < json_object_array_length(server.assistants);
}

/* Puts an assistant there, as somebody else would. */
static void put(const char *text)
{
	json_object_array_add(server.assistants, parse(text));
}

static struct json_object *get(const char *id, struct oam_error *err)
{
	if (has(id))
		return json_copy(json_object_array_get_idx(server.assistants, find(id)),
				 err);
	error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	return NULL;
}

static int far_create(struct upstream *u, struct json_object *config,
		      struct json_object **assistant, struct oam_error *err)
{
	char id[32];

	(void)u;
	*assistant = NULL;
	if (raise_fault(server.create, err))
		return -1;
	snprintf(id, sizeof(id), "asst_far%d", ++server.made);
	*assistant = assistant_object(id, clock_now(), config, err);
	json_object_array_add(server.assistants, json_copy(*assistant, err));
	return error_result(err);
}

static int far_retrieve(struct upstream *u, const char *id,
			struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	*assistant = NULL;
	if (raise_fault(server.retrieve, err))
		return -1;
	*assistant = get(id, err);
	return error_result(err);
}

static int far_modify(struct upstream *u, const char *id, struct json_object *changes,
		      struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	*assistant = NULL;
	if (raise_fault(server.modify, err))
		return -1;
	*assistant = get(id, err);
	json_object_object_foreach (changes, name, value)
		json_put(*assistant, name, json_object_get(value), err);
	json_object_array_put_idx(server.assistants, find(id),
				  json_copy(*assistant, err));
	return error_result(err);
}

static int far_remove(struct upstream *u, const char *id, struct oam_error *err)
{
	(void)u;
	if (raise_fault(server.remove, err))
		return -1;
	if (!has(id))
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	json_object_array_del_idx(server.assistants, find(id), 1);
	return 0;
}

static int far_remove_all(struct upstream *u, struct json_object *ids,
			  const struct upstream_remover *remover, struct oam_error *err)
{
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		struct oam_error result = { 0 };

		if (server.meanwhile)
			server.meanwhile();
		if (remover->may(id, remover->context, err) <= 0)
			continue;
		far_remove(u, id, &result);
		remover->done(id, &result, remover->context);
	}
	return error_result(err);
}

/* Newest first, and all of them. */
static int far_each(struct upstream *u, const struct upstream_page *page,
		    upstream_visit *visit, void *context, struct oam_error *err)
{
	int over = 0;

	(void)u;
	(void)page;
	if (raise_fault(server.list, err))
		return -1;
	for (size_t i = json_object_array_length(server.assistants); !over && i-- > 0;)
		over = visit(json_object_array_get_idx(server.assistants, i), context,
			     err);
	return error_result(err);
}

static int setup(void **state)
{
	static char url[] = URL;
	struct upstream *upstream;

	(void)state;
	memset(&server, 0, sizeof(server));
	server.assistants = json_object_new_array();
	t = temp_service_open();
	t->settings.base_url = url;
	upstream = t->service->upstream;
	upstream->name = url;
	upstream->create = far_create;
	upstream->retrieve = far_retrieve;
	upstream->modify = far_modify;
	upstream->remove = far_remove;
	upstream->remove_all = far_remove_all;
	upstream->each = far_each;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_service_close(t);
	json_object_put(server.assistants);
	return 0;
}

/* ---- what is asked of the service ---- */

static struct profile profile_of(const char *name)
{
	struct oam_error err = { 0 };
	struct profile profile;

	assert_ok(service_profile(t->service, name, &profile, &err));
	return profile;
}

static void refresh(const char *profile)
{
	struct service_refresh refresh = { .reason = REASON_API, .keep_old = true };
	struct oam_error err = { 0 };

	assert_ok(service_refresh(t->service, profile, &refresh, &err));
}

static enum oam_code update(const char *id, const char *text)
{
	struct json_object *updates = parse(text), *assistant;
	struct oam_error err = { 0 };

	service_update(t->service, id, updates, "", &assistant, &err);
	json_object_put(assistant);
	json_object_put(updates);
	return err.code;
}

/* The ids that a cleanup deletes, with a space behind each; or how it fails. */
static enum oam_code clean(struct service_cleanup cleanup, char deleted[256])
{
	struct oam_error err = { 0 };

	deleted[0] = '\0';
	service_cleanup(t->service, PROFILE_DEFAULT, &cleanup, &err);
	for (size_t i = 0;
	     cleanup.deleted && i < json_object_array_length(cleanup.deleted); i++) {
		strcat(deleted, json_object_get_string(
					json_object_array_get_idx(cleanup.deleted, i)));
		strcat(deleted, " ");
	}
	json_object_put(cleanup.deleted);
	json_object_put(cleanup.failed);
	return err.code;
}

static void put_stray(const char *id, const char *more)
{
	char tag[ASSISTANT_NONCE_SIZE], text[256];
	struct oam_error err = { 0 };

	assert_ok(store_installation_tag(t->temp.store, tag, &err));
	snprintf(text, sizeof(text),
		 "{\"id\":\"%s\",\"created_at\":1,\"model\":\"m\",\"metadata\":"
		 "{\"" ASSISTANT_META_TAG "\":\"%s\"%s}}",
		 id, tag, more);
	put(text);
}

/* ---- cleanup ---- */

/* Others with our tag count among ours, and go like ours; what has no tag of ours stays. */
static void test_strays(void **state)
{
	struct oam_error err = { 0 };
	char deleted[256];

	(void)state;
	put("{\"id\":\"asst_nobodys\",\"model\":\"m\"}");
	put("{\"id\":\"asst_theirs\",\"model\":\"m\",\"metadata\":"
	    "{\"" ASSISTANT_META_TAG "\":\"another\"}}");
	put_stray("asst_stray1", "");
	put_stray("asst_stray2", ",\"" ASSISTANT_META_NONCE "\":\"n\"");
	assert_ok(service_profile_set(t->service, "x",
				      &(struct service_profile_change){ 0 }, &err));
	refresh(PROFILE_DEFAULT); /* asst_far1 */
	refresh("x");
	refresh(PROFILE_DEFAULT); /* asst_far3 */
	put_stray("asst_new", "");
	assert_int_equal(
		clean((struct service_cleanup){ .keep_count = 2, .dry_run = true },
		      deleted),
		OAM_OK);
	assert_string_equal(deleted, "asst_stray2 asst_stray1 ");
	assert_true(has("asst_stray1"));
	assert_int_equal(clean((struct service_cleanup){ .keep_count = 2 }, deleted),
			 OAM_OK);
	assert_string_equal(deleted, "asst_stray2 asst_stray1 ");
	assert_false(has("asst_stray1") || has("asst_stray2"));
	assert_int_equal(json_object_array_length(server.assistants), 6);
	assert_int_equal(clean((struct service_cleanup){ .keep_count = 1 }, deleted),
			 OAM_OK);
	assert_string_equal(deleted, "asst_far1 ");
}

/* One that a rotation is making now has our tag already, but no row yet. */
static void test_what_is_being_made_is_no_stray(void **state)
{
	struct oam_error err = { 0 };
	char deleted[256];
	int64_t rotation;

	(void)state;
	put_stray("asst_making", ",\"" ASSISTANT_META_NONCE "\":\"now\"");
	refresh(PROFILE_DEFAULT);
	assert_ok(store_rotation_start(t->temp.store, 1, REASON_CLI, "now", NULL,
				       "asst_far1", clock_now(), &rotation, &err));
	assert_int_equal(clean((struct service_cleanup){ .keep_count = 1 }, deleted),
			 OAM_OK);
	assert_string_equal(deleted, "");
	assert_true(has("asst_making"));
}

static void test_a_list_that_fails(void **state)
{
	struct service_refresh again = { .reason = REASON_API };
	struct oam_error err = { 0 };
	char deleted[256];

	(void)state;
	refresh(PROFILE_DEFAULT);
	refresh(PROFILE_DEFAULT);
	server.list = OAM_E_UPSTREAM_FAILED;
	/* What the store knows does not need it. */
	assert_int_equal(clean((struct service_cleanup){ .keep_count = 1 }, deleted),
			 OAM_E_UPSTREAM_FAILED);
	assert_string_equal(deleted, "asst_far1 ");
	assert_int_equal(
		clean((struct service_cleanup){ .keep_count = 1, .dry_run = true },
		      deleted),
		OAM_E_UPSTREAM_FAILED);
	assert_int_equal(
		clean((struct service_cleanup){ .keep_count = 1, .all = true }, deleted),
		OAM_E_UPSTREAM_FAILED);
	/* And a refresh does not fail for it. */
	assert_ok(service_refresh(t->service, PROFILE_DEFAULT, &again, &err));
}

static void test_all_but_what_is_in_use(void **state)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	char deleted[256];

	(void)state;
	put("{\"id\":\"asst_nobodys\",\"model\":\"m\"}");
	put("{\"model\":\"m\"}"); /* not even an id */
	put("{\"id\":\"asst_making\",\"model\":\"m\"}");
	assert_ok(store_assistant_own(t->temp.store, "asst_making", URL, config, 1,
				      profile_of(PROFILE_DEFAULT).id, LABEL_PENDING, 1,
				      &err));
	refresh(PROFILE_DEFAULT);
	refresh(PROFILE_DEFAULT);
	refresh(PROFILE_DEFAULT);
	assert_int_equal(
		clean((struct service_cleanup){ .keep_count = 2, .all = true }, deleted),
		OAM_OK);
	assert_string_equal(deleted, "asst_far1 asst_nobodys ");
	json_object_put(config);
}

static enum oam_code delete_all(const char *wanted, const char *expected)
{
	struct service_cleanup cleanup = { .deleted = parse(wanted) };
	struct oam_error err = { 0 };

	service_delete_all(t->service, &cleanup, &err);
	assert_string_equal(json_text(cleanup.deleted), expected);
	assert_int_equal(json_object_array_length(cleanup.failed), 0);
	json_object_put(cleanup.deleted);
	json_object_put(cleanup.failed);
	return err.code;
}

static void adopt_x(void)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	server.meanwhile = NULL;
	assert_ok(store_assistant_own(t->temp.store, "asst_x", URL, config, 1,
				      profile_of(PROFILE_DEFAULT).id, LABEL_PENDING, 1,
				      &err));
	json_object_put(config);
}

/* Between the look and the deletion it became the current one. */
static void test_looked_at_as_late_as_can_be(void **state)
{
	(void)state;
	put("{\"id\":\"asst_x\",\"model\":\"m\"}");
	put("{\"id\":\"asst_y\",\"model\":\"m\"}");
	refresh(PROFILE_DEFAULT);
	server.meanwhile = adopt_x;
	assert_int_equal(
		delete_all("[\"asst_far1\",\"asst_x\",\"asst_y\"]", "[\"asst_y\"]"),
		OAM_OK);
	assert_true(has("asst_far1") && has("asst_x"));
}

/* What another process adopts or deletes just now is left to it. */
static void test_claimed_by_another(void **state)
{
	struct oam_error err = { 0 };
	int claim;

	(void)state;
	put("{\"id\":\"asst_x\",\"model\":\"m\"}");
	put("{\"id\":\"asst_y\",\"model\":\"m\"}");
	assert_int_equal(service_claim_try(t->service, "asst_x", &claim, &err), 1);
	assert_int_equal(delete_all("[\"asst_x\",\"asst_y\"]", "[\"asst_y\"]"), OAM_OK);
	assert_true(has("asst_x"));
	t->service->upstream->deadline = clock_monotonic();
	assert_int_equal(service_delete(t->service, "asst_x", &err), -1);
	assert_int_equal(err.code, OAM_E_CONFLICT);
	service_claim_release(&claim);
	/* A cleanup lets go of all that it claimed. */
	assert_int_equal(delete_all("[\"asst_x\",\"asst_y\"]", "[\"asst_x\",\"asst_y\"]"),
			 OAM_OK);
	err = (struct oam_error){ 0 };
	for (int i = 0; i < 2; i++) {
		const char *id = i ? "asst_x" : "asst_y";

		assert_int_equal(service_claim_try(t->service, id, &claim, &err), 1);
		service_claim_release(&claim);
	}
}

/* ---- one assistant ---- */

static void test_updates(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *config;

	(void)state;
	put("{\"id\":\"asst_x\",\"created_at\":1,\"model\":\"m\"}");
	refresh(PROFILE_DEFAULT);
	assert_int_equal(update("asst_x", "{\"name\":\"x\"}"), OAM_OK);
	assert_int_equal(update("asst_far1", "{\"name\":\"ours\"}"), OAM_OK);
	server.modify = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(update("asst_far1", "{\"name\":\"no\"}"), OAM_E_UPSTREAM_FAILED);
	assert_ok(store_profile_config(t->temp.store, 1, &config, &err));
	assert_string_equal(json_member_string(config, "name"), "ours");
	json_object_put(config);
	server.modify = OAM_OK;
	/* One that was replaced says nothing of the next. */
	refresh(PROFILE_DEFAULT);
	assert_int_equal(update("asst_far1", "{\"name\":\"old\"}"), OAM_OK);
	assert_ok(store_profile_config(t->temp.store, 1, &config, &err));
	assert_string_equal(json_member_string(config, "name"), "ours");
	json_object_put(config);
}

/* Only an id that is surely gone is given up. */
static void test_deletions(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	refresh(PROFILE_DEFAULT);
	server.remove = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(service_delete(t->service, "asst_far1", &err), -1);
	assert_int_equal(err.code, OAM_E_UPSTREAM_FAILED);
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "asst_far1");
	server.remove = OAM_E_ASSISTANT_NOT_FOUND;
	err = (struct oam_error){ 0 };
	assert_int_equal(service_delete(t->service, "asst_far1", &err), -1);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "");
	server.remove = OAM_OK;
	refresh(PROFILE_DEFAULT);
	err = (struct oam_error){ 0 };
	assert_ok(service_delete(t->service, "asst_far2", &err));
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "");
}

static void test_verification(void **state)
{
	struct service_renewal renewal = { .reason = REASON_CRON };
	struct oam_error err = { 0 };

	(void)state;
	refresh(PROFILE_DEFAULT);
	assert_ok(store_profile_verified(t->temp.store, 1, 1, &err));
	server.retrieve = OAM_E_UPSTREAM_FAILED;
	assert_ok(service_renew(t->service, &renewal, &err));
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "asst_far1");
	assert_true(profile_of(PROFILE_DEFAULT).verified_at > 1);
	server.retrieve = OAM_OK;
	assert_ok(store_profile_verified(t->temp.store, 1, 1, &err));
	assert_ok(service_renew(t->service, &renewal, &err));
	assert_true(profile_of(PROFILE_DEFAULT).verified_at > 1);
	assert_ok(far_remove(NULL, "asst_far1", &err));
	assert_ok(store_profile_verified(t->temp.store, 1, 1, &err));
	assert_ok(service_renew(t->service, &renewal, &err));
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "asst_far2");
}

/* One from elsewhere may have a configuration that could not be made here again. */
static void test_adoption_of_what_is_unfit(void **state)
{
	static const char *const unfit[] = {
		"{\"id\":\"asst_x0\",\"created_at\":1,\"model\":\"m\",\"name\":5}",
		"{\"id\":\"asst_x1\",\"created_at\":1,\"model\":\"m\",\"metadata\":{"
		"\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\","
		"\"8\":\"\",\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\",\"13\":\"\","
		"\"14\":\"\",\"15\":\"\"}}",
	};
	static const char *const profiles[] = { "a", "b" };
	struct oam_error err = { 0 };
	struct json_object *config;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char id[] = "asst_x0";

		id[6] = (char)('0' + i);
		put(unfit[i]);
		assert_ok(service_profile_set(t->service, profiles[i],
					      &(struct service_profile_change){ 0 },
					      &err));
		assert_ok(service_adopt(t->service, profiles[i], id, &err));
		assert_string_equal(profile_of(profiles[i]).current, id);
		assert_ok(store_profile_config(t->temp.store, profile_of(profiles[i]).id,
					       &config, &err));
		assert_string_equal(json_member_string(config, "model"), "gpt-4o-mini");
		json_object_put(config);
	}
}

/* ---- import ---- */

static enum oam_code import(const char *text, size_t imported, size_t failed)
{
	struct json_object *assistants = parse(text);
	struct service_import import;
	struct oam_error err = { 0 };

	service_import(t->service, assistants, &import, &err);
	assert_int_equal(json_object_array_length(import.imported), imported);
	assert_int_equal(json_object_array_length(import.failed), failed);
	json_object_put(import.imported);
	json_object_put(import.skipped);
	json_object_put(import.failed);
	json_object_put(assistants);
	return err.code;
}

#define GOOD "{\"id\":\"asst_1\",\"created_at\":1,\"model\":\"m\"}"

/* All are looked at before the first one is made. */
static void test_imports_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum oam_code code;
	} cases[] = {
		{ "[" GOOD ",5]", OAM_E_INVALID_TYPE },
		{ "[" GOOD ",{\"model\":\"m\"}]", OAM_E_INVALID_PARAMETER },
		{ "[" GOOD ",{\"id\":\"x\",\"model\":\"m\"}]", OAM_E_INVALID_PARAMETER },
		{ "[" GOOD ",{\"id\":\"asst_2\",\"created_at\":\"1\",\"model\":\"m\"}]",
		  OAM_E_INVALID_PARAMETER },
		{ "[" GOOD ",{\"id\":\"asst_2\",\"created_at\":-1,\"model\":\"m\"}]",
		  OAM_E_INVALID_PARAMETER },
		{ "[" GOOD ",{\"id\":\"asst_2\",\"created_at\":100000000001,"
		  "\"model\":\"m\"}]",
		  OAM_E_INVALID_PARAMETER },
		{ "[" GOOD ",{\"id\":\"asst_2\",\"name\":\"m\"}]",
		  OAM_E_MISSING_PARAMETER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum oam_code code = import(cases[i].text, 0, 0);

		if (code != cases[i].code)
			fail_msg("%s: %d", cases[i].text, (int)code);
	}
	assert_int_equal(server.made, 0);
}

static void tell(size_t done, size_t total, void *context)
{
	size_t *last = context;

	assert_int_equal(total, 2);
	assert_int_equal(done, *last + 1);
	*last = done;
}

static void test_imports(void **state)
{
	size_t last = 0;

	(void)state;
	assert_int_equal(import("[" GOOD "]", 1, 0), OAM_OK);
	service_on_progress(t->service, tell, &last);
	server.create = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(import("[" GOOD ",{\"id\":\"asst_2\",\"model\":\"m\"}]", 0, 2),
			 OAM_OK);
	assert_int_equal(last, 2);
}

/* ---- opening ---- */

static void test_without_a_store(void **state)
{
	char nowhere[] = "/nowhere/oam.db", url[] = URL;
	struct settings settings = { .db = nowhere, .base_url = url };
	struct oam_error err = { 0 };
	struct service *service;

	(void)state;
	assert_int_equal(service_open(&settings, &service, &err), -1);
	assert_int_equal(err.code, OAM_E_STORE_SCHEMA);
	assert_null(service);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_strays),
		TEST(test_what_is_being_made_is_no_stray),
		TEST(test_a_list_that_fails),
		TEST(test_all_but_what_is_in_use),
		TEST(test_looked_at_as_late_as_can_be),
		TEST(test_claimed_by_another),
		TEST(test_updates),
		TEST(test_deletions),
		TEST(test_verification),
		TEST(test_adoption_of_what_is_unfit),
		TEST(test_imports_that_are_refused),
		TEST(test_imports),
		TEST(test_without_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
