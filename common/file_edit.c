/* The course of an edit. file_edit_*.c have its parts. */
#include "file_edit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "file_edit_private.h"
#include "random.h"

#define LINKS_MAX  40 /* as the kernel */
#define LOCK_MAX   (5 * CLOCK_SECOND)
#define LOCK_PAUSE INT64_C(10) /* ms */
#define TEMPORARY  ".oam-"
#define RANDOM     6 /* characters behind that */

/* ---- where the file is ---- */

/*
 * True for a link that somebody else has put into a folder where everybody may, like /tmp:
 * it could lead to any file of ours. Kernels with fs.protected_symlinks do not follow it
 * either (proc_sys_fs(5)).
 */
static bool is_planted(const char *path)
{
	struct stat link, folder;

	return lstat(path, &link) == 0 && S_ISLNK(link.st_mode) &&
	       link.st_uid != geteuid() && file_stat_folder(path, &folder) == 0 &&
	       (folder.st_mode & S_ISVTX) && (folder.st_mode & S_IWOTH) &&
	       folder.st_uid != link.st_uid;
}

/* Follows the links of the last part; what they lead to need not exist. */
static int follow_links(struct file_work *work, struct oam_error *err)
{
	char link[PATH_MAX], *next;

	snprintf(work->target, sizeof(work->target), "%s", work->edit->path);
	if (strlen(work->edit->path) >= sizeof(work->target))
		return file_edit_fail(work, FILE_FOLLOW, ENAMETOOLONG, err);
	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t length = readlink(work->target, link, sizeof(link) - 1);
		bool fits;

		if (length < 0)
			return errno == EINVAL || errno == ENOENT
				       ? 0
				       : file_edit_fail(work, FILE_OPEN_FOLDER, errno,
							err);
		if (is_planted(work->target))
			return file_edit_fail(work, FILE_FOLLOW, EACCES, err);
		link[length] = '\0';
		next = file_beside(work->target, link, err);
		if (!next)
			return -1;
		fits = strlen(next) < sizeof(work->target);
		if (fits)
			strcpy(work->target, next);
		free(next);
		if (!fits)
			return file_edit_fail(work, FILE_FOLLOW, ENAMETOOLONG, err);
	}
	return file_edit_fail(work, FILE_FOLLOW, ELOOP, err);
}

static int open_folder(struct file_work *work, struct oam_error *err)
{
	const char *slash = strrchr(work->target, '/');
	char path[PATH_MAX];
	size_t length = slash ? (size_t)(slash - work->target) : 0;

	work->name = slash ? slash + 1 : work->target;
	snprintf(path, sizeof(path), "%.*s", slash == work->target ? 1 : (int)length,
		 work->target);
	if (!slash)
		strcpy(path, ".");
	work->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work->folder < 0 &&
	    errno == EACCES) /* it may be entered, but not be listed */
		work->folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return work->folder < 0 ? file_edit_fail(work, FILE_OPEN_FOLDER, errno, err) : 0;
}

/* ---- the lock ---- */

static int take_lock(struct file_work *work, struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + LOCK_MAX;
	const char *store = work->edit->store;
	char *path;
	int result;

	if (asprintf(&path, "%s.lock", store) < 0)
		return error_set(err, NO_MEMORY, NULL);
	while ((result = file_try_lock(path, store, FILE_EDIT_LOCK, &work->lock, err)) ==
		       0 &&
	       work->lock < 0) {
		if (clock_monotonic() > deadline) {
			result = error_set(err, FILE_BUSY, NULL, work->edit->path);
			break;
		}
		clock_sleep(LOCK_PAUSE);
	}
	free(path);
	return result;
}

/* ---- temporary files ---- */

static bool is_temporary(const struct file_work *work, const char *name)
{
	size_t length = strlen(work->name);

	return name[0] == '.' && strncmp(name + 1, work->name, length) == 0 &&
	       strncmp(name + 1 + length, TEMPORARY, strlen(TEMPORARY)) == 0 &&
	       strlen(name) == 1 + length + strlen(TEMPORARY) + RANDOM;
}

/*
 * Removes the temporary files of processes that were killed. A process of another store,
 * which does not share our lock, may lose its file by this; it then begins again.
 */
static void remove_leftovers(const struct file_work *work)
{
	int fd = openat(work->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(folder)))
		if (is_temporary(work, entry->d_name))
			unlinkat(work->folder, entry->d_name, 0);
	closedir(folder);
}

int file_remove_temporary(struct file_work *work)
{
	bool exists = work->temporary[0] != '\0' &&
		      unlinkat(work->folder, work->temporary, 0) != 0 && errno != ENOENT;

	work->temporary[0] = '\0';
	return exists ? -1 : 0;
}

/* Nobody else can open it before it has the old file's rights. */
static int make_temporary(struct file_work *work, struct oam_error *err)
{
	char random[RANDOM + 1];
	int fd;

	if (random_base62(random, RANDOM, err))
		return -1;
	snprintf(work->temporary, sizeof(work->temporary), ".%s" TEMPORARY "%s",
		 work->name, random);
	fd = openat(work->folder, work->temporary,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		return fd;
	work->temporary[0] = '\0';
	return file_edit_fail(work, FILE_WRITE_BESIDE, errno, err);
}

static int fill(struct file_work *work, int fd, const char *text, size_t length,
		struct oam_error *err)
{
	if (file_write_open(fd, text, length))
		return file_edit_fail(work, FILE_WRITE_BESIDE, errno, err);
	if (file_keep_rights(work, fd, err))
		return -1;
	if (file_sync(fd) || fstat(fd, &work->own))
		return file_edit_fail(work, FILE_WRITE_BESIDE, errno, err);
	return 0;
}

/* ---- the old version ---- */

/*
 * What is stat'ed is what is read, and before that: a later change shows. FILE_AGAIN when
 * the file became a link meanwhile; FILE_DONE.
 */
static int read_old(struct file_work *work, struct oam_error *err)
{
	work->old = openat(work->folder, work->name,
			   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (work->old < 0 && errno == ENOENT)
		return FILE_DONE;
	if (work->old < 0 && errno == ELOOP)
		return FILE_AGAIN;
	if (work->old < 0 || fstat(work->old, &work->status) ||
	    file_read_open(work->old, work->edit->limit, &work->text, &work->length))
		return errno == ENOMEM ? error_set(err, NO_MEMORY, NULL)
				       : file_edit_fail(work, FILE_READ, errno, err);
	return FILE_DONE;
}

/*
 * True when the file could not be replaced, but its content may be written all the same.
 */
static bool may_write_in_place(const struct file_work *work)
{
	static const int causes[] = { EBUSY, EXDEV,  EACCES,    EPERM,
				      EROFS, EINVAL, EOPNOTSUPP };

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (work->cause == causes[i])
			return work->edit->in_place && work->old >= 0;
	return false;
}

/* Writes the new text beside the file and puts it in its place. */
static int write_new(struct file_work *work, const char *text, size_t length,
		     struct oam_error *err)
{
	struct oam_error cause = { 0 };
	int fd = make_temporary(work, &cause), result = -1;

	if (fd >= 0) {
		result = fill(work, fd, text, length, &cause);
		close(fd);
	}
	if (result == 0)
		result = file_replace(work, &cause);
	file_remove_temporary(work);
	if (result >= 0)
		return result;
	if (may_write_in_place(work))
		return file_write_in_place(work, text, length, err);
	*err = cause;
	return -1;
}

/* ---- all of it ---- */

static void forget(struct file_work *work)
{
	if (work->text)
		explicit_bzero(work->text, work->length);
	free(work->text);
	work->text = NULL;
	if (work->old >= 0)
		close(work->old);
	if (work->folder >= 0)
		close(work->folder);
	work->old = work->folder = -1;
}

static int change(struct file_work *work, const char *text, size_t length,
		  struct oam_error *err)
{
	remove_leftovers(work);
	if (work->text && work->length == length && memcmp(work->text, text, length) == 0)
		return FILE_SAME;
	if (length > work->edit->limit)
		return file_edit_fail(work, FILE_REPLACE, EFBIG, err);
	return write_new(work, text, length, err);
}

static int try_once(struct file_work *work, struct oam_error *err)
{
	const struct file_edit *edit = work->edit;
	char *text = NULL;
	size_t length = 0;
	int result = -1;

	work->cause = 0;
	if (follow_links(work, err) == 0 && open_folder(work, err) == 0)
		result = read_old(work, err);
	if (result == FILE_DONE)
		result = edit->make(work->text, work->length, &text, &length,
				    edit->context, err)
				 ? -1
				 : change(work, text, length, err);
	if (text)
		explicit_bzero(text, length);
	free(text);
	forget(work);
	return result;
}

int file_edit(const struct file_edit *edit, struct oam_error *err)
{
	struct file_work work = { .edit = edit, .folder = -1, .lock = -1, .old = -1 };
	int result = FILE_AGAIN;

	if (edit->store && take_lock(&work, err))
		return -1;
	for (int i = 0; i < FILE_TRIES_MAX && result == FILE_AGAIN; i++)
		result = try_once(&work, err);
	if (result == FILE_AGAIN)
		error_set(err, FILE_BUSY, NULL, work.target);
	if (work.lock >= 0)
		close(work.lock);
	return error_result(err) ? -1 : result == FILE_DONE;
}

/* Where a file is mounted on the name, no rename reaches it. */
static bool is_mount_point(const struct file_work *work)
{
	struct statx status;

	return statx(work->folder, work->name, AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
	       (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int check_place(struct file_work *work, struct oam_error *err)
{
	int fd = make_temporary(work, err), result;

	if (fd < 0)
		return -1;
	result = file_keep_rights(work, fd, err);
	close(fd);
	file_remove_temporary(work);
	if (result == 0 && work->old >= 0 && is_mount_point(work))
		return file_edit_fail(work, FILE_REPLACE, EBUSY, err);
	return result;
}

int file_edit_check(const struct file_edit *edit, struct oam_error *err)
{
	struct file_work work = { .edit = edit, .folder = -1, .lock = -1, .old = -1 };
	struct oam_error cause = { 0 };

	if (follow_links(&work, err) == 0 && open_folder(&work, &cause) == 0 &&
	    read_old(&work, err) == FILE_DONE && check_place(&work, &cause) &&
	    edit->in_place && work.old >= 0 &&
	    faccessat(work.folder, work.name, W_OK, AT_EACCESS) == 0)
		cause = (struct oam_error){ 0 }; /* then it is written in place */
	if (error_result(&cause) && work.cause != ENOENT && error_result(err) == 0)
		*err = cause;
	forget(&work);
	return error_result(err);
}
