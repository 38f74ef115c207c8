/* Publishing: .env and the JSON file, byte for byte. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "dotenv.h"
#include "file.h"
#include "file_edit.h"
#include "publish.h"
#include "temp_folder.h"

#define KEY    "OPENAI_ASSISTANT_ID"
#define ID     "asst_new"
#define NOBODY 65534

/* The store, and with it its lock file, has a folder of its own. */
static char folder[TEMP_FOLDER_SIZE], path[96];
static char store_folder[TEMP_FOLDER_SIZE], store[96];
static struct publish_rules rules;

static int setup(void **state)
{
	(void)state;
	temp_folder_make(folder);
	snprintf(path, sizeof(path), "%s/.env", folder);
	temp_folder_make(store_folder);
	snprintf(store, sizeof(store), "%s/oam.db", store_folder);
	rules = (struct publish_rules){ .store = store };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_folder_remove(folder);
	temp_folder_remove(store_folder);
	return 0;
}

static void write_file(const char *name, const char *text, size_t length)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, length), length);
	close(fd);
}

static void assert_file(const char *name, const char *text, size_t length)
{
	struct oam_error err = { 0 };
	size_t got;
	char *is;

	assert_ok(file_read(name, 1 << 20, &is, &got, &err));
	assert_non_null(is);
	assert_int_equal(got, length);
	assert_memory_equal(is, text, length);
	free(is);
}

/* How many names the folder holds. */
static int count_names(void)
{
	DIR *open_folder = opendir(folder);
	int count = -2; /* . and .. */

	while (readdir(open_folder))
		count++;
	closedir(open_folder);
	return count;
}

static int publish(enum oam_code *code)
{
	struct oam_error err = { 0 };
	int result = publish_env(path, KEY, ID, &rules, &err);

	if (code)
		*code = err.code;
	return result;
}

/* ---- the .env ---- */

/* Texts with NUL bytes would need lengths; there are none here. */
static void test_every_way_to_write_it(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "", KEY "=" ID "\n" },
		{ "A=1\n", "A=1\n" KEY "=" ID "\n" },
		{ "A=1", "A=1\n" KEY "=" ID },
		{ "A=1\r\nB=2\r\n", "A=1\r\nB=2\r\n" KEY "=" ID "\r\n" },
		{ "A=1\r\nB=2", "A=1\r\nB=2\r\n" KEY "=" ID },
		{ "\xEF\xBB\xBF"
		  "A=1\n",
		  "\xEF\xBB\xBF"
		  "A=1\n" KEY "=" ID "\n" },
		{ "\xEF\xBB\xBF" KEY "=old\n", "\xEF\xBB\xBF" KEY "=" ID "\n" },
		{ KEY "=old", KEY "=" ID },
		{ KEY "=old\n", KEY "=" ID "\n" },
		{ KEY "=\n", KEY "=" ID "\n" },
		{ KEY "=", KEY "=" ID },
		{ KEY "=\nA=1\n", KEY "=" ID "\nA=1\n" },
		{ KEY " = old # why\n", KEY " = " ID " # why\n" },
		{ KEY "=old#why\n", KEY "=" ID " #why\n" },
		{ KEY "=#why\n", KEY "=" ID " #why\n" },
		{ KEY "=# why", KEY "=" ID " # why" },
		{ KEY "= # why\n", KEY "=" ID " # why\n" },
		{ KEY "=\t# why\r\nA=1", KEY "=" ID "\t# why\r\nA=1" },
		{ KEY "=  \n", KEY "=" ID "  \n" },
		{ KEY " =  # why\n", KEY " =" ID "  # why\n" },
		{ KEY ": # why\n", KEY ": " ID " # why\n" },
		{ "export " KEY "= # why\n", "export " KEY "=" ID " # why\n" },
		{ "export " KEY "=# why\n", "export " KEY "=" ID " # why\n" },
		{ KEY "=\xC2\xA0# why\n", KEY "=" ID " # why\n" },
		{ KEY "=''# why\n", KEY "='" ID "'# why\n" },
		{ "A=x\\\n", "A=x\\\n\n" KEY "=" ID "\n" },
		{ "A=x\\", "A=x\\\n\n" KEY "=" ID },
		{ "A=x\\\r\n", "A=x\\\r\n\r\n" KEY "=" ID "\r\n" },
		{ KEY "='old'\n", KEY "='" ID "'\n" },
		{ KEY "=\"old\" # c\n", KEY "=\"" ID "\" # c\n" },
		{ KEY "=`old`\n", KEY "=`" ID "`\n" },
		{ KEY "=\"two\nlines\"\nA=1\n", KEY "=\"" ID "\"\nA=1\n" },
		{ KEY "=''\n", KEY "='" ID "'\n" },
		{ KEY ": old\n", KEY ": " ID "\n" },
		{ "export " KEY "=old\n", "export " KEY "=" ID "\n" },
		{ "  export   " KEY "=old\n", "  export   " KEY "=" ID "\n" },
		{ "# " KEY "=no\n", "# " KEY "=no\n" KEY "=" ID "\n" },
		{ KEY "_2=x\nX" KEY "=y\n", KEY "_2=x\nX" KEY "=y\n" KEY "=" ID "\n" },
		{ KEY "=1\n" KEY "=2\nA=3\n", KEY "=1\n" KEY "=" ID "\nA=3\n" },
		{ "A='" KEY "=no'\n", "A='" KEY "=no'\n" KEY "=" ID "\n" },
		{ "A=\"x\n" KEY "=no\n\"\n" KEY "=old\n",
		  "A=\"x\n" KEY "=no\n\"\n" KEY "=" ID "\n" },
		{ "A=1\n\n\n  \n", "A=1\n\n\n  \n" KEY "=" ID "\n" },
		{ "A=1\n# the end", "A=1\n# the end\n" KEY "=" ID },
		{ "nonsense\n=\n", "nonsense\n=\n" KEY "=" ID "\n" },
		{ KEY "=" ID "\n", KEY "=" ID "\n" },
		{ KEY "='" ID "'", KEY "='" ID "'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(path, cases[i].before, strlen(cases[i].before));
		assert_int_equal(publish(NULL), 0);
		assert_file(path, cases[i].after, strlen(cases[i].after));
		assert_int_equal(publish(NULL), 0); /* again: nothing happens */
		assert_file(path, cases[i].after, strlen(cases[i].after));
	}
	assert_int_equal(count_names(), 1);
}

/* Without the quote in the old value, the open one before it meets the one behind it. */
static void test_what_would_change_another_entry_is_refused(void **state)
{
	static const char *const texts[] = {
		"A='x\n" KEY "=a'b\nB=c'\n",
		"A=\"x\n" KEY "=a\"b\nB=c\" # comment\n",
		"A=`x\r\n" KEY "=old`b\r\nB=`\r\n",
		"A=1\nB:",   /* no entry, but with a newline it is one */
		"A=1\nB:\n", /* its value may be on the next line */
		KEY ":",     /* the same with our own key */
		KEY KEY ":",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		enum oam_code code;

		write_file(path, texts[i], strlen(texts[i]));
		assert_int_equal(publish(&code), -1);
		assert_int_equal(code, OAM_E_FILE);
		assert_file(path, texts[i], strlen(texts[i]));
	}
	assert_int_equal(count_names(), 1);
}

/* Nobody reads what would be appended to such a text. */
static void test_what_is_no_text_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *word;
	} cases[] = {
		{ "\xFF\xFE"
		  "A\0=\0"
		  "1\0\n\0",
		  10, "UTF-16" },
		{ "\xFE\xFF\0A\0=\0"
		  "1\0\n",
		  10, "UTF-16" },
		{ "\xFF\xFE", 2, "UTF-16" },
		{ "A\0=\0"
		  "1\0\n\0",
		  8, "UTF-16" },
		{ "\0A\0=\0"
		  "1\0\n",
		  8, "UTF-16" },
		{ "\xFF\xFE\0\0A\0\0\0", 8, "UTF-16" },
		{ "A=1\n" KEY "=\0old\nB=2\n", strlen("A=1\n" KEY "=.old\nB=2\n"),
		  "NUL" },
		{ "A=1\n\0", 5, "NUL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oam_error err = { 0 };

		write_file(path, cases[i].text, cases[i].length);
		assert_int_equal(publish_env(path, KEY, ID, &rules, &err), -1);
		assert_int_equal(err.code, OAM_E_FILE);
		assert_non_null(strstr(err.message, cases[i].word));
		assert_non_null(strstr(err.message, path));
		assert_file(path, cases[i].text, cases[i].length);
	}
}

/* What is written must not be longer than what is read. */
static void test_a_file_that_would_be_too_long_is_refused(void **state)
{
	char *text = malloc(DOTENV_MAX);
	struct oam_error err = { 0 };

	(void)state;
	memset(text, '#', DOTENV_MAX);
	write_file(path, text, DOTENV_MAX - 20);
	assert_int_equal(publish_env(path, KEY, ID, &rules, &err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
	assert_non_null(strstr(err.message, "could not be read again"));
	assert_file(path, text, DOTENV_MAX - 20);
	write_file(path, text, DOTENV_MAX - strlen("\n" KEY "=" ID));
	assert_int_equal(publish(NULL), 0);
	free(text);
}

/* Collects what dotenv reads; the last of equal keys counts. */
static void assert_same_but_ours(const char *before, size_t before_length,
				 const char *after, size_t after_length)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	struct oam_error err = { 0 };
	char *value;
	int line;

	assert_ok(dotenv_get(after, after_length, KEY, &value, &line, &err));
	assert_string_equal(value, ID);
	free(value);
	dotenv_start(&scanner, before, before_length);
	while (dotenv_next(&scanner, &entry)) {
		char key[256], *was, *is;

		snprintf(key, sizeof(key), "%.*s", (int)entry.key_length,
			 before + entry.key);
		if (strcmp(key, KEY) == 0 || entry.key_length >= sizeof(key))
			continue;
		assert_ok(dotenv_get(before, before_length, key, &was, &line, &err));
		assert_ok(dotenv_get(after, after_length, key, &is, &line, &err));
		assert_string_equal(was, is);
		free(was);
		free(is);
	}
}

static void test_random_texts(void **state)
{
	static const char *const pieces[] = {
		KEY,
		(KEY "="),
		"A",
		"=",
		" = ",
		": ",
		"\n",
		"\r\n",
		"\r",
		"'",
		"\"",
		"`",
		"#",
		" ",
		"\\",
		"\\n",
		"export ",
		"old",
		"B=2\n",
		"C='x'\n",
		"\t",
		"\xEF\xBB\xBF",
		"\xC2\xA0",
		"-",
		".",
		"asst_x",
		("\n" KEY "=old\n"),
	};
	unsigned seed = (unsigned)clock_now();
	int refused = 0, rounds = 4000;

	(void)state;
	print_message("seed %u\n", seed);
	for (int round = 0; round < rounds; round++) {
		char before[512] = "", *after;
		size_t count = (size_t)rand_r(&seed) % 16, length;
		struct oam_error err = { 0 };
		enum oam_code code;

		for (size_t i = 0; i < count; i++)
			strcat(before, pieces[(size_t)rand_r(&seed) %
					      (sizeof(pieces) / sizeof(pieces[0]))]);
		write_file(path, before, strlen(before));
		if (publish(&code)) {
			assert_int_equal(code, OAM_E_FILE);
			assert_file(path, before, strlen(before));
			refused++;
			continue;
		}
		assert_ok(file_read(path, 1 << 20, &after, &length, &err));
		assert_same_but_ours(before, strlen(before), after, length);
		free(after);
	}
	print_message("%d of %d refused\n", refused, rounds);
	assert_true(refused < rounds / 4);
}

static void test_a_missing_file_is_made_private(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(publish(NULL), 0);
	assert_file(path, KEY "=" ID "\n", strlen(KEY "=" ID "\n"));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_a_missing_folder_is_an_error(void **state)
{
	enum oam_code code;

	(void)state;
	snprintf(path, sizeof(path), "%s/none/.env", folder);
	assert_int_equal(publish(&code), -1);
	assert_int_equal(code, OAM_E_FILE);
}

/* ---- replacing files ---- */

static void test_mode_and_owner_are_kept(void **state)
{
	struct stat status;

	(void)state;
	write_file(path, "A=1\n", 4);
	assert_int_equal(chmod(path, 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(publish(NULL), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	if (geteuid() == 0)
		assert_int_equal(status.st_uid, NOBODY);
}

/* Runs publish() as a user without rights: its error code. */
static enum oam_code publish_as_nobody(void)
{
	int status;
	pid_t pid;

	assert_int_equal(chown(store_folder, NOBODY, NOBODY), 0);
	pid = fork();
	if (pid == 0) {
		enum oam_code code;

		if (setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(99);
		publish(&code);
		_exit(code);
	}
	waitpid(pid, &status, 0);
	return (enum oam_code)WEXITSTATUS(status);
}

static void test_another_owner_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(path, "A=1\n", 4);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(publish_as_nobody(), OAM_E_FILE);
	assert_file(path, "A=1\n", 4);
	assert_int_equal(count_names(), 1);
}

static void test_a_folder_that_is_read_only(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	write_file(path, "A=1\n", 4);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(chmod(folder, 0555), 0);
	assert_int_equal(publish_as_nobody(), OAM_E_FILE);
	assert_file(path, "A=1\n", 4);
}

static void test_a_full_disk(void **state)
{
	struct rlimit limit = { 2, RLIM_INFINITY }, before;

	(void)state;
	write_file(path, "A=1\n", 4);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &limit);
	int result = publish(NULL);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(result, -1);
	assert_file(path, "A=1\n", 4);
	assert_int_equal(count_names(), 1);
}

static void test_links_are_followed(void **state)
{
	char target[96], link[96], text[128];

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	snprintf(link, sizeof(link), "%s/link", folder);
	write_file(target, "A=1\n", 4);
	assert_int_equal(symlink("target", link), 0);
	assert_int_equal(symlink(link, path), 0);
	assert_int_equal(publish(NULL), 0);
	assert_file(target, "A=1\n" KEY "=" ID "\n", strlen("A=1\n" KEY "=" ID "\n"));
	assert_int_equal(readlink(path, text, sizeof(text)), strlen(link));
	unlink(target); /* the links lead nowhere now */
	assert_int_equal(publish(NULL), 0);
	assert_file(target, KEY "=" ID "\n", strlen(KEY "=" ID "\n"));
	unlink(link);
	assert_int_equal(symlink(".env", link), 0); /* and now to each other */
	assert_int_equal(publish(NULL), -1);
}

static void test_leftovers_of_the_killed_are_removed(void **state)
{
	char leftover[128], other[128];

	(void)state;
	write_file(path, "A=1\n", 4);
	snprintf(leftover, sizeof(leftover), "%s/..env.oam-abc123", folder);
	snprintf(other, sizeof(other), "%s/..env.oam-notours", folder);
	write_file(leftover, "x", 1);
	write_file(other, "x", 1);
	assert_int_equal(publish(NULL), 0);
	assert_int_equal(access(leftover, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
}

/* Appends a line to the old text, after another program changed the file. */
static int interfere(const char *old, size_t length, char **text, size_t *new_length,
		     void *context, struct oam_error *err)
{
	int *calls = context;
	char line[16];

	(void)err;
	if (++*calls < 4) {
		int n = snprintf(line, sizeof(line), "B=%d\n", *calls);

		write_file(path, line, (size_t)n);
	}
	*new_length = (size_t)asprintf(text, "%.*sA=1\n", (int)length, old ? old : "");
	return 0;
}

static void test_foreign_changes_are_not_lost(void **state)
{
	int calls = 0;
	const struct file_edit edit = { .path = path,
					.limit = 1000,
					.mode = 0600,
					.make = interfere,
					.context = &calls };
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(file_edit(&edit, &err), 1);
	assert_int_equal(calls, 4);
	assert_file(path, "B=3\nA=1\n", 8);
	assert_int_equal(count_names(), 1);
}

static void test_concurrent_writers(void **state)
{
	enum { WRITERS = 6, ROUNDS = 30 };
	struct oam_error err = { 0 };
	size_t length;
	char *text;

	(void)state;
	write_file(path, "# kept\n", 7);
	for (int writer = 0; writer < WRITERS; writer++) {
		if (fork() == 0) {
			for (int round = 0; round <= ROUNDS; round++) {
				char key[16], value[16];

				snprintf(key, sizeof(key), "KEY%d", writer);
				snprintf(value, sizeof(value), "v%d", round);
				if (publish_env(path, key, value, &rules, &err))
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int writer = 0; writer < WRITERS; writer++) {
		int status;

		wait(&status);
		assert_int_equal(status, 0);
	}
	assert_ok(file_read(path, 10000, &text, &length, &err));
	assert_memory_equal(text, "# kept\n", 7);
	for (int writer = 0; writer < WRITERS; writer++) {
		char key[16], *value;
		int line;

		snprintf(key, sizeof(key), "KEY%d", writer);
		assert_ok(dotenv_get(text, length, key, &value, &line, &err));
		assert_string_equal(value, "v30");
		free(value);
	}
	free(text);
	assert_int_equal(count_names(), 1);
}

static void test_kills(void **state)
{
	unsigned seed = (unsigned)clock_now();

	(void)state;
	write_file(path, "A=1\n", 4);
	for (int round = 0; round < 150; round++) {
		struct oam_error err = { 0 };
		pid_t pid = fork();
		size_t length;
		char *text;

		if (pid == 0) {
			for (int i = 0;; i++) {
				char value[32];

				snprintf(value, sizeof(value), "asst_%d_%d", round, i);
				publish_env(path, KEY, value, &rules, &err);
			}
		}
		clock_sleep(rand_r(&seed) % 8);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_ok(file_read(path, 10000, &text, &length, &err));
		assert_memory_equal(text, "A=1\n", 4);
		assert_true(length == 4 || text[length - 1] == '\n');
		free(text);
	}
	assert_int_equal(publish(NULL), 0);
	assert_int_equal(count_names(), 1);
}

/* ---- the JSON file ---- */

static struct json_object *read_config(const char *name)
{
	struct oam_error err = { 0 };
	struct json_object *tree;
	size_t length;
	char *text;

	assert_ok(file_read(name, 100000, &text, &length, &err));
	tree = parse(text);
	free(text);
	return tree;
}

static void publish_json(const char *id, const char *config)
{
	struct json_object *tree = parse(config);
	struct oam_error err = { 0 };

	assert_ok(publish_config(path, id, tree, 1000, &rules, &err));
	json_object_put(tree);
}

static void test_the_json_file(void **state)
{
	struct json_object *tree;
	struct stat status;

	(void)state;
	snprintf(path, sizeof(path), "%s/config/a.json", folder);
	publish_json("asst_1",
		     "{\"name\":\"é\",\"model\":\"m\",\"tools\":[],\"top_p\":1}");
	tree = read_config(path);
	assert_string_equal(json_member_string(tree, "assistantId"), "asst_1");
	assert_string_equal(json_member_string(tree, "name"), "é");
	assert_int_equal(json_object_get_int64(json_member(tree, "createdAt")), 1);
	assert_non_null(json_member_string(tree, "updatedAt"));
	assert_true(json_object_object_get_ex(tree, "description", NULL));
	assert_int_equal(json_object_object_length(tree), 9);
	json_object_put(tree);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
}

static void test_the_same_again_is_not_written(void **state)
{
	struct stat before, after;

	(void)state;
	publish_json("asst_1", "{\"model\":\"m\"}");
	stat(path, &before);
	publish_json("asst_1", "{\"model\":\"m\"}");
	stat(path, &after);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(count_names(), 1);
}

static void test_what_the_application_added_stays(void **state)
{
	static const char text[] = "{\"mine\":{\"x\":[1,2]},\"assistantId\":\"asst_0\"}";
	struct json_object *tree;

	(void)state;
	write_file(path, text, strlen(text));
	publish_json("asst_1", "{\"model\":\"m\"}");
	tree = read_config(path);
	assert_int_equal(json_object_object_length(json_member(tree, "mine")), 1);
	assert_string_equal(json_member_string(tree, "assistantId"), "asst_1");
	json_object_put(tree);
}

/* The one file that ends in .broken. */
static void assert_broken_copy(const char *text, size_t length)
{
	DIR *open_folder = opendir(folder);
	struct dirent *entry;
	int found = 0;

	while ((entry = readdir(open_folder))) {
		char name[400];

		snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
		if (!strstr(name, ".broken"))
			continue;
		assert_file(name, text, length);
		found++;
	}
	closedir(open_folder);
	assert_int_equal(found, 1);
}

static void test_a_broken_file_is_replaced_and_kept(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *backups;

	(void)state;
	write_file(path, "{ broken", 8);
	publish_json("asst_1", "{\"model\":\"m\"}");
	assert_ok(publish_backups(path, &backups, &err));
	assert_int_equal(json_object_array_length(backups), 0);
	json_object_put(backups);
	assert_broken_copy("{ broken", 8);
}

/* What is said goes to standard error, which is a file meanwhile. */
static void test_a_broken_file_is_said(void **state)
{
	char log[128], *text;
	struct oam_error err = { 0 };
	int before = dup(2), fd;
	size_t length;

	(void)state;
	write_file(path, "[1]", 3);
	snprintf(log, sizeof(log), "%s/log", store_folder);
	fd = open(log, O_RDWR | O_CREAT, 0600);
	dup2(fd, 2);
	publish_json("asst_1", "{\"model\":\"m\"}");
	dup2(before, 2);
	close(before);
	close(fd);
	assert_ok(file_read(log, 10000, &text, &length, &err));
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, ".broken"));
	free(text);
	assert_broken_copy("[1]", 3);
}

static void test_a_byte_order_mark_is_passed_over(void **state)
{
	static const char text[] = "\xEF\xBB\xBF{\"mine\":1}";
	struct json_object *tree;

	(void)state;
	write_file(path, text, strlen(text));
	publish_json("asst_1", "{\"model\":\"m\"}");
	tree = read_config(path);
	assert_int_equal(json_object_get_int(json_member(tree, "mine")), 1);
	json_object_put(tree);
	assert_int_equal(count_names(), 2); /* and the ordinary backup */
}

/* Spaces and lines multiply what is nested deeply. */
static void test_a_deep_text_is_written_compactly(void **state)
{
	enum { DEPTH = 52, MEMBERS = 45000 };
	char *text = malloc(64 + 2 * DEPTH + 5 * MEMBERS), *at = text;
	struct json_object *config, *tree;
	struct oam_error err = { 0 };
	struct stat status;
	size_t length;
	char *is;

	(void)state;
	at = stpcpy(at, "{\"model\":\"m\",\"tools\":");
	for (int i = 0; i < DEPTH; i++)
		*at++ = '[';
	for (int i = 0; i < MEMBERS; i++)
		at = stpcpy(at, i ? ",1234" : "1234");
	for (int i = 0; i < DEPTH; i++)
		*at++ = ']';
	strcpy(at, "}");
	config = parse(text);
	free(text);
	assert_ok(publish_config(path, "asst_1", config, 1000, &rules, &err));
	json_object_put(config);
	assert_int_equal(stat(path, &status), 0);
	assert_true((size_t)status.st_size < PUBLISH_CONFIG_MAX / 4);
	assert_ok(file_read(path, PUBLISH_CONFIG_MAX, &is, &length, &err));
	assert_ok(publish_read(is, length, &tree, &err));
	assert_string_equal(json_member_string(tree, "assistantId"), "asst_1");
	json_object_put(tree);
	free(is);
}

static void test_what_could_not_be_read_again_is_not_written(void **state)
{
	char *text = malloc(PUBLISH_CONFIG_MAX);
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	(void)state;
	memset(text, 'x', PUBLISH_CONFIG_MAX);
	memcpy(text, "{\"mine\":\"", 9);
	memcpy(text + PUBLISH_CONFIG_MAX - 2, "\"}", 2);
	write_file(path, text, PUBLISH_CONFIG_MAX);
	assert_int_equal(publish_config(path, "asst_1", config, 1000, &rules, &err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
	assert_int_equal(count_names(), 1);
	json_object_put(config);
	free(text);
}

static void test_the_last_twenty_versions_are_kept(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *backups;
	char id[16], other[160];

	(void)state;
	snprintf(other, sizeof(other), "%s/.env.2026-11-23T17-32-49.370.bak", folder);
	write_file(other, "not ours", 8);
	for (int i = 0; i < 25; i++) {
		snprintf(id, sizeof(id), "asst_%d", i);
		publish_json(id, "{\"model\":\"m\"}");
	}
	assert_ok(publish_backups(path, &backups, &err));
	assert_int_equal(json_object_array_length(backups), PUBLISH_BACKUPS);
	for (int i = 0; i < PUBLISH_BACKUPS; i++) {
		snprintf(id, sizeof(id), "asst_%d", 23 - i);
		assert_string_equal(
			json_member_string(json_object_array_get_idx(backups, (size_t)i),
					   "assistantId"),
			id);
	}
	json_object_put(backups);
	assert_int_equal(count_names(), PUBLISH_BACKUPS + 2);
}

static void test_the_names_of_other_profiles(void **state)
{
	static const char *const cases[][3] = {
		{ "/a/b.json", "x", "/a/b.x.json" },
		{ "/a.d/b", "x", "/a.d/b.x" },
		{ "b.json", NULL, "b.json" },
	};
	struct oam_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *name = publish_config_path(cases[i][0], cases[i][1], &err);

		assert_string_equal(name, cases[i][2]);
		free(name);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* --publish KEY VALUE FILE…: for tests that read the files in other languages. */
static int publish_all(char **arguments)
{
	const struct publish_rules nobody_else = { 0 };

	for (char **file = arguments + 2; *file; file++) {
		struct oam_error err = { 0 };

		if (publish_env(*file, arguments[0], arguments[1], &nobody_else, &err)) {
			fprintf(stderr, "%s\n", err.message);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_way_to_write_it),
		TEST(test_what_would_change_another_entry_is_refused),
		TEST(test_what_is_no_text_is_refused),
		TEST(test_a_file_that_would_be_too_long_is_refused),
		TEST(test_random_texts),
		TEST(test_a_missing_file_is_made_private),
		TEST(test_a_missing_folder_is_an_error),
		TEST(test_mode_and_owner_are_kept),
		TEST(test_another_owner_is_refused),
		TEST(test_a_folder_that_is_read_only),
		TEST(test_a_full_disk),
		TEST(test_links_are_followed),
		TEST(test_leftovers_of_the_killed_are_removed),
		TEST(test_foreign_changes_are_not_lost),
		TEST(test_concurrent_writers),
		TEST(test_kills),
		TEST(test_the_json_file),
		TEST(test_the_same_again_is_not_written),
		TEST(test_what_the_application_added_stays),
		TEST(test_a_broken_file_is_replaced_and_kept),
		TEST(test_a_broken_file_is_said),
		TEST(test_a_byte_order_mark_is_passed_over),
		TEST(test_a_deep_text_is_written_compactly),
		TEST(test_what_could_not_be_read_again_is_not_written),
		TEST(test_the_last_twenty_versions_are_kept),
		TEST(test_the_names_of_other_profiles),
	};

	if (argc > 3 && strcmp(argv[1], "--publish") == 0)
		return publish_all(argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
