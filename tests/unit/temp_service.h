/* A service over a migrated store and files in a folder of its own. */
#ifndef OAM_TEST_TEMP_SERVICE_H
#define OAM_TEST_TEMP_SERVICE_H

#include "log.h"
#include "service_private.h"
#include "temp_store.h"

struct temp_service {
	struct temp_store temp;
	struct settings settings;
	struct service *service;
	struct upstream real; /* the embedded one, before a test puts itself in between */
	char env_file[96], config_file[96], lock_file[128];
};

static inline struct temp_service *temp_service_open(void)
{
	static char *environment[] = { NULL };
	struct temp_service *t = calloc(1, sizeof(*t));
	struct oam_error err = { 0 };

	assert_non_null(t);
	temp_store_open(&t->temp);
	snprintf(t->env_file, sizeof(t->env_file), "%s/.env", t->temp.folder);
	snprintf(t->config_file, sizeof(t->config_file), "%s/a.json", t->temp.folder);
	snprintf(t->lock_file, sizeof(t->lock_file), "%s.lock", t->temp.path);
	t->settings = (struct settings){ .environment = environment,
					 .env_file = t->env_file,
					 .db = t->temp.path,
					 .config_file = t->config_file,
					 .keep_count = 5 };
	assert_ok(service_open_hosted(&t->settings, &t->service, &err));
	t->real = *t->service->upstream;
	log_start("test", LOG_LEVEL_ERROR);
	return t;
}

static inline void temp_service_close(struct temp_service *t)
{
	service_close(t->service);
	temp_store_close(&t->temp);
	free(t);
}

#endif
