#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "visible.h"

static enum log_level wanted = LOG_LEVEL_INFO;
static const char *self = "oam";

struct line {
	char text[2048];
	size_t length;
};

void log_start(const char *program, enum log_level level)
{
	self = program;
	wanted = level;
}

/* Keeps the last byte for the newline; what does not fit is cut. */
static void add_byte(struct line *line, char byte)
{
	if (line->length < sizeof(line->text) - 1)
		line->text[line->length++] = byte;
}

static void add(struct line *line, const char *text)
{
	while (*text)
		add_byte(line, *text++);
}

static void add_quoted(struct line *line, const char *value)
{
	char shown[VISIBLE_SIZE];

	add_byte(line, '"');
	while (*value) {
		if (*value == '"' || *value == '\\')
			add_byte(line, '\\');
		value += visible_step(value, shown);
		add(line, shown);
	}
	add_byte(line, '"');
}

/* True when the value can stand without quotes. */
static bool is_plain(const char *value)
{
	char shown[VISIBLE_SIZE];

	while (*value) {
		size_t n = visible_step(value, shown);

		if (strncmp(shown, value, n) != 0 || shown[n] || strchr(" \"=\\", *value))
			return false;
		value += n;
	}
	return true;
}

static void add_pair(struct line *line, const char *name, const char *value)
{
	add_byte(line, ' ');
	add(line, name);
	add_byte(line, '=');
	if (is_plain(value))
		add(line, value);
	else
		add_quoted(line, value);
}

bool log_is_wanted(enum log_level level)
{
	return level <= wanted;
}

void log_write(enum log_level level, const char *event, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct line line; /* not zeroed: it is large, and most lines are not wanted */
	char now[CLOCK_ISO8601_SIZE], pid[16];
	const char *name, *value;
	va_list pairs;

	if (!log_is_wanted(level))
		return;
	line.length = 0;
	clock_iso8601(clock_now(), now);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	add(&line, "time=");
	add(&line, now);
	add_pair(&line, "level", names[level]);
	add_pair(&line, "program", self);
	add_pair(&line, "pid", pid);
	add_pair(&line, "event", event);
	va_start(pairs, event);
	while ((name = va_arg(pairs, const char *)) != NULL) {
		value = va_arg(pairs, const char *);
		if (value && *value)
			add_pair(&line, name, value);
	}
	va_end(pairs);
	line.text[line.length++] = '\n';
	if (write(STDERR_FILENO, line.text, line.length) < 0)
		return; /* nobody is left to tell */
}
