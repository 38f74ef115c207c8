/* settings: where a value comes from, and what is said of a bad one. */
#include "expect.h"
#include "settings.h"

static char folder[] = "/tmp/oam-unit.XXXXXX";
static char path[64], variable[96];
static char *environment[8];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/oam-unit.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/.env", folder);
	snprintf(variable, sizeof(variable), "OAM_ENV_FILE=%s", path);
	memset(environment, 0, sizeof(environment));
	environment[0] = variable;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void write_env(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_defaults(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char db[96];

	(void)state;
	write_env("");
	assert_ok(settings_load(&settings, environment, &err));
	snprintf(db, sizeof(db), "%s/oam.db", folder);
	assert_string_equal(settings.db, db);
	assert_string_equal(settings.jwt_alg, "HS256");
	assert_int_equal(settings.workers, 2);
	assert_int_equal(settings.keep_count, 5);
	assert_int_equal(settings.log_level, LOG_LEVEL_INFO);
	assert_null(settings.jwt_secret);
	assert_null(settings.base_url);
	settings_free(&settings);
}

static void test_environment_before_file_before_default(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char workers[] = "OAM_WORKERS=7", empty[] = "OAM_KEEP_COUNT=";

	(void)state;
	write_env("OAM_WORKERS=3\nOAM_KEEP_COUNT=9\nOAM_DB='/abs/x.db'\n"
		  "export JWT_SECRET: \"a b#c\" # why\n");
	environment[1] = workers;
	environment[2] = empty;
	assert_ok(settings_load(&settings, environment, &err));
	assert_int_equal(settings.workers, 7);
	assert_int_equal(settings.keep_count, 5); /* set, but empty: the default */
	assert_string_equal(settings.db, "/abs/x.db");
	assert_string_equal(settings.jwt_secret, "a b#c");
	settings_free(&settings);
	assert_null(settings.jwt_secret);
}

static void test_faults_are_named(void **state)
{
	static const struct {
		const char *env, *words;
	} bad[] = {
		{ "\nOAM_WORKERS=x", "line 2: OAM_WORKERS must be" },
		{ "OAM_WORKERS=65", "OAM_WORKERS must be a whole number from 1 to 64" },
		{ "OAM_KEEP_COUNT=+ 1", "OAM_KEEP_COUNT must be" },
		{ "A=1\nOAM_NONE=1", "line 2: unknown name OAM_NONE" },
		{ "OAM_JWT_MANAGE==x", "claim=value" },
		{ "OAM_JWT_MANAGE=x=", "claim=value" },
		{ "OPENAI_BASE_URL=host/v1", "must begin with https://" },
		{ "OPENAI_BASE_URL=http://127.0.0.1.example/v1", "another machine" },
		{ "OPENAI_BASE_URL=http://localhostx/v1", "another machine" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };

		write_env(bad[i].env);
		assert_int_equal(settings_load(&settings, environment, &err), -1);
		assert_int_equal(err.code, OAM_E_SETTING);
		if (!strstr(err.message, bad[i].words))
			fail_msg("%s: %s", bad[i].env, err.message);
		assert_null(settings.db);
	}
}

static void test_local_addresses_may_be_plain(void **state)
{
	static const char *const good[] = { "http://127.0.0.1:8080/v1",
					    "http://localhost/v1", "http://[::1]:80/v1",
					    "https://host.example/v1/" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char line[96];

		snprintf(line, sizeof(line), "OPENAI_BASE_URL=%s", good[i]);
		write_env(line);
		assert_ok(settings_load(&settings, environment, &err));
		assert_string_equal(settings.base_url, good[i]);
		settings_free(&settings);
	}
}

static void test_read_now_sees_the_file_as_it_is(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char id[] = "OPENAI_ASSISTANT_ID=asst_environment";
	char *value;

	(void)state;
	write_env("");
	environment[1] = id;
	assert_ok(settings_load(&settings, environment, &err));
	assert_ok(settings_read_now(&settings, "OPENAI_ASSISTANT_ID", &value, &err));
	assert_string_equal(value, "asst_environment");
	free(value);
	write_env("OPENAI_ASSISTANT_ID=asst_file\n");
	assert_ok(settings_read_now(&settings, "OPENAI_ASSISTANT_ID", &value, &err));
	assert_string_equal(value, "asst_file");
	free(value);
	assert_ok(settings_read_now(&settings, "NONE", &value, &err));
	assert_null(value);
	settings_free(&settings);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults),
		TEST(test_environment_before_file_before_default),
		TEST(test_faults_are_named),
		TEST(test_local_addresses_may_be_plain),
		TEST(test_read_now_sees_the_file_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
