/* Writing into the file itself, for one that cannot be replaced. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "file_edit_private.h"

/* `name` beside the store (or the file, when there is none). malloc. */
static char *beside_store(const struct file_work *work, const char *name,
			  struct oam_error *err)
{
	return file_beside(work->edit->store ? work->edit->store : work->target, name,
			   err);
}

/* NAME.oam-WHAT there. malloc. */
static char *name_copy(const struct file_work *work, const char *what,
		       struct oam_error *err)
{
	char *name, *path;

	if (asprintf(&name, "%s.oam-%s", work->name, what) < 0) {
		error_set(err, NO_MEMORY, NULL);
		return NULL;
	}
	path = beside_store(work, name, err);
	free(name);
	return path;
}

/* Where the old text stays. malloc. */
static char *name_kept(const struct file_work *work, struct oam_error *err)
{
	const char *name = work->edit->keep_as;

	return name ? beside_store(work, name, err) : name_copy(work, "before", err);
}

/* True when the copy of an interrupted write is what is in the file: none was begun. */
static bool is_what_was_read(const struct file_work *work, const char *copy)
{
	struct oam_error ignored = { 0 };
	size_t length;
	char *text;
	bool same;

	if (file_read(copy, work->edit->limit, &text, &length, &ignored) || !text)
		return false;
	same = length == work->length && memcmp(text, work->text, length) == 0;
	explicit_bzero(text, length);
	free(text);
	return same;
}

/* Copies the old text, so that it is safe before the file is touched. */
static int save_before(struct file_work *work, const char *copy, struct oam_error *err)
{
	int fd, result;

	if (is_what_was_read(work, copy))
		unlink(copy);
	fd = file_make(copy, O_WRONLY, 0600, work->edit->store);
	if (fd < 0)
		return file_edit_fail(work, FILE_SAVE_BEFORE, errno, err);
	result = file_write_open(fd, work->text, work->length) || file_sync(fd)
			 ? file_edit_fail(work, FILE_SAVE_BEFORE, errno, err)
			 : 0;
	close(fd);
	if (result)
		unlink(copy);
	return result;
}

static int overwrite(int fd, const char *text, size_t length)
{
	if (lseek(fd, 0, SEEK_SET) || file_write_open(fd, text, length) ||
	    ftruncate(fd, (off_t)length))
		return -1;
	return file_sync(fd);
}

static int write_into(struct file_work *work, int fd, const char *text, size_t length,
		      struct oam_error *err)
{
	char *copy = name_copy(work, "writing", err);
	char *kept = copy ? name_kept(work, err) : NULL;
	int result = -1, cause;

	if (!kept || save_before(work, copy, err))
		goto out;
	if (overwrite(fd, text, length)) {
		cause = errno;
		if (overwrite(fd, work->text, work->length) == 0)
			unlink(copy);
		file_edit_fail(work, FILE_WRITE_IN_PLACE, cause, err);
		goto out;
	}
	if (rename(copy, kept))
		unlink(copy); /* or the next write would take this one for interrupted */
	result = FILE_DONE;
out:
	free(copy);
	free(kept);
	return result;
}

int file_write_in_place(struct file_work *work, const char *text, size_t length,
			struct oam_error *err)
{
	struct stat now;
	int fd, result;

	fd = openat(work->folder, work->name,
		    O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return file_edit_fail(work, FILE_WRITE_IN_PLACE, errno, err);
	if (fstat(fd, &now) || !file_is_same(&now, &work->status))
		result = FILE_AGAIN;
	else
		result = write_into(work, fd, text, length, err);
	close(fd);
	return result;
}
