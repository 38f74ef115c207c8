/* The headers that cmocka wants, and a JSON literal. */
#ifndef OAM_TEST_EXPECT_H
#define OAM_TEST_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include "json.h"

/* Fails the test with what went wrong. Looks at the caller's `err`. */
#define assert_ok(call) \
	do { \
		struct oam_error *checked = &err; \
		if ((call) < 0) \
			fail_msg("%s: %s (%s)", #call, checked->message, \
				 checked->detail); \
	} while (0)

/* The tree of a JSON text; the caller releases it. */
static inline struct json_object *parse(const char *text)
{
	struct oam_error err = { 0 };
	struct json_object *tree;

	assert_ok(json_read(text, strlen(text), &tree, &err));
	return tree;
}

#endif
