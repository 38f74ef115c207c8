/* service: profiles, and what is refused of them. */
#include "clock.h"
#include "temp_service.h"

static struct temp_service *t;

static int setup(void **state)
{
	(void)state;
	t = temp_service_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_service_close(t);
	return 0;
}

static struct oam_error set(const char *name, const struct service_profile_change *change)
{
	struct oam_error err = { 0 };

	service_profile_set(t->service, name, change, &err);
	return err;
}

static struct profile find(const char *name)
{
	struct oam_error err = { 0 };
	struct profile profile;

	assert_ok(service_profile(t->service, name, &profile, &err));
	return profile;
}

static void test_names_of_variables(void **state)
{
	static const struct {
		const char *key;
		enum oam_code code;
	} cases[] = {
		{ "A", OAM_OK },
		{ "_a1", OAM_OK },
		{ "A", OAM_OK }, /* again: nothing changes */
		{ "", OAM_E_INVALID_PARAMETER },
		{ "1A", OAM_E_INVALID_PARAMETER },
		{ "A-B", OAM_E_INVALID_PARAMETER },
		{ "A=", OAM_E_INVALID_PARAMETER },
		{ "JWT_SECRET", OAM_E_INVALID_PARAMETER },
		{ "OAM_ANYTHING", OAM_E_INVALID_PARAMETER },
		{ "jwt_secret", OAM_E_INVALID_PARAMETER },
		{ "oam_anything", OAM_E_INVALID_PARAMETER },
		{ "OPENAI_ASSISTANT_ID", OAM_E_INVALID_PARAMETER },
		{ "openai_assistant_id", OAM_E_INVALID_PARAMETER },
	};
	char long_key[PROFILE_KEY_SIZE + 1] = "";
	struct service_profile_change change = { .env_key = long_key };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_profile_change one = { .env_key = cases[i].key };
		struct oam_error err = set("x", &one);

		if (err.code != cases[i].code)
			fail_msg("'%s': %s", cases[i].key, err.message);
	}
	assert_string_equal(find("x").env_key, "A");
	memset(long_key, 'A', PROFILE_KEY_SIZE - 1);
	assert_int_equal(set("x", &change).code, OAM_OK);
	long_key[PROFILE_KEY_SIZE - 1] = 'A';
	assert_int_equal(set("x", &change).code, OAM_E_INVALID_PARAMETER);
}

static void test_a_key_is_one_profiles_own(void **state)
{
	struct service_profile_change one = { .env_key = "ONE" },
				      two = { .env_key = "TWO" };
	struct oam_error err;

	(void)state;
	assert_int_equal(set("a", &one).code, OAM_OK);
	assert_int_equal(set("b", &two).code, OAM_OK);
	err = set("b", &one);
	assert_int_equal(err.code, OAM_E_KEY_TAKEN);
	assert_non_null(strstr(err.message, "Profile 'a' has the name 'ONE'"));
	assert_string_equal(find("b").env_key, "TWO");
	assert_int_equal(set("c", &two).code, OAM_E_KEY_TAKEN);
}

/* Also where another one makes it, or the case of letters makes no difference. */
static void test_keys_that_are_nearly_the_same(void **state)
{
	struct service_profile_change none = { 0 }, lower = { .env_key = "one" },
				      upper = { .env_key = "ONE" };
	struct oam_error err;

	(void)state;
	assert_int_equal(set("a-b", &none).code, OAM_OK);
	err = set("a_b", &none);
	assert_int_equal(err.code, OAM_E_KEY_TAKEN);
	assert_non_null(strstr(err.message, "Profile 'a-b' has the name "
					    "'OPENAI_ASSISTANT_ID_A_B'"));
	assert_non_null(strstr(err.message, "oam profile set a_b --env-key NAME"));
	assert_int_equal(set("x", &lower).code, OAM_OK);
	assert_int_equal(set("y", &upper).code, OAM_E_KEY_TAKEN);
	assert_int_equal(set("x", &upper).code, OAM_OK); /* its own */
}

/* As a store of an older version may have it: the message says which profile to change. */
static void test_the_default_key_was_given_away(void **state)
{
	struct service_profile_change change = { .env_key = "OTHER" };
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	struct profile profile;

	(void)state;
	assert_ok(store_profile_add(t->temp.store, "x", config, "OPENAI_ASSISTANT_ID", 1,
				    &err));
	assert_int_equal(service_profile(t->service, PROFILE_DEFAULT, &profile, &err),
			 -1);
	assert_int_equal(err.code, OAM_E_KEY_TAKEN);
	assert_non_null(strstr(err.message, "oam profile set x --env-key NAME"));
	assert_int_equal(set("x", &change).code, OAM_OK);
	assert_string_equal(find(PROFILE_DEFAULT).env_key, "OPENAI_ASSISTANT_ID");
	json_object_put(config);
}

/* The number of a profile that is gone may be given to another one. */
static void test_a_lease_of_a_profile_that_is_gone(void **state)
{
	struct service_profile_change none = { 0 };
	struct oam_error err = { 0 };
	struct profile before;
	struct lease lease;

	(void)state;
	assert_int_equal(set("x", &none).code, OAM_OK);
	before = find("x");
	assert_ok(service_profile_remove(t->service, "x", &err));
	assert_int_equal(service_lease_try(t->service, &before, &lease, &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	err = (struct oam_error){ 0 };
	assert_int_equal(set("y", &none).code, OAM_OK);
	assert_int_equal(find("y").id, before.id);
	assert_int_equal(service_lease_try(t->service, &before, &lease, &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
}

/* The next profile is not the one that was meant. */
static void test_only_the_profile_that_was_meant_is_delivered(void **state)
{
	struct service_profile_change none = { 0 };
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];
	struct profile x;

	(void)state;
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_int_equal(set("x", &none).code, OAM_OK);
	x = find("x");
	assert_int_equal(set("y", &none).code, OAM_OK);
	assert_ok(service_initialize(t->service, "y", id, &err));
	assert_ok(service_profile_remove(t->service, "x", &err));
	assert_ok(store_profile_publish_at(t->temp.store, find("y").id, 1, &err));
	service_deliver_soon(t->service, x.id);
	assert_int_equal(find("y").publish_at, 1);
	service_deliver_soon(t->service, find("y").id);
	assert_int_equal(find("y").publish_at, 0);
}

/* The files have the id under the old name until they are written again. */
static void test_only_another_key_publishes(void **state)
{
	struct service_profile_change same = { .env_key = "OPENAI_ASSISTANT_ID" };
	struct service_profile_change other = { .env_key = "OTHER" };
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_int_equal(find(PROFILE_DEFAULT).publish_at, 0);
	assert_int_equal(set(PROFILE_DEFAULT, &same).code, OAM_OK);
	assert_int_equal(find(PROFILE_DEFAULT).publish_at, 0);
	assert_int_equal(set(PROFILE_DEFAULT, &other).code, OAM_OK);
	assert_true(find(PROFILE_DEFAULT).publish_at > 0);
}

static void test_numbers_out_of_range(void **state)
{
	static const struct {
		bool has_keep, has_interval;
		int64_t value;
		enum oam_code code;
	} cases[] = {
		{ true, false, -1, OAM_OK },
		{ true, false, CLEANUP_KEEP_MAX, OAM_OK },
		{ true, false, -2, OAM_E_INVALID_PARAMETER },
		{ true, false, CLEANUP_KEEP_MAX + 1, OAM_E_INVALID_PARAMETER },
		{ false, true, 0, OAM_OK },
		{ false, true, INTERVAL_MAX, OAM_OK },
		{ false, true, -1, OAM_E_INVALID_PARAMETER },
		{ false, true, INTERVAL_MAX + 1, OAM_E_INVALID_PARAMETER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_profile_change change = {
			.has_keep_count = cases[i].has_keep,
			.has_interval = cases[i].has_interval,
			.keep_count = cases[i].value,
			.interval = cases[i].value,
		};

		assert_int_equal(set("x", &change).code, cases[i].code);
	}
	assert_int_equal(find("x").keep_count, CLEANUP_KEEP_MAX);
	assert_int_equal(find("x").interval, INTERVAL_MAX);
}

/* With the two pairs of ours, 14 are left. */
#define PAIRS \
	"\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\"," \
	"\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\",\"13\":\"\",\"14\":\"\""

static void test_configurations(void **state)
{
	static const struct {
		const char *overrides;
		enum oam_code code;
	} cases[] = {
		{ "{\"name\":\"x\"}", OAM_OK },
		{ "{\"name\":5}", OAM_E_INVALID_TYPE },
		{ "{\"model\":null}", OAM_E_MISSING_PARAMETER },
		{ "{\"metadata\":{" PAIRS "}}", OAM_OK },
		{ "{\"metadata\":{" PAIRS ",\"15\":\"\"}}", OAM_E_TOO_MANY_PROPERTIES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_profile_change change = { .overrides = parse(
								 cases[i].overrides) };
		struct oam_error err = set("x", &change);

		if (err.code != cases[i].code)
			fail_msg("%s: %s", cases[i].overrides, err.message);
		json_object_put(change.overrides);
	}
}

static void test_what_is_not_there(void **state)
{
	struct json_object *shown;
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(service_profile_show(t->service, "nobody", &shown, &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	assert_null(shown);
	err = (struct oam_error){ 0 };
	assert_int_equal(service_profile_remove(t->service, "nobody", &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	err = (struct oam_error){ 0 };
	assert_int_equal(service_history(t->service, "nobody", 5, &shown, &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	assert_null(shown);
	assert_int_equal(set("No", &(struct service_profile_change){ 0 }).code,
			 OAM_E_INVALID_PARAMETER);
}

static void test_the_history_of_all(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *history;
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(set("x", &(struct service_profile_change){ 0 }).code, OAM_OK);
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_ok(service_initialize(t->service, "x", id, &err));
	assert_ok(service_history(t->service, NULL, 5, &history, &err));
	assert_int_equal(json_object_array_length(history), 2);
	json_object_put(history);
	assert_ok(service_history(t->service, "x", 5, &history, &err));
	assert_int_equal(json_object_array_length(history), 1);
	json_object_put(history);
}

/* While a refresh runs, a profile stays. */
static void test_removal_waits_for_nobody(void **state)
{
	struct oam_error err = { 0 };
	struct profile profile;
	struct lease lease;

	(void)state;
	assert_int_equal(set("x", &(struct service_profile_change){ 0 }).code, OAM_OK);
	profile = find("x");
	assert_int_equal(service_lease_try(t->service, &profile, &lease, &err), 1);
	assert_int_equal(service_profile_remove(t->service, "x", &err), -1);
	assert_int_equal(err.code, OAM_E_REFRESH_RUNNING);
	service_lease_release(t->service, &lease);
	err = (struct oam_error){ 0 };
	assert_ok(service_profile_remove(t->service, "x", &err));
	assert_int_equal(service_profile(t->service, "x", &profile, &err), -1);
}

/* What is kept: what is asked for, else the profile's count, else everybody's, else 5. */
static void test_keep_counts(void **state)
{
	static const struct {
		int64_t asked, profile, everybody, applied;
	} cases[] = {
		{ 3, 7, 9, 3 }, { 0, 7, 9, 7 },  { 0, -1, 9, 9 },
		{ 0, 0, 9, 5 }, { 0, -1, 0, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_profile_change change = { .has_keep_count = true,
							 .keep_count = cases[i].profile };
		struct service_cleanup cleanup = { .keep_count = cases[i].asked,
						   .dry_run = true };
		struct oam_error err = { 0 };

		t->settings.keep_count = cases[i].everybody;
		assert_int_equal(set(PROFILE_DEFAULT, &change).code, OAM_OK);
		assert_ok(service_cleanup(t->service, PROFILE_DEFAULT, &cleanup, &err));
		assert_int_equal(cleanup.keep_count, cases[i].applied);
		json_object_put(cleanup.deleted);
		json_object_put(cleanup.failed);
	}
}

/* Without automatic cleanup nothing waits for it. */
static void test_metrics_without_cleanup(void **state)
{
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE], *text;

	(void)state;
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_ok(service_metrics(t->service, &text, &err));
	assert_non_null(strstr(text, "\noam_cleanup_pending{profile=\"default\"} 0\n"));
	free(text);
	t->settings.keep_count = 0;
	assert_ok(service_metrics(t->service, &text, &err));
	assert_null(strstr(text, "\noam_cleanup_pending{"));
	free(text);
	assert_int_equal(service_renew(t->service,
				       &(struct service_renewal){ .reason = REASON_CRON },
				       &err),
			 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_of_variables),
		TEST(test_a_key_is_one_profiles_own),
		TEST(test_keys_that_are_nearly_the_same),
		TEST(test_the_default_key_was_given_away),
		TEST(test_a_lease_of_a_profile_that_is_gone),
		TEST(test_only_the_profile_that_was_meant_is_delivered),
		TEST(test_only_another_key_publishes),
		TEST(test_numbers_out_of_range),
		TEST(test_configurations),
		TEST(test_what_is_not_there),
		TEST(test_the_history_of_all),
		TEST(test_removal_waits_for_nobody),
		TEST(test_keep_counts),
		TEST(test_metrics_without_cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
