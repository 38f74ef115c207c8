/* Editing files: other programs in between, rights, and file systems that can do less. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "file.h"
#include "file_edit.h"
#include "temp_folder.h"

#define OTHER       65534 /* a user and a group without rights */
#define LIMIT       1000
#define ACCESS_LIST "system.posix_acl_access"

static char folder[TEMP_FOLDER_SIZE], path[96], store_folder[TEMP_FOLDER_SIZE], store[96];

/* ---- libc's calls, of a file system that can do less ---- */

static struct {
	int link, rename_flags, sync; /* errno; 0: it works */
	int rename;                   /* the same, of a rename without flags */
	void (*before_rename)(void);  /* another program acts, once */
	void (*before_sync)(void);    /* the same */
} system_is;

static int fails(int cause)
{
	errno = cause;
	return cause ? -1 : 0;
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
	return fails(system_is.link) ? -1
				     : (int)syscall(SYS_linkat, a, from, b, to, flags);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	void (*act)(void) = system_is.before_rename;

	system_is.before_rename = NULL;
	if (act)
		act();
	if (fails(flags ? system_is.rename_flags : system_is.rename))
		return -1;
	return (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

int renameat(int a, const char *from, int b, const char *to)
{
	return renameat2(a, from, b, to, 0);
}

int fsync(int fd)
{
	struct stat status;
	void (*act)(void) = system_is.before_sync;

	system_is.before_sync = NULL;
	if (act)
		act();
	fstat(fd, &status);
	if (S_ISDIR(status.st_mode) && fails(system_is.sync))
		return -1;
	return (int)syscall(SYS_fsync, fd);
}

/* ---- the edit of all tests ---- */

static int setup(void **state)
{
	(void)state;
	memset(&system_is, 0, sizeof(system_is));
	temp_folder_make(folder);
	snprintf(path, sizeof(path), "%s/file", folder);
	temp_folder_make(store_folder);
	snprintf(store, sizeof(store), "%s/oam.db", store_folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_folder_remove(folder);
	temp_folder_remove(store_folder);
	return 0;
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_file(const char *name, const char *text)
{
	struct oam_error err = { 0 };
	size_t length;
	char *is;

	assert_ok(file_read(name, 1 << 20, &is, &length, &err));
	assert_non_null(is);
	assert_string_equal(is, text);
	free(is);
}

static int count_names(void)
{
	DIR *open_folder = opendir(folder);
	int count = -2; /* . and .. */

	while (readdir(open_folder))
		count++;
	closedir(open_folder);
	return count;
}

static int add_line(const char *old, size_t length, char **text, size_t *new_length,
		    void *context, struct oam_error *err)
{
	(void)context;
	(void)err;
	*new_length = (size_t)asprintf(text, "%.*sid\n", (int)length, old ? old : "");
	return 0;
}

static const char *keep_as;
static bool in_place;

static struct file_edit an_edit(void)
{
	return (struct file_edit){ .path = path,
				   .limit = LIMIT,
				   .mode = 0600,
				   .store = store,
				   .in_place = in_place,
				   .keep_as = keep_as,
				   .make = add_line };
}

static int edit(struct oam_error *err)
{
	struct file_edit what = an_edit();

	*err = (struct oam_error){ 0 };
	return file_edit(&what, err);
}

static void assert_edited(const char *text)
{
	struct oam_error err;

	if (edit(&err) != 1)
		fail_msg("%s (%s)", err.message, err.detail);
	assert_file(path, text);
}

/* Refused, with the words, the file's name, and nothing changed. */
static void assert_refused(const char *text, const char *word, const char *remedy)
{
	struct oam_error err;

	assert_int_equal(edit(&err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
	if (!strstr(err.message, word) || !strstr(err.message, remedy) ||
	    !strstr(err.message, path))
		fail_msg("%s", err.message);
	if (text)
		assert_file(path, text);
}

/* ---- other programs in between ---- */

static void replace_by_other(void)
{
	char other[128];

	snprintf(other, sizeof(other), "%s/other", folder);
	put(other, "other\n");
	rename(other, path);
}

static void write_into_it(void)
{
	put(path, "new\n"); /* as long as the old text */
}

static void write_within_a_tick(void)
{
	struct timespec times[2];
	struct stat status;

	stat(path, &status);
	times[0] = status.st_atim;
	times[1] = status.st_mtim;
	put(path, "new\n");
	utimensat(AT_FDCWD, path, times, 0);
}

static void remove_it(void)
{
	unlink(path);
}

static void open_it(void)
{
	chmod(path, 0640);
}

/* Between the last look and the rename: where names are exchanged, it is noticed. */
static void test_changes_right_before_the_rename(void **state)
{
	static const struct {
		void (*act)(void);
		const char *text;
		mode_t mode;
	} cases[] = {
		{ replace_by_other, "other\nid\n", 0600 },
		{ write_into_it, "new\nid\n", 0600 },
		{ write_within_a_tick, "new\nid\n", 0600 },
		{ remove_it, "id\n", 0600 },
		{ open_it, "old\nid\n", 0640 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stat status;

		unlink(path);
		put(path, "old\n");
		system_is.before_rename = cases[i].act;
		assert_edited(cases[i].text);
		assert_null(system_is.before_rename);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, cases[i].mode);
		assert_int_equal(count_names(), 1);
	}
}

static void test_a_file_made_right_before_the_rename(void **state)
{
	(void)state;
	system_is.before_rename = write_into_it;
	assert_edited("new\nid\n");
	assert_int_equal(count_names(), 1);
}

/* What is read is what was opened: a name that leads elsewhere meanwhile is begun again. */
static int replace_and_add(const char *old, size_t length, char **text,
			   size_t *new_length, void *context, struct oam_error *err)
{
	int *calls = context;

	if (++*calls == 1)
		replace_by_other();
	return add_line(old, length, text, new_length, NULL, err);
}

static void test_a_file_replaced_after_reading(void **state)
{
	struct file_edit what = an_edit();
	struct oam_error err = { 0 };
	int calls = 0;

	(void)state;
	what.make = replace_and_add;
	what.context = &calls;
	what.store = NULL;
	put(path, "old\n");
	assert_int_equal(file_edit(&what, &err), 1);
	assert_file(path, "other\nid\n");
	assert_int_equal(calls, 2);
}

/* ---- the lock ---- */

/* Whoever can open the application's folder can flock it; that holds nobody up. */
static void test_a_folder_that_somebody_locked(void **state)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_edited("id\n");
	close(fd);
	assert_int_equal(count_names(), 1);
}

static void test_the_lock_is_private_and_never_a_link(void **state)
{
	struct oam_error err;
	struct stat status;
	char lock[128];
	int fd;

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", store);
	assert_edited("id\n");
	assert_int_equal(stat(lock, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	put(path, "");
	memset(&err, 0, sizeof(err));
	assert_ok(file_try_lock(lock, NULL, FILE_EDIT_LOCK, &fd, &err));
	assert_int_equal(edit(&err), -1);
	assert_int_equal(err.code, OAM_E_FILE_BUSY);
	assert_non_null(strstr(err.message, path));
	close(fd);
	unlink(lock);
	assert_int_equal(symlink(path, lock), 0);
	assert_int_equal(edit(&err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
	assert_file(path, "");
}

/* ---- file systems that can do less ---- */

static void test_without_links_and_rename_flags(void **state)
{
	static const int causes[] = { EINVAL, ENOSYS, EOPNOTSUPP };
	char kept[128];

	(void)state;
	snprintf(kept, sizeof(kept), "%s/kept", folder);
	keep_as = "kept";
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct stat status;

		system_is.link = i ? causes[i] : EPERM;
		system_is.rename_flags = system_is.sync = causes[i];
		assert_edited("id\n"); /* a new one */
		assert_int_equal(count_names(), 1);
		chmod(path, 0640);
		if (geteuid() == 0)
			assert_int_equal(chown(path, OTHER, OTHER), 0);
		assert_edited("id\nid\n");
		assert_file(kept, "id\n");
		assert_int_equal(stat(kept, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0640);
		if (geteuid() == 0)
			assert_int_equal(status.st_gid, OTHER);
		assert_int_equal(count_names(), 2);
		unlink(path);
		unlink(kept);
	}
	keep_as = NULL;
}

static void test_without_rename_flags_a_foreign_file_is_not_overwritten(void **state)
{
	(void)state;
	system_is.rename_flags = EINVAL;
	put(path, "old\n");
	system_is.before_rename = replace_by_other;
	assert_edited("other\nid\n");
	unlink(path);
	system_is.before_rename = write_into_it;
	assert_edited("new\nid\n");
}

/* The reason is that of the call which failed, not of what came after it. */
static void test_the_reason_is_the_first(void **state)
{
	(void)state;
	put(path, "old\n");
	keep_as = "kept";
	system_is.rename_flags = EOPNOTSUPP;
	system_is.rename = EXDEV;
	assert_refused("old\n", "replace it: it is a mount point", "mount the folder");
	system_is.rename = EIO;
	assert_refused("old\n", strerror(EIO), "");
	keep_as = NULL;
	assert_int_equal(count_names(), 1);
	system_is.sync = EIO;
	system_is.rename = 0;
	assert_refused(NULL, strerror(EIO), "");
}

static void test_a_kept_version_is_never_overwritten(void **state)
{
	char kept[128];

	(void)state;
	snprintf(kept, sizeof(kept), "%s/kept", folder);
	put(path, "old\n");
	put(kept, "kept\n");
	keep_as = "kept";
	assert_refused("old\n", "keep its old version", "");
	system_is.link = EPERM;
	assert_refused("old\n", "keep its old version", "");
	assert_file(kept, "kept\n");
	keep_as = NULL;
}

/* ---- rights ---- */

static bool has_attributes(void)
{
	if (setxattr(path, "user.oam", "x", 1, 0) == 0)
		return true;
	print_message("skipped: no extended attributes in %s\n", folder);
	return false;
}

/* user::rw-, user:OTHER:r--, group::---, mask::r--, other::--- (acl(5), version 2). */
static const unsigned char list[] = {
	2, 0,    0,    0,    1,    0,    6,  0, 0xFF, 0xFF, 0xFF, 0xFF, 2,    0,    4,
	0, 0xFE, 0xFF, 0,    0,    4,    0,  0, 0,    0xFF, 0xFF, 0xFF, 0xFF, 16,   0,
	4, 0,    0xFF, 0xFF, 0xFF, 0xFF, 32, 0, 0,    0,    0xFF, 0xFF, 0xFF, 0xFF,
};

static void assert_attribute(const char *name, const void *value, size_t size)
{
	char is[256];

	assert_int_equal(getxattr(path, name, is, sizeof(is)), size);
	assert_memory_equal(is, value, size);
}

static void test_access_list_and_attributes_are_kept(void **state)
{
	struct stat status;

	(void)state;
	put(path, "old\n");
	if (!has_attributes() || setxattr(path, ACCESS_LIST, list, sizeof(list), 0))
		skip();
	if (geteuid() == 0)
		assert_int_equal(setxattr(path, "trusted.oam", "t", 1, 0), 0);
	assert_edited("old\nid\n");
	assert_attribute(ACCESS_LIST, list, sizeof(list));
	assert_attribute("user.oam", "x", 1);
	if (geteuid() == 0)
		assert_attribute("trusted.oam", "t", 1);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640); /* the mask, not the group */
}

static void add_attribute(void)
{
	setxattr(path, "user.late", "y", 1, 0);
}

/* The rights were copied already when somebody changes them. */
static void test_a_change_of_rights_is_not_lost(void **state)
{
	(void)state;
	put(path, "old\n");
	if (!has_attributes())
		skip();
	system_is.before_sync = add_attribute;
	assert_edited("old\nid\n");
	assert_attribute("user.late", "y", 1);
}

/* A folder hands its default list down to new files; the old file had none. */
static void test_a_default_list_opens_nothing(void **state)
{
	(void)state;
	put(path, "old\n");
	chmod(path, 0640);
	if (!has_attributes() ||
	    setxattr(folder, "system.posix_acl_default", list, sizeof(list), 0))
		skip();
	assert_edited("old\nid\n");
	assert_int_equal(getxattr(path, ACCESS_LIST, NULL, 0), -1);
}

/* Runs edit() as a user without rights, its message in *err. */
static int edit_as_other(struct oam_error *err)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(chown(store_folder, OTHER, OTHER), 0);
	pid = fork();
	if (pid == 0) {
		if (setresgid(OTHER, OTHER, OTHER) || setresuid(OTHER, OTHER, OTHER))
			_exit(99);
		status = edit(err);
		if (write(ends[1], err, sizeof(*err)) != sizeof(*err))
			_exit(99);
		_exit(status == 1 ? 1 : 2);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], err, sizeof(*err)), sizeof(*err));
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) == 1 ? 1 : -1;
}

static void assert_other_is_refused(const char *word, const char *remedy)
{
	struct oam_error err;

	assert_int_equal(edit_as_other(&err), -1);
	if (err.code != OAM_E_FILE || !strstr(err.message, word) ||
	    !strstr(err.message, remedy) || !strstr(err.message, path))
		fail_msg("%s", err.message);
	assert_file(path, "old\n");
	assert_int_equal(count_names(), 1);
}

static void test_what_cannot_be_kept_is_refused(void **state)
{
	struct oam_error err;

	(void)state;
	if (geteuid() != 0)
		skip();
	put(path, "old\n");
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_other_is_refused("user 0 and group 0", "OAM_WRITE_IN_PLACE");
	assert_int_equal(chown(path, OTHER, 12345), 0); /* a foreign group */
	assert_other_is_refused("group 12345", "one of its groups");
	assert_int_equal(chown(path, OTHER, OTHER), 0);
	assert_int_equal(chmod(folder, 0555), 0);
	assert_other_is_refused("write the new file beside it", "its folder");
	assert_int_equal(chmod(folder, 0777), 0);
	if (setxattr(path, "security.oam", "s", 1, 0) == 0) {
		assert_other_is_refused("security.oam", "setfattr -x");
		removexattr(path, "security.oam");
	}
	assert_int_equal(edit_as_other(&err), 1);
	assert_file(path, "old\nid\n");
}

/* ---- what root makes ---- */

static void assert_owner(const char *name, uid_t owner)
{
	struct stat status;

	assert_int_equal(stat(name, &status), 0);
	assert_int_equal(status.st_uid, owner);
	assert_int_equal(status.st_gid, owner);
}

static void test_what_root_makes_is_the_services(void **state)
{
	char lock[128], inner[160], sub[128];
	struct oam_error err = { 0 };
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	put(store, "");
	assert_int_equal(chown(store, OTHER, OTHER), 0);
	snprintf(lock, sizeof(lock), "%s.lock", store);
	assert_edited("id\n"); /* root's folder, the service's store */
	assert_owner(path, OTHER);
	assert_owner(lock, OTHER);

	unlink(path);
	assert_int_equal(chown(folder, 12345, 12345), 0); /* the application's folder */
	assert_edited("id\n");
	assert_owner(path, 12345);
	snprintf(sub, sizeof(sub), "%s/sub", folder);
	snprintf(inner, sizeof(inner), "%s/file", sub);
	file_make_folder(inner, 0755, store);
	assert_owner(sub, 12345);
	fd = file_make(inner, O_WRONLY, 0600, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_owner(inner, 12345);
	assert_int_equal(file_make(inner, O_WRONLY, 0600, NULL), -1);
	assert_ok(file_try_lock(inner, NULL, 0, &fd, &err));
	close(fd);
}

/* ---- mount points, and writing in place ---- */

/* Mounts the file at `path` onto itself, in a mount namespace of this child's. */
static bool mount_file(unsigned long more)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(path, path, NULL, MS_BIND, NULL) == 0 &&
	       (!more || mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | more, NULL) == 0);
}

static void in_child(unsigned long more, bool (*works)(struct oam_error *err))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct oam_error err = { 0 };
		bool worked;

		if (!mount_file(more))
			_exit(77);
		worked = works(&err);
		if (!worked)
			print_error("%s (%s)\n", err.message, err.detail);
		_exit(worked ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no mounts here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static bool is_said_to_be_a_mount_point(struct oam_error *err)
{
	struct file_edit what = an_edit();
	struct oam_error checked = { 0 };

	return edit(err) == -1 && strstr(err->message, "it is a mount point") &&
	       strstr(err->message, "OAM_WRITE_IN_PLACE=1") &&
	       strstr(err->message, path) && file_edit_check(&what, &checked) == -1 &&
	       strcmp(checked.message, err->message) == 0 && count_names() == 1;
}

static void test_a_mount_point_is_said(void **state)
{
	(void)state;
	put(path, "old\n");
	in_child(0, is_said_to_be_a_mount_point);
	assert_file(path, "old\n");
}

static bool is_written_into(struct oam_error *err)
{
	struct file_edit what = an_edit();
	struct oam_error checked = { 0 };

	return file_edit_check(&what, &checked) == 0 && edit(err) == 1;
}

static void test_a_mount_point_is_written_into(void **state)
{
	char copy[128];
	struct stat before, after;

	(void)state;
	put(path, "old\n");
	stat(path, &before);
	in_place = true;
	in_child(0, is_written_into);
	in_place = false;
	assert_file(path, "old\nid\n");
	stat(path, &after);
	assert_int_equal(before.st_ino, after.st_ino);
	snprintf(copy, sizeof(copy), "%s/file.oam-before", store_folder);
	assert_file(copy, "old\n");
	assert_int_equal(stat(copy, &after), 0);
	assert_int_equal(after.st_mode & 07777, 0600);
	assert_int_equal(count_names(), 1);
}

static bool is_said_to_be_read_only(struct oam_error *err)
{
	return edit(err) == -1 && strstr(err->message, "mounted read-only") &&
	       strstr(err->message, "mount it for writing");
}

static void test_a_read_only_mount_is_said(void **state)
{
	(void)state;
	put(path, "old\n");
	in_place = true;
	in_child(MS_RDONLY, is_said_to_be_read_only);
	in_place = false;
	assert_file(path, "old\n");
}

static void test_an_interrupted_write_is_looked_at_first(void **state)
{
	char copy[128];

	(void)state;
	snprintf(copy, sizeof(copy), "%s/file.oam-writing", store_folder);
	put(path, "torn");
	put(copy, "old\n");
	in_place = true;
	system_is.rename = system_is.rename_flags = EBUSY;
	assert_refused("torn", "interrupted", "oam-writing");
	assert_file(copy, "old\n");
	put(path, "old\n"); /* it was interrupted before it began */
	assert_edited("old\nid\n");
	assert_int_equal(access(copy, F_OK), -1);
	assert_edited("old\nid\nid\n"); /* and again: one copy stays */
	snprintf(copy, sizeof(copy), "%s/file.oam-before", store_folder);
	assert_file(copy, "old\nid\n");
	in_place = false;
}

/* Not for want of room: the text could be torn. */
static void test_a_full_disk_is_no_reason_to_write_in_place(void **state)
{
	(void)state;
	put(path, "old\n");
	in_place = true;
	system_is.rename = system_is.rename_flags = ENOSPC;
	assert_refused("old\n", strerror(ENOSPC), "make room");
	in_place = false;
}

/* ---- limits and places ---- */

static void test_what_is_too_long_is_refused(void **state)
{
	char text[LIMIT + 1];

	(void)state;
	memset(text, 'x', LIMIT);
	text[LIMIT] = '\0';
	put(path, text);
	assert_refused(text, "1000 bytes", "shorten");
	text[LIMIT - 3] = '\0';
	put(path, text);
	strcat(text, "id\n");
	assert_edited(text);
}

static void test_places_that_cannot_be(void **state)
{
	struct file_edit what = an_edit();
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(file_edit_check(&what, &err)); /* no file yet */
	assert_int_equal(count_names(), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(NULL, "read it", "");
	rmdir(path);
	strcat(path, "/none");
	assert_refused(NULL, "open its folder", "make the folder");
	assert_ok(file_edit_check(&what, &err)); /* it will be made */
	path[strlen(folder)] = '\0';
	strcat(path, "/file");
	assert_int_equal(symlink("file", path), 0);
	assert_refused(NULL, "follow its links", "mend the symbolic link");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes_right_before_the_rename),
		TEST(test_a_file_made_right_before_the_rename),
		TEST(test_a_file_replaced_after_reading),
		TEST(test_a_folder_that_somebody_locked),
		TEST(test_the_lock_is_private_and_never_a_link),
		TEST(test_without_links_and_rename_flags),
		TEST(test_without_rename_flags_a_foreign_file_is_not_overwritten),
		TEST(test_the_reason_is_the_first),
		TEST(test_a_kept_version_is_never_overwritten),
		TEST(test_access_list_and_attributes_are_kept),
		TEST(test_a_change_of_rights_is_not_lost),
		TEST(test_a_default_list_opens_nothing),
		TEST(test_what_cannot_be_kept_is_refused),
		TEST(test_what_root_makes_is_the_services),
		TEST(test_a_mount_point_is_said),
		TEST(test_a_mount_point_is_written_into),
		TEST(test_a_read_only_mount_is_said),
		TEST(test_an_interrupted_write_is_looked_at_first),
		TEST(test_a_full_disk_is_no_reason_to_write_in_place),
		TEST(test_what_is_too_long_is_refused),
		TEST(test_places_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
