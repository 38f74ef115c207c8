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

static int parse_text(const struct setting *setting, const char *text, void *field,
		      const struct settings *settings, struct oam_error *err)
{
	(void)setting;
	(void)settings;
	*(char **)field = strdup(text);
	return *(char **)field ? 0 : error_set(err, NO_MEMORY, NULL);
}

static int parse_path(const struct setting *setting, const char *text, void *field,
		      const struct settings *settings, struct oam_error *err)
{
	(void)setting;
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

/* http or https, a host, no query; a key must not travel in the clear beyond this host.
 */
static int parse_base_url(const struct setting *setting, const char *text, void *field,
			  const struct settings *settings, struct oam_error *err)
{
	static const char *const local[] = { "127.0.0.1", "localhost", "[::1]" };
	bool is_plain = strncmp(text, "http://", 7) == 0;
	const char *host = text + (is_plain ? 7 : 8);
	size_t length;

	if (!is_plain && strncmp(text, "https://", 8) != 0)
		return complain(setting, "must begin with https:// or http://", err);
	length = strcspn(host, "/:");
	if (host[0] == '[')
		length = strcspn(host, "]") + 1;
	if (length == 0 || strpbrk(text, "?#@ \t\r\n"))
		return complain(setting, "must be like https://host/v1", err);
	for (size_t i = 0; is_plain && i < sizeof(local) / sizeof(local[0]); i++)
		if (strlen(local[i]) == length && strncmp(local[i], host, length) == 0)
			is_plain = false;
	if (is_plain)
		return complain(setting, "must begin with https:// for another machine",
				err);
	return parse_text(setting, text, field, settings, err);
}

/* claim=value; both sides must be there. */
static int parse_claim(const struct setting *setting, const char *text, void *field,
		       const struct settings *settings, struct oam_error *err)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || equals[1] == '\0')
		return complain(setting, "must be claim=value, for example role=admin",
				err);
	return parse_text(setting, text, field, settings, err);
}

#define FIELD(name) offsetof(struct settings, name)

/* In this order: later rows may use what earlier ones set. */
static const struct setting table[] = {
	{ "OAM_DB", FIELD(db), parse_path, "oam.db", 0, 0 },
	{ "OAM_CONFIG_FILE", FIELD(config_file), parse_path,
	  "config/openai-assistant.json", 0, 0 },
	{ "OPENAI_BASE_URL", FIELD(base_url), parse_base_url, NULL, 0, 0 },
	{ "OPENAI_API_KEY", FIELD(api_key), parse_text, NULL, 0, 0 },
	{ "OPENAI_API_VERSION", FIELD(api_version), parse_text, NULL, 0, 0 },
	{ "OPENAI_ORG_ID", FIELD(org_id), parse_text, NULL, 0, 0 },
	{ "OPENAI_PROJECT_ID", FIELD(project_id), parse_text, NULL, 0, 0 },
	{ "OAM_HTTP_PROXY", FIELD(http_proxy), parse_text, NULL, 0, 0 },
	{ "OAM_CA_FILE", FIELD(ca_file), parse_path, NULL, 0, 0 },
	{ "OAM_HOOKS_DIR", FIELD(hooks_dir), parse_path, NULL, 0, 0 },
	{ "JWT_SECRET", FIELD(jwt_secret), parse_text, NULL, 0, 0 },
	{ "OAM_JWT_ALG", FIELD(jwt_alg), parse_text, "HS256", 0, 0 },
	{ "OAM_JWT_PUBLIC_KEY", FIELD(jwt_public_key), parse_path, NULL, 0, 0 },
	{ "OAM_JWT_ISSUER", FIELD(jwt_issuer), parse_text, NULL, 0, 0 },
	{ "OAM_JWT_AUDIENCE", FIELD(jwt_audience), parse_text, NULL, 0, 0 },
	{ "OAM_JWT_LEEWAY", FIELD(jwt_leeway), parse_integer, "0", 0, 300 },
	{ "OAM_JWT_MANAGE", FIELD(jwt_manage), parse_claim, NULL, 0, 0 },
	{ "OAM_KEEP_COUNT", FIELD(keep_count), parse_integer, "5", 0, 1000000 },
	{ "OAM_WRITE_IN_PLACE", FIELD(write_in_place), parse_integer, "0", 0, 1 },
	{ "OAM_WORKERS", FIELD(workers), parse_integer, "2", 1, 64 },
	{ "NODE_ENV", FIELD(log_level), parse_node_env, NULL, 0, 0 },
	{ "OAM_LOG_LEVEL", FIELD(log_level), parse_level, NULL, 0, 0 },
};

#define TABLE_LENGTH (sizeof(table) / sizeof(table[0]))

/* Known names that settings_load() does not read from the table. */
static const char *const known_elsewhere[] = { "OAM_ENV_FILE" };

/* The `.env` file while it is being read. */
struct source {
	const char *path;
	char *text; /* NULL: there is no file */
	size_t length;
	char *const *environment;
};

static const char *environment_value(char *const environment[], const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; environment[i]; i++)
		if (strncmp(environment[i], name, length) == 0 &&
		    environment[i][length] == '=')
			return environment[i] + length + 1;
	return NULL;
}

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

/* Says where the bad value stands. The value itself may be a secret and stays out. */
static int name_the_place(const struct setting *setting, const char *place, int line,
			  const struct oam_error *cause, struct oam_error *err)
{
	char text[OAM_MESSAGE_MAX];

	if (line > 0)
		snprintf(text, sizeof(text), "%s line %d: %s %s", place, line,
			 setting->name, cause->detail);
	else
		snprintf(text, sizeof(text), "%s: %s %s", place, setting->name,
			 cause->detail);
	return error_set(err, SETTING, setting->name, text);
}

static int load_one(struct settings *settings, const struct setting *setting,
		    const struct source *source, struct oam_error *err)
{
	const char *text = environment_value(source->environment, setting->name);
	const char *place = "environment";
	struct oam_error cause = { 0 };
	char *from_file = NULL;
	int line = 0, result = 0;

	if (!text && source->text) {
		if (dotenv_get(source->text, source->length, setting->name, &from_file,
			       &line, err))
			return -1;
		text = from_file;
		place = source->path;
	}
	if (!text || text[0] == '\0')
		text = setting->initial;
	if (text && setting->parse(setting, text, (char *)settings + setting->offset,
				   settings, &cause)) {
		if (cause.code == OAM_E_SETTING)
			result = name_the_place(setting, place, line, &cause, err);
		else
			result = error_set(err, NO_MEMORY, NULL);
	}
	if (from_file)
		explicit_bzero(from_file, strlen(from_file));
	free(from_file);
	return result;
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

int settings_load(struct settings *settings, char *const environment[],
		  struct oam_error *err)
{
	struct source source = { .environment = environment };
	const char *path = environment_value(environment, "OAM_ENV_FILE");
	bool asked_for = path && path[0] != '\0';
	int result = -1;

	*settings = (struct settings){ .environment = environment,
				       .log_level = LOG_LEVEL_INFO };
	settings->env_file = strdup(asked_for ? path : "./.env");
	if (!settings->env_file) {
		error_set(err, NO_MEMORY, NULL);
		goto out;
	}
	if (read_env_file(settings->env_file, &source, err))
		goto out;
	if (asked_for && !source.text) {
		error_set(err, SETTING, "OAM_ENV_FILE",
			  "OAM_ENV_FILE names a file that does not exist");
		error_detail(err, "%s", path);
		goto out;
	}
	if (refuse_unknown_names(&source, err))
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

void settings_free(struct settings *settings)
{
	if (settings->jwt_secret)
		explicit_bzero(settings->jwt_secret, strlen(settings->jwt_secret));
	if (settings->api_key)
		explicit_bzero(settings->api_key, strlen(settings->api_key));
	if (settings->http_proxy) /* it may hold a password */
		explicit_bzero(settings->http_proxy, strlen(settings->http_proxy));
	free(settings->env_file);
	free(settings->db);
	free(settings->config_file);
	free(settings->base_url);
	free(settings->api_key);
	free(settings->api_version);
	free(settings->org_id);
	free(settings->project_id);
	free(settings->http_proxy);
	free(settings->ca_file);
	free(settings->hooks_dir);
	free(settings->jwt_secret);
	free(settings->jwt_alg);
	free(settings->jwt_public_key);
	free(settings->jwt_issuer);
	free(settings->jwt_audience);
	free(settings->jwt_manage);
	*settings = (struct settings){ 0 };
}

static bool is_secret(const char *name)
{
	return strcmp(name, "JWT_SECRET") == 0 || strcmp(name, "OPENAI_API_KEY") == 0 ||
	       strcmp(name, "OAM_HTTP_PROXY") == 0;
}

int settings_describe(const struct settings *settings,
		      void (*visit)(const char *name, const char *value,
				    const char *source, void *context),
		      void *context, struct oam_error *err)
{
	struct source source = { .environment = settings->environment };
	char where[OAM_MESSAGE_MAX];

	if (read_env_file(settings->env_file, &source, err))
		return -1;
	for (size_t i = 0; i < TABLE_LENGTH && !error_result(err); i++) {
		const char *name = table[i].name;
		const char *value = environment_value(source.environment, name);
		char *from_file = NULL;
		int line = 0;

		snprintf(where, sizeof(where), "environment");
		if (!value && source.text &&
		    dotenv_get(source.text, source.length, name, &from_file, &line,
			       err) == 0 &&
		    from_file) {
			value = from_file;
			snprintf(where, sizeof(where), "%s line %d", settings->env_file,
				 line);
		}
		if (!value || value[0] == '\0') {
			value = table[i].initial ? table[i].initial : "";
			snprintf(where, sizeof(where), "%s",
				 table[i].initial ? "default" : "not set");
		}
		visit(name, value[0] && is_secret(name) ? "********" : value, where,
		      context);
		if (from_file)
			explicit_bzero(from_file, strlen(from_file));
		free(from_file);
	}
	wipe(&source);
	return error_result(err);
}

int settings_check_url(const char *url, struct oam_error *err)
{
	static const struct setting setting = { .name = "URL" };
	struct settings ignored = { 0 };
	struct oam_error cause = { 0 };
	char *copy = NULL;

	if (parse_base_url(&setting, url, &copy, &ignored, &cause))
		error_set(err, SETTING, "URL", cause.detail);
	free(copy);
	return error_result(err);
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
	text = environment_value(settings->environment, key);
	if (result || *value || !text)
		return result;
	*value = strdup(text);
	return *value ? 0 : error_set(err, NO_MEMORY, NULL);
}
