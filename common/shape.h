/*
 * shape: checks JSON against a table of what is allowed, and names the field at fault.
 *
 * Nothing is coerced: an integer is a JSON number without fraction or exponent, a decimal
 * is any JSON number, and a member that the table does not name is refused.
 */
#ifndef OAM_SHAPE_H
#define OAM_SHAPE_H

#include "json.h"

enum shape_kind {
	SHAPE_ANY,     /* only .check decides */
	SHAPE_STRING,  /* .min and .max count characters */
	SHAPE_INTEGER, /* .min and .max bound the value */
	SHAPE_DECIMAL,
	SHAPE_BOOLEAN,
	SHAPE_OBJECT, /* .members, or any when NULL; .min counts what is there */
	SHAPE_ARRAY,  /* .items; .max counts elements */
};

/* The name of a last row that stands for every member without a row of its own. */
#define SHAPE_REST "*"

struct shape {
	const char *name; /* of the member, or SHAPE_REST; the table ends with NULL */
	enum shape_kind kind;
	bool required;
	bool nullable;
	long long min, max; /* both 0: no bounds */
	const struct shape *members;
	const struct shape *items;
	const char *const *values; /* SHAPE_STRING: the allowed ones, NULL at the end */
	int (*check)(struct json_object *value, const char *path, struct oam_error *err);
};

/*
 * Checks the members of `object`, whose own path is `path` ("" at the top). Errors are
 * the 400 rows of OAM_ERRORS with the full path of the field, as in config.tools[0].type.
 */
int shape_check(const struct shape *members, struct json_object *object, const char *path,
		struct oam_error *err);

/* Checks one value, which stands at `path`, against one row. */
int shape_check_value(const struct shape *shape, struct json_object *value,
		      const char *path, struct oam_error *err);

/* "path.name", or "name" when the path is "". Cut when it does not fit. */
void shape_path(char joined[OAM_PARAM_MAX], const char *path, const char *name);

#endif
