/* A migrated store in a folder of its own, for the tests of the floors above SQLite. */
#ifndef OAM_TEST_TEMP_STORE_H
#define OAM_TEST_TEMP_STORE_H

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

#include "store.h"

struct temp_store {
	char folder[64];
	char path[96];
	struct store *store;
};

#define assert_ok(call) \
	do { \
		struct oam_error *checked = &err; \
		if ((call) < 0) \
			fail_msg("%s: %s (%s)", #call, checked->message, \
				 checked->detail); \
	} while (0)

static inline struct json_object *parse(const char *text)
{
	struct oam_error err = { 0 };
	struct json_object *tree;

	assert_ok(json_read(text, strlen(text), &tree, &err));
	return tree;
}

static inline void temp_store_open(struct temp_store *temp)
{
	struct oam_error err = { 0 };
	int from, to;

	strcpy(temp->folder, "/tmp/oam-unit.XXXXXX");
	assert_non_null(mkdtemp(temp->folder));
	snprintf(temp->path, sizeof(temp->path), "%s/oam.db", temp->folder);
	assert_ok(store_migrate(temp->path, &from, &to, &err));
	assert_int_equal(from, 0);
	assert_ok(store_open(temp->path, &temp->store, &err));
}

static inline void temp_store_close(struct temp_store *temp)
{
	char path[128];

	store_close(temp->store);
	unlink(temp->path);
	snprintf(path, sizeof(path), "%s.lock", temp->path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/.env", temp->folder);
	unlink(path);
	assert_int_equal(rmdir(temp->folder), 0);
}

#endif
