/* service: creating, paging, changing and deleting what the store hosts. */
#include "service_private.h"
#include "temp_store.h"

struct fixture {
	struct temp_store temp;
	struct settings settings;
	struct service *service;
	struct upstream real;
	char env_file[96];
};

static struct fixture *fixture; /* for modify_twice(), which has no context */

static int setup(void **state)
{
	static char *environment[] = { NULL };
	struct fixture *f = calloc(1, sizeof(*f));
	struct oam_error err = { 0 };

	temp_store_open(&f->temp);
	snprintf(f->env_file, sizeof(f->env_file), "%s/.env", f->temp.folder);
	f->settings = (struct settings){ .environment = environment,
					 .env_file = f->env_file,
					 .db = f->temp.path,
					 .config_file = f->env_file,
					 .keep_count = 5 };
	assert_ok(service_open_hosted(&f->settings, &f->service, &err));
	f->real = *f->service->upstream;
	log_start("test", LOG_LEVEL_ERROR);
	*state = fixture = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	service_close(f->service);
	temp_store_close(&f->temp);
	free(f);
	return 0;
}

/* The id of a new assistant. */
static void create(struct service *service, const char *text, char id[ASSISTANT_ID_SIZE])
{
	struct json_object *config = parse(text), *assistant;
	struct oam_error err = { 0 };

	assert_ok(service_create(service, config, &assistant, &err));
	strcpy(id, json_member_string(assistant, "id"));
	json_object_put(assistant);
	json_object_put(config);
}

/* What updating with `text` comes to; the metadata that is there then, as text. */
static enum oam_code update(struct service *service, const char *id, const char *text,
			    char metadata[4096])
{
	struct json_object *updates = parse(text), *assistant;
	struct oam_error err = { 0 };

	service_update(service, id, updates, "", &assistant, &err);
	snprintf(metadata, 4096, "%s",
		 assistant ? json_text(json_member(assistant, "metadata")) : "");
	json_object_put(assistant);
	json_object_put(updates);
	return err.code;
}

static void test_hosting_is_refused_with_another_upstream(void **state)
{
	struct fixture *f = *state;
	struct settings settings = f->settings;
	struct oam_error err = { 0 };
	struct service *service;
	char url[] = "https://host/v1";

	settings.base_url = url;
	assert_int_equal(service_open_hosted(&settings, &service, &err), -1);
	assert_int_equal(err.code, OAM_E_NOT_HOSTED);
	assert_non_null(strstr(err.message, url));
	assert_null(service);
}

/* Another manager that keeps its assistants here marks them, and recovers by the nonce. */
static void test_pairs_of_another_manager_are_its_own(void **state)
{
	struct service *service = ((struct fixture *)*state)->service;
	struct json_object *config = parse(
		"{\"model\":\"m\",\"metadata\":{\"oam_nonce\":\"x\"}}");
	struct json_object *assistant;
	struct oam_error err = { 0 };
	char metadata[4096];

	assert_ok(service_create(service, config, &assistant, &err));
	assert_int_equal(update(service, json_member_string(assistant, "id"),
				"{\"metadata\":{\"oam_nonce\":\"y\"}}", metadata),
			 OAM_OK);
	assert_string_equal(metadata, "{\"oam_nonce\":\"y\"}");
	json_object_put(assistant);
	json_object_put(config);
}

#define PAIRS(last) \
	"{\"metadata\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\"," \
	"\"7\":\"\",\"8\":\"\",\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\",\"13\":\"\"," \
	"\"14\":\"\",\"15\":\"\"" last "}}"

static void test_room_for_metadata(void **state)
{
	struct service *service = ((struct fixture *)*state)->service;
	char id[ASSISTANT_ID_SIZE], current[ASSISTANT_ID_SIZE], metadata[4096];
	struct oam_error err = { 0 };

	create(service, "{\"model\":\"m\"}", id);
	assert_int_equal(update(service, id, PAIRS(",\"16\":\"\""), metadata), OAM_OK);
	assert_int_equal(update(service, id, PAIRS(",\"16\":\"\",\"17\":\"\""), metadata),
			 OAM_E_TOO_MANY_PROPERTIES);
	assert_ok(service_initialize(service, PROFILE_DEFAULT, current, &err));
	assert_int_equal(update(service, current, PAIRS(""), metadata),
			 OAM_E_TOO_MANY_PROPERTIES);
	assert_int_equal(update(service, current, "{\"metadata\":null}", metadata),
			 OAM_OK);
	assert_non_null(strstr(metadata, ASSISTANT_META_NONCE));
	assert_null(strstr(metadata, "created_by"));
	assert_int_equal(update(service, current,
				"{\"metadata\":{\"" ASSISTANT_META_NONCE "\":\"x\"}}",
				metadata),
			 OAM_E_RESERVED_METADATA);
}

static void check_page(struct service *service, struct upstream_page page,
		       const char *names, bool more)
{
	struct json_writer writer = { 0 };
	struct service_listed listed;
	struct json_object *tree, *assistants;
	struct oam_error err = { 0 };
	char joined[64] = "";
	size_t count;

	json_write_begin(&writer, NULL);
	assert_ok(service_write_page(service, &page, "data", &writer, &listed, &err));
	json_write_end(&writer);
	tree = parse(writer.text);
	assistants = json_member(tree, "data");
	count = json_object_array_length(assistants);
	for (size_t i = 0; i < count; i++)
		strcat(joined, json_member_string(
				       json_object_array_get_idx(assistants, i), "name"));
	assert_string_equal(joined, names);
	assert_int_equal(listed.has_more, more);
	assert_int_equal(listed.count, count);
	if (count > 0)
		assert_string_equal(
			listed.last,
			json_member_string(
				json_object_array_get_idx(assistants, count - 1), "id"));
	json_object_put(tree);
	json_writer_free(&writer);
}

static void test_pages_know_whether_more_follow(void **state)
{
	struct service *service = ((struct fixture *)*state)->service;
	char id[5][ASSISTANT_ID_SIZE], text[64];
	struct oam_error err = { 0 };

	check_page(service, (struct upstream_page){ .limit = 1 }, "", false);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "{\"model\":\"m\",\"name\":\"%d\"}", i);
		create(service, text, id[i]);
	}
	check_page(service, (struct upstream_page){ .limit = 4 }, "4321", true);
	check_page(service, (struct upstream_page){ .limit = 5 }, "43210", false);
	check_page(service, (struct upstream_page){ .limit = 2, .after = id[2] }, "10",
		   false);
	check_page(service, (struct upstream_page){ .limit = 1, .after = id[2] }, "1",
		   true);
	check_page(service, (struct upstream_page){ .limit = 2, .before = id[2] }, "43",
		   false);
	check_page(service, (struct upstream_page){ .limit = 2, .before = id[1] }, "32",
		   true);
	assert_ok(service_delete(service, id[2], &err));
	check_page(service, (struct upstream_page){ .limit = 2, .after = id[2] }, "10",
		   false);
	check_page(
		service,
		(struct upstream_page){ .limit = 1, .ascending = true, .after = id[2] },
		"3", true);
}

/* What another process sees between our change and what the profile takes over of it. */
static int modify_and_look(struct upstream *upstream, const char *id,
			   struct json_object *changes, struct json_object **assistant,
			   struct oam_error *err)
{
	struct assistant row;

	assert_int_equal(fixture->real.modify(upstream, id, changes, assistant, err), 0);
	assert_int_equal(store_assistant_find(fixture->temp.store, id, &row, err), 1);
	assert_string_not_equal(json_member_string(row.config, "name"), "ours");
	assistant_release(&row);
	return 0;
}

static int modify_and_fail(struct upstream *upstream, const char *id,
			   struct json_object *changes, struct json_object **assistant,
			   struct oam_error *err)
{
	assert_int_equal(fixture->real.modify(upstream, id, changes, assistant, err), 0);
	return error_set(err, STORE_FAILED, NULL);
}

static void assert_names(const char *id, const char *name)
{
	struct json_object *assistant, *config;
	struct oam_error err = { 0 };
	struct profile profile;

	assert_ok(service_details(fixture->service, NULL, id, &assistant, &err));
	assert_string_equal(json_member_string(assistant, "name"), name);
	assert_ok(service_profile(fixture->service, PROFILE_DEFAULT, &profile, &err));
	assert_ok(store_profile_config(fixture->temp.store, profile.id, &config, &err));
	assert_string_equal(json_member_string(config, "name"), name);
	json_object_put(assistant);
	json_object_put(config);
}

/* The assistant and its profile change together, or not at all. */
static void test_an_update_is_one_transaction(void **state)
{
	struct fixture *f = *state;
	char id[ASSISTANT_ID_SIZE], metadata[4096];
	struct oam_error err = { 0 };

	assert_ok(service_initialize(f->service, PROFILE_DEFAULT, id, &err));
	f->service->upstream->modify = modify_and_fail;
	assert_int_equal(update(f->service, id, "{\"name\":\"ours\"}", metadata),
			 OAM_E_STORE_FAILED);
	assert_names(id, "Invoice Translation Assistant");
	f->service->upstream->modify = modify_and_look;
	assert_int_equal(update(f->service, id, "{\"name\":\"ours\"}", metadata), OAM_OK);
	assert_names(id, "ours");
	assert_int_equal(update(f->service, "asst_none", "{}", metadata),
			 OAM_E_ASSISTANT_NOT_FOUND);
	assert_false(store_is_in_transaction(f->service->store));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hosting_is_refused_with_another_upstream),
		TEST(test_pairs_of_another_manager_are_its_own),
		TEST(test_room_for_metadata),
		TEST(test_pages_know_whether_more_follow),
		TEST(test_an_update_is_one_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
