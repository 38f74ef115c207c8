#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct oam_error *err, const char *action, const char *path)
{
	int cause = errno;

	error_set(err, FILE, NULL, strerror(cause));
	return error_detail(err, "%s %s: %s", action, path, strerror(cause));
}

static int read_all(int fd, char *text, size_t size, size_t *length)
{
	*length = 0;
	while (*length < size) {
		ssize_t n = read(fd, text + *length, size - *length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		*length += (size_t)n;
	}
	return 0;
}

int file_read_open(int fd, size_t limit, char **text, size_t *length)
{
	struct stat status;

	*text = NULL;
	*length = 0;
	if (fstat(fd, &status))
		return -1;
	if (!S_ISREG(status.st_mode)) {
		errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	*text = malloc(limit + 2); /* one more to see that it is too long, one for '\0' */
	if (!*text)
		return -1;
	if (read_all(fd, *text, limit + 1, length) == 0) {
		(*text)[*length] = '\0';
		if (*length <= limit)
			return 0;
		errno = EFBIG;
	}
	free(*text);
	*text = NULL;
	return -1;
}

int file_read(const char *path, size_t limit, char **text, size_t *length,
	      struct oam_error *err)
{
	int fd, result = 0;

	*text = NULL;
	*length = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(err, "open", path);
	if (file_read_open(fd, limit, text, length))
		result = errno == ENOMEM ? error_set(err, NO_MEMORY, NULL)
					 : fail(err, "read", path);
	close(fd);
	return result;
}

int file_write_open(int fd, const char *text, size_t length)
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

int file_sync(int fd)
{
	if (fsync(fd) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
	    errno == EROFS || errno == EBADF) /* EBADF: opened as a place only, O_PATH */
		return 0;
	return -1;
}

char *file_beside(const char *beside, const char *name, struct oam_error *err)
{
	const char *slash = strrchr(beside, '/');
	int directory = slash && name[0] != '/' ? (int)(slash - beside) + 1 : 0;
	char *path;

	if (asprintf(&path, "%.*s%s", directory, beside, name) < 0) {
		error_set(err, NO_MEMORY, NULL);
		return NULL;
	}
	return path;
}

/* ---- what root makes ---- */

int file_stat_folder(const char *path, struct stat *status)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int result;

	if (!slash)
		return stat(".", status);
	folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	result = folder ? stat(folder, status) : -1;
	free(folder);
	return result;
}

void file_owner(const struct stat *folder, const char *like, struct stat *owner)
{
	*owner = *folder;
	if (geteuid() == 0 && folder->st_uid == 0 && like && stat(like, owner))
		*owner = *folder;
}

int file_give(int fd, const struct stat *owner)
{
	struct stat own;

	if (geteuid() != 0)
		return 0;
	if (fstat(fd, &own))
		return -1;
	if (own.st_uid == owner->st_uid && own.st_gid == owner->st_gid)
		return 0;
	return fchown(fd, owner->st_uid, owner->st_gid);
}

int file_make(const char *path, int flags, mode_t mode, const char *like)
{
	int fd = open(path, flags | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	struct stat owner;
	int cause;

	if (fd < 0 || geteuid() != 0)
		return fd;
	if (((like && stat(like, &owner) == 0) || file_stat_folder(path, &owner) == 0) &&
	    file_give(fd, &owner) == 0)
		return fd;
	cause = errno;
	unlink(path);
	close(fd);
	errno = cause;
	return -1;
}

void file_make_folder(const char *path, mode_t mode, const char *like)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	struct stat parent, owner;
	int fd;

	if (folder && folder[0] != '\0' && file_stat_folder(folder, &parent) == 0 &&
	    mkdir(folder, mode) == 0 && geteuid() == 0) {
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		file_owner(&parent, like, &owner);
		if (fd >= 0) {
			file_give(fd, &owner);
			close(fd);
		}
	}
	free(folder);
}

/* ---- locks ---- */

static int open_lock(const char *path, const char *like)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = file_make(path, O_RDWR, 0600, like);
	if (fd < 0 && errno == EEXIST) /* another process was faster */
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

int file_try_lock(const char *path, const char *like, off_t offset, int *fd,
		  struct oam_error *err)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1
	};

	*fd = open_lock(path, like);
	if (*fd < 0)
		return fail(err, "open", path);
	if (fcntl(*fd, F_OFD_SETLK, &lock) == 0)
		return 0;

	int cause = errno;

	close(*fd);
	*fd = -1;
	errno = cause;
	return cause == EAGAIN || cause == EACCES ? 0 : fail(err, "lock", path);
}
