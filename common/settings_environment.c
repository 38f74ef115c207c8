#include "settings_environment.h"

#include <stdlib.h>
#include <string.h>

const char *settings_environment_value(char *const environment[], const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; environment[i]; i++)
		if (strncmp(environment[i], name, length) == 0 &&
		    environment[i][length] == '=')
			return environment[i] + length + 1;
	return NULL;
}

int settings_environment_copy(char *const environment[], char ***copy,
			      struct oam_error *err)
{
	size_t count = 0;

	while (environment[count])
		count++;
	*copy = calloc(count + 1, sizeof(**copy));
	for (size_t i = 0; *copy && i < count; i++) {
		(*copy)[i] = strdup(environment[i]);
		if (!(*copy)[i]) {
			settings_environment_free(*copy);
			*copy = NULL;
		}
	}
	return *copy ? 0 : error_set(err, NO_MEMORY, NULL);
}

void settings_environment_free(char **environment)
{
	for (size_t i = 0; environment && environment[i]; i++) {
		explicit_bzero(environment[i], strlen(environment[i]));
		free(environment[i]);
	}
	free(environment);
}
