/* file: reading within a limit, paths, and locks that die with their holder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each test has a new working folder, must leave no descriptor open, and may not hang. */
struct place {
	char folder[64];
	int descriptors;
};

static int count_entries(const char *folder)
{
	DIR *entries = opendir(folder);
	int count = 0;

	assert_non_null(entries);
	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static int enter(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	strcpy(place->folder, "/tmp/oam-test-file-XXXXXX");
	if (!mkdtemp(place->folder) || chdir(place->folder))
		return -1;
	place->descriptors = count_entries("/proc/self/fd");
	*state = place;
	alarm(30); /* a hang ends the program instead of the build */
	return 0;
}

static int leave(void **state)
{
	struct place *place = *state;
	int left = count_entries("/proc/self/fd") - place->descriptors;
	DIR *entries = opendir(".");
	struct dirent *entry;

	alarm(0);
	if (!entries)
		return -1;
	while ((entry = readdir(entries)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(entries), entry->d_name,
				 entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	closedir(entries);
	if (chdir("/") || rmdir(place->folder))
		return -1;
	free(place);
	if (left)
		print_error("%d descriptors were left open\n", left);
	return left ? -1 : 0;
}

static void put_file(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void refuse(const char *path, size_t limit, int cause)
{
	struct oam_error err = { 0 };
	char *text = (char *)&err; /* must be overwritten */
	char message[128];
	size_t length = 99;

	assert_int_equal(file_read(path, limit, &text, &length, &err), -1);
	assert_null(text);
	assert_int_equal(err.code, OAM_E_FILE);
	/* The caller is told why, and only the log which file. */
	snprintf(message, sizeof(message), "A file could not be used: %s.",
		 strerror(cause));
	assert_string_equal(err.message, message);
	assert_non_null(strstr(err.detail, path));
}

static void reads_whole_files(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{ "", 0 },
		{ "a", 1 },
		{ "a\n", 2 },
		{ "a\0b\0", 4 },
		{ "\r\n\xFF\x80", 4 },
		{ "0123456789", 10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		/* Up to the limit, and with room to spare. */
		for (size_t spare = 0; spare < 3; spare++) {
			struct oam_error err = { 0 };
			char *text = NULL;
			size_t length = 99;

			put_file("f", cases[i].bytes, cases[i].length);
			assert_int_equal(file_read("f", cases[i].length + spare, &text,
						   &length, &err),
					 0);
			assert_int_equal(length, cases[i].length);
			assert_memory_equal(text, cases[i].bytes, length);
			assert_int_equal(text[length], '\0');
			assert_int_equal(err.code, OAM_OK);
			free(text);
		}
	}
}

static void limits_the_length(void **state)
{
	static const size_t lengths[] = { 1, 2, 10, 4096, 65537, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct oam_error err = { 0 };
		char *bytes = malloc(lengths[i]), *text;
		size_t length;

		assert_non_null(bytes);
		memset(bytes, 'x', lengths[i]);
		put_file("f", bytes, lengths[i]);
		free(bytes);
		refuse("f", lengths[i] - 1, EFBIG);
		refuse("f", 0, EFBIG);
		assert_int_equal(file_read("f", lengths[i], &text, &length, &err), 0);
		assert_int_equal(length, lengths[i]);
		assert_int_equal(strlen(text), lengths[i]);
		free(text);
	}
}

/* The size that stat(2) tells is not believed: files in /proc have none. */
static void reads_files_without_a_size(void **state)
{
	struct oam_error err = { 0 };
	char *text;
	size_t length;

	(void)state;
	assert_int_equal(file_read("/proc/self/status", 65536, &text, &length, &err), 0);
	assert_true(length > 0);
	assert_int_equal(strncmp(text, "Name:", 5), 0);
	free(text);
	refuse("/proc/self/status", 10, EFBIG);
}

static void missing_is_no_error(void **state)
{
	static const char *const paths[] = { "missing", "no/such/folder/f", "dangling",
					     "" };

	(void)state;
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct oam_error err = { 0 };
		char *text = (char *)&err;
		size_t length = 99;

		assert_int_equal(file_read(paths[i], 10, &text, &length, &err), 0);
		assert_null(text);
		assert_int_equal(length, 0);
		assert_int_equal(err.code, OAM_OK);
	}
}

static void refuses_what_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("fifo", "link-to-fifo"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	put_file("f", "x", 1);
	refuse("folder", 10, EISDIR);
	refuse("/", 10, EISDIR);
	refuse("fifo", 10, EINVAL); /* nobody writes there: it must not wait */
	refuse("link-to-fifo", 10, EINVAL);
	refuse("/dev/null", 10, EINVAL);
	refuse("/dev/zero", 10, EINVAL);
	refuse("f/below", 10, ENOTDIR);
	refuse("loop", 10, ELOOP);
}

/* A fifo that somebody writes to gives nothing either. */
static void refuses_a_fifo_with_a_writer(void **state)
{
	int writer;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	writer = open("fifo", O_RDWR | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(write(writer, "x", 1), 1);
	refuse("fifo", 10, EINVAL);
	close(writer);
}

static void refuses_without_permission(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip(); /* root may read everything */
	put_file("f", "x", 1);
	assert_int_equal(chmod("f", 0), 0);
	refuse("f", 10, EACCES);
}

static void follows_links(void **state)
{
	struct oam_error err = { 0 };
	char *text;
	size_t length;

	(void)state;
	put_file("f", "x", 1);
	assert_int_equal(symlink("f", "link"), 0);
	assert_int_equal(file_read("link", 10, &text, &length, &err), 0);
	assert_string_equal(text, "x");
	free(text);
}

static void keeps_the_first_error(void **state)
{
	struct oam_error err = { 0 };
	char *text;
	size_t length;

	(void)state;
	error_set(&err, CONFLICT, NULL, "first");
	assert_int_equal(file_read("/", 10, &text, &length, &err), -1);
	assert_null(text);
	assert_int_equal(err.code, OAM_E_CONFLICT);
}

static void finds_what_is_beside(void **state)
{
	static const struct {
		const char *beside, *name, *want;
	} cases[] = {
		{ "/etc/oam/oam.conf", "key.pem", "/etc/oam/key.pem" },
		{ "/etc/oam/oam.conf", "/run/key.pem", "/run/key.pem" },
		{ "/etc/oam/oam.conf", "sub/key.pem", "/etc/oam/sub/key.pem" },
		{ "/etc/oam/oam.conf", "../key.pem", "/etc/oam/../key.pem" },
		{ "/etc/oam/", "key.pem", "/etc/oam/key.pem" },
		{ "/oam.conf", "key.pem", "/key.pem" },
		{ "oam.conf", "key.pem", "key.pem" },
		{ "./oam.conf", "key.pem", "./key.pem" },
		{ "a/oam.conf", "key.pem", "a/key.pem" },
		{ "", "key.pem", "key.pem" },
		{ "/a/b", "", "/a/" },
		{ "/100%s/b", "%n", "/100%s/%n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct oam_error err = { 0 };
		char *path = file_beside(cases[i].beside, cases[i].name, &err);

		assert_non_null(path);
		assert_string_equal(path, cases[i].want);
		free(path);
	}
}

static int take(const char *path, off_t offset)
{
	struct oam_error err = { 0 };
	int fd = 99;

	if (file_try_lock(path, NULL, offset, &fd, &err))
		fail_msg("%s (%s)", err.message, err.detail);
	assert_int_equal(err.code, OAM_OK);
	return fd;
}

/* One descriptor holds it, also within one process; closing frees it. */
static void lock_excludes(void **state)
{
	int first, other, unrelated;

	(void)state;
	first = take("lock", 0);
	assert_true(first >= 0);
	assert_int_equal(take("lock", 0), -1);
	assert_int_equal(take("lock", 0), -1);

	/* Closing another descriptor of the file frees nothing, unlike POSIX locks. */
	unrelated = open("lock", O_RDWR | O_CLOEXEC);
	assert_true(unrelated >= 0);
	close(unrelated);
	assert_int_equal(take("lock", 0), -1);

	other = take("lock", 1); /* another byte is another lock */
	assert_true(other >= 0);
	assert_int_equal(take("lock", 1), -1);
	close(first);
	assert_int_equal(take("lock", 1), -1);
	first = take("lock", 0);
	assert_true(first >= 0);
	close(first);
	close(other);

	first = take("lock", (off_t)1 << 40); /* far behind the end of the file */
	assert_true(first >= 0);
	assert_int_equal(take("lock", (off_t)1 << 40), -1);
	close(first);
}

/* A child that has locked "lock" and waits. */
static pid_t fork_holder(void)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct oam_error err = { 0 };
		int fd;

		alarm(30); /* not to outlive a parent that failed */
		if (file_try_lock("lock", NULL, 7, &fd, &err) || fd < 0 ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void killed_holder_frees_the_lock(void **state)
{
	(void)state;
	for (int round = 0; round < 5; round++) {
		pid_t child = fork_holder();
		int status, fd;

		assert_int_equal(take("lock", 7), -1);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		fd = take("lock", 7);
		assert_true(fd >= 0);
		close(fd);
	}
}

/* A forked child shares the lock: it is free when the last of them is gone. */
static void forked_child_shares_the_lock(void **state)
{
	int fd = take("lock", 0), status;
	pid_t child;

	(void)state;
	assert_true(fd >= 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(30);
		for (;;)
			pause();
	}
	close(fd);
	assert_int_equal(take("lock", 0), -1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	fd = take("lock", 0);
	assert_true(fd >= 0);
	close(fd);
}

static void lock_file_is_private(void **state)
{
	static const mode_t masks[] = { 0, 022, 077 };
	struct stat status;

	(void)state;
	for (size_t i = 0; i < COUNT(masks); i++) {
		mode_t old = umask(masks[i]);
		int fd = take("lock", 0);

		umask(old);
		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0600);
		assert_int_equal(status.st_size, 0);
		assert_true(fcntl(fd, F_GETFD) &
			    FD_CLOEXEC); /* hooks do not inherit it */
		close(fd);
		assert_int_equal(unlink("lock"), 0);
	}

	/* What is there stays as it is. */
	put_file("lock", "kept", 4);
	assert_int_equal(chmod("lock", 0640), 0);
	close(take("lock", 0));
	assert_int_equal(stat("lock", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_int_equal(status.st_size, 4);
}

static void lock_refuses(void **state)
{
	static const struct {
		const char *path;
		off_t offset;
		int cause;
	} cases[] = {
		{ "folder", 0, EISDIR },
		{ "link", 0, ELOOP }, /* never through a link that somebody planted */
		{ "dangling", 0, ELOOP },
		{ "no/such/folder", 0, ENOENT },
		{ "f/below", 0, ENOTDIR },
		{ "f", -1, EINVAL },
	};
	struct stat status;

	(void)state;
	assert_int_equal(mkdir("folder", 0700), 0);
	put_file("f", "x", 1);
	assert_int_equal(symlink("f", "link"), 0);
	assert_int_equal(symlink("planted", "dangling"), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct oam_error err = { 0 };
		int fd = 99;

		assert_int_equal(
			file_try_lock(cases[i].path, NULL, cases[i].offset, &fd, &err),
			-1);
		assert_int_equal(fd, -1);
		assert_int_equal(err.code, OAM_E_FILE);
		assert_non_null(strstr(err.message, strerror(cases[i].cause)));
		assert_non_null(strstr(err.detail, cases[i].path));
	}
	assert_int_equal(lstat("planted", &status), -1);
}

#define file_test(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(reads_whole_files),
		file_test(limits_the_length),
		file_test(reads_files_without_a_size),
		file_test(missing_is_no_error),
		file_test(refuses_what_is_no_file),
		file_test(refuses_a_fifo_with_a_writer),
		file_test(refuses_without_permission),
		file_test(follows_links),
		file_test(keeps_the_first_error),
		file_test(finds_what_is_beside),
		file_test(lock_excludes),
		file_test(killed_holder_frees_the_lock),
		file_test(forked_child_shares_the_lock),
		file_test(lock_file_is_private),
		file_test(lock_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
