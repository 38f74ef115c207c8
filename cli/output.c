/* Writing for people: tables, ages, colours, progress. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "cli.h"
#include "clock.h"
#include "visible.h"

#define CELL_MAX 256
#define MARGIN   21 /* characters before the value of a member */
#define BAR      30 /* characters */

const char *cli_colour(FILE *stream, const char *colour)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((none && none[0] != '\0') || !term || strcmp(term, "dumb") == 0)
		return "";
	return isatty(fileno(stream)) ? colour : "";
}

/* ---- text for people ---- */

/*
 * Everything from outside reaches a terminal through here. White space stays white space:
 * after a line end comes a margin, so that no value can look like another line; without
 * one it is a blank.
 */
static void put_text(FILE *stream, const char *text, int margin)
{
	char shown[VISIBLE_SIZE];

	while (*text) {
		size_t n = visible_step(text, shown);

		if (*text == '\n' && margin)
			fprintf(stream, "\n%*s", margin, "");
		else if (strchr("\t\n\r", *text))
			fputc(' ', stream);
		else
			fputs(shown, stream);
		text += n;
	}
}

void cli_print_list(FILE *stream, const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		return;
	put_text(stream, text, 0);
	free(text);
}

void cli_print(FILE *stream, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	cli_print_list(stream, format, arguments);
	va_end(arguments);
}

void cli_say(const struct cli *cli, const char *format, ...)
{
	va_list arguments;

	if (cli->quiet || cli->json)
		return;
	va_start(arguments, format);
	cli_print_list(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/*
 * `indent` goes before each line but the first. On a terminal, what could steer it is
 * written as an escape of JSON: json-c leaves it as it is, and it only stands inside of
 * strings.
 */
static void put_json(const char *text, const char *indent)
{
	bool is_terminal = isatty(STDOUT_FILENO);
	char shown[VISIBLE_SIZE];

	while (*text) {
		size_t n = is_terminal ? visible_step(text, shown) : 1;

		if (*text == '\n')
			printf("\n%s", indent);
		else if (!is_terminal)
			putchar(*text);
		else if (shown[0] == '\\' && shown[1] == 'x')
			printf("\\u00%s", shown + 2);
		else
			fputs(shown, stdout);
		text += n;
	}
}

void cli_put_json(const char *text)
{
	put_json(text, "");
	putchar('\n');
}

int cli_print_json(struct json_object *tree, struct oam_error *err)
{
	const char *text = json_pretty_text(tree);

	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	cli_put_json(text);
	return 0;
}

int cli_print_element(struct json_object *element, size_t index, struct oam_error *err)
{
	const char *text = json_pretty_text(element);

	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	fputs(index ? ",\n  " : "[\n  ", stdout);
	put_json(text, "  ");
	return 0;
}

void cli_print_array_end(size_t count)
{
	puts(count ? "\n]" : "[]");
}

int cli_print_id(const struct cli *cli, const char *id)
{
	if (cli->json)
		printf("{ \"assistantId\": \"%s\" }\n", id);
	else
		puts(id);
	return fflush(stdout);
}

void cli_print_failures(const struct cli *cli, struct json_object *failed)
{
	for (size_t i = 0; !cli->json && i < json_object_array_length(failed); i++) {
		struct json_object *entry = json_object_array_get_idx(failed, i);

		cli_print(stderr, "%s: %s", json_member_string(entry, "id"),
			  json_member_string(entry, "message"));
		fputc('\n', stderr);
	}
}

/* ---- times ---- */

void cli_age(int64_t ms, int64_t now, char *text, size_t size)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { 24 * CLOCK_HOUR, "d" },
		      { CLOCK_HOUR, "h" },
		      { CLOCK_MINUTE, "min" },
		      { CLOCK_SECOND, "s" } };
	int64_t age = now >= ms ? now - ms : ms - now;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (age < 2 * units[i].ms && units[i].ms > CLOCK_SECOND)
			continue; /* "90 min" tells more than "1 h" */
		if (age < units[i].ms)
			break;
		snprintf(text, size, "%s%lld %s%s", now >= ms ? "" : "in ",
			 (long long)(age / units[i].ms), units[i].name,
			 now >= ms ? " ago" : "");
		return;
	}
	snprintf(text, size, "now");
}

/* Local time and age. */
static void put_time(int64_t ms, char *text, size_t size)
{
	time_t seconds = (time_t)(ms / CLOCK_SECOND);
	char age[32], local[32];
	struct tm parts;

	localtime_r(&seconds, &parts);
	strftime(local, sizeof(local), "%Y-%m-%d %H:%M:%S", &parts);
	cli_age(ms, clock_now(), age, sizeof(age));
	snprintf(text, size, "%s (%s)", local, age);
}

/* ISO 8601 as clock_iso8601() writes it, to ms; -1 when it is none. */
static int64_t parse_iso(const char *text)
{
	struct tm parts = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

	if (!end || end[0] != '.' || strlen(end) != 5 || end[4] != 'Z')
		return -1;
	return timegm(&parts) * CLOCK_SECOND + strtol(end + 1, NULL, 10);
}

/* ---- tables ---- */

/* As put_text() writes it, in one line; what does not fit is cut. */
static void make_visible(char *to, size_t size, const char *text)
{
	char shown[VISIBLE_SIZE];
	size_t used = 0;

	while (*text) {
		size_t n = visible_step(text, shown), length;

		if (strchr("\t\n\r", *text))
			strcpy(shown, " ");
		length = strlen(shown);
		if (used + length >= size)
			break;
		memcpy(to + used, shown, length);
		used += length;
		text += n;
	}
	to[used] = '\0';
}

/* Characters that `text` takes on the terminal, as well as we can tell. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

/* Cuts to `widest` characters, the last one then being an ellipsis. */
static void cut(char *text, int widest)
{
	int left = widest - 1;

	if (widest == 0 || width_of(text) <= widest)
		return;
	while (*text && left >= 0) {
		if (((unsigned char)*text & 0xC0) != 0x80 && left-- == 0)
			break;
		text++;
	}
	strcpy(text, "…"); /* there were at least two characters more */
}

static void cell(struct json_object *row, const struct column *column, char *text)
{
	struct json_object *value = json_member(row, column->member);
	int64_t ms = -1;

	if (!value) {
		snprintf(text, CELL_MAX, "-");
		return;
	}
	if (column->kind == COLUMN_SECONDS)
		ms = json_object_get_int64(value) * CLOCK_SECOND;
	else if (column->kind == COLUMN_MS)
		ms = json_object_get_int64(value);
	else if (column->kind == COLUMN_ISO)
		ms = parse_iso(json_object_get_string(value));
	if (ms >= 0)
		put_time(ms, text, CELL_MAX);
	else
		make_visible(text, CELL_MAX, json_object_get_string(value));
	cut(text, column->widest);
}

static int column_width(struct json_object *rows, const struct column *column)
{
	int width = width_of(column->title);
	char text[CELL_MAX];

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		cell(json_object_array_get_idx(rows, i), column, text);
		if (width_of(text) > width)
			width = width_of(text);
	}
	return width;
}

static void print_cell(const char *text, int width, bool last)
{
	printf("%s%*s", text, last ? 0 : width - width_of(text) + 2, "");
}

static void print_titles(const struct column *columns, const int widths[COLUMNS_MAX])
{
	printf("%s", cli_colour(stdout, COLOUR_BOLD));
	for (size_t c = 0; columns[c].title; c++)
		print_cell(columns[c].title, widths[c], !columns[c + 1].title);
	printf("%s\n", cli_colour(stdout, COLOUR_OFF));
}

void cli_print_part(struct json_object *rows, const struct column *columns,
		    int widths[COLUMNS_MAX])
{
	bool is_first = widths[0] == 0;
	char text[CELL_MAX];

	for (size_t c = 0; columns[c].title; c++) {
		int width = column_width(rows, &columns[c]);

		widths[c] = width > widths[c] ? width : widths[c];
	}
	if (is_first)
		print_titles(columns, widths);
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		for (size_t c = 0; columns[c].title; c++) {
			cell(json_object_array_get_idx(rows, i), &columns[c], text);
			print_cell(text, widths[c], !columns[c + 1].title);
		}
		putchar('\n');
	}
}

void cli_print_table(struct json_object *rows, const struct column *columns)
{
	int widths[COLUMNS_MAX] = { 0 };

	cli_print_part(rows, columns, widths);
}

void cli_print_members(struct json_object *object)
{
	json_object_object_foreach (object, name, value) {
		const char *text = value ? json_object_get_string(value) : "-";
		int64_t ms = json_object_is_type(value, json_type_string)
				     ? parse_iso(text)
				     : -1;
		char shown[64];

		if (strcmp(name, "created_at") == 0)
			ms = json_object_get_int64(value) * CLOCK_SECOND;
		if (ms >= 0)
			put_time(ms, shown, sizeof(shown));
		cli_print(stdout, "%-*s ", MARGIN - 1, name);
		put_text(stdout, ms >= 0 ? shown : text, MARGIN);
		putchar('\n');
	}
}

void cli_progress(size_t done, size_t total, void *context)
{
	const struct cli *cli = context;
	int filled = total ? (int)(BAR * done / total) : BAR;

	if (cli->quiet || cli->json || !isatty(STDERR_FILENO))
		return;
	if (done < total && total > 100 && done % (total / 100))
		return;
	fprintf(stderr, "\r[%.*s%*s] %zu/%zu%s", filled, "##############################",
		BAR - filled, "", done, total, done == total ? "\n" : "");
}

int cli_report(const char *program, const struct oam_error *err)
{
	if (err->message[0]) {
		fprintf(stderr, "%s%s:%s ", cli_colour(stderr, COLOUR_RED), program,
			cli_colour(stderr, COLOUR_OFF));
		cli_print(stderr, "%s%s%s%s", err->message, err->detail[0] ? " (" : "",
			  err->detail, err->detail[0] ? ")" : "");
		fputc('\n', stderr);
	}
	if (err->upstream.message[0]) {
		cli_print(stderr, "The server said: %s", err->upstream.message);
		fputc('\n', stderr);
	}
	if (err->code == OAM_E_USAGE)
		return STATUS_USAGE;
	return error_is_transient(err->code) ? STATUS_TEMPORARY : STATUS_FAILED;
}
