/* file_edit_private: what the files of file_edit share. */
#ifndef OAM_FILE_EDIT_PRIVATE_H
#define OAM_FILE_EDIT_PRIVATE_H

#include <limits.h>
#include <sys/stat.h>

#include "file_edit.h"

#define FILE_TRIES_MAX 8 /* against other programs that change the file meanwhile */

/* What an edit does, for the words of its errors. */
enum file_step {
	FILE_FOLLOW,
	FILE_OPEN_FOLDER,
	FILE_READ,
	FILE_WRITE_BESIDE,
	FILE_KEEP_OWNER,
	FILE_KEEP_ACCESS,
	FILE_KEEP_ATTRIBUTE,
	FILE_KEEP_MODE,
	FILE_KEEP_VERSION,
	FILE_REPLACE,
	FILE_REMOVE_OLD,
	FILE_SAVE_BEFORE,
	FILE_WRITE_IN_PLACE,
};

/* One edit on its way. */
struct file_work {
	const struct file_edit *edit;
	char target[PATH_MAX]; /* what the links lead to */
	const char *name;      /* its last part */
	int folder;            /* descriptor of the folder that holds it, or -1 */
	int lock;              /* descriptor, or -1 */

	/* What was read. */
	int old; /* descriptor, or -1: there is no file */
	struct stat status;
	char *text;
	size_t length;

	char temporary[NAME_MAX + 16]; /* "" when there is none */
	struct stat own;               /* of the temporary file */

	int cause;                    /* errno of what failed */
	char attribute[NAME_MAX + 1]; /* that could not be kept */
};

/* How an attempt ended; -1 with an error. */
enum { FILE_AGAIN = 0, FILE_DONE = 1, FILE_SAME = 2 };

/* Fills `err` with file, step, reason and remedy; keeps `cause`, an errno. -1. */
int file_edit_fail(struct file_work *work, enum file_step step, int cause,
		   struct oam_error *err);

/*
 * Gives the open file `to` all that says who may do what with the one that was read: owner,
 * group, access list, extended attributes and mode, in an order in which it is never more
 * open. When there was no file: the edit's mode, and the owner that file_owner() names.
 */
int file_keep_rights(struct file_work *work, int to, struct oam_error *err);

/* True when both are the same version of the same file. */
bool file_is_same(const struct stat *a, const struct stat *b);

/* Removes what is under the temporary name, if there is one. 0, or -1 with errno. */
int file_remove_temporary(struct file_work *work);

/*
 * Keeps the old version, if that is asked for, and gives the temporary file its name:
 * FILE_DONE, FILE_AGAIN when another program was faster, or -1.
 */
int file_replace(struct file_work *work, struct oam_error *err);

/* After replacing failed: writes into the file itself. FILE_DONE, FILE_AGAIN or -1. */
int file_write_in_place(struct file_work *work, const char *text, size_t length,
			struct oam_error *err);

#endif
