/* upstream_embedded: the five calls of the protocol on our own store. */
#include "collect.h"
#include "temp_store.h"
#include "upstream.h"

struct fixture {
	struct temp_store temp;
	struct upstream *upstream;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	temp_store_open(&f->temp);
	struct oam_error err = { 0 };

	assert_ok(upstream_embedded_open(f->temp.store, &f->upstream, &err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->upstream->close(f->upstream);
	temp_store_close(&f->temp);
	free(f);
	return 0;
}

static struct json_object *create(struct upstream *upstream, const char *config_text)
{
	struct json_object *config = parse(config_text), *assistant;
	struct oam_error err = { 0 };

	assert_ok(upstream->create(upstream, config, &assistant, &err));
	json_object_put(config);
	return assistant;
}

static void test_create_retrieve_remove(void **state)
{
	struct upstream *upstream = ((struct fixture *)*state)->upstream;
	struct json_object *made = create(upstream, "{\"model\":\"gpt-4o\"}"), *read;
	const char *id = json_member_string(made, "id");
	struct oam_error err = { 0 };

	assert_true(assistant_id_is_valid(id));
	assert_int_equal(strlen(id), 29);
	assert_ok(upstream->retrieve(upstream, id, &read, &err));
	assert_int_equal(json_object_equal(made, read), 1);
	json_object_put(read);
	assert_ok(upstream->remove(upstream, id, &err));
	assert_int_equal(upstream->retrieve(upstream, id, &read, &err), -1);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	err = (struct oam_error){ 0 };
	assert_int_equal(upstream->remove(upstream, id, &err), -1);
	assert_int_equal(err.code, OAM_E_ASSISTANT_NOT_FOUND);
	json_object_put(made);
}

static void test_modify_merges_and_clears(void **state)
{
	struct upstream *upstream = ((struct fixture *)*state)->upstream;
	struct json_object *made = create(
		upstream, "{\"model\":\"m\",\"name\":\"N\",\"tools\":[{\"type\":"
			  "\"file_search\"}],\"metadata\":{\"a\":\"1\"}}");
	struct json_object *changes = parse(
		"{\"name\":null,\"tools\":[],\"metadata\":{\"b\":\"2\"}}");
	struct json_object *now;
	struct oam_error err = { 0 };

	assert_ok(upstream->modify(upstream, json_member_string(made, "id"), changes,
				   &now, &err));
	assert_null(json_member(now, "name"));
	assert_string_equal(json_text(json_member(now, "tools")), "[]");
	assert_string_equal(json_text(json_member(now, "metadata")), "{\"b\":\"2\"}");
	assert_string_equal(json_member_string(now, "model"), "m");
	json_object_put(now);
	json_object_put(changes);
	json_object_put(made);
}

static void test_a_refused_modify_changes_nothing(void **state)
{
	struct upstream *upstream = ((struct fixture *)*state)->upstream;
	struct json_object *made = create(upstream, "{\"model\":\"m\",\"name\":\"N\"}");
	struct json_object *changes = parse("{\"name\":\"New\",\"temperature\":3}");
	struct json_object *now;
	const char *id = json_member_string(made, "id");
	struct oam_error err = { 0 };

	assert_int_equal(upstream->modify(upstream, id, changes, &now, &err), -1);
	assert_int_equal(err.code, OAM_E_DECIMAL_TOO_BIG);
	assert_null(now);
	err = (struct oam_error){ 0 };
	assert_ok(upstream->retrieve(upstream, id, &now, &err));
	assert_int_equal(json_object_equal(made, now), 1);
	json_object_put(now);
	json_object_put(changes);
	json_object_put(made);
}

static void test_a_refused_create_makes_nothing(void **state)
{
	struct upstream *upstream = ((struct fixture *)*state)->upstream;
	struct json_object *config = parse("{\"name\":\"no model\"}"), *made, *all;
	struct upstream_page page = { 0 };
	struct oam_error err = { 0 };

	assert_int_equal(upstream->create(upstream, config, &made, &err), -1);
	assert_int_equal(err.code, OAM_E_MISSING_PARAMETER);
	all = collect(upstream, &page);
	assert_int_equal(json_object_array_length(all), 0);
	json_object_put(all);
	json_object_put(config);
}

static void test_list_and_nonce(void **state)
{
	struct upstream *upstream = ((struct fixture *)*state)->upstream;
	struct json_object *one = create(upstream, "{\"model\":\"m\"}");
	struct json_object *two = create(
		upstream, "{\"model\":\"m\",\"metadata\":{\"oam_nonce\":\"X\"}}");
	struct upstream_page page = { .limit = 1 };
	struct json_object *list, *found;
	struct oam_error err = { 0 };

	list = collect(upstream, &page);
	assert_int_equal(json_object_array_length(list), 1);
	assert_int_equal(json_object_equal(json_object_array_get_idx(list, 0), two), 1);
	json_object_put(list);
	assert_ok(upstream->find_nonce(upstream, "X", 0, &found, &err));
	assert_int_equal(json_object_equal(found, two), 1);
	json_object_put(found);
	assert_ok(upstream->find_nonce(upstream, "Y", 0, &found, &err));
	assert_null(found);
	json_object_put(one);
	json_object_put(two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create_retrieve_remove),
		TEST(test_modify_merges_and_clears),
		TEST(test_a_refused_modify_changes_nothing),
		TEST(test_a_refused_create_makes_nothing),
		TEST(test_list_and_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
