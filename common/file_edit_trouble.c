/* What an edit says when it fails: file, step, reason and remedy. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file_edit_private.h"

#define IN_PLACE "or set OAM_WRITE_IN_PLACE=1"

static const char *const steps[] = {
	[FILE_FOLLOW] = "follow its links",
	[FILE_OPEN_FOLDER] = "open its folder",
	[FILE_READ] = "read it",
	[FILE_WRITE_BESIDE] = "write the new file beside it",
	[FILE_KEEP_OWNER] = "keep its owner and group",
	[FILE_KEEP_ACCESS] = "keep its access list",
	[FILE_KEEP_ATTRIBUTE] = "keep its extended attributes",
	[FILE_KEEP_MODE] = "keep its mode",
	[FILE_KEEP_VERSION] = "keep its old version",
	[FILE_REPLACE] = "replace it",
	[FILE_REMOVE_OLD] = "remove the old one, .NAME.oam-XXXXXX, after replacing it",
	[FILE_SAVE_BEFORE] = "save the old text (NAME.oam-writing beside the store)",
	[FILE_WRITE_IN_PLACE] = "write into it",
};

/* Where not only the errno tells why. */
static const char *reason_of(const struct file_work *work, enum file_step step, int cause,
			     char *text, size_t size)
{
	if (step == FILE_REPLACE && (cause == EBUSY || cause == EXDEV))
		return "it is a mount point";
	if (step == FILE_SAVE_BEFORE && cause == EEXIST)
		return "an earlier write was interrupted, and the file may be torn";
	if (cause == EROFS)
		return "its file system is mounted read-only";
	if (cause == EFBIG)
		snprintf(text, size, "more than %zu bytes could not be read again",
			 work->edit->limit);
	else if (step == FILE_KEEP_OWNER && work->old >= 0)
		snprintf(text, size,
			 "it belongs to user %u and group %u, this program runs as user "
			 "%u and may not give files away",
			 work->status.st_uid, work->status.st_gid, geteuid());
	else if (step == FILE_KEEP_ATTRIBUTE && work->attribute[0] != '\0')
		snprintf(text, size, "%s: %s", work->attribute, strerror(cause));
	else
		return strerror(cause);
	return text;
}

static const char *remedy_for_access(enum file_step step)
{
	switch (step) {
	case FILE_FOLLOW:
		return "another user made the link: make it again, or use a folder that "
		       "not everybody may write into";
	case FILE_READ:
		return "let the user that runs oam read it";
	case FILE_WRITE_BESIDE:
	case FILE_KEEP_VERSION:
	case FILE_OPEN_FOLDER:
	case FILE_REPLACE:
		return "let the user that runs oam write into its folder, " IN_PLACE;
	default:
		return "give it to the user that runs oam";
	}
}

static const char *remedy_for(enum file_step step, int cause)
{
	if (cause == EROFS)
		return "mount it for writing, or use another place";
	if (cause == ENOSPC || cause == EDQUOT)
		return "make room on its file system";
	if (cause == EFBIG)
		return "shorten what is in it";
	if (step == FILE_REPLACE && (cause == EBUSY || cause == EXDEV))
		return "mount the folder that holds it instead, " IN_PLACE;
	if (step == FILE_SAVE_BEFORE && cause == EEXIST)
		return "compare it with NAME.oam-writing, mend it, remove NAME.oam-writing";
	if (step == FILE_KEEP_OWNER)
		return "give it to the user that runs oam and one of its groups, "
		       "" IN_PLACE;
	if (step == FILE_KEEP_ACCESS)
		return "remove the access list (setfacl -b), " IN_PLACE;
	if (step == FILE_KEEP_ATTRIBUTE)
		return "remove the attribute (setfattr -x), " IN_PLACE;
	if (cause == EACCES || cause == EPERM)
		return remedy_for_access(step);
	if (step == FILE_OPEN_FOLDER)
		return "make the folder";
	if (step == FILE_FOLLOW)
		return "mend the symbolic link";
	return "see what the system's own log says";
}

int file_edit_fail(struct file_work *work, enum file_step step, int cause,
		   struct oam_error *err)
{
	char reason[512], text[OAM_MESSAGE_MAX];

	work->cause = cause;
	snprintf(text, sizeof(text), "%.300s: cannot %s: %s; %s", work->target,
		 steps[step], reason_of(work, step, cause, reason, sizeof(reason)),
		 remedy_for(step, cause));
	error_set(err, FILE, NULL, text);
	return error_detail(err, "%s: cannot %s: %s", work->target, steps[step],
			    strerror(cause));
}
