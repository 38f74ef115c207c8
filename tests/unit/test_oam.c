/* oam: a handle lives on whatever its caller does with its environment and strings. */
#include "clock.h"
#include "expect.h"
#include "oam.h"
#include "temp_store.h"

/* The two texts, one behind the other, in memory of their own. */
static char *fresh(const char *begin, const char *end)
{
	char *text;

	assert_true(asprintf(&text, "%s%s", begin, end) >= 0);
	return text;
}

/* Overwritten before it is freed: whoever still reads it is found also without a sanitizer. */
static void destroy(char *text)
{
	memset(text, 'x', strlen(text));
	free(text);
}

/*
 * An environment on the heap, so that a sanitizer knows when it is gone: glibc's own would
 * hide it.
 */
static char **own_environment(const struct temp_store *temp)
{
	char **own = calloc(4, sizeof(*own));

	assert_non_null(own);
	own[0] = fresh("OAM_DB=", temp->path);
	own[1] = fresh("OPENAI_ASSISTANT_ID=", "asst_fromEnvironment");
	own[2] = fresh("HOME=", temp->folder);
	return own;
}

static void test_the_environment_may_go(void **state)
{
	struct temp_store temp;
	char **before = environ, *env_file, *profile, *config, *json;
	char id[OAM_ID_SIZE], again[OAM_ID_SIZE], previous[OAM_ID_SIZE];
	struct oam *oam;

	(void)state;
	temp_store_open(&temp);
	environ = own_environment(&temp);
	env_file = fresh(temp.folder, "/.env");
	fclose(fopen(env_file, "w"));
	if (oam_open(env_file, &oam))
		fail_msg("%s", oam_error_message(oam));
	for (int i = 0; environ[i]; i++)
		destroy(environ[i]);
	free(environ);
	environ = before;
	destroy(env_file);
	assert_int_equal(setenv("OPENAI_ASSISTANT_ID", "asst_later", 1), 0);
	assert_int_equal(setenv("OAM_DB", "/nowhere/oam.db", 1), 0);

	profile = fresh("", "default");
	config = fresh("", "{\"name\":\"N\"}");
	assert_int_equal(oam_initialize(oam, profile, id), 0);
	assert_int_equal(oam_current(oam, profile, again), 0);
	assert_string_equal(id, again);
	assert_int_equal(oam_refresh(oam, profile, config, id, previous), 0);
	assert_string_equal(previous, again);
	destroy(profile);
	destroy(config);
	assert_int_equal(oam_status(oam, NULL, &json), 0);
	assert_non_null(strstr(json, id));
	free(json);
	assert_int_equal(oam_update_env(oam), 0);
	assert_int_equal(oam_renew(oam), 0);
	assert_int_equal(oam_current(oam, NULL, again), 0);
	assert_string_equal(id, again);
	oam_close(oam);
	unsetenv("OPENAI_ASSISTANT_ID");
	unsetenv("OAM_DB");
	temp_store_close(&temp);
}

/* As clearenv(3) leaves it. */
static void test_there_may_be_no_environment(void **state)
{
	struct temp_store temp;
	char **before = environ, *env_file;
	struct oam *oam;

	(void)state;
	temp_store_open(&temp);
	env_file = fresh(temp.folder, "/.env");
	fclose(fopen(env_file, "w"));
	environ = NULL;
	assert_int_equal(oam_open(env_file, &oam), 0);
	oam_close(oam);
	oam_open(NULL, &oam);
	oam_close(oam);
	environ = before;
	destroy(env_file);
	temp_store_close(&temp);
}

/* Without a file of the caller's, too; and an error stays readable. */
static void test_an_error_outlives_it(void **state)
{
	char **before = environ;
	struct oam *oam;

	(void)state;
	environ = calloc(2, sizeof(*environ));
	assert_non_null(environ);
	environ[0] = fresh("OAM_WORKERS=", "hunter2");
	assert_int_equal(oam_open(NULL, &oam), -1);
	destroy(environ[0]);
	free(environ);
	environ = before;
	assert_string_equal(oam_error_code(oam), "invalid_setting");
	assert_non_null(
		strstr(oam_error_message(oam), "environment: OAM_WORKERS must be"));
	assert_null(strstr(oam_error_message(oam), "hunter2"));
	oam_close(oam);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_environment_may_go),
		cmocka_unit_test(test_there_may_be_no_environment),
		cmocka_unit_test(test_an_error_outlives_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
