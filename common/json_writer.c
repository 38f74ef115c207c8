#include "json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 1024
#define SIZE_KEPT \
	((size_t)64 * 1024) /* memory beyond that is not kept for the next text */

/* Room for `length` more bytes and a '\0'. NULL without memory. */
static char *reserve(struct json_writer *writer, size_t length)
{
	size_t wanted = writer->length + length + 1, size = writer->size;
	char *text;

	if (writer->failed)
		return NULL;
	if (wanted > size) {
		if (size < SIZE_MIN)
			size = SIZE_MIN;
		while (size < wanted)
			size *= 2;
		text = realloc(writer->text, size);
		if (!text) {
			writer->failed = true;
			return NULL;
		}
		writer->text = text;
		writer->size = size;
	}
	return writer->text + writer->length;
}

static void append(struct json_writer *writer, const char *bytes, size_t length)
{
	char *to = reserve(writer, length);

	if (!to)
		return;
	memcpy(to, bytes, length);
	to[length] = '\0';
	writer->length += length;
}

/* What stands before a value: a comma unless it is the first, and its name. */
static void lead_in(struct json_writer *writer, const char *name)
{
	size_t length = name ? strlen(name) : 0;
	char *to = reserve(writer, length + strlen(",\"\":"));

	if (!to)
		return;
	if (writer->length > 0 && to[-1] != '{' && to[-1] != '[')
		*to++ = ',';
	if (name) {
		*to++ = '"';
		memcpy(to, name, length);
		to += length;
		*to++ = '"';
		*to++ = ':';
	}
	*to = '\0';
	writer->length = (size_t)(to - writer->text);
}

void json_write_begin(struct json_writer *writer, const char *name)
{
	lead_in(writer, name);
	append(writer, "{", 1);
}

void json_write_end(struct json_writer *writer)
{
	append(writer, "}", 1);
}

void json_write_array_begin(struct json_writer *writer, const char *name)
{
	lead_in(writer, name);
	append(writer, "[", 1);
}

void json_write_array_end(struct json_writer *writer)
{
	append(writer, "]", 1);
}

static bool needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

#define EACH_BYTE(value) (~UINT64_C(0) / 255 * (value))

/* Whether any of eight bytes needs an escape. */
static bool any_needs_escape(uint64_t bytes)
{
	uint64_t quotes = bytes ^ EACH_BYTE('"'), slashes = bytes ^ EACH_BYTE('\\');

	/* A difference borrows the highest bit of a byte that is too small for it. */
	return (((bytes - EACH_BYTE(0x20)) & ~bytes) |
		((quotes - EACH_BYTE(1)) & ~quotes) |
		((slashes - EACH_BYTE(1)) & ~slashes)) &
	       EACH_BYTE(0x80);
}

/* How many bytes at the beginning of `text` need no escape. */
static size_t plain_length(const char *text, size_t length)
{
	size_t plain = 0;
	uint64_t bytes;

	for (; plain + sizeof(bytes) <= length; plain += sizeof(bytes)) {
		memcpy(&bytes, text + plain, sizeof(bytes));
		if (any_needs_escape(bytes))
			break;
	}
	while (plain < length && !needs_escape(text[plain]))
		plain++;
	return plain;
}

/* RFC 8259, 7. Returns the number of bytes, at most 6. */
static size_t escape(char c, char to[7])
{
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* in pairs */

	for (size_t i = 0; shorts[i]; i += 2)
		if (shorts[i] == c) {
			to[0] = '\\';
			to[1] = shorts[i + 1];
			return 2;
		}
	return (size_t)snprintf(to, 7, "\\u%04x", (unsigned char)c);
}

void json_write_string(struct json_writer *writer, const char *name, const char *text)
{
	size_t length, plain;
	char escaped[7];

	if (!text) {
		json_write_null(writer, name);
		return;
	}
	length = strlen(text);
	lead_in(writer, name);
	append(writer, "\"", 1);
	for (;;) {
		plain = plain_length(text, length);
		append(writer, text, plain);
		if (plain == length)
			break;
		append(writer, escaped, escape(text[plain], escaped));
		text += plain + 1;
		length -= plain + 1;
	}
	append(writer, "\"", 1);
}

void json_write_filled(struct json_writer *writer, const char *name, const char *text)
{
	json_write_string(writer, name, text[0] ? text : NULL);
}

void json_write_integer(struct json_writer *writer, const char *name, int64_t value)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		*--at = '-';
	lead_in(writer, name);
	append(writer, at, (size_t)(digits + sizeof(digits) - at));
}

void json_write_decimal(struct json_writer *writer, const char *name, double value)
{
	struct json_object *number = json_object_new_double(value);

	if (!number)
		writer->failed = true;
	json_write_value(writer, name, number);
	json_object_put(number);
}

void json_write_boolean(struct json_writer *writer, const char *name, bool value)
{
	lead_in(writer, name);
	json_write_raw(writer, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer, const char *name)
{
	lead_in(writer, name);
	json_write_raw(writer, "null");
}

void json_write_value(struct json_writer *writer, const char *name,
		      struct json_object *value)
{
	lead_in(writer, name);
	json_write_raw(writer, json_text(value));
}

void json_write_members(struct json_writer *writer, struct json_object *object)
{
	const char *text = json_text(object);
	size_t length = text ? strlen(text) : 0;

	if (!text)
		writer->failed = true;
	if (length <= strlen("{}"))
		return;
	lead_in(writer, NULL);
	append(writer, text + 1, length - 2);
}

void json_write_raw(struct json_writer *writer, const char *text)
{
	if (text)
		append(writer, text, strlen(text));
	else
		writer->failed = true;
}

int json_writer_result(const struct json_writer *writer, struct oam_error *err)
{
	if (writer->failed || !writer->text)
		return error_set(err, NO_MEMORY, NULL);
	return error_result(err);
}

void json_writer_clear(struct json_writer *writer)
{
	if (writer->size > SIZE_KEPT)
		json_writer_free(writer);
	writer->length = 0;
	writer->failed = false;
}

void json_writer_free(struct json_writer *writer)
{
	free(writer->text);
	*writer = (struct json_writer){ 0 };
}
