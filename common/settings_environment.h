/* settings_environment: arrays like environ(7). */
#ifndef OAM_SETTINGS_ENVIRONMENT_H
#define OAM_SETTINGS_ENVIRONMENT_H

#include "error.h"

/* What stands behind `name=`, borrowed; NULL when it is not there. The first one counts. */
const char *settings_environment_value(char *const environment[], const char *name);

/*
 * A copy that does not change with the environment of the process. NULL, as clearenv(3)
 * leaves it, is one without anything.
 */
int settings_environment_copy(char *const environment[], char ***copy,
			      struct oam_error *err);

/* Wipes and releases a copy. NULL does nothing. */
void settings_environment_free(char **environment);

#endif
