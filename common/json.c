#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEPTH 2 /* the object and the array of a list */

static const struct json_limits one = { JSON_DEPTH_MAX, JSON_MEMORY_MIN };

static int read_within(const char *text, size_t length, const struct json_limits *limits,
		       struct json_object **out, struct oam_error *err)
{
	struct json_scan scan;

	*out = NULL;
	if (json_scan_within(text, length, limits, &scan))
		return json_scan_error(&scan, err);
	return json_build(text, out, err);
}

int json_scan(const char *text, size_t length, struct json_scan *scan)
{
	return json_scan_within(text, length, &one, scan);
}

int json_read(const char *text, size_t length, struct json_object **out,
	      struct oam_error *err)
{
	return read_within(text, length, &one, out, err);
}

int json_read_list(const char *text, size_t length, size_t items,
		   struct json_object **out, struct oam_error *err)
{
	const struct json_limits limits = { JSON_DEPTH_MAX + LIST_DEPTH,
					    (items + 1) * JSON_MEMORY_MIN };

	return read_within(text, length, &limits, out, err);
}

int json_check_again(struct json_object *tree, struct oam_error *err)
{
	/* The other half is for what is added. */
	static const struct json_limits limits = { JSON_DEPTH_MAX, JSON_MEMORY_MIN / 2 };
	const char *text = json_text(tree);
	struct json_scan scan;

	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	return json_scan_within(text, strlen(text), &limits, &scan)
		       ? json_scan_error(&scan, err)
		       : 0;
}

int json_scan_error(const struct json_scan *scan, struct oam_error *err)
{
	if (scan->unsupported)
		return error_set(err, UNSUPPORTED_JSON, NULL, scan->fault, scan->offset);
	return error_set(err, INVALID_JSON, NULL, scan->fault, scan->offset);
}

bool json_is_integer(const char *digits, size_t length)
{
	size_t whole = strspn(digits + (*digits == '-'), "0123456789");

	if (whole + (*digits == '-') < length)
		return false;
	if (whole < 19) /* the digits of 2^63 */
		return true;
	errno = 0;
	(void)strtoll(digits, NULL, 10);
	return errno == 0;
}

/*
 * Without memory json-c leaves out what finds no room, and says nothing but errno.
 * malloc(3) also sets errno when it found memory at its second attempt. Then the tree has
 * its room, and writing it once more asks for none.
 */
static const char *write_text(struct json_object *tree, int flags)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		const char *text;

		errno = 0;
		text = json_object_to_json_string_ext(
			tree, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
		if (errno != ENOMEM)
			return text;
	}
	return NULL;
}

const char *json_text(struct json_object *tree)
{
	return write_text(tree, JSON_C_TO_STRING_PLAIN);
}

const char *json_pretty_text(struct json_object *tree)
{
	return write_text(tree, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
}

/* json-c makes a table larger before it adds to one that is filled to LH_LOAD_FACTOR. */
size_t json_object_room(size_t members)
{
	return members ? (size_t)((double)(members - 1) / LH_LOAD_FACTOR) + 1 : 1;
}

void json_fit(struct json_object *container)
{
	struct lh_table *table = json_object_get_object(container);
	size_t room;

	if (json_object_is_type(container, json_type_array)) {
		json_object_array_shrink(container, 0);
		return;
	}
	room = json_object_room((size_t)lh_table_length(table));
	if ((int)room < table->size)
		lh_table_resize(table, (int)room); /* without memory it stays as it is */
}

static int copy_item(struct json_object *array, struct json_object *item,
		     struct oam_error *err)
{
	if (item)
		return json_append(array, json_copy(item, err), err);
	return json_object_array_add(array, NULL) ? error_set(err, NO_MEMORY, NULL) : 0;
}

static struct json_object *copy_array(struct json_object *array, struct oam_error *err)
{
	struct json_object *copy = json_new_array(err);

	for (size_t i = 0; copy && i < json_object_array_length(array); i++)
		if (copy_item(copy, json_object_array_get_idx(array, i), err))
			break;
	return copy;
}

static struct json_object *copy_object(struct json_object *object, struct oam_error *err)
{
	struct json_object *copy = json_new_object(err);

	json_object_object_foreach (object, name, value) {
		if (!copy)
			break;
		if (value)
			json_put(copy, name, json_copy(value, err), err);
		else
			json_put_null(copy, name, err);
	}
	return copy;
}

struct json_object *json_copy(struct json_object *tree, struct oam_error *err)
{
	struct json_object *copy;

	if (json_object_is_type(tree, json_type_object))
		copy = copy_object(tree, err);
	else if (json_object_is_type(tree, json_type_array))
		copy = copy_array(tree, err);
	else
		return json_object_get(tree);
	if (error_result(err) == 0) {
		json_fit(copy);
		return copy;
	}
	json_object_put(copy);
	return NULL;
}

struct json_object *json_member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

const char *json_member_string(struct json_object *object, const char *name)
{
	struct json_object *value = json_member(object, name);

	const char *text = json_object_is_type(value, json_type_string)
				   ? json_object_get_string(value)
				   : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text
										 : NULL;
}

const char *json_type_name(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
		return "a decimal";
	case json_type_int:
		return "an integer";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	default:
		return "null";
	}
}

size_t json_string_characters(struct json_object *string)
{
	const char *bytes = json_object_get_string(string);
	size_t length = (size_t)json_object_get_string_len(string), count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
	return count;
}

struct json_object *json_new_object(struct oam_error *err)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		error_set(err, NO_MEMORY, NULL);
	return object;
}

struct json_object *json_new_array(struct oam_error *err)
{
	struct json_object *array = json_object_new_array();

	if (!array)
		error_set(err, NO_MEMORY, NULL);
	return array;
}

int json_put(struct json_object *object, const char *name, struct json_object *value,
	     struct oam_error *err)
{
	if (!value)
		error_set(err, NO_MEMORY, NULL);
	if (error_result(err) || json_object_object_add(object, name, value)) {
		json_object_put(value);
		return error_set(err, NO_MEMORY, NULL);
	}
	return 0;
}

int json_put_null(struct json_object *object, const char *name, struct oam_error *err)
{
	if (error_result(err))
		return -1;
	return json_object_object_add(object, name, NULL)
		       ? error_set(err, NO_MEMORY, NULL)
		       : 0;
}

int json_put_string(struct json_object *object, const char *name, const char *text,
		    struct oam_error *err)
{
	if (!text)
		return json_put_null(object, name, err);
	return json_put(object, name, json_object_new_string(text), err);
}

int json_put_integer(struct json_object *object, const char *name, int64_t value,
		     struct oam_error *err)
{
	return json_put(object, name, json_object_new_int64(value), err);
}

int json_put_boolean(struct json_object *object, const char *name, bool value,
		     struct oam_error *err)
{
	return json_put(object, name, json_object_new_boolean(value), err);
}

int json_append(struct json_object *array, struct json_object *value,
		struct oam_error *err)
{
	if (!value)
		error_set(err, NO_MEMORY, NULL);
	if (error_result(err) || json_object_array_add(array, value)) {
		json_object_put(value);
		return error_set(err, NO_MEMORY, NULL);
	}
	return 0;
}

int json_append_string(struct json_object *array, const char *text, struct oam_error *err)
{
	return json_append(array, json_object_new_string(text), err);
}
