/* A folder of a test's own. */
#ifndef OAM_TEST_TEMP_FOLDER_H
#define OAM_TEST_TEMP_FOLDER_H

#include <ftw.h>

#include "expect.h"

#define TEMP_FOLDER_SIZE 64

static inline void temp_folder_make(char folder[TEMP_FOLDER_SIZE])
{
	strcpy(folder, "/tmp/oam-unit.XXXXXX");
	assert_non_null(mkdtemp(folder));
}

static inline int temp_folder_remove_one(const char *path, const struct stat *status,
					 int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

static inline void temp_folder_remove(const char *folder)
{
	assert_int_equal(nftw(folder, temp_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS),
			 0);
}

#endif
