/* Hooks: which run, in which order, with what, and for how long. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "hooks.h"
#include "log.h"
#include "temp_folder.h"

static char folder[TEMP_FOLDER_SIZE], output[96];

static const struct hook hook = { .profile = "default",
				  .assistant_id = "asst_new",
				  .previous_id = "asst_old",
				  .reason = "cron" };

static int setup(void **state)
{
	char stage[96];

	(void)state;
	temp_folder_make(folder);
	snprintf(output, sizeof(output), "%s/output", folder);
	snprintf(stage, sizeof(stage), "%s/%s", folder, HOOKS_DEPLOY);
	assert_int_equal(mkdir(stage, 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_folder_remove(folder);
	return 0;
}

/* A shell script; in it $OUT is the output file. */
static void add_hook(const char *name, mode_t mode, const char *script)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, HOOKS_DEPLOY, name);
	file = fopen(path, "w");
	fprintf(file, "#!/bin/sh\nOUT=%s\n%s\n", output, script);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static int run(int64_t limit)
{
	return hooks_run(folder, HOOKS_DEPLOY, &hook, limit);
}

static void assert_output(const char *expected)
{
	struct oam_error err = { 0 };
	size_t length;
	char *text;

	assert_ok(file_read(output, 100000, &text, &length, &err));
	assert_string_equal(text ? text : "", expected);
	free(text);
}

static void test_order_and_choice(void **state)
{
	(void)state;
	add_hook("20-b", 0755, "echo b >> $OUT");
	add_hook("10-a", 0755, "echo a >> $OUT");
	add_hook("Z", 0755, "echo Z >> $OUT");
	add_hook("z", 0755, "echo z >> $OUT");
	add_hook(".hidden", 0755, "echo hidden >> $OUT");
	add_hook("old~", 0755, "echo old >> $OUT");
	add_hook("x.dpkg-new", 0755, "echo new >> $OUT");
	add_hook("not-executable", 0644, "echo no >> $OUT");
	assert_int_equal(run(5000), 0);
	assert_output("a\nb\nZ\nz\n");
}

static void test_a_clean_environment(void **state)
{
	(void)state;
	setenv("JWT_SECRET", "hunter2", 1);
	setenv("HOME", "/root", 1);
	add_hook("env", 0755, "/usr/bin/env | sort | grep -v -e '^_=' -e '^PWD=' > $OUT");
	assert_int_equal(run(5000), 0);
	assert_output(
		"HOME=/root\nLANG=C.UTF-8\nOAM_ASSISTANT_ID=asst_new\n"
		"OAM_PREVIOUS_ASSISTANT_ID=asst_old\nOAM_PROFILE=default\n"
		"OAM_REASON=cron\n"
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	unsetenv("JWT_SECRET");
}

static void test_no_files_and_no_input(void **state)
{
	int fd = open("/etc/passwd", O_RDONLY);

	(void)state;
	assert_true(fd >= 3);
	add_hook("files", 0755, "cat; ls /proc/$$/fd | tr '\\n' ' ' > $OUT");
	assert_int_equal(run(5000), 0);
	close(fd);
	/* 10 is the shell's own, for its script. */
	assert_output("0 1 10 2 ");
}

static void test_a_failure_does_not_stop_the_others(void **state)
{
	(void)state;
	add_hook("1", 0755, "exit 3");
	add_hook("2", 0755, "kill -9 $$");
	add_hook("3", 0755, "echo three >> $OUT");
	assert_int_equal(run(5000), 2);
	assert_output("three\n");
}

static void test_what_is_no_program(void **state)
{
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s/data", folder, HOOKS_DEPLOY);
	fd = open(path, O_WRONLY | O_CREAT, 0755);
	assert_int_equal(write(fd, "\0\1\2\3", 4), 4);
	close(fd);
	assert_int_equal(run(5000), 1);
}

/* Also what it started in the background, and what ignores SIGTERM. */
static void test_the_time_limit(void **state)
{
	int64_t start = clock_monotonic();
	char *text, path[64];
	size_t length;
	struct oam_error err = { 0 };

	(void)state;
	add_hook("slow", 0755,
		 "trap '' TERM\n(trap '' TERM; sleep 60) &\necho $! > $OUT\nwhile :; do "
		 "sleep 1; done");
	assert_int_equal(run(300), 1);
	assert_true(clock_monotonic() - start < 20000);
	assert_ok(file_read(output, 100, &text, &length, &err));
	clock_sleep(50);
	/* The background process is gone: no such process, or a zombie. */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)strtol(text, NULL, 10));
	assert_int_equal(access(path, F_OK), -1);
	free(text);
}

static void test_a_flood_of_output(void **state)
{
	(void)state;
	add_hook("flood", 0755, "head -c 50000000 /dev/zero; echo end >> $OUT");
	assert_int_equal(run(30000), 0);
	assert_output("end\n");
}

static void test_a_background_process_is_not_waited_for(void **state)
{
	int64_t start = clock_monotonic();
	struct oam_error err = { 0 };
	size_t length;
	char *text;

	(void)state;
	add_hook("daemon", 0755, "sleep 20 & echo $! > $OUT");
	assert_int_equal(run(15000), 0);
	assert_true(clock_monotonic() - start < 10000);
	assert_ok(file_read(output, 100, &text, &length, &err));
	assert_int_equal(kill((int)strtol(text, NULL, 10), SIGKILL), 0);
	free(text);
}

static void test_what_everybody_may_write_is_refused(void **state)
{
	char stage[96];

	(void)state;
	add_hook("evil", 0777, "echo evil >> $OUT");
	assert_int_equal(run(5000), 1);
	add_hook("evil", 0755, "echo fine >> $OUT");
	if (geteuid() == 0) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s/evil", folder, HOOKS_DEPLOY);
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(run(5000), 1);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	snprintf(stage, sizeof(stage), "%s/%s", folder, HOOKS_DEPLOY);
	assert_int_equal(chmod(stage, 0777), 0);
	assert_int_equal(run(5000), 1);
	assert_int_equal(access(output, F_OK), -1);
	assert_int_equal(chmod(stage, 0755), 0);
	assert_int_equal(run(5000), 0);
}

static void test_no_folder_has_no_hooks(void **state)
{
	(void)state;
	assert_int_equal(hooks_run(folder, HOOKS_PRE, &hook, 5000), 0);
	assert_int_equal(hooks_run("/nowhere", HOOKS_PRE, &hook, 5000), 0);
}

static void test_a_command(void **state)
{
	char command[160];

	(void)state;
	snprintf(command, sizeof(command), "echo \"$OAM_ASSISTANT_ID\" > %s", output);
	assert_int_equal(hooks_run_command(command, &hook, 5000), 0);
	assert_output("asst_new\n");
	assert_int_equal(hooks_run_command("exit 5", &hook, 5000), 1);
}

/* Whoever ignores SIGCHLD, or has other children, still learns how a hook ended. */
static void test_other_children_and_signals(void **state)
{
	pid_t other = fork();
	int status;

	(void)state;
	if (other == 0)
		_exit(7);
	add_hook("bad", 0755, "exit 1");
	assert_int_equal(run(5000), 1);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 7);
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(run(5000), 1);
	signal(SIGCHLD, SIG_DFL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_and_choice),
		TEST(test_a_clean_environment),
		TEST(test_no_files_and_no_input),
		TEST(test_a_failure_does_not_stop_the_others),
		TEST(test_what_is_no_program),
		TEST(test_the_time_limit),
		TEST(test_a_flood_of_output),
		TEST(test_a_background_process_is_not_waited_for),
		TEST(test_what_everybody_may_write_is_refused),
		TEST(test_no_folder_has_no_hooks),
		TEST(test_a_command),
		TEST(test_other_children_and_signals),
	};

	log_start("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
