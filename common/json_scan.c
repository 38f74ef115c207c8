/*
 * The grammar of RFC 8259, as a recursive descent over the bytes. Builds nothing, but sums
 * up what json_build() would need: what json-c allocates for each value, by the sizes of
 * glibc's malloc.
 */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define BASE_SIZE 40 /* bytes of json-c's struct json_object, which it does not show */

struct cursor {
	const char *start, *at, *end;
	const struct json_limits *limits;
	struct json_scan *scan;
	int depth;
	size_t memory; /* bytes for what was read so far */
	size_t saved;  /* bytes that json_text() will not write again */
};

static int scan_value(struct cursor *c);

static int fault(struct cursor *c, const char *text)
{
	if (!c->scan->fault)
		c->scan->fault = text;
	return -1;
}

/* The grammar allows it, we do not. */
static int unsupported(struct cursor *c, const char *text)
{
	c->scan->unsupported = !c->scan->fault || c->scan->unsupported;
	return fault(c, text);
}

/* ---- memory ---- */

/* Adds what malloc(3) takes for `bytes`. */
static void need(struct cursor *c, size_t bytes)
{
	const size_t step = 2 * sizeof(size_t), least = 2 * step;
	size_t chunk = (bytes + sizeof(size_t) + step - 1) / step * step;

	c->memory += chunk < least ? least : chunk;
}

/* An object that grew beyond the first size has two tables while it is fitted. */
static void need_object(struct cursor *c, size_t members)
{
	size_t grown = JSON_OBJECT_DEF_HASH_ENTRIES;

	while ((double)members > (double)grown * LH_LOAD_FACTOR)
		grown *= 2;
	need(c, BASE_SIZE + sizeof(void *));
	need(c, sizeof(struct lh_table));
	need(c, sizeof(struct lh_entry) * json_object_room(members));
	if (grown > JSON_OBJECT_DEF_HASH_ENTRIES)
		need(c, sizeof(struct lh_entry) * grown);
}

static void need_array(struct cursor *c, size_t items)
{
	size_t grown = ARRAY_LIST_DEFAULT_SIZE;

	while (items > grown)
		grown *= 2;
	need(c, BASE_SIZE + sizeof(void *));
	need(c, sizeof(struct array_list));
	need(c, sizeof(void *) * (items > ARRAY_LIST_DEFAULT_SIZE ? grown : items));
}

/*
 * Counts only the bytes that json_text() would write again: neither white space nor
 * needless escapes. So what passes here also passes when it is read again after
 * json_text(). What is still to come counts as it stands.
 */
static int check_memory(struct cursor *c)
{
	size_t written = (size_t)(c->end - c->start) - c->saved;

	if (c->memory <= c->limits->memory_min + JSON_MEMORY_RATIO * written)
		return 0;
	return unsupported(c, "it has too many values for its length");
}

static bool next_is(const struct cursor *c, char byte)
{
	return c->at < c->end && *c->at == byte;
}

static void skip_space(struct cursor *c)
{
	const char *before = c->at;

	while (c->at < c->end &&
	       (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
		c->at++;
	c->saved += (size_t)(c->at - before);
}

/* The length of the UTF-8 sequence at `at`, or 0 when it is not valid (RFC 3629, 4). */
static size_t sequence_length(const char *at, const char *end)
{
	const unsigned char *s = (const unsigned char *)at;
	size_t left = (size_t)(end - at);
	size_t need = s[0] < 0x80   ? 1
		      : s[0] < 0xC2 ? 0
		      : s[0] < 0xE0 ? 2
		      : s[0] < 0xF0 ? 3
		      : s[0] < 0xF5 ? 4
				    : 0;

	if (need == 0 || need > left)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
	    (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0; /* overlong, surrogate, or beyond U+10FFFF */
	return need;
}

bool json_is_utf8(const char *bytes, size_t length)
{
	const char *end = bytes + length;

	while (bytes < end) {
		size_t n = sequence_length(bytes, end);

		if (n == 0)
			return false;
		bytes += n;
	}
	return true;
}

/* Four hexadecimal digits, or -1. */
static int scan_hex4(struct cursor *c)
{
	int value = 0;

	for (int i = 0; i < 4; i++, c->at++) {
		if (c->at >= c->end)
			return -1;
		char d = *c->at;

		if (d >= '0' && d <= '9')
			value = value * 16 + (d - '0');
		else if (d >= 'a' && d <= 'f')
			value = value * 16 + (d - 'a' + 10);
		else if (d >= 'A' && d <= 'F')
			value = value * 16 + (d - 'A' + 10);
		else
			return -1;
	}
	return value;
}

/* The bytes by which json_text() writes a character. */
static size_t written_size(int c)
{
	if (c < 0x20)
		return strchr("\b\f\n\r\t", c) && c ? strlen("\\n") : strlen("\\u0000");
	if (c == '"' || c == '\\')
		return strlen("\\n");
	return c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
}

/* After `\u`. A high surrogate must be followed by an escaped low one. */
static int scan_unicode_escape(struct cursor *c, bool is_name)
{
	int unit = scan_hex4(c);

	if (unit < 0)
		return fault(c, "bad \\u escape");
	if (unit == 0 && is_name)
		return unsupported(c, "NUL in a name");
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return unsupported(c, "lone surrogate");
	if (unit < 0xD800 || unit > 0xDBFF) {
		c->saved += strlen("\\u0000") - written_size(unit);
		return 0;
	}
	if (c->at == c->end || (next_is(c, '\\') && c->at + 1 == c->end))
		return fault(c, "unterminated string");
	if (!next_is(c, '\\') || c->at[1] != 'u')
		return unsupported(c, "lone surrogate");
	c->at += 2;
	unit = scan_hex4(c);
	if (unit < 0)
		return fault(c, "bad \\u escape");
	if (unit < 0xDC00 || unit > 0xDFFF)
		return unsupported(c, "lone surrogate");
	c->saved += strlen("\\ud800\\udc00") - 4;
	return 0;
}

static int scan_escape(struct cursor *c, bool is_name)
{
	c->at++; /* the backslash */
	if (c->at >= c->end)
		return fault(c, "unterminated string");
	char kind = *c->at++;

	if (kind == 'u')
		return scan_unicode_escape(c, is_name);
	if (kind == '\0' || !strchr("\"\\/bfnrt", kind))
		return fault(c, "bad escape");
	c->saved += kind == '/';
	return 0;
}

/* Goes on at the closing quote. */
static int scan_characters(struct cursor *c, bool is_name)
{
	while (c->at < c->end && *c->at != '"') {
		size_t n;

		if (*c->at == '\\') {
			if (scan_escape(c, is_name))
				return -1;
			continue;
		}
		if ((unsigned char)*c->at < 0x20)
			return fault(c, "raw control character in a string");
		n = sequence_length(c->at, c->end);
		if (n == 0)
			return fault(c, "invalid UTF-8");
		c->at += n;
	}
	return c->at < c->end ? 0 : fault(c, "unterminated string");
}

static int scan_string(struct cursor *c, bool is_name)
{
	const char *start = ++c->at;
	size_t length;

	if (scan_characters(c, is_name))
		return -1;
	length = (size_t)(c->at - start); /* no escape is longer decoded */
	need(c, is_name ? length + 1
			: BASE_SIZE + sizeof(ssize_t) + sizeof(char *) + length);
	c->at++;
	return 0;
}

static bool scan_digits(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > start;
}

static bool scan_fraction(struct cursor *c)
{
	c->at++;
	return scan_digits(c);
}

static bool scan_exponent(struct cursor *c)
{
	c->at++;
	if (next_is(c, '+') || next_is(c, '-'))
		c->at++;
	return scan_digits(c);
}

static int scan_number(struct cursor *c)
{
	const char *start = c->at;
	bool may_be_large;
	size_t length;

	if (next_is(c, '-'))
		c->at++;
	if (next_is(c, '0'))
		c->at++;
	else if (!scan_digits(c))
		return fault(c, "bad number");
	if (next_is(c, '.') && !scan_fraction(c))
		return fault(c, "bad number");
	may_be_large = next_is(c, 'e') || next_is(c, 'E') ||
		       c->at - start > DBL_MAX_10_EXP;
	if ((next_is(c, 'e') || next_is(c, 'E')) && !scan_exponent(c))
		return fault(c, "bad number");

	/* What follows a number is never part of one that long: strtod() stops here, too. */
	if (may_be_large && !isfinite(strtod(start, NULL)))
		return unsupported(c, "number out of range");
	length = (size_t)(c->at - start);
	c->saved += length == 2 && memcmp(start, "-0", 2) == 0; /* it becomes 0 */
	need(c, BASE_SIZE + 2 * sizeof(int64_t)); /* an integer or a decimal */
	if (!json_is_integer(start, length))
		need(c, length + 1);
	return 0;
}

static int scan_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
		return fault(c, "unexpected character");
	c->at += n;
	if (word[0] != 'n')
		need(c, BASE_SIZE + sizeof(int64_t));
	return 0;
}

static int scan_member(struct cursor *c)
{
	skip_space(c);
	if (!next_is(c, '"'))
		return fault(c, "expected a name in double quotes");
	if (scan_string(c, true))
		return -1;
	skip_space(c);
	if (!next_is(c, ':'))
		return fault(c, "expected ':'");
	c->at++;
	return scan_value(c);
}

/* The `item`s of an object or an array, with commas between them. */
static int scan_list(struct cursor *c, int (*item)(struct cursor *), size_t *count)
{
	for (*count = 1;; ++*count) {
		if (item(c) || check_memory(c))
			return -1;
		if (!next_is(c, ','))
			return 0;
		c->at++;
	}
}

/* An object or an array, with its brackets. */
static int scan_items(struct cursor *c, char closing, int (*item)(struct cursor *))
{
	size_t count = 0;

	if (++c->depth > c->limits->depth)
		return unsupported(c, "nested too deeply");
	c->at++; /* the opening bracket */
	skip_space(c);
	if (!next_is(c, closing) && scan_list(c, item, &count))
		return -1;
	if (!next_is(c, closing))
		return fault(c, "expected ',' or a closing bracket");
	c->at++;
	c->depth--;
	if (closing == '}')
		need_object(c, count);
	else
		need_array(c, count);
	return check_memory(c);
}

/* One value with the white space around it. */
static int scan_value(struct cursor *c)
{
	int result;

	skip_space(c);
	if (c->at >= c->end)
		return fault(c, "unexpected end");
	switch (*c->at) {
	case '{':
		result = scan_items(c, '}', scan_member);
		break;
	case '[':
		result = scan_items(c, ']', scan_value);
		break;
	case '"':
		result = scan_string(c, false);
		break;
	case 't':
		result = scan_word(c, "true");
		break;
	case 'f':
		result = scan_word(c, "false");
		break;
	case 'n':
		result = scan_word(c, "null");
		break;
	default:
		if (*c->at != '-' && (*c->at < '0' || *c->at > '9'))
			return fault(c, "unexpected character");
		result = scan_number(c);
	}
	if (result == 0)
		skip_space(c);
	return result;
}

int json_scan_within(const char *text, size_t length, const struct json_limits *limits,
		     struct json_scan *scan)
{
	struct cursor c = { .start = text,
			    .at = text,
			    .end = text + length,
			    .limits = limits,
			    .scan = scan };

	*scan = (struct json_scan){ 0 };
	skip_space(&c);
	if (c.at == c.end)
		fault(&c, "there is nothing in it");
	else if (length > INT_MAX)
		unsupported(&c, "it is too long");
	else if (scan_value(&c) == 0 && c.at < c.end)
		fault(&c, "unexpected character after the end");
	scan->offset = (size_t)(c.at - text);
	return scan->fault ? -1 : 0;
}
