/*
 * dotenv: reads `.env` text exactly as `parse` of npm's dotenv does (17 and 18, which
 * share one regular expression), on bytes and with the place of every assignment.
 *
 * An assignment is `KEY=value` or `KEY: value`, perhaps behind `export`; KEY is made of
 * [A-Za-z0-9_.-]. The value is quoted by ', " or ` and may then span lines, or it runs up
 * to '#' or the end of its line. Where both readings are possible dotenv.c says which one
 * dotenv takes. White space and line ends are JavaScript's, so NBSP, BOM and U+2028
 * count; CR and CRLF are one newline. Everything else is an ordinary byte, also NUL and
 * invalid UTF-8. The one thing not followed: dotenv cannot hold the key `__proto__`, this
 * can.
 *
 * Both passes are linear in the length of the text, whatever it holds.
 */
#ifndef OAM_DOTENV_H
#define OAM_DOTENV_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Bytes of a `.env` that is read; none is written that is longer. */
#define DOTENV_MAX (1024UL * 1024)

/* One assignment. Offsets and lengths are bytes of the scanned text. */
struct dotenv_entry {
	size_t key, key_length;
	/*
	 * The value as it is written, with its quotes and the white space around it but
	 * without the comment; of length 0, just behind the separator, when there is
	 * none. Whoever puts another text there must scan the result and compare: a quote
	 * that an earlier value leaves open is looked for in all that follows, and may
	 * now be closed.
	 */
	size_t value, value_length;
	int line; /* where the key stands, from 1 */
};

/*
 * What makes the text no `.env` of bytes, like "UTF-16", or NULL: UTF-16 has a byte order
 * mark or, in its first letter, a NUL byte. No line of it would be understood.
 */
const char *dotenv_fault(const char *text, size_t length);

/* Where a scan is. The text is borrowed and need not end in '\0'. */
struct dotenv_scanner {
	const char *text;
	size_t length, position;
	size_t counted; /* the lines up to here are in `line` */
	int line;
};

void dotenv_start(struct dotenv_scanner *scanner, const char *text, size_t length);

/* The next assignment in the order of the text; false at its end. Keys may repeat. */
bool dotenv_next(struct dotenv_scanner *scanner, struct dotenv_entry *entry);

/*
 * The value an entry of `text` stands for: newlines normalised, trimmed, quotes taken
 * off, \n and \r expanded between double quotes. malloc, '\0' behind it; the caller
 * frees. *length (may be NULL) is its length, as it may hold NUL bytes. NULL with
 * NO_MEMORY.
 */
char *dotenv_value(const char *text, const struct dotenv_entry *entry, size_t *length,
		   struct oam_error *err);

/*
 * The value of `key`, as dotenv_value() gives it, and its line; of several assignments
 * the last one counts. *value is NULL and *line 0 when there is none. SETTING when the
 * value holds a NUL byte: cut there, a secret would pass as a shorter one.
 */
int dotenv_get(const char *text, size_t length, const char *key, char **value, int *line,
	       struct oam_error *err);

#endif
