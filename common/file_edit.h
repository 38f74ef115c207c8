/*
 * file_edit: changes a whole file at once, so that everybody sees the old or the new one.
 *
 * The new text goes to a temporary file beside it, is synced, gets the old file's mode,
 * owner and group, and takes its name; then the folder is synced. A symbolic link stays,
 * and the file that it leads to is replaced. What cannot keep its owner is refused.
 * Extended attributes and access lists are not kept.
 *
 * Processes of ours exclude each other by a lock on the folder (flock(2)), which the
 * kernel frees when one dies. A change by any other program, between reading and
 * replacing, is noticed, and the edit begins again.
 */
#ifndef OAM_FILE_EDIT_H
#define OAM_FILE_EDIT_H

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

struct file_edit {
	const char *path;
	size_t limit; /* bytes of the old file at most */
	mode_t mode;  /* of a file that is not there yet */

	/*
	 * A name beside the file under which the old version stays, or NULL: a second link
	 * to it, made before it is replaced. Must not be in use.
	 */
	const char *keep_as;

	/*
	 * Makes *text (malloc) from the old bytes, which are NULL when there is no file.
	 * It may be called again. The file is left alone when both are the same.
	 */
	int (*make)(const char *old, size_t old_length, char **text, size_t *length,
		    void *context, struct oam_error *);
	void *context;
};

/*
 * 1 when the file was replaced, 0 when there was nothing to change. On failure the file
 * is as it was; FILE says why, FILE_BUSY may pass.
 */
int file_edit(const struct file_edit *edit, struct oam_error *err);

#endif
