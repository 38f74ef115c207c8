/* A migrated store in a folder of its own, for the tests of the floors above SQLite. */
#ifndef OAM_TEST_TEMP_STORE_H
#define OAM_TEST_TEMP_STORE_H

#include "expect.h"
#include "store.h"

struct temp_store {
	char folder[64];
	char path[96];
	struct store *store;
};

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
