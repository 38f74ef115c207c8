/* settings: where a value comes from, and what is said of a bad one. */
#include <strings.h>
#include <sys/stat.h>

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

static void write_env_bytes(const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	fclose(file);
}

/* Takes the place of libc's: counts how often the secret was wiped. */
#define WIPED "wipe-me-3f9a1c7e5b2d8460"
static int wiped;

void explicit_bzero(void *memory, size_t length)
{
	volatile char *bytes = memory;
	size_t same = 0;

	while (length == strlen(WIPED) && same < length && bytes[same] == WIPED[same])
		same++;
	wiped += same == strlen(WIPED);
	while (length > 0)
		bytes[--length] = '\0';
}

/* True when nothing is left in *settings after a failure or settings_free(). */
static bool is_empty(const struct settings *settings)
{
	return !settings->environment && !settings->env_file && !settings->db &&
	       !settings->config_file && !settings->base_url && !settings->api_key &&
	       !settings->jwt_secret && !settings->jwt_alg && !settings->jwt_public_key &&
	       !settings->jwt_issuer && !settings->jwt_audience &&
	       !settings->jwt_manage && settings->jwt_leeway == 0 &&
	       settings->keep_count == 0 && settings->workers == 0;
}

/* What the environment's `name=value` lines make of a setting; "" is not set. */
static void test_precedence(void **state)
{
	static const struct {
		const char *file, *variable;
		long long workers;
	} cases[] = {
		{ "", "X=1", 2 },
		{ "OAM_WORKERS=3", "X=1", 3 },
		{ "OAM_WORKERS=3", "OAM_WORKERS=4", 4 },
		{ "", "OAM_WORKERS=4", 4 },
		{ "OAM_WORKERS=", "X=1", 2 },
		{ "OAM_WORKERS=3", "OAM_WORKERS=", 2 },
		{ "OAM_WORKERS=3\nOAM_WORKERS=5", "X=1", 5 },
		{ "OAM_WORKERS=bad\nOAM_WORKERS=5", "X=1", 5 },
		{ "OAM_WORKERS=bad", "OAM_WORKERS=4", 4 },
		{ "#OAM_WORKERS=3", "X=1", 2 },
		{ "OAM_WORKERS='3' # three", "X=1", 3 },
		{ "OAM_WORKERS=1", "XOAM_WORKERS=9", 1 },
		{ "OAM_WORKERS=64", "OAM_WORKERS", 64 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char copy[64];

		snprintf(copy, sizeof(copy), "%s", cases[i].variable);
		environment[1] = copy;
		write_env(cases[i].file);
		assert_ok(settings_load(&settings, environment, &err));
		if (settings.workers != cases[i].workers)
			fail_msg("%s / %s: %lld", cases[i].file, cases[i].variable,
				 settings.workers);
		settings_free(&settings);
	}
}

static void test_every_default(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char expected[128];

	(void)state;
	write_env("");
	assert_ok(settings_load(&settings, environment, &err));
	assert_string_equal(settings.environment[0], environment[0]);
	assert_ptr_not_equal(settings.environment[0], environment[0]);
	assert_null(settings.environment[1]);
	assert_string_equal(settings.env_file, path);
	snprintf(expected, sizeof(expected), "%s/config/openai-assistant.json", folder);
	assert_string_equal(settings.config_file, expected);
	assert_int_equal(settings.jwt_leeway, 0);
	assert_null(settings.jwt_public_key);
	assert_null(settings.jwt_issuer);
	assert_null(settings.jwt_audience);
	assert_null(settings.jwt_manage);
	assert_null(settings.api_key);
	settings_free(&settings);
	assert_true(is_empty(&settings));
}

static void test_log_levels(void **state)
{
	static const struct {
		const char *text;
		enum log_level level;
	} cases[] = {
		{ "OAM_LOG_LEVEL=error", LOG_LEVEL_ERROR },
		{ "OAM_LOG_LEVEL=warn", LOG_LEVEL_WARN },
		{ "OAM_LOG_LEVEL=info", LOG_LEVEL_INFO },
		{ "OAM_LOG_LEVEL=debug", LOG_LEVEL_DEBUG },
		{ "NODE_ENV=development", LOG_LEVEL_DEBUG },
		{ "NODE_ENV=production", LOG_LEVEL_INFO },
		{ "NODE_ENV=Development", LOG_LEVEL_INFO },
		{ "NODE_ENV=", LOG_LEVEL_INFO },
		{ "NODE_ENV=development\nOAM_LOG_LEVEL=warn", LOG_LEVEL_WARN },
		{ "OAM_LOG_LEVEL=info\nNODE_ENV=development", LOG_LEVEL_INFO },
		{ "NODE_ENV=development\nOAM_LOG_LEVEL=", LOG_LEVEL_DEBUG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };

		write_env(cases[i].text);
		assert_ok(settings_load(&settings, environment, &err));
		if (settings.log_level != cases[i].level)
			fail_msg("%s", cases[i].text);
		settings_free(&settings);
	}
}

/* The error of a load that must fail; the struct must be empty then. */
static struct oam_error load_error(void)
{
	struct settings settings;
	struct oam_error err = { 0 };

	memset(&settings, 0xA5, sizeof(settings));
	assert_int_equal(settings_load(&settings, environment, &err), -1);
	assert_int_equal(err.code, OAM_E_SETTING);
	assert_true(is_empty(&settings));
	return err;
}

static void assert_says(const struct oam_error *err, const char *words)
{
	if (!strstr(err->message, words))
		fail_msg("\"%s\" is not in: %s", words, err->message);
}

static void test_unknown_names(void **state)
{
	static const struct {
		const char *file, *words; /* NULL: it loads */
	} cases[] = {
		{ "OAM_WORKER=3", "line 1: unknown name OAM_WORKER" },
		{ "OAM_WORKERS_=3", "line 1: unknown name OAM_WORKERS_" },
		{ "OAM_workers=3", "line 1: unknown name OAM_workers" },
		{ "\n\n# c\nexport OAM_X: 1", "line 4: unknown name OAM_X" },
		{ "A='1\n2\n3'\nOAM_X=1", "line 4: unknown name OAM_X" },
		{ "A=1\r\nB=2\rOAM_X=1", "line 3: unknown name OAM_X" },
		{ "OAM_X=1\nOAM_Y=1", "line 1: unknown name OAM_X" },
		{ "OAM_X=", "line 1: unknown name OAM_X" },
		{ "OAM_=1", "line 1: unknown name OAM_" },
		{ "#OAM_X=1", NULL },
		{ "A='\nOAM_X=1\n'", NULL },
		{ "oam_x=1\nMY_OAM_X=1\nOAMX=1\nOPENAI_X=1\nJWT_X=1", NULL },
		{ "OAM_ENV_FILE=elsewhere", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_env(cases[i].file);
		if (cases[i].words) {
			struct oam_error err = load_error();

			assert_says(&err, cases[i].words);
			assert_non_null(strstr(err.message, path));
		} else {
			struct settings settings;
			struct oam_error err = { 0 };

			assert_ok(settings_load(&settings, environment, &err));
			settings_free(&settings);
		}
	}
}

static void test_unknown_names_in_the_environment(void **state)
{
	static const char *const bad[] = { "OAM_WORKER=hunter2", "OAM_X=", "OAM_X" };

	(void)state;
	write_env("");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct oam_error err;
		char copy[32], words[64];

		snprintf(copy, sizeof(copy), "%s", bad[i]);
		environment[1] = copy;
		err = load_error();
		snprintf(words, sizeof(words), "environment: unknown name %.*s",
			 (int)strcspn(bad[i], "="), bad[i]);
		assert_says(&err, words);
		assert_null(strstr(err.message, "hunter2"));
	}
}

/* The environment is named as such, the file by path and line; the value by neither. */
static void test_bad_values_are_placed_and_not_shown(void **state)
{
	static const struct {
		const char *assignment, *reason;
	} bad[] = {
		{ "OAM_WORKERS=hunter2", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=0", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=-1", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=1.0", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=1e1", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=0x10", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=8x", "a whole number from 1 to 64" },
		{ "OAM_WORKERS=99999999999999999999", "a whole number from 1 to 64" },
		{ "OAM_KEEP_COUNT=1000001", "a whole number from 0 to 1000000" },
		{ "OAM_JWT_LEEWAY=301", "a whole number from 0 to 300" },
		{ "OAM_JWT_LEEWAY=-1", "a whole number from 0 to 300" },
		{ "OAM_LOG_LEVEL=hunter2", "error, warn, info, debug" },
		{ "OAM_LOG_LEVEL=INFO", "error, warn, info, debug" },
		{ "OAM_JWT_MANAGE=hunter2", "claim=value" },
		{ "OAM_JWT_MANAGE==hunter2", "claim=value" },
		{ "OAM_JWT_MANAGE=hunter2=", "claim=value" },
		{ "OPENAI_BASE_URL=https://u:hunter2@host/v1", "https://host/v1" },
		{ "OPENAI_BASE_URL=https://host/v1?key=hunter2", "https://host/v1" },
		{ "OPENAI_BASE_URL=http://hunter2/v1", "https://" },
		{ "OPENAI_BASE_URL=ftp://hunter2/v1", "https://" },
		{ "OPENAI_BASE_URL=https://", "https://host/v1" },
		{ "OPENAI_BASE_URL=HTTPS://hunter2/v1", "https://" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct oam_error err;
		char copy[96], place[160], name[32];
		int length = (int)strcspn(bad[i].assignment, "=");

		snprintf(name, sizeof(name), "%.*s", length, bad[i].assignment);
		snprintf(copy, sizeof(copy), "JWT_SECRET=" WIPED "\n\n%s",
			 bad[i].assignment);
		write_env(copy);
		err = load_error();
		snprintf(place, sizeof(place), "%s line 3: %s ", path, name);
		assert_says(&err, place);
		assert_says(&err, bad[i].reason);
		assert_string_equal(err.param, name);
		assert_null(strstr(err.message, "hunter2"));
		assert_null(strstr(err.detail, "hunter2"));
		assert_null(strstr(err.message, WIPED));

		write_env("");
		snprintf(copy, sizeof(copy), "%s", bad[i].assignment);
		environment[1] = copy;
		err = load_error();
		environment[1] = NULL;
		snprintf(place, sizeof(place), "environment: %s ", name);
		assert_says(&err, place);
		assert_says(&err, bad[i].reason);
		assert_null(strstr(err.message, "hunter2"));
		assert_null(strstr(err.detail, "hunter2"));
	}
}

static void test_a_nul_in_a_secret(void **state)
{
	static const char text[] = "A=1\nJWT_SECRET=hunter2\0rest";
	struct oam_error err;

	(void)state;
	write_env_bytes(text, sizeof(text) - 1);
	err = load_error();
	assert_says(&err, "line 2: JWT_SECRET holds a NUL byte");
	assert_string_equal(err.param, "JWT_SECRET");
	assert_null(strstr(err.message, "hunter2"));
	assert_null(strstr(err.detail, "hunter2"));
}

static void test_paths_are_beside_the_file(void **state)
{
	static const struct {
		const char *given, *expected; /* below the folder, or absolute */
	} cases[] = {
		{ "x.db", "x.db" },           { "./x.db", "./x.db" },
		{ "../x.db", "../x.db" },     { "a/b/x.db", "a/b/x.db" },
		{ "/abs/x.db", "/abs/x.db" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char text[256], expected[128];

		snprintf(text, sizeof(text),
			 "OAM_DB=%s\nOAM_CONFIG_FILE=%s\nOAM_JWT_PUBLIC_KEY=%s\n",
			 cases[i].given, cases[i].given, cases[i].given);
		write_env(text);
		snprintf(expected, sizeof(expected), "%s%s%s",
			 cases[i].expected[0] == '/' ? "" : folder,
			 cases[i].expected[0] == '/' ? "" : "/", cases[i].expected);
		assert_ok(settings_load(&settings, environment, &err));
		assert_string_equal(settings.db, expected);
		assert_string_equal(settings.config_file, expected);
		assert_string_equal(settings.jwt_public_key, expected);
		settings_free(&settings);
	}
}

/* Without OAM_ENV_FILE, or with an empty one, it is ./.env; and it may be missing. */
static void test_the_file_of_the_working_directory(void **state)
{
	static char variables[][16] = { "X=1", "OAM_ENV_FILE=" };

	(void)state;
	assert_int_equal(chdir(folder), 0);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };

		environment[0] = variables[i];
		unlink(path);
		assert_ok(settings_load(&settings, environment, &err));
		assert_string_equal(settings.env_file, "./.env");
		assert_string_equal(settings.db, "./oam.db");
		assert_int_equal(settings.workers, 2);
		settings_free(&settings);
		write_env("OAM_WORKERS=3");
		assert_ok(settings_load(&settings, environment, &err));
		assert_int_equal(settings.workers, 3);
		settings_free(&settings);
	}
	assert_int_equal(chdir("/"), 0);
}

static void test_a_file_that_is_asked_for_must_be_there(void **state)
{
	struct oam_error err;

	(void)state;
	unlink(path);
	err = load_error();
	assert_says(&err, "does not exist");
	assert_string_equal(err.param, "OAM_ENV_FILE");
	assert_string_equal(err.detail, path);

	snprintf(variable, sizeof(variable), "OAM_ENV_FILE=%s", folder);
	err = load_error(); /* a folder is no file */
	assert_says(&err, folder);
	assert_string_equal(err.param, "OAM_ENV_FILE");
}

static void test_a_file_that_is_too_large(void **state)
{
	size_t size = 1024 * 1024 + 1;
	char *text = malloc(size);
	struct settings settings;
	struct oam_error err = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	write_env_bytes(text, size - 1);
	assert_ok(settings_load(&settings, environment, &err));
	settings_free(&settings);
	write_env_bytes(text, size);
	err = load_error();
	assert_says(&err, path);
	free(text);
}

static void test_secrets_are_wiped(void **state)
{
	static const char *const names[] = { "JWT_SECRET", "JWT_SECRET_PREVIOUS",
					     "OPENAI_API_KEY", "OAM_HTTP_PROXY" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char text[96];
		int before;

		wiped = 0;
		snprintf(text, sizeof(text), "%s=" WIPED, names[i]);
		write_env(text);
		assert_ok(settings_load(&settings, environment, &err));
		assert_true(wiped > 0); /* the copy in between */
		before = wiped;
		settings_free(&settings);
		assert_int_equal(wiped, before + 1);
		assert_true(is_empty(&settings));
		settings_free(&settings);
		assert_int_equal(wiped, before + 1);
	}
}

static void test_read_now(void **state)
{
	static const struct {
		const char *file, *variable, *expected; /* file NULL: there is none */
	} cases[] = {
		{ "K=file", "K=environment", "file" },
		{ "K=file", "X=1", "file" },
		{ "", "K=environment", "environment" },
		{ NULL, "K=environment", "environment" },
		{ NULL, "X=1", NULL },
		{ "", "X=1", NULL },
		{ "", "KK=1", NULL },
		{ "K=", "K=environment", "" },
		{ "K=1\nK=2", "K=environment", "2" },
		{ "K=\"a\\nb\"", "X=1", "a\nb" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char copy[64], *value;

		snprintf(copy, sizeof(copy), "%s", cases[i].variable);
		environment[1] = copy;
		write_env("K=old");
		assert_ok(settings_load(&settings, environment, &err));
		if (cases[i].file)
			write_env(cases[i].file);
		else
			unlink(path);
		assert_ok(settings_read_now(&settings, "K", &value, &err));
		if (cases[i].expected)
			assert_string_equal(value, cases[i].expected);
		else
			assert_null(value);
		free(value);
		settings_free(&settings);
	}
}

static void test_read_now_of_a_folder(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char *value;

	(void)state;
	write_env("");
	assert_ok(settings_load(&settings, environment, &err));
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(settings_read_now(&settings, "K", &value, &err), -1);
	assert_int_equal(err.code, OAM_E_SETTING);
	assert_null(value);
	assert_int_equal(rmdir(path), 0);
	settings_free(&settings);
}

/* A value of every setting that must not have such characters, and why not. */
static const struct {
	const char *name, *value, *reason; /* reason NULL: it is good */
} values[] = {
	{ "OPENAI_API_KEY", "sk-a\nhunter2", "OPENAI_API_KEY holds a blank, a line end" },
	{ "OPENAI_API_KEY", "sk-a\rhunter2", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "sk-a hunter2", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "hunter2\t", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "\x7Fhunter2", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "hunter2\xc3\xa4", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "'hunter2'", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "hunter2`", "holds a blank, a line end, a quote" },
	{ "OPENAI_API_KEY", "sk-proj_a.b-c/d+e=:~", NULL },
	{ "OPENAI_ORG_ID", "org-hunter2\nX-Evil: 1", "OPENAI_ORG_ID holds a blank" },
	{ "OPENAI_ORG_ID", "org-hunter2 ", "OPENAI_ORG_ID holds a blank" },
	{ "OPENAI_ORG_ID", "org-hunter2\"", "OPENAI_ORG_ID holds a blank" },
	{ "OPENAI_PROJECT_ID", "proj_hunter2\r\n", "OPENAI_PROJECT_ID holds a blank" },
	{ "OPENAI_PROJECT_ID", "\"hunter2\"", "OPENAI_PROJECT_ID holds a blank" },
	{ "OPENAI_API_VERSION", "hunter2\n", "OPENAI_API_VERSION must be of letters" },
	{ "OPENAI_API_VERSION", "hunter2&x=1", "must be of letters" },
	{ "OPENAI_API_VERSION", "hunter2#", "must be of letters" },
	{ "OPENAI_API_VERSION", "hunter2 1", "must be of letters" },
	{ "OPENAI_API_VERSION", "'hunter2'", "must be of letters" },
	{ "OPENAI_API_VERSION", "2024-05-01-preview", NULL },
	{ "OAM_HTTP_PROXY", "http://u:hunter2@h:1\n", "OAM_HTTP_PROXY holds a blank" },
	{ "OAM_HTTP_PROXY", "ftp://u:hunter2@h:1", "must be like http://host:3128" },
	{ "OAM_HTTP_PROXY", "://hunter2", "must be like http://host:3128" },
	{ "OAM_HTTP_PROXY", "SOCKS5h://u:p@h:1", NULL },
	{ "OAM_HTTP_PROXY", "host:3128", NULL },
	{ "OPENAI_BASE_URL", "https://hunter2/\nv1", "must be like https://host/v1" },
	{ "OPENAI_BASE_URL", "https://hunter2/\x01v1", "must be like https://host/v1" },
	{ "OPENAI_BASE_URL", "https://hunter2/v1\"", "must be like https://host/v1" },
	{ "OPENAI_BASE_URL", "https://hunter2\\@x/v1", "must be like https://host/v1" },
	{ "JWT_SECRET", "hunter2hunter2\n", "JWT_SECRET holds a line end or another" },
	{ "JWT_SECRET", "hunter2\thunter2", "JWT_SECRET holds a line end or another" },
	{ "JWT_SECRET", "hunter2\x7F", "JWT_SECRET holds a line end or another" },
	{ "JWT_SECRET", " hunter2", "JWT_SECRET has a blank at an end" },
	{ "JWT_SECRET", "hunter2 ", "JWT_SECRET has a blank at an end" },
	{ "JWT_SECRET", "a b 'c' \"d\"", NULL },
	{ "JWT_SECRET_PREVIOUS", "hunter2\n", "JWT_SECRET_PREVIOUS holds a line end" },
	{ "OAM_JWT_ALG", "hunter2", "OAM_JWT_ALG must be HS, RS or ES" },
	{ "OAM_JWT_ALG", "HS256\n", "OAM_JWT_ALG must be HS, RS or ES" },
	{ "OAM_JWT_ALG", "none", "OAM_JWT_ALG must be HS, RS or ES" },
	{ "OAM_JWT_ISSUER", "hunter2\n", "OAM_JWT_ISSUER holds a line end" },
	{ "OAM_JWT_ISSUER", "hunter2\xff", "OAM_JWT_ISSUER is not UTF-8" },
	{ "OAM_JWT_AUDIENCE", "hunter2\x1b[31m", "OAM_JWT_AUDIENCE holds a line end" },
	{ "OAM_JWT_AUDIENCE", " hunter2", "OAM_JWT_AUDIENCE has a blank at an end" },
	{ "OAM_JWT_MANAGE", "role=hunter2\n", "OAM_JWT_MANAGE holds a line end" },
	{ "OAM_JWT_REVOKED", "hunter2\nb", "OAM_JWT_REVOKED holds a line end" },
	{ "OAM_JWT_REVOKED", "a, b", NULL },
	{ "OAM_JWT_PUBLIC_KEY", "hunter2\n", "OAM_JWT_PUBLIC_KEY holds a line end" },
	{ "OAM_DB", "hunter2\n.db", "OAM_DB holds a line end" },
	{ "OAM_CONFIG_FILE", "hunter2\x01", "OAM_CONFIG_FILE holds a line end" },
	{ "OAM_CA_FILE", "hunter2\r", "OAM_CA_FILE holds a line end" },
	{ "OAM_HOOKS_DIR", "hunter2\x1b", "OAM_HOOKS_DIR holds a line end" },
	{ "OAM_HOOKS_DIR", "a folder", NULL },
	{ "OAM_JWT_LEEWAY", "1\n", "OAM_JWT_LEEWAY must be a whole number" },
	{ "OAM_KEEP_COUNT", " 1", "OAM_KEEP_COUNT must be a whole number" },
	{ "OAM_WORKERS", "1 ", "OAM_WORKERS must be a whole number" },
	{ "OAM_LOG_LEVEL", "info\n", "OAM_LOG_LEVEL must be one of" },
};

static void test_values_of_the_environment(void **state)
{
	(void)state;
	write_env("");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct settings settings;
		struct oam_error err = { 0 };
		char copy[96];

		snprintf(copy, sizeof(copy), "%s=%s", values[i].name, values[i].value);
		environment[1] = copy;
		if (!values[i].reason) {
			assert_ok(settings_load(&settings, environment, &err));
			settings_free(&settings);
			continue;
		}
		err = load_error();
		assert_says(&err, "environment: ");
		assert_says(&err, values[i].reason);
		assert_string_equal(err.param, values[i].name);
		assert_null(strstr(err.message, "hunter2"));
		assert_null(strstr(err.detail, "hunter2"));
	}
}

/* The same in the file, where quotes keep all bytes but those that dotenv expands. */
static void test_values_of_the_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const char *value = values[i].value;
		char quote = strchr(value, '\'') ? (strchr(value, '"') ? '`' : '"')
						 : '\'';
		struct settings settings;
		struct oam_error err = { 0 };
		char text[128], place[160];

		snprintf(text, sizeof(text), "A=1\n%s=%c%s%c\n", values[i].name, quote,
			 value, quote);
		write_env(text);
		if (!values[i].reason) {
			assert_ok(settings_load(&settings, environment, &err));
			settings_free(&settings);
			continue;
		}
		err = load_error();
		snprintf(place, sizeof(place), "%s line 2: ", path);
		assert_says(&err, place);
		assert_says(&err, values[i].reason);
		assert_null(strstr(err.message, "hunter2"));
	}
}

static void test_the_path_of_the_file(void **state)
{
	char copy[] = "OAM_ENV_FILE=/tmp/hunter2\n";
	struct oam_error err;

	(void)state;
	environment[0] = copy;
	err = load_error();
	assert_says(&err, "environment: OAM_ENV_FILE holds a line end");
	assert_null(strstr(err.message, "hunter2"));
}

/* What the caller does with its environment afterwards is its own business. */
static void test_the_environment_is_copied(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char *env_file = strdup(variable), *key = strdup("K=first"), *value;
	char **own = calloc(3, sizeof(*own));

	(void)state;
	assert_true(env_file && key && own);
	write_env("");
	own[0] = env_file;
	own[1] = key;
	assert_ok(settings_load(&settings, own, &err));
	memset(key, 'x', strlen(key));
	free(key);
	free(env_file);
	free(own);
	assert_ok(settings_read_now(&settings, "K", &value, &err));
	assert_string_equal(value, "first");
	free(value);
	settings_free(&settings);
}

static void test_places(void **state)
{
	struct settings settings;
	struct oam_error err = { 0 };
	char copy[] = "OAM_WORKERS=3", place[160], expected[96];

	(void)state;
	environment[1] = copy;
	write_env("\nJWT_SECRET=x\n");
	assert_ok(settings_load(&settings, environment, &err));
	snprintf(expected, sizeof(expected), "%s line 2", path);
	settings_place(&settings, "JWT_SECRET", place, sizeof(place));
	assert_string_equal(place, expected);
	settings_place(&settings, "OAM_WORKERS", place, sizeof(place));
	assert_string_equal(place, "environment");
	settings_place(&settings, "OAM_JWT_ALG", place, sizeof(place));
	assert_string_equal(place, "default");
	settings_place(&settings, "OPENAI_API_KEY", place, sizeof(place));
	assert_string_equal(place, "not set");
	settings_place(&settings, "NOBODY", place, sizeof(place));
	assert_string_equal(place, "");
	settings_free(&settings);
	settings_place(&settings, "JWT_SECRET", place, sizeof(place));
	assert_string_equal(place, "");
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
		TEST(test_precedence),
		TEST(test_every_default),
		TEST(test_log_levels),
		TEST(test_unknown_names),
		TEST(test_unknown_names_in_the_environment),
		TEST(test_bad_values_are_placed_and_not_shown),
		TEST(test_a_nul_in_a_secret),
		TEST(test_paths_are_beside_the_file),
		TEST(test_the_file_of_the_working_directory),
		TEST(test_a_file_that_is_asked_for_must_be_there),
		TEST(test_a_file_that_is_too_large),
		TEST(test_secrets_are_wiped),
		TEST(test_read_now),
		TEST(test_read_now_of_a_folder),
		TEST(test_values_of_the_environment),
		TEST(test_values_of_the_file),
		TEST(test_the_path_of_the_file),
		TEST(test_the_environment_is_copied),
		TEST(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
