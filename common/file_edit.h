/*
 * file_edit: changes a whole file at once, so that everybody sees the old or the new one.
 *
 * The new text goes to a temporary file beside it (.NAME.oam-XXXXXX), which gets the old
 * file's owner, group, access list, extended attributes and mode, is never more open than
 * that, is synced and takes its name; then the folder is synced. A symbolic link stays, and
 * the file that it leads to is replaced; but not where another user could have put it. What cannot be kept is refused, and so is a text
 * that is longer than what is read.
 *
 * A change by another program between reading and replacing is noticed, and the edit begins
 * again: where the file system can exchange two names, nothing is ever lost; elsewhere only
 * a change within the microseconds before the rename. Hard links, flags of renameat2(2),
 * extended attributes and syncing of folders are used where they are there.
 *
 * Every error says which file, at what step, why, and what helps.
 */
#ifndef OAM_FILE_EDIT_H
#define OAM_FILE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

struct file_edit {
	const char *path;
	size_t limit; /* bytes of the old file, and of the new one, at most */
	mode_t mode;  /* of a file that is not there yet */

	/*
	 * Path of the store, or NULL. Its lock file (STORE.lock, byte FILE_EDIT_LOCK) lets
	 * processes of ours take turns. A file that root makes in root's own folder belongs
	 * to the store's owner, in another folder to that one's.
	 */
	const char *store;

	/*
	 * When the file cannot be replaced (it is a mount point; its folder or its owner
	 * does not allow it), write into it. Readers may then see a part of the new text.
	 * The old text is beside the store, in NAME.oam-writing while that goes on, and
	 * as `keep_as` says, or in NAME.oam-before, afterwards. A NAME.oam-writing that is found tells of a
	 * write that was interrupted, and nothing is written until somebody has looked.
	 */
	bool in_place;

	/*
	 * A name under which the old version stays, or NULL: a second link to it or a
	 * copy, made before it is replaced. Beside the file, or beside the store when the
	 * file is written in place. Must not be in use.
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

#define FILE_EDIT_LOCK 0 /* profiles have the bytes from 1 on */

/*
 * 1 when the file was replaced, 0 when there was nothing to change. On failure the file
 * is as it was, or, when only what follows the replacing failed, the new one: trying again
 * does what is left. FILE says why, FILE_BUSY may pass.
 */
int file_edit(const struct file_edit *edit, struct oam_error *err);

/*
 * Whether an edit could be done, found out by all of its steps but the last. FILE. A file
 * or a folder that is not there yet is no error. `make` and `keep_as` are not used.
 */
int file_edit_check(const struct file_edit *edit, struct oam_error *err);

#endif
