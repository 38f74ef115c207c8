/* Putting the new file in the place of the old one, unless that is another one now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "file_edit_private.h"

bool file_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* True when the file is still the one that was read. */
static bool is_unchanged(const struct file_work *work)
{
	struct stat now;

	if (fstatat(work->folder, work->name, &now, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT && work->old < 0;
	return work->old >= 0 && file_is_same(&now, &work->status);
}

/*
 * True when nobody has changed the rights since they were copied. A new hard link counts
 * as a change.
 */
static bool has_same_rights(const struct file_work *work)
{
	struct stat now;

	return work->old < 0 || (fstat(work->old, &now) == 0 &&
				 now.st_ctim.tv_sec == work->status.st_ctim.tv_sec &&
				 now.st_ctim.tv_nsec == work->status.st_ctim.tv_nsec);
}

/*
 * Keeps the old version by a hard link, or by a copy where the file system has no links.
 */
static int keep_version(struct file_work *work, struct oam_error *err)
{
	const char *name = work->edit->keep_as;
	int fd, result;

	if (!name || work->old < 0 ||
	    linkat(work->folder, work->name, work->folder, name, 0) == 0)
		return 0;
	if (errno == EEXIST)
		return file_edit_fail(work, FILE_KEEP_VERSION, errno, err);
	fd = openat(work->folder, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return file_edit_fail(work, FILE_KEEP_VERSION, errno, err);
	result = file_keep_rights(work, fd, err);
	if (result == 0 &&
	    (file_write_open(fd, work->text, work->length) || file_sync(fd)))
		result = file_edit_fail(work, FILE_KEEP_VERSION, errno, err);
	close(fd);
	if (result)
		unlinkat(work->folder, name, 0);
	return result;
}

/* ---- replacing ---- */

static bool is_unsupported(int cause)
{
	return cause == EINVAL || cause == ENOSYS || cause == EOPNOTSUPP;
}

/* True when the file that the exchange took out is what was read, to the last byte. */
static bool took_out_what_was_read(const struct file_work *work)
{
	struct stat now;
	size_t length;
	char *text;
	bool same;

	if (fstatat(work->folder, work->temporary, &now, AT_SYMLINK_NOFOLLOW) ||
	    !file_is_same(&now, &work->status) || lseek(work->old, 0, SEEK_SET) ||
	    file_read_open(work->old, work->edit->limit, &text, &length))
		return false;
	same = length == work->length && memcmp(text, work->text, length) == 0;
	explicit_bzero(text, length);
	free(text);
	return same;
}

/* The exchange took out another program's new version: gives it its name back. */
static void give_back(struct file_work *work)
{
	struct stat now;

	for (int i = 0; i < FILE_TRIES_MAX; i++) {
		if (renameat2(work->folder, work->temporary, work->folder, work->name,
			      RENAME_EXCHANGE))
			break;
		if (fstatat(work->folder, work->temporary, &now, AT_SYMLINK_NOFOLLOW) ==
			    0 &&
		    now.st_ino == work->own.st_ino)
			return;
	}
	if (renameat(work->folder, work->temporary, work->folder, work->name) == 0)
		work->temporary[0] = '\0';
}

/*
 * Without flags of rename, a change between the look and the rename is lost: they follow
 * each other at once.
 */
static int rename_plainly(struct file_work *work, struct oam_error *err)
{
	if (!is_unchanged(work))
		return FILE_AGAIN;
	if (renameat(work->folder, work->temporary, work->folder, work->name))
		return file_edit_fail(work, FILE_REPLACE, errno, err);
	work->temporary[0] = '\0';
	return FILE_DONE;
}

static int take_name(struct file_work *work, struct oam_error *err)
{
	unsigned flags = work->old >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(work->folder, work->temporary, work->folder, work->name, flags)) {
		if (errno == EEXIST || errno == ENOENT)
			return FILE_AGAIN;
		return is_unsupported(errno)
			       ? rename_plainly(work, err)
			       : file_edit_fail(work, FILE_REPLACE, errno, err);
	}
	if (flags == RENAME_NOREPLACE) {
		work->temporary[0] = '\0';
	} else if (!took_out_what_was_read(work)) {
		give_back(work);
		return FILE_AGAIN;
	}
	return FILE_DONE;
}

int file_replace(struct file_work *work, struct oam_error *err)
{
	int result;

	if (!is_unchanged(work) || !has_same_rights(work))
		return FILE_AGAIN;
	if (keep_version(work, err))
		return -1;
	result = take_name(work, err);
	if (result != FILE_DONE && work->edit->keep_as && work->old >= 0)
		unlinkat(work->folder, work->edit->keep_as, 0);
	if (result != FILE_DONE)
		return result;
	if (file_remove_temporary(work)) /* the old file is there after an exchange */
		return file_edit_fail(work, FILE_REMOVE_OLD, errno, err);
	if (file_sync(work->folder))
		return file_edit_fail(work, FILE_REPLACE, errno, err);
	return FILE_DONE;
}
