/*
 * service: cleanup and adoption at the same time. What another process does in between is
 * done by one, which is forked at just that moment.
 */
#include <sys/wait.h>

#include "clock.h"
#include "temp_service.h"

static struct temp_service *t;

/* What another process does, and with which assistant. */
static int (*meanwhile)(struct service *, const char *id, struct oam_error *);
static char id[ASSISTANT_ID_SIZE];
static int retrievals, wait_for; /* the one after which it is done */

static void run_meanwhile(void)
{
	int (*run)(struct service *, const char *, struct oam_error *) = meanwhile;
	int status;
	pid_t pid;

	meanwhile = NULL; /* once */
	if (!run)
		return;
	pid = fork();
	if (pid == 0) {
		struct oam_error err = { 0 };
		struct service *service;

		if (service_open_hosted(&t->settings, &service, &err) == 0) {
			run(service, id, &err);
			service_close(service);
		}
		_exit(error_result(&err) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int slow_remove_all(struct upstream *u, struct json_object *ids,
			   const struct upstream_remover *remover, struct oam_error *err)
{
	run_meanwhile();
	return t->real.remove_all(u, ids, remover, err);
}

static int slow_retrieve(struct upstream *u, const char *asked,
			 struct json_object **assistant, struct oam_error *err)
{
	int result = t->real.retrieve(u, asked, assistant, err);

	if (retrievals++ == wait_for)
		run_meanwhile();
	return result;
}

static int setup(void **state)
{
	(void)state;
	meanwhile = NULL;
	retrievals = wait_for = 0;
	t = temp_service_open();
	t->service->upstream->remove_all = slow_remove_all;
	t->service->upstream->retrieve = slow_retrieve;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_service_close(t);
	return 0;
}

static void host(const char *metadata)
{
	char text[256];
	struct json_object *config, *made;
	struct oam_error err = { 0 };

	snprintf(text, sizeof(text), "{\"model\":\"m\",\"metadata\":%s}", metadata);
	config = parse(text);
	assert_ok(service_create(t->service, config, &made, &err));
	snprintf(id, sizeof(id), "%s", json_member_string(made, "id"));
	json_object_put(made);
	json_object_put(config);
}

static int adopt(struct service *service, const char *which, struct oam_error *err)
{
	return service_adopt(service, PROFILE_DEFAULT, which, err);
}

static int delete (struct service *service, const char *which, struct oam_error *err)
{
	return service_delete(service, which, err);
}

/* How many a cleanup of everything deletes. */
static size_t clean_all(void)
{
	struct service_cleanup cleanup = { .all = true, .keep_count = 1 };
	struct oam_error err = { 0 };
	size_t count;

	assert_ok(service_cleanup(t->service, PROFILE_DEFAULT, &cleanup, &err));
	count = json_object_array_length(cleanup.deleted);
	assert_int_equal(json_object_array_length(cleanup.failed), 0);
	json_object_put(cleanup.deleted);
	json_object_put(cleanup.failed);
	return count;
}

static bool is_there(void)
{
	struct json_object *assistant = NULL;
	struct oam_error err = { 0 };
	bool there = t->real.retrieve(t->service->upstream, id, &assistant, &err) == 0;

	json_object_put(assistant);
	return there;
}

static void read_current(char current[ASSISTANT_ID_SIZE])
{
	struct service_status status;
	struct oam_error err = { 0 };

	assert_ok(service_status(t->service, PROFILE_DEFAULT, &status, &err));
	memcpy(current, status.profile.current, ASSISTANT_ID_SIZE);
}

static void test_adopted_between_the_look_and_the_deletion(void **state)
{
	char old[ASSISTANT_ID_SIZE], current[ASSISTANT_ID_SIZE];

	(void)state;
	host("{}");
	memcpy(old, id, sizeof(old));
	host("{}");
	host("{}"); /* the newest one stays anyway */
	memcpy(id, old, sizeof(old));
	meanwhile = adopt;
	assert_int_equal(clean_all(), 1);
	assert_true(is_there());
	read_current(current);
	assert_string_equal(current, id);
}

static void test_deleted_between_the_answer_and_the_adoption(void **state)
{
	struct oam_error err = { 0 };
	char current[ASSISTANT_ID_SIZE];

	(void)state;
	host("{}");
	meanwhile = delete;
	assert_int_equal(adopt(t->service, id, &err), -1);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	assert_false(is_there());
	read_current(current);
	assert_string_equal(current, "");
}

/* Then it is as if the file had not named it. */
static void test_initialize_passes_over_what_was_deleted_meanwhile(void **state)
{
	char made[ASSISTANT_ID_SIZE], current[ASSISTANT_ID_SIZE];
	struct oam_error err = { 0 };
	FILE *file = fopen(t->env_file, "w");

	(void)state;
	host("{}");
	fprintf(file, "OPENAI_ASSISTANT_ID=%s\n", id);
	fclose(file);
	meanwhile = delete;
	wait_for = 1; /* the first one is without the lease, and decides nothing */
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, made, &err));
	assert_string_not_equal(made, id);
	read_current(current);
	assert_string_equal(current, made);
}

/* It is hosted already, but its rotation has not recorded it yet. */
static void test_what_a_rotation_is_making_stays(void **state)
{
	struct oam_error err = { 0 };
	struct profile profile;
	int64_t rotation;

	(void)state;
	assert_ok(service_profile(t->service, PROFILE_DEFAULT, &profile, &err));
	assert_ok(store_rotation_start(t->temp.store, profile.id, REASON_CLI, "making",
				       NULL, "", clock_now(), &rotation, &err));
	host("{\"oam_nonce\":\"making\"}");
	host("{}");
	host("{}");
	assert_int_equal(clean_all(), 1);
	assert_ok(store_rotation_end(t->temp.store, rotation, "abandoned", NULL,
				     clock_now(), &err));
	assert_int_equal(clean_all(), 1);
}

/* Applications read it until the files name the next one. */
static void test_what_the_files_name_stays(void **state)
{
	struct service_refresh refresh = { .reason = REASON_CLI, .keep_old = true };
	struct oam_error err = { 0 };
	struct profile profile;

	(void)state;
	assert_ok(service_refresh(t->service, PROFILE_DEFAULT, &refresh, &err));
	memcpy(id, refresh.new_id, sizeof(id));
	assert_ok(service_refresh(t->service, PROFILE_DEFAULT, &refresh, &err));
	assert_ok(service_profile(t->service, PROFILE_DEFAULT, &profile, &err));
	memcpy(profile.current, id, sizeof(id));
	assert_ok(store_profile_published(t->temp.store, &profile, false, clock_now(),
					  &err));
	assert_int_equal(clean_all(), 0);
	assert_true(is_there());
	memcpy(profile.current, refresh.new_id, sizeof(refresh.new_id));
	assert_ok(store_profile_published(t->temp.store, &profile, false, clock_now(),
					  &err));
	assert_int_equal(clean_all(), 1);
	assert_false(is_there());
}

/* More than one transaction deletes, and more than one query reads. */
static void test_many(void **state)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	char name[32];

	(void)state;
	assert_ok(store_begin(t->temp.store, &err));
	for (int i = 0; i < 2345; i++) {
		snprintf(name, sizeof(name), "asst_%d", i);
		assert_ok(store_assistant_add(t->temp.store, name, UPSTREAM_EMBEDDED,
					      config, i + 1, &err));
	}
	assert_ok(store_commit(t->temp.store, &err));
	assert_int_equal(clean_all(), 2344);
	snprintf(id, sizeof(id), "asst_0");
	assert_false(is_there());
	snprintf(id, sizeof(id), "asst_2344");
	assert_true(is_there());
	json_object_put(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adopted_between_the_look_and_the_deletion),
		TEST(test_deleted_between_the_answer_and_the_adoption),
		TEST(test_initialize_passes_over_what_was_deleted_meanwhile),
		TEST(test_what_a_rotation_is_making_stays),
		TEST(test_what_the_files_name_stays),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
