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

int file_read(const char *path, size_t limit, char **text, size_t *length,
	      struct oam_error *err)
{
	struct stat status;
	int fd, result = -1;

	*text = NULL;
	*length = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(err, "open", path);
	if (fstat(fd, &status)) {
		fail(err, "stat", path);
		goto out;
	}
	if (!S_ISREG(status.st_mode)) {
		errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
		fail(err, "read", path);
		goto out;
	}
	*text = malloc(limit + 2); /* one more to see that it is too long, one for '\0' */
	if (!*text) {
		error_set(err, NO_MEMORY, NULL);
		goto out;
	}
	if (read_all(fd, *text, limit + 1, length)) {
		fail(err, "read", path);
		goto out;
	}
	if (*length > limit) {
		errno = EFBIG;
		fail(err, "read", path);
		goto out;
	}
	(*text)[*length] = '\0';
	result = 0;
out:
	if (result) {
		free(*text);
		*text = NULL;
	}
	close(fd);
	return result;
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

int file_try_lock(const char *path, off_t offset, int *fd, struct oam_error *err)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1
	};

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
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
