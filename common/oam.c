#include "oam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

struct oam {
	struct settings settings;
	struct service *service;
	struct oam_error err;
};

static const char *name_of(const char *profile)
{
	return profile ? profile : PROFILE_DEFAULT;
}

/* A call begins: what the last one left is forgotten. NULL when opening had failed. */
static struct service *begin(struct oam *oam)
{
	if (!oam->service)
		return NULL; /* with the error of oam_open() */
	oam->err = (struct oam_error){ 0 };
	return oam->service;
}

/* Reads a JSON object; NULL text is no object, and no error. */
static int read_config(struct oam *oam, const char *text, struct json_object **config)
{
	*config = NULL;
	if (!text)
		return 0;
	if (json_read(text, strlen(text), config, &oam->err))
		return -1;
	if (json_object_is_type(*config, json_type_object))
		return 0;
	error_set(&oam->err, INVALID_TYPE, "config", "config", "an object",
		  json_type_name(*config));
	json_object_put(*config);
	*config = NULL;
	return -1;
}

/* Loads the settings as if the environment had this OAM_ENV_FILE; what comes first counts. */
static int load_with(struct oam *oam, const char *env_file)
{
	char **environment, *first;
	size_t count = 0;

	while (environ && environ[count]) /* clearenv(3) makes it NULL */
		count++;
	environment = calloc(count + 2, sizeof(*environment));
	if (asprintf(&first, "OAM_ENV_FILE=%s", env_file) < 0)
		first = NULL;
	if (environment && first) {
		environment[0] = first;
		for (size_t i = 0; i < count; i++)
			environment[i + 1] = environ[i];
		settings_load(&oam->settings, environment, &oam->err);
	} else {
		error_set(&oam->err, NO_MEMORY, NULL);
	}
	free(first);
	free(environment);
	return error_result(&oam->err);
}

int oam_open(const char *env_file, struct oam **out)
{
	struct oam *oam = calloc(1, sizeof(*oam));

	*out = oam;
	if (!oam)
		return -1;
	log_start("liboam", LOG_LEVEL_ERROR);
	if (env_file ? load_with(oam, env_file)
		     : settings_load(&oam->settings, environ, &oam->err))
		return -1;
	return service_open(&oam->settings, &oam->service, &oam->err);
}

void oam_close(struct oam *oam)
{
	if (!oam)
		return;
	service_close(oam->service);
	settings_free(&oam->settings);
	free(oam);
}

const char *oam_error_message(const struct oam *oam)
{
	return oam ? oam->err.message : "Out of memory.";
}

const char *oam_error_code(const struct oam *oam)
{
	return oam ? error_code(oam->err.code) : error_code(OAM_E_NO_MEMORY);
}

int oam_error_is_transient(const struct oam *oam)
{
	return oam && error_is_transient(oam->err.code);
}

int oam_initialize(struct oam *oam, const char *profile, char id[OAM_ID_SIZE])
{
	struct service *service = begin(oam);

	return service ? service_initialize(service, name_of(profile), id, &oam->err)
		       : -1;
}

int oam_current(struct oam *oam, const char *profile, char id[OAM_ID_SIZE])
{
	struct service *service = begin(oam);

	return service ? service_current(service, name_of(profile), id, &oam->err) : -1;
}

static int replace(struct oam *oam, const char *profile, const char *config,
		   struct service_refresh *refresh)
{
	struct service *service = begin(oam);

	if (!service || read_config(oam, config, &refresh->overrides))
		return -1;
	service_refresh(service, name_of(profile), refresh, &oam->err);
	json_object_put(refresh->overrides);
	return error_result(&oam->err);
}

int oam_refresh(struct oam *oam, const char *profile, const char *config,
		char id[OAM_ID_SIZE], char previous[OAM_ID_SIZE])
{
	struct service_refresh refresh = { .reason = REASON_CLI };

	if (replace(oam, profile, config, &refresh))
		return -1;
	memcpy(id, refresh.new_id, OAM_ID_SIZE);
	if (previous)
		memcpy(previous, refresh.previous_id, OAM_ID_SIZE);
	return 0;
}

int oam_create(struct oam *oam, const char *profile, const char *config,
	       char id[OAM_ID_SIZE])
{
	struct service_refresh refresh = { .reason = REASON_CLI, .keep_old = true };

	if (replace(oam, profile, config, &refresh))
		return -1;
	memcpy(id, refresh.new_id, OAM_ID_SIZE);
	return 0;
}

int oam_save_config(struct oam *oam, const char *profile, const char *config)
{
	struct service_profile_change change = { 0 };
	struct service *service = begin(oam);

	if (!service || read_config(oam, config, &change.overrides))
		return -1;
	service_profile_set(service, name_of(profile), &change, &oam->err);
	json_object_put(change.overrides);
	return error_result(&oam->err);
}

int oam_update_env(struct oam *oam)
{
	struct service *service = begin(oam);

	return service ? service_publish_again(service, &oam->err) : -1;
}

int oam_renew(struct oam *oam)
{
	const struct service_renewal renewal = { .reason = REASON_CRON };
	struct service *service = begin(oam);

	return service ? service_renew(service, &renewal, &oam->err) : -1;
}

int oam_status(struct oam *oam, const char *profile, char **json)
{
	struct service *service = begin(oam);
	struct service_status status;
	struct json_writer writer = { 0 };

	*json = NULL;
	if (!service || service_status(service, name_of(profile), &status, &oam->err))
		return -1;
	json_write_begin(&writer, NULL);
	service_status_write(&status, &writer);
	json_write_end(&writer);
	if (json_writer_result(&writer, &oam->err)) {
		json_writer_free(&writer);
		return -1;
	}
	*json = writer.text; /* plain malloc'd memory */
	return 0;
}

_Static_assert(OAM_ID_SIZE == ASSISTANT_ID_SIZE, "ids have the same size on both sides");
