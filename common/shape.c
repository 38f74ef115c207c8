#include "shape.h"

#include <stdio.h>
#include <string.h>

void shape_path(char joined[OAM_PARAM_MAX], const char *path, const char *name)
{
	snprintf(joined, OAM_PARAM_MAX, "%s%s%s", path, path[0] ? "." : "", name);
}

static int wrong_type(const char *expected, struct json_object *value, const char *path,
		      struct oam_error *err)
{
	return error_set(err, INVALID_TYPE, path, path, expected, json_type_name(value));
}

static int check_values(const char *const *values, struct json_object *value,
			const char *path, struct oam_error *err)
{
	const char *text = json_object_get_string(value);
	size_t length = (size_t)json_object_get_string_len(value), used = 0;
	char list[256] = "";

	for (size_t i = 0; values[i]; i++) {
		if (strlen(values[i]) == length && memcmp(values[i], text, length) == 0)
			return 0;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s'%s'",
					 i ? ", " : "", values[i]);
		if (used >= sizeof(list))
			used = sizeof(list) - 1;
	}
	return error_set(err, INVALID_VALUE, path, text, list);
}

static int check_string(const struct shape *shape, struct json_object *value,
			const char *path, struct oam_error *err)
{
	size_t length;

	if (!json_object_is_type(value, json_type_string))
		return wrong_type("a string", value, path, err);
	length = json_string_characters(value);
	if (shape->max && length > (size_t)shape->max)
		return error_set(err, STRING_TOO_LONG, path, path, (size_t)shape->max,
				 length);
	if (length < (size_t)shape->min)
		return error_set(err, STRING_TOO_SHORT, path, path, (size_t)shape->min,
				 length);
	return shape->values ? check_values(shape->values, value, path, err) : 0;
}

static int check_integer(const struct shape *shape, struct json_object *value,
			 const char *path, struct oam_error *err)
{
	bool bounded = shape->min != 0 || shape->max != 0;
	long long number = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int))
		return wrong_type("an integer", value, path, err);
	if (bounded && number > shape->max)
		return error_set(err, INTEGER_TOO_BIG, path, path, shape->max, number);
	if (bounded && number < shape->min)
		return error_set(err, INTEGER_TOO_SMALL, path, path, shape->min, number);
	return 0;
}

static int check_decimal(const struct shape *shape, struct json_object *value,
			 const char *path, struct oam_error *err)
{
	bool bounded = shape->min != 0 || shape->max != 0;
	double number = json_object_get_double(value);
	double min = (double)shape->min, max = (double)shape->max;

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return wrong_type("a number", value, path, err);
	if (bounded && number > max)
		return error_set(err, DECIMAL_TOO_BIG, path, path, max, number);
	if (bounded && number < min)
		return error_set(err, DECIMAL_TOO_SMALL, path, path, min, number);
	return 0;
}

static int check_array(const struct shape *shape, struct json_object *value,
		       const char *path, struct oam_error *err)
{
	char item[OAM_PARAM_MAX];
	size_t length;

	if (!json_object_is_type(value, json_type_array))
		return wrong_type("an array", value, path, err);
	length = json_object_array_length(value);
	if (shape->max && length > (size_t)shape->max)
		return error_set(err, ARRAY_TOO_LONG, path, path, (size_t)shape->max,
				 length);
	for (size_t i = 0; i < length && shape->items; i++) {
		snprintf(item, sizeof(item), "%s[%zu]", path, i);
		if (shape_check_value(shape->items, json_object_array_get_idx(value, i),
				      item, err))
			return -1;
	}
	return 0;
}

static int check_object(const struct shape *shape, struct json_object *value,
			const char *path, struct oam_error *err)
{
	if (!json_object_is_type(value, json_type_object))
		return wrong_type("an object", value, path, err);
	if (json_object_object_length(value) < shape->min)
		return error_set(err, INVALID_PARAMETER, path, path,
				 "name at least one field");
	return shape->members ? shape_check(shape->members, value, path, err) : 0;
}

static int check_kind(const struct shape *shape, struct json_object *value,
		      const char *path, struct oam_error *err)
{
	switch (shape->kind) {
	case SHAPE_STRING:
		return check_string(shape, value, path, err);
	case SHAPE_INTEGER:
		return check_integer(shape, value, path, err);
	case SHAPE_DECIMAL:
		return check_decimal(shape, value, path, err);
	case SHAPE_BOOLEAN:
		return json_object_is_type(value, json_type_boolean)
			       ? 0
			       : wrong_type("a boolean", value, path, err);
	case SHAPE_OBJECT:
		return check_object(shape, value, path, err);
	case SHAPE_ARRAY:
		return check_array(shape, value, path, err);
	case SHAPE_ANY:
		break;
	}
	return 0;
}

int shape_check_value(const struct shape *shape, struct json_object *value,
		      const char *path, struct oam_error *err)
{
	if (!value && shape->nullable)
		return 0;
	if (check_kind(shape, value, path, err))
		return -1;
	return shape->check ? shape->check(value, path, err) : 0;
}

static const struct shape *find(const struct shape *members, const char *name)
{
	for (; members->name; members++)
		if (strcmp(members->name, name) == 0 ||
		    strcmp(members->name, SHAPE_REST) == 0)
			return members;
	return NULL;
}

int shape_check(const struct shape *members, struct json_object *object, const char *path,
		struct oam_error *err)
{
	char member[OAM_PARAM_MAX];

	if (!json_object_is_type(object, json_type_object))
		return wrong_type("an object", object, path, err);
	json_object_object_foreach (object, name, value) {
		const struct shape *shape = find(members, name);

		shape_path(member, path, name);
		if (!shape)
			return error_set(err, UNKNOWN_PARAMETER, member, member);
		if (shape_check_value(shape, value, member, err))
			return -1;
	}
	for (const struct shape *shape = members; shape->name; shape++) {
		shape_path(member, path, shape->name);
		if (shape->required &&
		    !json_object_object_get_ex(object, shape->name, NULL))
			return error_set(err, MISSING_PARAMETER, member, member);
	}
	return 0;
}
