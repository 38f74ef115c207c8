#include "file_edit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"

#define LINKS_MAX  40 /* as the kernel */
#define TRIES_MAX  8  /* against other programs that change the file meanwhile */
#define LOCK_MAX   (5 * CLOCK_SECOND)
#define LOCK_PAUSE INT64_C(10) /* ms */

/* One edit on its way. */
struct work {
	const struct file_edit *edit;
	char target[PATH_MAX]; /* what the links lead to */
	const char *name;      /* its last part */
	char temporary[NAME_MAX + 1];
	int folder;
	bool exists;
	struct stat status; /* of what was read */
};

static int fail(const struct work *work, const char *action, struct oam_error *err)
{
	int cause = errno;

	error_set(err, FILE, NULL, strerror(cause));
	return error_detail(err, "%s %s: %s", action, work->target, strerror(cause));
}

/* ---- where the file is ---- */

/* Follows the links of the last part; what they lead to need not exist. */
static int follow_links(struct work *work, struct oam_error *err)
{
	char link[PATH_MAX], *next;

	if (strlen(work->edit->path) >= sizeof(work->target)) {
		errno = ENAMETOOLONG;
		return fail(work, "open", err);
	}
	strcpy(work->target, work->edit->path);
	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t length = readlink(work->target, link, sizeof(link) - 1);

		if (length < 0)
			return errno == EINVAL || errno == ENOENT
				       ? 0
				       : fail(work, "read the link", err);
		link[length] = '\0';
		next = file_beside(work->target, link, err);
		if (!next)
			return -1;
		if (strlen(next) < sizeof(work->target)) {
			strcpy(work->target, next);
			free(next);
			continue;
		}
		free(next);
		errno = ENAMETOOLONG;
		return fail(work, "follow", err);
	}
	errno = ELOOP;
	return fail(work, "follow", err);
}

static int open_folder(struct work *work, struct oam_error *err)
{
	const char *slash = strrchr(work->target, '/');
	char folder[PATH_MAX];
	size_t length = slash ? (size_t)(slash - work->target) : 0;

	work->name = slash ? slash + 1 : work->target;
	snprintf(folder, sizeof(folder), "%.*s", slash == work->target ? 1 : (int)length,
		 work->target);
	work->folder = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return work->folder < 0 ? fail(work, "open the folder of", err) : 0;
}

static int lock_folder(struct work *work, struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + LOCK_MAX;

	while (flock(work->folder, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(work, "lock the folder of", err);
		if (clock_monotonic() > deadline)
			return error_set(err, FILE_BUSY, NULL);
		clock_sleep(LOCK_PAUSE);
	}
	return 0;
}

/* ---- temporary files ---- */

/* A process that was killed left its own behind; nobody else has one while we lock. */
static void remove_leftovers(const struct work *work)
{
	int fd = openat(work->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	size_t length = strlen(work->name);
	struct dirent *entry;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(folder))) {
		const char *name = entry->d_name;

		if (name[0] == '.' && strncmp(name + 1, work->name, length) == 0 &&
		    strncmp(name + 1 + length, ".oam-", 5) == 0 &&
		    strlen(name) == length + 12)
			unlinkat(work->folder, name, 0);
	}
	closedir(folder);
}

static int make_temporary(struct work *work, struct oam_error *err)
{
	char path[PATH_MAX + NAME_MAX];
	int fd;

	snprintf(path, sizeof(path), "%.*s.%s.oam-XXXXXX",
		 (int)(work->name - work->target), work->target, work->name);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return fail(work, "write beside", err);
	snprintf(work->temporary, sizeof(work->temporary), "%s",
		 path + (work->name - work->target));
	return fd;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Owner before mode: a change of owner takes bits of the mode away. */
static int fill_temporary(const struct work *work, int fd, const char *text,
			  size_t length, struct oam_error *err)
{
	struct stat own;

	if (write_all(fd, text, length))
		return fail(work, "write beside", err);
	if (work->exists) {
		if (fstat(fd, &own))
			return fail(work, "stat beside", err);
		if ((own.st_uid != work->status.st_uid ||
		     own.st_gid != work->status.st_gid) &&
		    fchown(fd, work->status.st_uid, work->status.st_gid))
			return fail(work, "keep the owner of", err);
	}
	if (fchmod(fd, work->exists ? work->status.st_mode & 07777 : work->edit->mode))
		return fail(work, "keep the mode of", err);
	return fsync(fd) ? fail(work, "sync beside", err) : 0;
}

/* ---- replacing ---- */

static int read_old(struct work *work, char **old, size_t *length, struct oam_error *err)
{
	if (file_read(work->target, work->edit->limit, old, length, err))
		return -1;
	work->exists = *old != NULL;
	if (work->exists && fstatat(work->folder, work->name, &work->status, 0))
		return fail(work, "stat", err);
	return 0;
}

/* True when the file is still the one that was read. */
static bool is_unchanged(const struct work *work)
{
	struct stat now;

	if (fstatat(work->folder, work->name, &now, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT && !work->exists;
	return work->exists && now.st_dev == work->status.st_dev &&
	       now.st_ino == work->status.st_ino && now.st_size == work->status.st_size &&
	       now.st_mtim.tv_sec == work->status.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == work->status.st_mtim.tv_nsec;
}

static int keep_old(const struct work *work, struct oam_error *err)
{
	const char *name = work->edit->keep_as;

	if (!name || !work->exists ||
	    linkat(work->folder, work->name, work->folder, name, 0) == 0)
		return 0;
	return fail(work, "keep the old version of", err);
}

/* 1 done, 0 begin again. */
static int replace(struct work *work, struct oam_error *err)
{
	unsigned flags = work->exists ? 0 : RENAME_NOREPLACE;

	if (!is_unchanged(work))
		return 0;
	if (keep_old(work, err))
		return -1;
	if (renameat2(work->folder, work->temporary, work->folder, work->name, flags)) {
		if (errno == EEXIST)
			return 0;
		if (work->edit->keep_as)
			unlinkat(work->folder, work->edit->keep_as, 0);
		return fail(work, "replace", err);
	}
	work->temporary[0] = '\0';
	return fsync(work->folder) ? fail(work, "sync the folder of", err) : 1;
}

/* Writes the new text and puts it in place: 1 done, 0 begin again. */
static int write_new(struct work *work, const char *text, size_t length,
		     struct oam_error *err)
{
	int fd = make_temporary(work, err), result;

	if (fd < 0)
		return -1;
	result = fill_temporary(work, fd, text, length, err);
	close(fd);
	if (result == 0)
		result = replace(work, err);
	if (work->temporary[0] != '\0')
		unlinkat(work->folder, work->temporary, 0);
	return result;
}

/* 1 done, 0 begin again, 2 nothing to change. */
static int try_once(struct work *work, struct oam_error *err)
{
	const struct file_edit *edit = work->edit;
	char *old = NULL, *text = NULL;
	size_t old_length, length;
	int result = -1;

	if (read_old(work, &old, &old_length, err) == 0 &&
	    edit->make(old, old_length, &text, &length, edit->context, err) == 0) {
		if (old && old_length == length && memcmp(old, text, length) == 0)
			result = 2;
		else
			result = write_new(work, text, length, err);
	}
	if (old)
		explicit_bzero(old, old_length);
	if (text)
		explicit_bzero(text, length);
	free(old);
	free(text);
	return result;
}

int file_edit(const struct file_edit *edit, struct oam_error *err)
{
	struct work work = { .edit = edit, .folder = -1 };
	int result = 0;

	if (follow_links(&work, err) || open_folder(&work, err))
		return -1;
	if (lock_folder(&work, err) == 0) {
		remove_leftovers(&work);
		for (int i = 0; i < TRIES_MAX && result == 0; i++)
			result = try_once(&work, err);
		if (result == 0)
			error_set(err, FILE_BUSY, NULL);
	}
	close(work.folder);
	if (error_result(err))
		return -1;
	return result == 1;
}
