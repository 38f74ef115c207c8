/* Who may do what with a file: carried over from the old one to the new one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "file.h"
#include "file_edit_private.h"

#define ACCESS_LIST "system.posix_acl_access"

/* Made by the kernel from the content, which is another one now. */
static const char *const of_the_content[] = { "security.ima", "security.evm" };

static int keep_owner(struct file_work *work, int to, struct oam_error *err)
{
	struct stat own, folder;

	if (work->old < 0) {
		struct stat owner;

		if (fstat(work->folder, &folder))
			return file_edit_fail(work, FILE_OPEN_FOLDER, errno, err);
		file_owner(&folder, work->edit->store, &owner);
		return file_give(to, &owner)
			       ? file_edit_fail(work, FILE_KEEP_OWNER, errno, err)
			       : 0;
	}
	if (fstat(to, &own))
		return file_edit_fail(work, FILE_WRITE_BESIDE, errno, err);
	if ((own.st_uid != work->status.st_uid || own.st_gid != work->status.st_gid) &&
	    fchown(to, work->status.st_uid, work->status.st_gid))
		return file_edit_fail(work, FILE_KEEP_OWNER, errno, err);
	return 0;
}

/* ---- extended attributes ---- */

static bool has_none(int cause)
{
	return cause == ENODATA || cause == EOPNOTSUPP || cause == ENOSYS;
}

/* The value, malloc'd; NULL with errno when there is none or it cannot be read. */
static char *read_attribute(int fd, const char *name, size_t *size)
{
	char *value = malloc(XATTR_SIZE_MAX);
	ssize_t length = value ? fgetxattr(fd, name, value, XATTR_SIZE_MAX) : -1;
	int cause = errno;

	if (length >= 0) {
		*size = (size_t)length;
		return value;
	}
	free(value);
	errno = value ? cause : ENOMEM;
	return NULL;
}

/* True when both files have the same value of it. */
static bool is_alike(int fd, const char *name, const char *value, size_t size)
{
	size_t own_size;
	char *own = read_attribute(fd, name, &own_size);
	bool alike = own && own_size == size && memcmp(own, value, size) == 0;

	free(own);
	return alike;
}

/* 0, or -1 with errno. One that is gone meanwhile need not be kept. */
static int copy_attribute(int from, int to, const char *name)
{
	size_t size;
	char *value = read_attribute(from, name, &size);
	int result, cause;

	if (!value)
		return errno == ENODATA ? 0 : -1;
	result = is_alike(to, name, value, size) ? 0
						 : fsetxattr(to, name, value, size, 0);
	cause = errno;
	free(value);
	errno = cause;
	return result;
}

static bool is_copied(const char *name)
{
	if (strcmp(name, ACCESS_LIST) == 0) /* has its own turn */
		return false;
	for (size_t i = 0; i < sizeof(of_the_content) / sizeof(of_the_content[0]); i++)
		if (strcmp(name, of_the_content[i]) == 0)
			return false;
	return true;
}

static int keep_attributes(struct file_work *work, int to, struct oam_error *err)
{
	char *names = malloc(XATTR_LIST_MAX);
	ssize_t length = names ? flistxattr(work->old, names, XATTR_LIST_MAX) : -1;
	int result = 0;

	if (!names)
		return error_set(err, NO_MEMORY, NULL);
	if (length < 0 && !has_none(errno))
		result = file_edit_fail(work, FILE_KEEP_ATTRIBUTE, errno, err);
	for (char *name = names; result == 0 && name < names + length;
	     name += strlen(name) + 1) {
		if (!is_copied(name) || copy_attribute(work->old, to, name) == 0)
			continue;
		snprintf(work->attribute, sizeof(work->attribute), "%s", name);
		result = file_edit_fail(work, FILE_KEEP_ATTRIBUTE, errno, err);
	}
	free(names);
	return result;
}

/*
 * An access list also sets the mode's bits of owner, group and others. When the old file
 * has none, remove what the new file inherited from its folder, before the mode opens the
 * file.
 */
static int keep_access_list(struct file_work *work, int to, struct oam_error *err)
{
	size_t size;
	char *list = read_attribute(work->old, ACCESS_LIST, &size);
	int result;

	if (!list && !has_none(errno))
		return file_edit_fail(work, FILE_KEEP_ACCESS, errno, err);
	if (list)
		result = fsetxattr(to, ACCESS_LIST, list, size, 0);
	else if (fgetxattr(to, ACCESS_LIST, NULL, 0) < 0 && has_none(errno))
		result = 0;
	else
		result = fremovexattr(to, ACCESS_LIST);
	if (result)
		file_edit_fail(work, FILE_KEEP_ACCESS, errno, err);
	free(list);
	return result;
}

/* ---- all of it ---- */

static int keep_mode(struct file_work *work, int to, struct oam_error *err)
{
	mode_t mode = (work->old >= 0 ? work->status.st_mode : work->edit->mode) & 07777;
	struct stat own;

	if (fstat(to, &own))
		return file_edit_fail(work, FILE_WRITE_BESIDE, errno, err);
	/* A file system without modes shows the same one for all files. */
	if ((own.st_mode & 07777) != mode && fchmod(to, mode) &&
	    (work->old >= 0 || errno != EPERM))
		return file_edit_fail(work, FILE_KEEP_MODE, errno, err);
	return 0;
}

/* Owner first: a change of owner takes bits of the mode away. The mode last. */
int file_keep_rights(struct file_work *work, int to, struct oam_error *err)
{
	if (keep_owner(work, to, err))
		return -1;
	if (work->old >= 0 &&
	    (keep_attributes(work, to, err) || keep_access_list(work, to, err)))
		return -1;
	return keep_mode(work, to, err);
}
