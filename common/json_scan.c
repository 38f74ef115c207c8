/* The grammar of RFC 8259, as a recursive descent over the bytes. Builds nothing. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct cursor {
	const char *at, *end;
	struct json_scan *scan;
	int depth;
};

static int scan_value(struct cursor *c);

static int fault(struct cursor *c, const char *text)
{
	if (!c->scan->fault)
		c->scan->fault = text;
	return -1;
}

static bool next_is(const struct cursor *c, char byte)
{
	return c->at < c->end && *c->at == byte;
}

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && strchr(" \t\n\r", *c->at) && *c->at != '\0')
		c->at++;
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

/* After `\u`. A high surrogate must be followed by an escaped low one. */
static int scan_unicode_escape(struct cursor *c, bool is_name)
{
	int unit = scan_hex4(c);

	if (unit < 0)
		return fault(c, "bad \\u escape");
	if (unit == 0 && is_name)
		return fault(c, "NUL in a name");
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return fault(c, "lone surrogate");
	if (unit < 0xD800 || unit > 0xDBFF)
		return 0;
	if (!next_is(c, '\\') || c->at + 1 >= c->end || c->at[1] != 'u')
		return fault(c, "lone surrogate");
	c->at += 2;
	unit = scan_hex4(c);
	return unit >= 0xDC00 && unit <= 0xDFFF ? 0 : fault(c, "lone surrogate");
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
	return 0;
}

static int scan_string(struct cursor *c, bool is_name)
{
	c->at++; /* the opening quote */
	while (c->at < c->end) {
		if (*c->at == '"') {
			c->at++;
			return 0;
		}
		if (*c->at == '\\') {
			if (scan_escape(c, is_name))
				return -1;
			continue;
		}
		if ((unsigned char)*c->at < 0x20)
			return fault(c, "raw control character in a string");
		size_t n = sequence_length(c->at, c->end);

		if (n == 0)
			return fault(c, "invalid UTF-8");
		c->at += n;
	}
	return fault(c, "unterminated string");
}

static bool scan_digits(struct cursor *c)
{
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
		c->at++;
	return c->at > start;
}

static int scan_number(struct cursor *c)
{
	const char *start = c->at;
	bool whole = true;

	if (next_is(c, '-'))
		c->at++;
	if (next_is(c, '0'))
		c->at++;
	else if (!scan_digits(c))
		return fault(c, "bad number");
	if (next_is(c, '.')) {
		whole = false;
		c->at++;
		if (!scan_digits(c))
			return fault(c, "bad number");
	}
	if (next_is(c, 'e') || next_is(c, 'E')) {
		whole = false;
		c->at++;
		if (next_is(c, '+') || next_is(c, '-'))
			c->at++;
		if (!scan_digits(c))
			return fault(c, "bad number");
	}

	/* What follows a number is never part of one, so strto* stop where we did. */
	errno = 0;
	if (whole)
		(void)strtoll(start, NULL, 10);
	if ((whole && errno == ERANGE) || !isfinite(strtod(start, NULL)))
		return fault(c, "number out of range");
	return 0;
}

static int scan_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
		return fault(c, "unexpected character");
	c->at += n;
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

/* An object or an array: `item`s between brackets, with commas between them. */
static int scan_items(struct cursor *c, char closing, int (*item)(struct cursor *))
{
	if (++c->depth > JSON_DEPTH_MAX)
		return fault(c, "nested too deeply");
	c->at++; /* the opening bracket */
	skip_space(c);
	if (!next_is(c, closing)) {
		for (;;) {
			if (item(c))
				return -1;
			if (!next_is(c, ','))
				break;
			c->at++;
		}
		if (!next_is(c, closing))
			return fault(c, "expected ',' or a closing bracket");
	}
	c->at++;
	c->depth--;
	return 0;
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

int json_scan(const char *text, size_t length, struct json_scan *scan)
{
	struct cursor c = { .at = text, .end = text + length, .scan = scan };

	*scan = (struct json_scan){ 0 };
	if (scan_value(&c) == 0 && c.at < c.end)
		fault(&c, "unexpected character after the end");
	scan->offset = (size_t)(c.at - text);
	return scan->fault ? -1 : 0;
}
