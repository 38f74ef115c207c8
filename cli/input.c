/* Reading what people give: numbers, files, answers. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "dotenv.h"
#include "file.h"

#define CONFIG_MAX (4UL * 1024 * 1024)

int cli_misuse(struct oam_error *err, const char *format, ...)
{
	char text[OAM_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return error_set(err, USAGE, NULL, text);
}

int64_t cli_duration(const char *text, int64_t unit)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 },           { "s", CLOCK_SECOND },
		      { "m", CLOCK_MINUTE }, { "min", CLOCK_MINUTE },
		      { "h", CLOCK_HOUR },   { "d", 24 * CLOCK_HOUR } };
	size_t digits = strspn(text, "0123456789");
	int64_t count, factor = digits > 0 && text[digits] == '\0' ? unit : 0;

	if (digits == 0 || digits > 15)
		return -1;
	count = strtoll(text, NULL, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(text + digits, units[i].name) == 0)
			factor = units[i].ms;
	if (factor == 0 || count > INT64_MAX / factor)
		return -1;
	return count * factor;
}

int cli_number(const char *text, const char *name, int64_t min, int64_t max,
	       int64_t *value, struct oam_error *err)
{
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits <= 15 && text[digits] == '\0') {
		*value = strtoll(text, NULL, 10);
		if (*value >= min && *value <= max)
			return 0;
	}
	return cli_misuse(err, "%s must be a whole number from %lld to %lld", name,
			  (long long)min, (long long)max);
}

static int read_stream(FILE *stream, size_t limit, char **text, size_t *length,
		       struct oam_error *err)
{
	size_t room = 0, got;

	*text = NULL;
	*length = 0;
	do {
		char *grown;

		if (*length + 1 >= room) {
			room = room ? 2 * room : 65536;
			grown = realloc(*text, room);
			if (!grown) {
				free(*text);
				*text = NULL;
				return error_set(err, NO_MEMORY, NULL);
			}
			*text = grown;
		}
		got = fread(*text + *length, 1, room - *length - 1, stream);
		*length += got;
	} while (got > 0 && *length <= limit);
	(*text)[*length] = '\0';
	if (!ferror(stream) && *length <= limit)
		return 0;
	free(*text);
	*text = NULL;
	return cli_misuse(err, "standard input cannot be read, or is too large");
}

static int read_bytes(const char *path, size_t limit, char **text, size_t *length,
		      struct oam_error *err)
{
	if (strcmp(path, "-") == 0)
		return read_stream(stdin, limit, text, length, err);
	if (file_read(path, limit, text, length, err))
		return -1;
	return *text ? 0 : cli_misuse(err, "there is no file %s", path);
}

int cli_read(const char *path, size_t limit, char **text, size_t *length,
	     struct oam_error *err)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin with it */
	const size_t size = sizeof(mark) - 1;
	const char *fault;

	if (read_bytes(path, limit, text, length, err) || !*text)
		return -1;
	fault = dotenv_fault(*text, *length);
	if (fault) {
		free(*text);
		*text = NULL;
		return cli_misuse(err, "cannot read %s: %s", path, fault);
	}
	if (*length >= size && memcmp(*text, mark, size) == 0) {
		*length -= size;
		memmove(*text, *text + size, *length + 1);
	}
	return 0;
}

int cli_config(const struct cli *cli, struct json_object **config, struct oam_error *err)
{
	struct json_object *base = NULL;
	char *text = NULL;
	size_t length;

	*config = NULL;
	if (!cli->config) {
		*config = json_object_get(cli->overrides);
		return 0;
	}
	if (cli_read(cli->config, CONFIG_MAX, &text, &length, err) == 0 &&
	    json_read(text, length, &base, err) == 0) {
		if (json_object_is_type(base, json_type_object))
			*config = assistant_merge(base, cli->overrides, err);
		else
			cli_misuse(err, "%s does not hold a JSON object", cli->config);
	}
	if (error_result(err))
		error_detail(err, "in %s", cli->config);
	json_object_put(base);
	free(text);
	return error_result(err);
}

bool cli_confirm(const struct cli *cli, const char *format, ...)
{
	char answer[16] = "";
	va_list arguments;

	if (cli->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return true;
	va_start(arguments, format);
	cli_print_list(stderr, format, arguments);
	va_end(arguments);
	fputs(" [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}
