/* A migrated store in a folder of its own, for the tests of the floors above SQLite. */
#ifndef OAM_TEST_TEMP_STORE_H
#define OAM_TEST_TEMP_STORE_H

#include <ftw.h>

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

static inline int temp_store_remove(const char *path, const struct stat *status, int kind,
				    struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline void temp_store_close(struct temp_store *temp)
{
	store_close(temp->store);
	assert_int_equal(nftw(temp->folder, temp_store_remove, 8, FTW_DEPTH | FTW_PHYS),
			 0);
}

#endif
