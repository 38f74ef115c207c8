/* Everything that an upstream visits, in one array. */
#ifndef OAM_TEST_COLLECT_H
#define OAM_TEST_COLLECT_H

#include "expect.h"
#include "upstream.h"

static inline int collect_one(struct json_object *assistant, void *array,
			      struct oam_error *err)
{
	return json_append(array, json_object_get(assistant), err);
}

/* The caller releases it. */
static inline struct json_object *collect(struct upstream *upstream,
					  const struct upstream_page *page)
{
	struct json_object *array = json_object_new_array();
	struct oam_error err = { 0 };

	assert_ok(upstream->each(upstream, page, collect_one, array, &err));
	return array;
}

#endif
