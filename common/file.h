/* file: whole files, paths, locks, and what root makes for others. */
#ifndef OAM_FILE_H
#define OAM_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

/*
 * Reads a whole regular file of at most `limit` bytes into *text (malloc, '\0' behind it;
 * the caller frees). FILE on failure. A file that does not exist is *text == NULL and 0.
 */
int file_read(const char *path, size_t limit, char **text, size_t *length,
	      struct oam_error *err);

/*
 * file_read() of an open file, from its start. It must be a regular one. 0, or -1 with
 * errno: EFBIG when it is longer.
 */
int file_read_open(int fd, size_t limit, char **text, size_t *length);

/* Writes all bytes where the descriptor stands. 0, or -1 with errno. */
int file_write_open(int fd, const char *text, size_t length);

/*
 * fsync(2). What a file system does not do for this kind of file is no error: some do not
 * sync folders.
 */
int file_sync(int fd);

/*
 * `name` when it is absolute, else `name` in the directory that holds `beside`.
 * malloc; the caller frees. NULL with NO_MEMORY.
 */
char *file_beside(const char *beside, const char *name, struct oam_error *err);

/* stat(2) of the folder that holds `path`. 0, or -1 with errno. */
int file_stat_folder(const char *path, struct stat *status);

/*
 * What root makes for a service that runs as another user must belong to that user, or the
 * service cannot use it. The owner is that of the folder that the new file is in, and when
 * that is root, of `like`, a path (NULL, or not there: root). file_owner() finds it, and
 * file_give() gives a new file away; both do nothing for other users than root. 0, or -1
 * with errno.
 */
void file_owner(const struct stat *folder, const char *like, struct stat *owner);
int file_give(int fd, const struct stat *owner);

/*
 * Makes a file that is not there yet, and opens it with `flags` (O_WRONLY, O_RDWR). Never
 * through a link. It belongs to the owner of `like`; NULL, or not there: to the owner of
 * its folder. The descriptor, or -1 with errno.
 */
int file_make(const char *path, int flags, mode_t mode, const char *like);

/*
 * Makes the folder that holds `path` when it is missing (its last part only), for the owner
 * that file_owner() names. When that fails, the use of `path` says why.
 */
void file_make_folder(const char *path, mode_t mode, const char *like);

/*
 * Tries to lock byte `offset` of the file at `path` (made as file_make() does it, with mode
 * 0600, when it is not there). The kernel frees the lock when the descriptor is closed or
 * its last holder dies, however it dies (open file description locks, fcntl(2)). *fd is the
 * descriptor that holds it, or -1 when another process has it, which is no error.
 */
int file_try_lock(const char *path, const char *like, off_t offset, int *fd,
		  struct oam_error *err);

#endif
