/* The JSON file's backups, and what may stand in the way of both. */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "clock.h"
#include "publish.h"
#include "temp_folder.h"

#define STAMP ".2026-11-23T17-32-49.370Z.bak"

static char folder[TEMP_FOLDER_SIZE], path[96];
static struct publish_rules rules; /* nobody else is there */

static int setup(void **state)
{
	(void)state;
	temp_folder_make(folder);
	snprintf(path, sizeof(path), "%s/a.json", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_folder_remove(folder);
	return 0;
}

static void put_file(const char *name, const char *text)
{
	char full[192];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", folder, name);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int publish(const char *where, struct oam_error *err)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	int result = publish_config(where, "asst_1", config, 1000, &rules, err);

	json_object_put(config);
	return result;
}

static struct json_object *backups_of(const char *where)
{
	struct json_object *backups;
	struct oam_error err = { 0 };

	assert_ok(publish_backups(where, &backups, &err));
	return backups;
}

static void test_no_folder_has_no_backups(void **state)
{
	struct json_object *backups;
	char nowhere[160];

	(void)state;
	snprintf(nowhere, sizeof(nowhere), "%s/none/a.json", folder);
	backups = backups_of(nowhere);
	assert_int_equal(json_object_array_length(backups), 0);
	json_object_put(backups);
}

static void test_a_file_in_place_of_the_folder(void **state)
{
	struct json_object *backups;
	struct oam_error err = { 0 };
	char inside[160];

	(void)state;
	put_file("a.json", "{}");
	snprintf(inside, sizeof(inside), "%s/b.json", path);
	assert_int_equal(publish_backups(inside, &backups, &err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
	assert_non_null(strstr(err.detail, path));
	assert_null(backups);
	err = (struct oam_error){ 0 };
	assert_int_equal(publish(inside, &err), -1);
	assert_int_equal(err.code, OAM_E_FILE);
}

static void test_only_stamped_names_are_backups(void **state)
{
	static const char *const others[] = {
		"a.json" STAMP "x",
		"a.jsonx" STAMP,
		"a.json.2026-11-23T17-32-49.370Z.ba",
		"a.json.2026-11-23T17:32:49.370Z.bak",
		"a.json.2026-11-23T17-32-49.37aZ.bak",
		"a.json.2026-11-23T17-32-49.37 Z.bak",
		"a.json.x026-11-23T17-32-49.370Z.bak",
		"a.jso" STAMP,
	};
	struct json_object *backups;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		put_file(others[i], "{\"assistantId\":\"asst_0\"}");
	put_file("a.json" STAMP, "{\"assistantId\":\"asst_0\"}");
	backups = backups_of(path);
	assert_int_equal(json_object_array_length(backups), 1);
	assert_string_equal(
		json_member_string(json_object_array_get_idx(backups, 0), "time"),
		"2026-11-23T17:32:49.370Z");
	json_object_put(backups);
}

/* One that cannot be read is listed, with no id in it. */
static void test_backups_that_cannot_be_read(void **state)
{
	struct json_object *backups;
	char name[192];

	(void)state;
	snprintf(name, sizeof(name), "%s" STAMP, path);
	assert_int_equal(mkdir(name, 0700), 0);
	name[strlen(path) + 1] = '3'; /* and another, later one */
	assert_int_equal(symlink("/nowhere/at/all", name), 0);
	backups = backups_of(path);
	assert_int_equal(json_object_array_length(backups), 2);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *entry = json_object_array_get_idx(backups, i);

		assert_non_null(json_member_string(entry, "file"));
		assert_null(json_member_string(entry, "assistantId"));
	}
	json_object_put(backups);
}

/* Takes the place of libc's: the time can stand still. */
static int64_t frozen; /* ms; 0: it does not */

int clock_gettime(clockid_t id, struct timespec *now)
{
	if (!frozen)
		return (int)syscall(SYS_clock_gettime, id, now);
	*now = (struct timespec){ frozen / CLOCK_SECOND,
				  frozen % CLOCK_SECOND * 1000000 };
	return 0;
}

/* The clock may have been set back: what is there stays, and is older than what comes. */
static void test_no_backup_is_overwritten(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *backups, *newest;

	(void)state;
	put_file("a.json", "{\"assistantId\":\"asst_0\"}");
	for (int ms = 370; ms < 370 + PUBLISH_BACKUPS; ms++) {
		char name[64];

		snprintf(name, sizeof(name), "a.json.1970-01-01T00-00-01.%dZ.bak", ms);
		put_file(name, "{}");
	}
	frozen = 1370;
	assert_ok(publish(path, &err));
	frozen = 0;
	backups = backups_of(path);
	assert_int_equal(json_object_array_length(backups), PUBLISH_BACKUPS);
	newest = json_object_array_get_idx(backups, 0);
	assert_string_equal(json_member_string(newest, "time"),
			    "1970-01-01T00:00:01.390Z");
	assert_string_equal(json_member_string(newest, "assistantId"), "asst_0");
	json_object_put(backups);
}

static void test_in_the_working_folder(void **state)
{
	char before[4096];
	struct oam_error err = { 0 };
	struct json_object *backups;

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	put_file("a.json", "{}");
	assert_ok(publish("a.json", &err));
	assert_ok(publish("new.json", &err));
	assert_int_equal(access("new.json", F_OK), 0);
	backups = backups_of("a.json");
	assert_int_equal(json_object_array_length(backups), 1);
	json_object_put(backups);
	assert_int_equal(chdir(before), 0);
}

/* An older program wrote all but the time. */
static void test_a_file_without_its_time_gets_one(void **state)
{
	struct json_object *tree;
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(publish(path, &err));
	tree = json_object_from_file(path);
	json_object_object_del(tree, "updatedAt");
	assert_int_equal(json_object_to_file(path, tree), 0);
	json_object_put(tree);
	assert_ok(publish(path, &err));
	tree = json_object_from_file(path);
	assert_non_null(json_member_string(tree, "updatedAt"));
	json_object_put(tree);
}

/* What is written in place leaves its old versions beside the store. */
static void test_old_versions_beside_the_store_are_dropped(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *backups;
	char store[160], beside[160], name[64];

	(void)state;
	snprintf(store, sizeof(store), "%s/store", folder);
	assert_int_equal(mkdir(store, 0700), 0);
	for (int i = 0; i < 2 * PUBLISH_BACKUPS; i++) {
		snprintf(name, sizeof(name),
			 "store/a.json.2026-11-23T17-32-%02d.000Z.bak", i);
		put_file(name, "{}");
	}
	snprintf(store, sizeof(store), "%s/store/oam.db", folder);
	snprintf(beside, sizeof(beside), "%s/store/a.json", folder);
	rules = (struct publish_rules){ .in_place = true };
	assert_ok(publish(path, &err));
	backups = backups_of(beside);
	assert_int_equal(json_object_array_length(backups), 2 * PUBLISH_BACKUPS);
	json_object_put(backups);
	put_file("a.json", "{}");
	rules.store = store;
	assert_ok(publish(path, &err));
	rules = (struct publish_rules){ 0 };
	backups = backups_of(beside);
	assert_int_equal(json_object_array_length(backups), PUBLISH_BACKUPS);
	json_object_put(backups);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_folder_has_no_backups),
		TEST(test_a_file_in_place_of_the_folder),
		TEST(test_only_stamped_names_are_backups),
		TEST(test_backups_that_cannot_be_read),
		TEST(test_no_backup_is_overwritten),
		TEST(test_in_the_working_folder),
		TEST(test_a_file_without_its_time_gets_one),
		TEST(test_old_versions_beside_the_store_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
