#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

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
	add_byte(line, '"');
	for (; *value; value++) {
		unsigned char byte = (unsigned char)*value;
		char hex[5];

		if (byte == '"' || byte == '\\') {
			add_byte(line, '\\');
			add_byte(line, *value);
		} else if (byte < 0x20 || byte == 0x7F) {
			snprintf(hex, sizeof(hex), "\\x%02x", byte);
			add(line, hex);
		} else {
			add_byte(line, *value);
		}
	}
	add_byte(line, '"');
}

static void add_pair(struct line *line, const char *name, const char *value)
{
	bool plain = true;

	for (const char *p = value; *p; p++)
		plain = plain && (unsigned char)*p > 0x20 && *p != 0x7F &&
			!strchr("\"=\\", *p);
	add_byte(line, ' ');
	add(line, name);
	add_byte(line, '=');
	if (plain)
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
