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

static struct json_object *failed; /* of the last run: {name, error} */

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
	json_object_put(failed);
	failed = NULL;
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

/* Runs `only`, NULL: all; how many failed. */
static int run_only(struct json_object *only, int64_t limit)
{
	struct oam_error err = { 0 };
	struct hooks_stage stage = {
		.folder = folder, .name = HOOKS_DEPLOY, .limit = limit, .only = only
	};
	int count;

	json_object_put(failed);
	stage.failed = failed = json_new_array(&err);
	count = hooks_run(&stage, &hook, &err);
	assert_ok(error_result(&err));
	assert_int_equal(json_object_array_length(failed), count);
	return count;
}

static int run(int64_t limit)
{
	return run_only(NULL, limit);
}

/* What is kept of the last run's failure number `i`. */
static void assert_failed(size_t i, const char *name, const char *error)
{
	struct json_object *entry = json_object_array_get_idx(failed, i);

	assert_string_equal(json_member_string(entry, "name"), name);
	if (!strstr(json_member_string(entry, "error"), error))
		fail_msg("'%s' is not in '%s'", error,
			 json_member_string(entry, "error"));
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
	add_hook("x.dpkg-old", 0644, "echo old >> $OUT");
	add_hook("#x#", 0644, "echo old >> $OUT");
	add_hook("README", 0644, "for people");
	assert_int_equal(run(5000), 0);
	assert_output("a\nb\nZ\nz\n");
}

/* None of them is silent. */
static void test_what_cannot_run(void **state)
{
	char link[128];

	(void)state;
	snprintf(link, sizeof(link), "%s/%s/c-link", folder, HOOKS_DEPLOY);
	add_hook("a-no-mode", 0644, "echo no >> $OUT");
	add_hook("b-status", 0755, "exit 3");
	assert_int_equal(symlink("/nowhere", link), 0);
	add_hook("d-signal", 0755, "kill -9 $$");
	add_hook("e-fine", 0755, "echo fine >> $OUT");
	add_hook("f\x1b[2J\xff", 0755, "exit 1");
	assert_int_equal(run(5000), 5);
	assert_failed(
		0, "a-no-mode",
		"Hook deploy.d/a-no-mode is not executable: chmod +x it, or remove it.");
	assert_failed(1, "b-status", "ended with exit status 3");
	assert_failed(2, "c-link", "cannot be reached");
	assert_failed(3, "d-signal", "was ended by signal 9");
	assert_failed(4, "f?[2J", "Hook deploy.d/f?[2J ended");
	assert_output("fine\n");
}

static void test_only_some_run(void **state)
{
	struct json_object *only = parse("[\"b\",\"gone\"]");

	(void)state;
	add_hook("a", 0755, "echo a >> $OUT");
	add_hook("b", 0755, "echo b >> $OUT; exit 1");
	assert_int_equal(run_only(only, 5000), 1);
	assert_failed(0, "b", "exit status 1");
	assert_output("b\n");
	json_object_put(only);
	only = parse("[\"\"]"); /* the folder could not be read: all of them */
	assert_int_equal(run_only(only, 5000), 1);
	assert_output("b\na\nb\n");
	json_object_put(only);
}

static void note(const char *name, const char *problem, bool ignored, void *context)
{
	char *text = context;

	sprintf(text + strlen(text), "%s%s%s;", name, ignored ? " ignored" : "",
		problem ? " bad" : "");
}

static void test_inspection(void **state)
{
	char text[512] = "";

	(void)state;
	add_hook("good", 0755, "echo no >> $OUT");
	add_hook("bad", 0644, "echo no >> $OUT");
	add_hook("old~", 0755, "echo no >> $OUT");
	hooks_inspect(folder, note, text);
	assert_string_equal(text,
			    "deploy.d/bad bad;deploy.d/good;deploy.d/old~ ignored;");
	assert_int_equal(access(output, F_OK), -1);
	text[0] = '\0';
	hooks_inspect("/nowhere", note, text);
	assert_string_equal(text, "pre.d bad;deploy.d bad;post.d bad;");
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

/* A stage may be missing. The folder of them all was set, and may not. */
static void test_folders_that_are_missing(void **state)
{
	struct hooks_stage stage = { .folder = folder, .name = HOOKS_PRE, .limit = 5000 };
	struct oam_error err = { 0 };
	char path[96];

	(void)state;
	assert_int_equal(hooks_run(&stage, &hook, &err), 0);
	stage.folder = "/nowhere";
	assert_int_equal(hooks_run(&stage, &hook, &err), 1);
	stage.folder = folder;
	snprintf(path, sizeof(path), "%s/%s", folder, HOOKS_PRE);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0644)), 0);
	assert_int_equal(hooks_run(&stage, &hook, &err), 1); /* a file */
	assert_int_equal(chmod(folder, 0777), 0); /* the stage could be put aside */
	add_hook("evil", 0755, "echo evil >> $OUT");
	assert_int_equal(run(5000), 1);
	assert_failed(0, "", "may be changed by everybody");
	assert_int_equal(chmod(folder, 0700), 0);
}

static void test_a_command(void **state)
{
	struct oam_error err = { 0 };
	struct hooks_stage stage = { .name = HOOKS_COMMAND, .limit = 5000 };
	char command[160];

	(void)state;
	stage.failed = failed = json_new_array(&err);
	snprintf(command, sizeof(command), "echo \"$OAM_ASSISTANT_ID\" > %s", output);
	assert_int_equal(hooks_run_command(command, &stage, &hook, &err), 0);
	assert_output("asst_new\n");
	assert_int_equal(hooks_run_command("exit 5", &stage, &hook, &err), 1);
	assert_failed(0, "--deploy-hook", "Hook --deploy-hook ended with exit status 5");
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
		TEST(test_folders_that_are_missing),
		TEST(test_what_cannot_run),
		TEST(test_only_some_run),
		TEST(test_inspection),
		TEST(test_a_command),
		TEST(test_other_children_and_signals),
	};

	log_start("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
