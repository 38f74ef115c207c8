/* The `.env`. The JSON file is in publish_config.c. */
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dotenv.h"
#include "file_edit.h"

struct assignment {
	const char *path, *key, *value;
};

/* Part of a text, and what goes behind the new text there. */
struct span {
	size_t start, length;
	const char *behind;
};

/* The last assignment of the key, which is the one that counts. */
static bool find_last(const char *text, size_t length, const char *key,
		      struct dotenv_entry *last)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	bool found = false;

	dotenv_start(&scanner, text, length);
	while (dotenv_next(&scanner, &entry)) {
		if (entry.key_length != strlen(key) ||
		    memcmp(text + entry.key, key, entry.key_length) != 0)
			continue;
		*last = entry;
		found = true;
	}
	return found;
}

static bool is_among(char c, const char *set)
{
	return c != '\0' && strchr(set, c);
}

/*
 * What of the written value is to be replaced: not the space around it nor its quotes.
 * Others than npm's dotenv see a comment only behind a blank, and `sh` and some more an
 * empty value in `KEY= x`: so the new value is right behind the separator when there was
 * none, and never touches a '#'.
 */
static struct span inside(const char *text, size_t length,
			  const struct dotenv_entry *entry)
{
	size_t start = entry->value, end = entry->value + entry->value_length;

	while (start < end && is_among(text[start], " \t\r\n"))
		start++;
	while (end > start && is_among(text[end - 1], " \t\r\n"))
		end--;
	if (start == end)
		start = end = entry->value;
	if (end - start >= 2 && text[start] == text[end - 1] &&
	    is_among(text[start], "'\"`"))
		start++, end--;
	return (struct span){ start, end - start,
			      end < length && text[end] == '#' ? " " : "" };
}

/* How the file ends its lines. */
static const char *line_end(const char *text, size_t length)
{
	const char *newline = memchr(text, '\n', length);

	return newline && newline > text && newline[-1] == '\r' ? "\r\n" : "\n";
}

/*
 * For `sh`, a backslash at the end of a line joins it with the next one: then our line must
 * not be that one.
 */
static bool is_continued(const char *text, size_t length)
{
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length > 0 && text[length - 1] == '\r')
		length--;
	return length > 0 && text[length - 1] == '\\';
}

#define PARTS 5

/* `old` with the span replaced by the texts in a row. */
static int splice(const char *old, size_t old_length, struct span span,
		  const char *const parts[PARTS], char **text, size_t *length,
		  struct oam_error *err)
{
	size_t more = 0;
	char *end;

	for (int i = 0; i < PARTS; i++)
		more += strlen(parts[i]);
	*length = old_length - span.length + more;
	*text = malloc(*length + 1);
	if (!*text)
		return error_set(err, NO_MEMORY, NULL);
	end = mempcpy(*text, old, span.start);
	for (int i = 0; i < PARTS; i++)
		end = stpcpy(end, parts[i]);
	memcpy(end, old + span.start + span.length,
	       old_length - span.start - span.length);
	(*text)[*length] = '\0';
	return 0;
}

/* True when both entries say the same; with `value`, when the second one says that. */
static bool is_same(const char *a, const struct dotenv_entry *x, const char *b,
		    const struct dotenv_entry *y, const char *value,
		    struct oam_error *err)
{
	size_t x_length, y_length;
	char *p = dotenv_value(a, x, &x_length, err);
	char *q = dotenv_value(b, y, &y_length, err);
	bool same = p && q && x->key_length == y->key_length &&
		    memcmp(a + x->key, b + y->key, x->key_length) == 0;

	if (value)
		same = same && y_length == strlen(value) &&
		       memcmp(q, value, y_length) == 0;
	else
		same = same && x_length == y_length && memcmp(p, q, x_length) == 0;
	if (p)
		explicit_bzero(p, x_length);
	if (q)
		explicit_bzero(q, y_length);
	free(p);
	free(q);
	return same;
}

/*
 * Whether dotenv reads the new text as the old one but for our value: a quote that an
 * entry leaves open may have met another one, and `KEY:` in the last line takes what
 * follows it. `changed` is where the changed entry's key
 * stands in the old text, or its length when the entry was added.
 */
static bool means_the_same(const char *old, size_t old_length, const char *new,
			   size_t new_length, size_t changed,
			   const struct assignment *assignment, struct oam_error *err)
{
	struct dotenv_scanner before, after;
	struct dotenv_entry x, y;

	dotenv_start(&before, old, old_length);
	dotenv_start(&after, new, new_length);
	while (dotenv_next(&before, &x)) {
		if (!dotenv_next(&after, &y) ||
		    !is_same(old, &x, new, &y,
			     x.key == changed ? assignment->value : NULL, err))
			return false;
	}
	if (changed < old_length)
		return !dotenv_next(&after, &y);
	return dotenv_next(&after, &y) && y.key_length == strlen(assignment->key) &&
	       is_same(new, &y, new, &y, assignment->value, err) &&
	       !dotenv_next(&after, &x);
}

static int refuse(const struct assignment *assignment, const char *reason,
		  struct oam_error *err)
{
	char text[OAM_MESSAGE_MAX];

	snprintf(text, sizeof(text), "%.300s: cannot put %s into it: %s",
		 assignment->path, assignment->key, reason);
	return error_set(err, FILE, NULL, text);
}

/* Adds a line. It ends as the last one did: with a line end or without. */
static int append(const char *old, size_t old_length, const struct assignment *assignment,
		  char **text, size_t *length, struct oam_error *err)
{
	const char *newline = line_end(old, old_length);
	bool is_open = old_length > 0 && old[old_length - 1] != '\n' &&
		       old[old_length - 1] != '\r';
	const char *extra = is_continued(old, old_length) ? newline : "";
	const char *const parts[PARTS] = { extra, assignment->key, "=", assignment->value,
					   newline };
	const char *const opened[PARTS] = { newline, extra, assignment->key, "=",
					    assignment->value };

	return splice(old, old_length, (struct span){ old_length, 0, "" },
		      is_open ? opened : parts, text, length, err);
}

static int assign(const char *old, size_t old_length, char **text, size_t *length,
		  void *context, struct oam_error *err)
{
	const struct assignment *assignment = context;
	size_t changed = old_length;
	struct dotenv_entry entry;
	const char *fault;
	int result;

	if (!old) /* there is no file yet */
		old = "";
	fault = dotenv_fault(old, old_length);
	if (!fault && memchr(old, '\0', old_length))
		fault = "it holds a NUL byte and is no text; mend it";
	if (fault)
		return refuse(assignment, fault, err);
	if (find_last(old, old_length, assignment->key, &entry)) {
		struct span span = inside(old, old_length, &entry);
		const char *const parts[PARTS] = { assignment->value, span.behind, "", "",
						   "" };

		changed = entry.key;
		result = splice(old, old_length, span, parts, text, length, err);
	} else {
		result = append(old, old_length, assignment, text, length, err);
	}
	if (result ||
	    means_the_same(old, old_length, *text, *length, changed, assignment, err))
		return result;
	free(*text);
	*text = NULL;
	return refuse(assignment,
		      "another entry would change, as after an open quote; "
		      "put it in by hand",
		      err);
}

int publish_env(const char *path, const char *key, const char *value,
		const struct publish_rules *rules, struct oam_error *err)
{
	struct assignment assignment = { path, key, value };
	const struct file_edit edit = { .path = path,
					.limit = DOTENV_MAX,
					.mode = 0600,
					.store = rules->store,
					.in_place = rules->in_place,
					.make = assign,
					.context = &assignment };

	return file_edit(&edit, err) < 0 ? -1 : 0;
}

int publish_check(const char *path, const struct publish_rules *rules,
		  struct oam_error *err)
{
	const struct file_edit edit = { .path = path,
					.limit = PUBLISH_CONFIG_MAX,
					.mode = 0600,
					.store = rules->store,
					.in_place = rules->in_place };

	return file_edit_check(&edit, err);
}
