/*
 * cli: what the commands of oam share.
 *
 * Data goes to standard output, everything that is said to people to standard error. A
 * command is one row in oam.c and one function in a command_*.c beside it.
 */
#ifndef OAM_CLI_H
#define OAM_CLI_H

#include <stdarg.h>
#include <stdio.h>

#include "service.h"

/* Exit statuses, as in oam(1). */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_WORKED = 10, /* oam-refresh: something was due, and done */
	STATUS_TEMPORARY =
		75, /* EX_TEMPFAIL of sysexits.h: the same call may work later */
};

/* What the command line said. */
struct cli {
	const struct settings *settings;
	const char *command; /* the name that it was called by */
	const char *profile;
	bool json, yes, quiet, force, all, dry_run, replace;
	const char *config;            /* --config: a path, or "-" */
	struct json_object *overrides; /* --set: NULL when there was none */
	const char *deploy_hook, *from, *subject, *ttl, *env_key;
	const char *interval, *keep, *limit;
	struct json_object *claims; /* --claim */
	char **arguments;
	int count;
};

typedef int cli_command(struct cli *, struct oam_error *);

cli_command command_backup, command_cleanup, command_create, command_current,
	command_delete, command_doctor, command_export, command_get,
	command_get_or_create, command_history, command_import, command_initialize,
	command_interval, command_list, command_migrate, command_profile, command_refresh,
	command_restore, command_status, command_token, command_update;

/* ---- input ---- */

/*
 * The configuration that --config and --set give together; NULL, and no error, when
 * neither was given. The caller releases it.
 */
int cli_config(const struct cli *cli, struct json_object **config, struct oam_error *err);

/*
 * Reads a file, or standard input for "-", of at most `limit` bytes, without the mark that
 * some editors begin UTF-8 with. malloc.
 */
int cli_read(const char *path, size_t limit, char **text, size_t *length,
	     struct oam_error *err);

/* "90s", "15m", "12h", "7d", or a number that counts `unit` ms. -1: none of these. */
int64_t cli_duration(const char *text, int64_t unit);

/* A whole number from `min` to `max`; `name` is what the error calls it. */
int cli_number(const char *text, const char *name, int64_t min, int64_t max,
	       int64_t *value, struct oam_error *err);

/* USAGE with a formatted text. Always -1. */
int cli_misuse(struct oam_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Asks on a terminal before something irreversible. True to go on: --yes was given, or
 * nobody is there to ask, or the answer was yes.
 */
bool cli_confirm(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- output ---- */

/* A sentence for people, on standard error; nothing with --quiet or --json. */
void cli_say(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Formatted text with something from outside in it. What could steer a terminal is shown
 * as an escape (visible.h), and white space, line ends too, as blanks.
 */
void cli_print(FILE *stream, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void cli_print_list(FILE *stream, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

/*
 * A line of JSON on standard output, as it is; on a terminal with escapes for what could
 * steer that.
 */
void cli_put_json(const char *text);

/* The tree as JSON, on standard output. */
int cli_print_json(struct json_object *tree, struct oam_error *err);

/* Prints the `index`th element of an array as JSON, after its bracket or comma. */
int cli_print_element(struct json_object *element, size_t index, struct oam_error *err);

/* The end of an array of `count` elements. */
void cli_print_array_end(size_t count);

/* What failed of many, on standard error: an array of {id, code, message}. */
void cli_print_failures(const struct cli *cli, struct json_object *failed);

/* One line a member: name and value, aligned; *At and last* times with their age. */
void cli_print_members(struct json_object *object);

/* A column of a table. */
struct column {
	const char *title;
	const char *member; /* of each object */
	enum { COLUMN_TEXT, COLUMN_SECONDS, COLUMN_MS, COLUMN_ISO } kind;
	int widest; /* characters; 0: as wide as its widest value */
};

/* The objects of an array as an aligned table; on no terminal without colour. */
void cli_print_table(struct json_object *rows, const struct column *columns);

/*
 * Part of a table that is too long for memory: `widths`, all 0 before the first part,
 * carries the widths of the columns from one part to the next.
 */
#define COLUMNS_MAX 16
void cli_print_part(struct json_object *rows, const struct column *columns,
		    int widths[COLUMNS_MAX]);

/* "3 h ago", "in 5 min", "just now"; for `ms` since 1970 as seen at `now`. */
void cli_age(int64_t ms, int64_t now, char *text, size_t size);

/* A bar on standard error when that is a terminal; for service_on_progress(). */
void cli_progress(size_t done, size_t total, void *cli);

/* "colour" or "" when the stream is no terminal, NO_COLOR is set, or TERM is dumb. */
const char *cli_colour(FILE *stream, const char *colour);

#define COLOUR_BOLD  "\033[1m"
#define COLOUR_RED   "\033[31m"
#define COLOUR_GREEN "\033[32m"
#define COLOUR_OFF   "\033[0m"

/* ---- the service ---- */

/*
 * Opens the service, runs `work`, closes it, and starts the renewal that `work` asked for.
 */
int cli_with_service(struct cli *cli,
		     int (*work)(struct cli *, struct service *, struct oam_error *),
		     struct oam_error *err);

/* Says how the new id got to the application's files, or why it did not yet. */
void cli_say_published(const struct cli *cli, struct service *service);

/* Prints an id: alone, or as JSON. */
int cli_print_id(const struct cli *cli, const char *id);

/* Writes the error for people; its exit status. */
int cli_report(const char *program, const struct oam_error *err);

#endif
