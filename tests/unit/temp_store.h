/* A migrated store in a folder of its own, for the tests of the floors above SQLite. */
#ifndef OAM_TEST_TEMP_STORE_H
#define OAM_TEST_TEMP_STORE_H

#include "store.h"
#include "temp_folder.h"

struct temp_store {
	char folder[TEMP_FOLDER_SIZE];
	char path[96];
	struct store *store;
};

static inline void temp_store_open(struct temp_store *temp)
{
	struct oam_error err = { 0 };
	int from, to;

	temp_folder_make(temp->folder);
	snprintf(temp->path, sizeof(temp->path), "%s/oam.db", temp->folder);
	assert_ok(store_migrate(temp->path, &from, &to, &err));
	assert_int_equal(from, 0);
	assert_ok(store_open(temp->path, &temp->store, &err));
}

static inline void temp_store_close(struct temp_store *temp)
{
	store_close(temp->store);
	temp_folder_remove(temp->folder);
}

#endif
