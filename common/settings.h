/*
 * settings: configuration from the environment and the `.env` file, read once at start.
 *
 * The environment comes first, then `.env`, then the default, as dotenv does it. A name
 * that starts with OAM_ and is not known, or a value that is not allowed, is an error
 * that names where it stands. No value has a control character. Relative paths are relative
 * to the folder of the `.env`.
 */
#ifndef OAM_SETTINGS_H
#define OAM_SETTINGS_H

#include "error.h"
#include "log.h"

/* What stands between the words of a list in a setting. */
#define SETTINGS_LIST_BETWEEN " ,"

/* Everything in it is the struct's own. */
struct settings {
	char **environment; /* as it was when they were loaded; NULL at its end */
	char *env_file;
	char *db;
	char *config_file;
	char *base_url;    /* NULL: the embedded upstream */
	char *api_key;     /* for the http upstream */
	char *api_version; /* set: Azure style */
	char *org_id, *project_id;
	char *http_proxy; /* for the http upstream; NULL: none */
	char *ca_file;    /* PEM, instead of the system's authorities */
	char *hooks_dir;  /* holds pre.d, deploy.d, post.d; NULL: none */
	char *jwt_secret;
	char *jwt_secret_previous; /* verifies, does not sign; NULL: none */
	char *jwt_alg;
	char *jwt_public_key; /* path of a PEM file */
	char *jwt_issuer;
	char *jwt_audience;
	long long jwt_leeway; /* seconds */
	char *jwt_manage;     /* claim=value, or NULL */
	char *jwt_revoked;    /* list of the `jti` of tokens to refuse, or NULL */
	long long keep_count; /* automatic cleanup keeps this many; 0: off */
	long long workers;
	long long write_in_place; /* 1: files that cannot be replaced are written into */
	long long history_days;   /* what is older is forgotten; 0: nothing is */
	enum log_level log_level;
};

/*
 * Fills *settings. `environment` is an array like environ(7), of which it keeps a copy. On
 * failure *settings is empty and `err` names the setting, its place (the environment, or file
 * and line) and the reason, never the value. Release with settings_free().
 */
int settings_load(struct settings *settings, char *const environment[],
		  struct oam_error *err);

/* Releases all strings, wiping what may be secret first. Safe on an all-zero struct. */
void settings_free(struct settings *settings);

/*
 * Tells of each setting where its value comes from now: "environment", "FILE line N",
 * "default" or "not set". Secrets are shown as stars.
 */
int settings_describe(const struct settings *settings,
		      void (*visit)(const char *name, const char *value,
				    const char *source, void *context),
		      void *context, struct oam_error *err);

/*
 * Where the value of the setting `name` comes from now, as settings_describe() has it. ""
 * when that cannot be told.
 */
void settings_place(const struct settings *settings, const char *name, char *place,
		    size_t size);

/* True when `name` is a setting of this program, whatever its value. */
bool settings_is_known(const char *name);

/* Checks a base URL from elsewhere as OPENAI_BASE_URL is. SETTING. */
int settings_check_url(const char *url, struct oam_error *err);

/*
 * Reads the value of `key` now: from the `.env` file, else from the environment. For the
 * assistant ids, which change while programs run: here the file is the newer one.
 * *value is malloc'd, or NULL when there is none.
 */
int settings_read_now(const struct settings *settings, const char *key, char **value,
		      struct oam_error *err);

#endif
