/* assistant: ids, the default, merging, stamping, and the object of the protocol. The
 * limits field by field are in tests/http, where they are met through HTTP. */
#include "assistant.h"
#include "expect.h"

static void test_ids(void **state)
{
	struct oam_error err = { 0 };
	char one[ASSISTANT_ID_SIZE], two[ASSISTANT_ID_SIZE], big[ASSISTANT_ID_SIZE + 8];

	(void)state;
	assert_ok(assistant_id_make(one, &err));
	assert_ok(assistant_id_make(two, &err));
	assert_true(assistant_id_is_valid(one));
	assert_string_not_equal(one, two);
	memset(big, 'a', sizeof(big));
	memcpy(big, "asst_", 5);
	big[ASSISTANT_ID_SIZE] = '\0';
	assert_false(assistant_id_is_valid(big));
	big[ASSISTANT_ID_SIZE - 1] = '\0';
	assert_true(assistant_id_is_valid(big));
	assert_false(assistant_id_is_valid(""));
	assert_false(assistant_id_is_valid("asst_"));
	assert_false(assistant_id_is_valid("asst_../x"));
	assert_false(assistant_id_is_valid("asst_a b"));
	assert_false(assistant_id_is_valid("xasst_a"));
	assert_false(assistant_id_is_valid("asst_\xc3\xa9"));
}

static void test_the_default_is_within_all_limits(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *config = assistant_default_config(&err);

	(void)state;
	assert_ok(assistant_check(config, ASSISTANT_CREATE, "", &err));
	assert_ok(assistant_check_managed(config, "", &err));
	assert_string_equal(json_member_string(config, "name"),
			    "Invoice Translation Assistant");
	assert_string_equal(json_member_string(config, "model"), "gpt-4o-mini");
	json_object_put(config);
}

static void test_uses(void **state)
{
	struct json_object *stores = parse(
		"{\"tool_resources\":{\"file_search\":{\"vector_stores\":[{\"file_ids\":["
		"\"f\"],\"chunking_strategy\":{\"type\":\"static\",\"static\":{"
		"\"max_chunk_size_tokens\":800,\"chunk_overlap_tokens\":400}}}]}}}");
	struct json_object *bad = parse(
		"{\"tool_resources\":{\"file_search\":{\"vector_stores\":[{"
		"\"chunking_strategy\":{\"type\":\"static\",\"static\":{"
		"\"max_chunk_size_tokens\":800,\"chunk_overlap_tokens\":401}}}]}}}");
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(assistant_check(stores, ASSISTANT_OVERRIDE, "", &err));
	assert_int_equal(assistant_check(stores, ASSISTANT_CREATE, "", &err), -1);
	assert_int_equal(err.code, OAM_E_MISSING_PARAMETER);
	assert_string_equal(err.param, "model");
	err = (struct oam_error){ 0 };
	assert_int_equal(assistant_check(stores, ASSISTANT_MODIFY, "", &err), -1);
	assert_int_equal(err.code, OAM_E_UNKNOWN_PARAMETER);
	err = (struct oam_error){ 0 };
	assert_int_equal(assistant_check(bad, ASSISTANT_OVERRIDE, "", &err), -1);
	assert_non_null(strstr(err.param, "chunk_overlap_tokens"));
	json_object_put(stores);
	json_object_put(bad);
}

static void test_merge(void **state)
{
	struct json_object *base = parse(
		"{\"model\":\"m\",\"name\":\"N\",\"top_p\":0.5}");
	struct json_object *changes = parse(
		"{\"name\":null,\"model\":\"x\",\"tools\":[]}");
	struct oam_error err = { 0 };
	struct json_object *merged = assistant_merge(base, changes, &err);
	struct json_object *same = assistant_merge(base, NULL, &err);

	(void)state;
	assert_string_equal(json_text(merged),
			    "{\"model\":\"x\",\"top_p\":0.5,\"tools\":[]}");
	assert_int_equal(json_object_equal(base, same), 1);
	json_object_put(merged);
	json_object_put(same);
	json_object_put(changes);
	json_object_put(base);
}

static void assert_stamped(const char *config, const char *expected)
{
	struct json_object *tree = parse(config), *stamped;
	struct oam_error err = { 0 };

	stamped = assistant_stamp(tree, "TAG", "NONCE", 1000, &err);
	assert_non_null(stamped);
	assert_string_equal(json_text(json_member(stamped, "metadata")), expected);
	json_object_put(stamped);
	json_object_put(tree);
}

static void test_stamp(void **state)
{
	char full[512] = "{\"metadata\":{", expected[640] = "{";

	(void)state;
	assert_stamped("{}", "{\"created_at\":\"1970-01-01T00:00:01.000Z\","
			     "\"oam_installation\":\"TAG\",\"oam_nonce\":\"NONCE\"}");
	assert_stamped("{\"metadata\":{\"created_at\":\"old\",\"a\":\"b\"}}",
		       "{\"created_at\":\"1970-01-01T00:00:01.000Z\",\"a\":\"b\","
		       "\"oam_installation\":\"TAG\",\"oam_nonce\":\"NONCE\"}");
	/* Fourteen pairs leave no room for the time: sixteen is the protocol's limit. */
	for (int i = 0; i < 14; i++) {
		snprintf(full + strlen(full), 32, "%s\"k%d\":\"v\"", i ? "," : "", i);
		snprintf(expected + strlen(expected), 32, "\"k%d\":\"v\",", i);
	}
	strcat(full, "}}");
	strcat(expected, "\"oam_installation\":\"TAG\",\"oam_nonce\":\"NONCE\"}");
	assert_stamped(full, expected);
}

static void test_object_and_back(void **state)
{
	struct json_object *config = parse("{\"model\":\"m\",\"metadata\":{\"a\":\"b\"},"
					   "\"reasoning_effort\":\"low\"}");
	struct oam_error err = { 0 };
	struct json_object *object = assistant_object("asst_x", 1999, config, &err);
	struct json_object *bare, *back = assistant_config_of(object, &err);

	(void)state;
	assert_string_equal(
		json_text(object),
		"{\"id\":\"asst_x\",\"object\":\"assistant\",\"created_at\":1,\"name\":"
		"null,"
		"\"description\":null,\"model\":\"m\",\"instructions\":null,\"tools\":[],"
		"\"tool_resources\":{},\"metadata\":{\"a\":\"b\"},\"temperature\":1.0,"
		"\"top_p\":1.0,\"response_format\":\"auto\",\"reasoning_effort\":"
		"\"low\"}");
	bare = assistant_object("asst_x", 1999, back, &err);
	assert_int_equal(json_object_equal(object, bare), 1);
	json_object_put(bare);
	json_object_put(back);
	json_object_put(object);
	json_object_put(config);
}

static void test_reserved_pairs(void **state)
{
	struct json_object *from = parse(
		"{\"metadata\":{\"oam_nonce\":\"N\",\"oam_installation\":\"T\","
		"\"other\":\"x\"}}");
	struct json_object *to = parse("{\"metadata\":{\"mine\":\"y\"}}");
	struct json_object *empty = parse("{}");
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(assistant_keep_reserved(from, to, &err));
	assert_string_equal(json_text(to),
			    "{\"metadata\":{\"mine\":\"y\",\"oam_nonce\":\"N\","
			    "\"oam_installation\":\"T\"}}");
	assert_int_equal(assistant_check_managed(to, "p", &err), -1);
	assert_string_equal(err.param, "p.metadata.oam_nonce");
	err = (struct oam_error){ 0 };
	assert_ok(assistant_keep_reserved(empty, empty, &err));
	assert_string_equal(json_text(empty), "{}");
	json_object_put(from);
	json_object_put(to);
	json_object_put(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_the_default_is_within_all_limits),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_stamp),
		cmocka_unit_test(test_object_and_back),
		cmocka_unit_test(test_reserved_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
