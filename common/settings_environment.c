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

/* One piece of memory: the array, and the strings behind it. */
int settings_environment_copy(char *const environment[], char ***copy,
			      struct oam_error *err)
{
	size_t count = 0, size = 0;
	char *end;

	for (; environment && environment[count]; count++)
		size += strlen(environment[count]) + 1;
	*copy = malloc((count + 1) * sizeof(**copy) + size);
	if (!*copy)
		return error_set(err, NO_MEMORY, NULL);
	end = (char *)(*copy + count + 1);
	for (size_t i = 0; i < count; i++) {
		(*copy)[i] = end;
		end = stpcpy(end, environment[i]) + 1;
	}
	(*copy)[count] = NULL;
	return 0;
}

void settings_environment_free(char **environment)
{
	for (size_t i = 0; environment && environment[i]; i++)
		explicit_bzero(environment[i], strlen(environment[i]));
	free(environment);
}
