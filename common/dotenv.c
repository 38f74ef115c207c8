/*
 * The reference is the regular expression LINE in dotenv's lib/main.js (17.4.2):
 *
 *   (?:^|^)\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)
 *   (\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?
 *   \s*(?:#.*)?(?:$|$)
 *
 * with the flags m and g. Behind the separator it always matches, so nothing before that
 * is ever tried again; each function below says how it replaces the backtracking.
 */
#include "dotenv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char quotes[] = { '\'', '"', '`' };

#define QUOTES sizeof(quotes)

/* The code point of the two or three byte sequence at `at`, or 0 when there is none. */
static unsigned wide_at(const char *text, size_t end, size_t at)
{
	unsigned char byte[3] = { 0 };
	unsigned code;

	memcpy(byte, text + at, end - at < 3 ? end - at : 3);
	if ((byte[1] & 0xC0) != 0x80)
		return 0;
	if (byte[0] == 0xC2)
		return byte[1];
	if ((byte[0] & 0xF0) != 0xE0 || (byte[2] & 0xC0) != 0x80)
		return 0;
	code = (byte[0] & 0x0FU) << 12 | (byte[1] & 0x3FU) << 6 | (byte[2] & 0x3FU);
	return code < 0x800 ? 0 : code;
}

/* The length of the line end at `at`, where $ matches and ^ matches behind it; or 0. */
static size_t break_at(const char *text, size_t end, size_t at)
{
	unsigned code;

	if (at == end)
		return 0;
	if (text[at] == '\n')
		return 1;
	if (text[at] == '\r')
		return at + 1 < end && text[at + 1] == '\n' ? 2 : 1;
	code = wide_at(text, end, at);
	return code == 0x2028 || code == 0x2029 ? 3 : 0;
}

/* The length of the white space character at `at` but not a line end, or 0. */
static size_t blank_at(const char *text, size_t end, size_t at)
{
	unsigned code;

	if (at == end)
		return 0;
	if (text[at] == ' ' || text[at] == '\t' || text[at] == '\v' || text[at] == '\f')
		return 1;
	code = wide_at(text, end, at);
	if (code == 0x00A0)
		return 2;
	return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x202F ||
			       code == 0x205F || code == 0x3000 || code == 0xFEFF
		       ? 3
		       : 0;
}

/* The length of what \s matches at `at`, or 0. CRLF is one, as dotenv joins it first. */
static size_t space_at(const char *text, size_t end, size_t at)
{
	size_t length = break_at(text, end, at);

	return length ? length : blank_at(text, end, at);
}

static size_t skip_space(const char *text, size_t end, size_t at)
{
	size_t length;

	while ((length = space_at(text, end, at)))
		at += length;
	return at;
}

static size_t skip_blank(const char *text, size_t end, size_t at)
{
	size_t length;

	while ((length = blank_at(text, end, at)))
		at += length;
	return at;
}

static size_t skip_line(const char *text, size_t end, size_t at)
{
	while (at < end && !break_at(text, end, at))
		at++;
	return at;
}

static size_t skip_key(const char *text, size_t end, size_t at)
{
	while (at < end && ((text[at] >= 'a' && text[at] <= 'z') ||
			    (text[at] >= 'A' && text[at] <= 'Z') ||
			    (text[at] >= '0' && text[at] <= '9') || text[at] == '_' ||
			    text[at] == '.' || text[at] == '-'))
		at++;
	return at;
}

static bool is_quote(char c)
{
	return memchr(quotes, c, QUOTES) != NULL;
}

/*
 * ([\w.-]+)(?:\s*=\s*?|:\s+?) at `at`. A shorter key would be followed by a letter of the
 * key and never by a separator. The lazy parts take as little as they may: nothing behind
 * '=', one character behind ':', be it a newline.
 */
static bool match_key(const char *text, size_t end, size_t at, struct dotenv_entry *entry)
{
	size_t behind = skip_key(text, end, at), equals, space;

	if (behind == at)
		return false;
	entry->key = at;
	entry->key_length = behind - at;
	equals = skip_space(text, end, behind);
	if (equals < end && text[equals] == '=') {
		entry->value = equals + 1;
		return true;
	}
	if (behind == end || text[behind] != ':')
		return false;
	space = space_at(text, end, behind + 1);
	entry->value = behind + 1 + space;
	return space > 0;
}

/* With `export` before the key, or else `export` as the key itself. */
static bool match_export(const char *text, size_t end, size_t at,
			 struct dotenv_entry *entry)
{
	const size_t length = strlen("export");
	size_t key;

	if (end - at > length && memcmp(text + at, "export", length) == 0) {
		key = skip_space(text, end, at + length);
		if (key > at + length && match_key(text, end, key, entry))
			return true;
	}
	return match_key(text, end, at, entry);
}

/*
 * The quote that closes the one at `open`, or `open` when none does. (?:\\'|[^'])*' may
 * end at each quote up to the first without a backslash before it; it tries the longest
 * first, and takes one that only white space, a comment or nothing follows in its line.
 *
 * Linear over the whole text, although a scan that finds nothing is thrown away: it goes
 * no further than the next quote of its kind without a backslash, and every quote that
 * opens a value is one, since '=' or white space precedes it. So scans for one kind of
 * quote do not overlap.
 */
static size_t closing_quote(const char *text, size_t end, size_t open)
{
	size_t found = open;

	for (size_t at = open + 1; at < end; at++) {
		size_t behind;

		if (text[at] != text[open])
			continue;
		behind = skip_blank(text, end, at + 1);
		if (behind == end || text[behind] == '#' || break_at(text, end, behind))
			found = at;
		if (text[at - 1] != '\\')
			break;
	}
	return found;
}

/* The value from entry->value on. Returns where the search for the next entry starts. */
static size_t match_value(const char *text, size_t end, struct dotenv_entry *entry)
{
	size_t open = skip_space(text, end, entry->value), behind = entry->value;

	if (open < end && is_quote(text[open])) {
		size_t close = closing_quote(text, end, open);

		if (close > open)
			behind = close + 1;
	}
	if (behind == entry->value)
		while (behind < end && text[behind] != '#' && text[behind] != '\r' &&
		       text[behind] != '\n')
			behind++;
	entry->value_length = behind - entry->value;

	/* \s* crosses lines here too, so the comment may be that of a later line. */
	behind = skip_space(text, end, behind);
	if (behind < end && text[behind] == '#')
		behind = skip_line(text, end, behind);
	return behind;
}

static void count_lines(struct dotenv_scanner *scanner, size_t to)
{
	while (scanner->counted < to) {
		char c = scanner->text[scanner->counted++];

		if (c == '\n' || (c == '\r' && (scanner->counted == scanner->length ||
						scanner->text[scanner->counted] != '\n')))
			scanner->line++;
	}
}

const char *dotenv_fault(const char *text, size_t length)
{
	if (length < 2)
		return NULL;
	if (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0 ||
	    (text[0] == '\0') != (text[1] == '\0'))
		return "it is UTF-16; save it as UTF-8";
	return NULL;
}

void dotenv_start(struct dotenv_scanner *scanner, const char *text, size_t length)
{
	*scanner = (struct dotenv_scanner){ .text = text, .length = length, .line = 1 };
}

/*
 * ^\s* leads to the same key from any line start in a run of white space, so each run is
 * tried once. What is no assignment is passed over to the end of its line.
 */
bool dotenv_next(struct dotenv_scanner *scanner, struct dotenv_entry *entry)
{
	const char *text = scanner->text;
	size_t end = scanner->length, at = scanner->position;

	while ((at = skip_space(text, end, at)) < end) {
		if (!match_export(text, end, at, entry)) {
			at = skip_line(text, end, at);
			continue;
		}
		scanner->position = match_value(text, end, entry);
		count_lines(scanner, entry->key);
		entry->line = scanner->line;
		return true;
	}
	scanner->position = end;
	return false;
}

/* CRLF and CR become LF. Works in place and returns the new length, as do those below. */
static size_t join_newlines(char *text, size_t length)
{
	size_t out = 0;

	for (size_t at = 0; at < length; at++) {
		if (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n')
			at++;
		text[out++] = text[at] == '\r' ? '\n' : text[at];
	}
	return out;
}

static size_t trim(char *text, size_t length)
{
	size_t start = skip_space(text, length, 0), behind = start;

	for (size_t at = start; at < length;) {
		size_t space = space_at(text, length, at);

		at += space ? space : 1;
		if (!space)
			behind = at;
	}
	memmove(text, text + start, behind - start);
	return behind - start;
}

/* The last of these quotes that ends a line of text[0..length), or 0. */
static size_t last_quote(const char *text, size_t length, char quote)
{
	size_t last = 0;

	for (size_t at = 0; at < length; at++)
		if (text[at] == quote &&
		    (at + 1 == length || break_at(text, length, at + 1)))
			last = at;
	return last;
}

/*
 * value.replace(/^(['"`])([\s\S]*)\1$/mg, '$2'). The flag m makes this more than one pair
 * of quotes: an unquoted value may hold U+2028, behind which ^ matches again.
 */
static size_t unquote(char *text, size_t length)
{
	size_t last[QUOTES], out = 0;
	bool starts_line = true;

	for (size_t i = 0; i < QUOTES; i++)
		last[i] = last_quote(text, length, quotes[i]);
	for (size_t at = 0; at < length;) {
		const char *quote = memchr(quotes, text[at], QUOTES);
		size_t close = quote ? last[quote - quotes] : 0;
		size_t copy = break_at(text, length, at);

		if (starts_line && close > at) {
			memmove(text + out, text + at + 1, close - at - 1);
			out += close - at - 1;
			at = close + 1;
			starts_line = false;
			continue;
		}
		starts_line = copy > 0;
		for (copy = copy ? copy : 1; copy > 0; copy--)
			text[out++] = text[at++];
	}
	return out;
}

/* dotenv knows no escaped backslash: the two bytes \n are a newline wherever they are. */
static size_t expand(char *text, size_t length)
{
	size_t out = 0;

	for (size_t at = 0; at < length; at++) {
		char next = at + 1 < length ? text[at + 1] : '\0';

		if (text[at] == '\\' && (next == 'n' || next == 'r')) {
			text[out++] = next == 'n' ? '\n' : '\r';
			at++;
		} else {
			text[out++] = text[at];
		}
	}
	return out;
}

char *dotenv_value(const char *text, const struct dotenv_entry *entry, size_t *length,
		   struct oam_error *err)
{
	char *value = malloc(entry->value_length + 1);
	size_t size;
	bool expands;

	if (!value) {
		error_set(err, NO_MEMORY, NULL);
		return NULL;
	}
	memcpy(value, text + entry->value, entry->value_length);
	size = trim(value, join_newlines(value, entry->value_length));
	/* dotenv asks for the first character only, closed or not. */
	expands = size > 0 && value[0] == '"';
	size = unquote(value, size);
	if (expands)
		size = expand(value, size);
	/* Callers wipe a secret up to its '\0'; leave no rest of it behind that. */
	explicit_bzero(value + size, entry->value_length + 1 - size);
	if (length)
		*length = size;
	return value;
}

int dotenv_get(const char *text, size_t length, const char *key, char **value, int *line,
	       struct oam_error *err)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry, last = { 0 };
	size_t key_length = strlen(key), size;
	char fault[OAM_MESSAGE_MAX];

	*value = NULL;
	*line = 0;
	dotenv_start(&scanner, text, length);
	while (dotenv_next(&scanner, &entry))
		if (entry.key_length == key_length &&
		    memcmp(text + entry.key, key, key_length) == 0)
			last = entry;
	if (last.line == 0)
		return 0;
	*line = last.line;
	*value = dotenv_value(text, &last, &size, err);
	if (!*value)
		return -1;
	if (!memchr(*value, '\0', size))
		return 0;
	explicit_bzero(*value, size);
	free(*value);
	*value = NULL;
	snprintf(fault, sizeof(fault), "line %d: %s holds a NUL byte", last.line, key);
	return error_set(err, SETTING, key, fault);
}
