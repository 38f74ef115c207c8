/*
 * Builds the tree of a text that json_scan() found good, so that nothing is looked at
 * twice. When memory runs out, json-c's own parser crashes, leaks, or leaves something out
 * and says that all went well; and it loses some escaped characters beyond U+FFFF.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct builder {
	const char *text, *at;
	struct oam_error *err;
};

static struct json_object *build_value(struct builder *b);

static void skip_space(struct builder *b)
{
	b->at += strspn(b->at, " \t\r\n");
}

static struct json_object *made(struct builder *b, struct json_object *value)
{
	if (!value)
		error_set(b->err, NO_MEMORY, NULL);
	return value;
}

/* ---- strings ---- */

static unsigned int read_hex4(const char *at)
{
	char digits[5] = "";

	memcpy(digits, at, 4);
	return (unsigned int)strtoul(digits, NULL, 16);
}

/* One character in UTF-8. Returns the end. */
static char *put_character(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xC0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xE0 | c >> 12);
		} else {
			*to++ = (char)(0xF0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3F));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3F));
	}
	*to++ = (char)(0x80 | (c & 0x3F));
	return to;
}

/* What follows a backslash. Both move on. */
static void decode_escape(const char **at, char **to)
{
	static const char escapes[] = "b\bf\fn\nr\rt\t";
	char kind = *(*at)++;
	const char *known = strchr(escapes, kind);
	unsigned int c;

	if (kind != 'u') {
		*(*to)++ = known ? known[1] : kind;
		return;
	}
	c = read_hex4(*at);
	*at += 4;
	if (c >= 0xD800 && c <= 0xDBFF) { /* the other half follows as another escape */
		c = 0x10000 + ((c - 0xD800) << 10) + (read_hex4(*at + 2) - 0xDC00);
		*at += 6;
	}
	*to = put_character(*to, c);
}

/* The string at the opening quote, malloc'd with '\0' behind it. Goes behind it. */
static char *read_string(struct builder *b, size_t *length)
{
	const char *start = b->at + 1, *end = start, *at;
	char *text, *to;

	while (*end != '"')
		end += *end == '\\' ? 2 : 1;
	b->at = end + 1;
	text = to = malloc((size_t)(end - start) + 1); /* no escape is longer decoded */
	if (!text) {
		error_set(b->err, NO_MEMORY, NULL);
		return NULL;
	}
	for (at = start; at < end;) {
		const char *next = memchr(at, '\\', (size_t)(end - at));

		to = mempcpy(to, at, (size_t)((next ? next : end) - at));
		at = next ? next + 1 : end;
		if (next)
			decode_escape(&at, &to);
	}
	*to = '\0';
	*length = (size_t)(to - text);
	return text;
}

static struct json_object *build_string(struct builder *b)
{
	struct json_object *string;
	size_t length;
	char *text = read_string(b, &length);

	if (!text)
		return NULL;
	string = made(b, json_object_new_string_len(text, (int)length));
	free(text);
	return string;
}

/* ---- the others ---- */

static struct json_object *build_word(struct builder *b)
{
	char first = *b->at;

	b->at += first == 'f' ? strlen("false") : strlen("true");
	return first == 'n' ? NULL : made(b, json_object_new_boolean(first == 't'));
}

/* A number that is no 64 bit integer keeps its digits, to be written as it was read. */
static struct json_object *build_number(struct builder *b)
{
	size_t length = strspn(b->at, "+-.0123456789Ee");
	const char *start = b->at;
	struct json_object *number;
	char *digits;

	b->at += length;
	if (json_is_integer(start, length))
		return made(b, json_object_new_int64(strtoll(start, NULL, 10)));
	digits = strndup(start, length);
	number = digits ? json_object_new_double_s(strtod(digits, NULL), digits) : NULL;
	free(digits);
	return made(b, number);
}

static int occurs_twice(struct builder *b, const char *name, size_t place)
{
	char fault[128];

	snprintf(fault, sizeof(fault), "the name '%.64s' occurs twice in an object",
		 name);
	return error_set(b->err, UNSUPPORTED_JSON, name, fault, place);
}

static int build_member(struct builder *b, struct json_object *object)
{
	size_t place = (size_t)(b->at - b->text), length;
	char *name = read_string(b, &length);
	struct json_object *value;

	if (!name)
		return -1;
	skip_space(b);
	b->at++; /* the colon */
	value = build_value(b);
	if (json_object_object_get_ex(object, name, NULL))
		occurs_twice(b, name, place);
	else if (error_result(b->err) == 0 && json_object_object_add(object, name, value))
		error_set(b->err, NO_MEMORY, NULL);
	if (error_result(b->err))
		json_object_put(value);
	free(name);
	return error_result(b->err);
}

static int build_item(struct builder *b, struct json_object *array)
{
	struct json_object *value = build_value(b);

	if (error_result(b->err) == 0 && json_object_array_add(array, value))
		error_set(b->err, NO_MEMORY, NULL);
	if (error_result(b->err))
		json_object_put(value);
	return error_result(b->err);
}

static struct json_object *build_items(struct builder *b, struct json_object *container,
				       int (*item)(struct builder *,
						   struct json_object *))
{
	if (!made(b, container))
		return NULL;
	b->at++; /* the opening bracket */
	skip_space(b);
	while (*b->at != ']' && *b->at != '}') {
		if (item(b, container)) {
			json_object_put(container);
			return NULL;
		}
		if (*b->at == ',') {
			b->at++;
			skip_space(b);
		}
	}
	b->at++;
	json_fit(container);
	return container;
}

/* One value with the white space around it; NULL for null, and for an error. */
static struct json_object *build_value(struct builder *b)
{
	struct json_object *value;

	skip_space(b);
	switch (*b->at) {
	case '{':
		value = build_items(b, json_object_new_object(), build_member);
		break;
	case '[':
		value = build_items(b, json_object_new_array(), build_item);
		break;
	case '"':
		value = build_string(b);
		break;
	case 't':
	case 'f':
	case 'n':
		value = build_word(b);
		break;
	default:
		value = build_number(b);
	}
	skip_space(b);
	return value;
}

int json_build(const char *text, struct json_object **tree, struct oam_error *err)
{
	struct builder b = { .text = text, .at = text, .err = err };

	*tree = build_value(&b);
	return error_result(err);
}
