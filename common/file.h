/* file: whole files, paths and locks. */
#ifndef OAM_FILE_H
#define OAM_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/*
 * Reads a whole regular file of at most `limit` bytes into *text (malloc, '\0' behind it;
 * the caller frees). FILE on failure. A file that does not exist is *text == NULL and 0.
 */
int file_read(const char *path, size_t limit, char **text, size_t *length,
	      struct oam_error *err);

/*
 * `name` when it is absolute, else `name` in the directory that holds `beside`.
 * malloc; the caller frees. NULL with NO_MEMORY.
 */
char *file_beside(const char *beside, const char *name, struct oam_error *err);

/*
 * Tries to lock byte `offset` of the file at `path` (made with mode 0600 when it is not
 * there). The kernel frees the lock when the descriptor is closed or its last holder
 * dies, however it dies (open file description locks, fcntl(2)). *fd is the descriptor
 * that holds it, or -1 when another process has it, which is no error.
 */
int file_try_lock(const char *path, off_t offset, int *fd, struct oam_error *err);

#endif
