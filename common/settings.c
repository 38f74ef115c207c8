#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dotenv.h"
#include "file.h"
#include "settings_environment.h"
#include "settings_fault.h"

struct setting {
	const char *name;
	size_t offset; /* in struct settings */
	int (*parse)(const struct setting *, const char *text, void *field,
		     const struct settings *, struct oam_error *);
	const char *initial; /* NULL: none */
	long long min, max;
};

static int complain(const struct setting *setting, const char *text,
		    struct oam_error *err)
{
	error_set(err, SETTING, setting->name, "");
	return error_detail(err, "%s", text);
}

/* Keeps a copy of a value without a fault. */
static int keep(const struct setting *setting, const char *text, const char *fault,
		void *field, struct oam_error *err)
{
	if (fault)
		return complain(setting, fault, err);
	*(char **)field = strdup(text);
	return *(char **)field ? 0 : error_set(err, NO_MEMORY, NULL);
}

#define PARSE(what) \
	static int parse_##what(const struct setting *setting, const char *text, \
				void *field, const struct settings *settings, \
				struct oam_error *err) \
	{ \
		(void)settings; \
		return keep(setting, text, settings_fault_##what(text), field, err); \
	}

PARSE(secret)
PARSE(text)
PARSE(word)
PARSE(version)
PARSE(proxy)
PARSE(algorithm)
PARSE(base_url)
PARSE(claim)

static int parse_path(const struct setting *setting, const char *text, void *field,
		      const struct settings *settings, struct oam_error *err)
{
	const char *fault = settings_fault_path(text);

	if (fault)
		return complain(setting, fault, err);
	*(char **)field = file_beside(settings->env_file, text, err);
	return *(char **)field ? 0 : -1;
}

static int parse_integer(const struct setting *setting, const char *text, void *field,
			 const struct settings *settings, struct oam_error *err)
{
	char *end;
	long long value;

	(void)settings;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end != '\0' || !isdigit((unsigned char)text[0]) ||
	    (text[0] == '0' && text[1] != '\0') || value < setting->min ||
	    value > setting->max) {
		error_set(err, SETTING, setting->name, "");
		return error_detail(err, "must be a whole number from %lld to %lld",
				    setting->min, setting->max);
	}
	*(long long *)field = value;
	return 0;
}

static int parse_level(const struct setting *setting, const char *text, void *field,
		       const struct settings *settings, struct oam_error *err)
{
	static const char *const levels[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	(void)settings;
	for (enum log_level level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		if (strcmp(text, levels[level]) == 0) {
			*(enum log_level *)field = level;
			return 0;
		}
	}
	return complain(setting, "must be one of error, warn, info, debug", err);
}

/* NODE_ENV=development means debug; any other value means nothing to us. */
static int parse_node_env(const struct setting *setting, const char *text, void *field,
			  const struct settings *settings, struct oam_error *err)
{
	(void)setting;
	(void)settings;
	(void)err;
	if (strcmp(text, "development") == 0)
		*(enum log_level *)field = LOG_LEVEL_DEBUG;
	return 0;
}

#define FIELD(name) offsetof(struct settings, name)

/* In this order: later rows may use what earlier ones set. */
static const struct setting table[] = {
	{ "OAM_DB", FIELD(db), parse_path, "oam.db", 0, 0 },
	{ "OAM_CONFIG_FILE", FIELD(config_file), parse_path,
	  "config/openai-assistant.json", 0, 0 },
	{ "OPENAI_BASE_URL", FIELD(base_url), parse_base_url, NULL, 0, 0 },
	{ "OPENAI_API_KEY", FIELD(api_key), parse_word, NULL, 0, 0 },
	{ "OPENAI_API_VERSION", FIELD(api_version), parse_version, NULL, 0, 0 },
	{ "OPENAI_ORG_ID", FIELD(org_id), parse_word, NULL, 0, 0 },
	{ "OPENAI_PROJECT_ID", FIELD(project_id), parse_word, NULL, 0, 0 },
	{ "OAM_HTTP_PROXY", FIELD(http_proxy), parse_proxy, NULL, 0, 0 },
	{ "OAM_CA_FILE", FIELD(ca_file), parse_path, NULL, 0, 0 },
	{ "OAM_HOOKS_DIR", FIELD(hooks_dir), parse_path, NULL, 0, 0 },
	{ "JWT_SECRET", FIELD(jwt_secret), parse_secret, NULL, 0, 0 },
	{ "JWT_SECRET_PREVIOUS", FIELD(jwt_secret_previous), parse_secret, NULL, 0, 0 },
	{ "OAM_JWT_ALG", FIELD(jwt_alg), parse_algorithm, "HS256", 0, 0 },
	{ "OAM_JWT_PUBLIC_KEY", FIELD(jwt_public_key), parse_path, NULL, 0, 0 },
	{ "OAM_JWT_ISSUER", FIELD(jwt_issuer), parse_text, NULL, 0, 0 },
	{ "OAM_JWT_AUDIENCE", FIELD(jwt_audience), parse_text, NULL, 0, 0 },
	{ "OAM_JWT_LEEWAY", FIELD(jwt_leeway), parse_integer, "0", 0, 300 },
	{ "OAM_JWT_MANAGE", FIELD(jwt_manage), parse_claim, NULL, 0, 0 },
	{ "OAM_JWT_REVOKED", FIELD(jwt_revoked), parse_text, NULL, 0, 0 },
	{ "OAM_KEEP_COUNT", FIELD(keep_count), parse_integer, "5", 0, 1000000 },
	{ "OAM_HISTORY_DAYS", FIELD(history_days), parse_integer, "365", 0, 36500 },
	{ "OAM_WRITE_IN_PLACE", FIELD(write_in_place), parse_integer, "0", 0, 1 },
	{ "OAM_WORKERS", FIELD(workers), parse_integer, "2", 1, 64 },
	{ "NODE_ENV", FIELD(log_level), parse_node_env, NULL, 0, 0 },
	{ "OAM_LOG_LEVEL", FIELD(log_level), parse_level, NULL, 0, 0 },
};

#define TABLE_LENGTH (sizeof(table) / sizeof(table[0]))

/*
 * Known names that settings_load() does not read from the table. All but the first are what
 * hooks get, which may run programs of oam.
 */
static const char *const known_elsewhere[] = {
	"OAM_ENV_FILE", "OAM_PROFILE", "OAM_ASSISTANT_ID", "OAM_PREVIOUS_ASSISTANT_ID",
	"OAM_ERROR",    "OAM_REASON",
};

/* The `.env` file while it is being read. */
struct source {
	const char *path;
	char *text; /* NULL: there is no file */
	size_t length;
	char *const *environment;
};

/* A value and where it stands. */
struct found {
	const char *value; /* NULL: nowhere, and there is no default */
	char *from_file;   /* what to release */
	char place[OAM_MESSAGE_MAX];
};

static bool is_known(const char *name, size_t length)
{
	for (size_t i = 0; i < TABLE_LENGTH; i++)
		if (strlen(table[i].name) == length &&
		    strncmp(table[i].name, name, length) == 0)
			return true;
	for (size_t i = 0; i < sizeof(known_elsewhere) / sizeof(known_elsewhere[0]); i++)
		if (strlen(known_elsewhere[i]) == length &&
		    strncmp(known_elsewhere[i], name, length) == 0)
			return true;
	return false;
}

bool settings_is_known(const char *name)
{
	return is_known(name, strlen(name));
}

static bool is_stranger(const char *name, size_t length)
{
	return length >= 4 && strncmp(name, "OAM_", 4) == 0 && !is_known(name, length);
}

static int refuse_unknown_names(const struct source *source, struct oam_error *err)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	char where[OAM_MESSAGE_MAX];

	for (size_t i = 0; source->environment[i]; i++) {
		const char *name = source->environment[i];
		size_t length = strcspn(name, "=");

		snprintf(where, sizeof(where), "environment: unknown name %.*s",
			 (int)length, name);
		if (is_stranger(name, length))
			return error_set(err, SETTING, NULL, where);
	}
	if (!source->text)
		return 0;
	dotenv_start(&scanner, source->text, source->length);
	while (dotenv_next(&scanner, &entry)) {
		const char *name = source->text + entry.key;

		if (!is_stranger(name, entry.key_length))
			continue;
		snprintf(where, sizeof(where), "%s line %d: unknown name %.*s",
			 source->path, entry.line, (int)entry.key_length, name);
		return error_set(err, SETTING, NULL, where);
	}
	return 0;
}

/* An empty value is as good as none. */
static int look_up(const struct source *source, const struct setting *setting,
		   struct found *found, struct oam_error *err)
{
	int line = 0;

	*found = (struct found){ .place = "environment" };
	found->value = settings_environment_value(source->environment, setting->name);
	if (!found->value && source->text) {
		if (dotenv_get(source->text, source->length, setting->name,
			       &found->from_file, &line, err))
			return -1;
		found->value = found->from_file;
		snprintf(found->place, sizeof(found->place), "%s line %d", source->path,
			 line);
	}
	if (!found->value || found->value[0] == '\0') {
		found->value = setting->initial;
		snprintf(found->place, sizeof(found->place), "%s",
			 setting->initial ? "default" : "not set");
	}
	return 0;
}

static void release(struct found *found)
{
	if (found->from_file)
		explicit_bzero(found->from_file, strlen(found->from_file));
	free(found->from_file);
}

static int load_one(struct settings *settings, const struct setting *setting,
		    const struct source *source, struct oam_error *err)
{
	struct oam_error cause = { 0 };
	struct found found;
	char text[OAM_MESSAGE_MAX];

	if (look_up(source, setting, &found, err))
		return -1;
	if (found.value) /* which may be a secret, and stays out of the message */
		setting->parse(setting, found.value, (char *)settings + setting->offset,
			       settings, &cause);
	if (cause.code == OAM_E_SETTING) {
		snprintf(text, sizeof(text), "%s: %s %s", found.place, setting->name,
			 cause.detail);
		error_set(err, SETTING, setting->name, text);
	} else if (error_result(&cause)) {
		error_set(err, NO_MEMORY, NULL);
	}
	release(&found);
	return error_result(err);
}

static int read_env_file(const char *path, struct source *source, struct oam_error *err)
{
	struct oam_error cause = { 0 };
	char text[OAM_MESSAGE_MAX];
	const char *fault;

	source->path = path;
	if (file_read(path, DOTENV_MAX, &source->text, &source->length, &cause)) {
		if (cause.code == OAM_E_NO_MEMORY)
			return error_set(err, NO_MEMORY, NULL);
		snprintf(text, sizeof(text), "cannot %s", cause.detail);
		return error_set(err, SETTING, "OAM_ENV_FILE", text);
	}
	fault = source->text ? dotenv_fault(source->text, source->length) : NULL;
	if (!fault)
		return 0;
	explicit_bzero(source->text, source->length);
	free(source->text);
	source->text = NULL;
	snprintf(text, sizeof(text), "cannot read %s: %s", path, fault);
	return error_set(err, SETTING, "OAM_ENV_FILE", text);
}

static void wipe(struct source *source)
{
	if (source->text)
		explicit_bzero(source->text, source->length);
	free(source->text);
}

/* The `.env` to read, into settings->env_file; *text NULL: there is none. */
static int open_env_file(struct settings *settings, struct source *source,
			 struct oam_error *err)
{
	const char *path = settings_environment_value(settings->environment,
						      "OAM_ENV_FILE");
	bool asked_for = path && path[0] != '\0';

	if (asked_for && settings_fault_path(path))
		return error_set(err, SETTING, "OAM_ENV_FILE",
				 "environment: OAM_ENV_FILE holds a line end or another "
				 "control character");
	settings->env_file = strdup(asked_for ? path : "./.env");
	if (!settings->env_file)
		return error_set(err, NO_MEMORY, NULL);
	if (read_env_file(settings->env_file, source, err))
		return -1;
	if (asked_for && !source->text) {
		error_set(err, SETTING, "OAM_ENV_FILE",
			  "OAM_ENV_FILE names a file that does not exist");
		return error_detail(err, "%s", path);
	}
	return 0;
}

int settings_load(struct settings *settings, char *const environment[],
		  struct oam_error *err)
{
	struct source source = { 0 };
	int result = -1;

	*settings = (struct settings){ .log_level = LOG_LEVEL_INFO };
	if (settings_environment_copy(environment, &settings->environment, err))
		goto out;
	source.environment = settings->environment;
	if (open_env_file(settings, &source, err) || refuse_unknown_names(&source, err))
		goto out;
	for (size_t i = 0; i < TABLE_LENGTH; i++)
		if (load_one(settings, &table[i], &source, err))
			goto out;
	result = 0;
out:
	wipe(&source);
	if (result)
		settings_free(settings);
	return result;
}

static void wipe_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void settings_free(struct settings *settings)
{
	settings_environment_free(settings->environment);
	wipe_text(settings->jwt_secret);
	wipe_text(settings->jwt_secret_previous);
	wipe_text(settings->api_key);
	wipe_text(settings->http_proxy); /* it may hold a password */
	free(settings->env_file);
	free(settings->db);
	free(settings->config_file);
	free(settings->base_url);
	free(settings->api_version);
	free(settings->org_id);
	free(settings->project_id);
	free(settings->ca_file);
	free(settings->hooks_dir);
	free(settings->jwt_alg);
	free(settings->jwt_public_key);
	free(settings->jwt_issuer);
	free(settings->jwt_audience);
	free(settings->jwt_manage);
	free(settings->jwt_revoked);
	*settings = (struct settings){ 0 };
}

static bool is_secret(const char *name)
{
	return strncmp(name, "JWT_SECRET", 10) == 0 ||
	       strcmp(name, "OPENAI_API_KEY") == 0 || strcmp(name, "OAM_HTTP_PROXY") == 0;
}

int settings_describe(const struct settings *settings,
		      void (*visit)(const char *name, const char *value,
				    const char *source, void *context),
		      void *context, struct oam_error *err)
{
	struct source source = { .environment = settings->environment };
	struct found found;

	if (read_env_file(settings->env_file, &source, err))
		return -1;
	for (size_t i = 0; i < TABLE_LENGTH; i++) {
		const char *name = table[i].name;

		if (look_up(&source, &table[i], &found, err))
			break;
		if (found.value && found.value != table[i].initial && is_secret(name))
			visit(name, "********", found.place, context);
		else
			visit(name, found.value ? found.value : "", found.place, context);
		release(&found);
	}
	wipe(&source);
	return error_result(err);
}

void settings_place(const struct settings *settings, const char *name, char *place,
		    size_t size)
{
	struct source source = { .environment = settings->environment };
	struct oam_error ignored = { 0 };
	struct found found;

	place[0] = '\0';
	if (!settings->environment ||
	    read_env_file(settings->env_file, &source, &ignored))
		return;
	for (size_t i = 0; i < TABLE_LENGTH; i++) {
		if (strcmp(table[i].name, name) != 0 ||
		    look_up(&source, &table[i], &found, &ignored))
			continue;
		snprintf(place, size, "%s", found.place);
		release(&found);
	}
	wipe(&source);
}

int settings_check_url(const char *url, struct oam_error *err)
{
	const char *fault = settings_fault_base_url(url);

	return fault ? error_set(err, SETTING, "URL", fault) : 0;
}

int settings_read_now(const struct settings *settings, const char *key, char **value,
		      struct oam_error *err)
{
	struct source source = { 0 };
	const char *text;
	int line, result;

	*value = NULL;
	if (read_env_file(settings->env_file, &source, err))
		return -1;
	result = source.text
			 ? dotenv_get(source.text, source.length, key, value, &line, err)
			 : 0;
	wipe(&source);
	text = settings_environment_value(settings->environment, key);
	if (result || *value || !text)
		return result;
	*value = strdup(text);
	return *value ? 0 : error_set(err, NO_MEMORY, NULL);
}
