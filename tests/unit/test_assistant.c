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

static void test_more_ids(void **state)
{
	static const struct {
		const char *id;
		bool valid;
	} cases[] = {
		{ "asst_a", true },      { "asst_-", true },     { "asst__", true },
		{ "asst_09AZaz", true }, { "asst", false },      { "asst-a", false },
		{ "Asst_a", false },     { "ASST_A", false },    { " asst_a", false },
		{ "asst_a ", false },    { "asst_a\n", false },  { "asst_a/b", false },
		{ "asst_a%2f", false },  { "asst_.", false },    { "asst_a\"", false },
		{ "asst_a'b", false },   { "asst_a;b", false },  { "thread_a", false },
		{ "asst_\x7f", false },  { "asst_\xff", false }, { "asst_a?b", false },
		{ "asst_a&b", false },
	};
	char made[64][ASSISTANT_ID_SIZE];
	struct oam_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (assistant_id_is_valid(cases[i].id) != cases[i].valid)
			fail_msg("%s", cases[i].id);
	for (size_t i = 0; i < 64; i++) {
		assert_ok(assistant_id_make(made[i], &err));
		assert_int_equal(strlen(made[i]), strlen("asst_") + 24);
		assert_true(assistant_id_is_valid(made[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(made[i], made[j]);
	}
}

/* C would cut these at the NUL. */
static void test_no_nul_in_words(void **state)
{
	static const struct {
		const char *text, *param;
	} cases[] = {
		{ "{\"model\":\"m\\u0000x\"}", "model" },
		{ "{\"metadata\":{\"oam_nonce\":\"n\\u0000x\"}}", "metadata.oam_nonce" },
		{ "{\"metadata\":{\"oam_installation\":\"\\u0000\"}}",
		  "metadata.oam_installation" },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":[\"f\\u0000\"]}}}",
		  "tool_resources.code_interpreter.file_ids[0]" },
		{ "{\"tools\":[{\"type\":\"file_search\\u0000\"}]}", "tools[0].type" },
		{ "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\\u0000\"}}"
		  "]}",
		  "tools[0].function.name" },
		{ "{\"reasoning_effort\":\"low\\u0000\"}", "reasoning_effort" },
	};
	struct json_object *free_text = parse(
		"{\"instructions\":\"a\\u0000b\",\"metadata\":{\"a\":\"\\u0000\"}}");
	struct oam_error fine = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *tree = parse(cases[i].text);
		struct oam_error err = { 0 };

		assert_int_equal(assistant_check(tree, ASSISTANT_OVERRIDE, "", &err), -1);
		assert_string_equal(err.param, cases[i].param);
		json_object_put(tree);
	}
	assert_int_equal(assistant_check(free_text, ASSISTANT_OVERRIDE, "", &fine), 0);
	json_object_put(free_text);
}

/*
 * `format` with `count` times `unit` for its %s, parsed. For what stands at a limit: the
 * text is too long to be written down.
 */
static struct json_object *filled(const char *format, size_t count, const char *unit,
				  const char *separator)
{
	size_t length = strlen(format), size = count * (strlen(unit) + strlen(separator));
	char *text = malloc(length + size + 1), *at;
	const char *hole = strstr(format, "%s");
	struct json_object *tree;

	assert_non_null(text);
	assert_non_null(hole);
	at = mempcpy(text, format, (size_t)(hole - format));
	for (size_t i = 0; i < count; i++) {
		at = stpcpy(at, i > 0 ? separator : "");
		at = stpcpy(at, unit);
	}
	strcpy(at, hole + 2);
	tree = parse(text);
	free(text);
	return tree;
}

#define EMOJI "\xf0\x9f\x98\x80" /* one character, two UTF-16 units, four bytes */

/* At the limit it is taken, one above it is refused with this code for this field. */
static void test_limits_of_length(void **state)
{
	static const struct {
		const char *format, *unit, *separator;
		size_t limit;
		enum oam_code code;
		const char *param;
	} cases[] = {
		{ "{\"model\":\"%s\"}", EMOJI, "", 256, OAM_E_STRING_TOO_LONG, "model" },
		{ "{\"name\":\"%s\"}", EMOJI, "", 256, OAM_E_STRING_TOO_LONG, "name" },
		{ "{\"name\":\"%s\"}", "a", "", 256, OAM_E_STRING_TOO_LONG, "name" },
		{ "{\"name\":\"%s\"}", "\\ud83d\\ude00", "", 256, OAM_E_STRING_TOO_LONG,
		  "name" },
		{ "{\"description\":\"%s\"}", EMOJI, "", 512, OAM_E_STRING_TOO_LONG,
		  "description" },
		{ "{\"instructions\":\"%s\"}", EMOJI, "", 256000, OAM_E_STRING_TOO_LONG,
		  "instructions" },
		{ "{\"tools\":[%s]}", "{\"type\":\"file_search\"}", ",", 128,
		  OAM_E_ARRAY_TOO_LONG, "tools" },
		{ "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"%s\"}}]}",
		  "a", "", 64, OAM_E_STRING_TOO_LONG, "tools[0].function.name" },
		{ "{\"tools\":[{\"type\":\"file_search\"},{\"type\":\"function\","
		  "\"function\":{\"name\":\"f\",\"description\":\"%s\"}}]}",
		  EMOJI, "", 1024, OAM_E_STRING_TOO_LONG,
		  "tools[1].function.description" },
		{ "{\"metadata\":{\"k\":\"%s\"}}", EMOJI, "", 512, OAM_E_STRING_TOO_LONG,
		  "metadata.k" },
		{ "{\"metadata\":{\"%s\":\"v\"}}", EMOJI, "", 64,
		  OAM_E_PROPERTY_NAME_TOO_LONG, "metadata" },
		{ "{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		  "\"name\":\"%s\"}}}",
		  "a", "", 64, OAM_E_STRING_TOO_LONG,
		  "response_format.json_schema.name" },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":[%s]}}}",
		  "\"file-a\"", ",", 20, OAM_E_ARRAY_TOO_LONG,
		  "tool_resources.code_interpreter.file_ids" },
		{ "{\"tool_resources\":{\"file_search\":{\"vector_store_ids\":[%s]}}}",
		  "\"vs_a\"", ",", 1, OAM_E_ARRAY_TOO_LONG,
		  "tool_resources.file_search.vector_store_ids" },
		{ "{\"tool_resources\":{\"file_search\":{\"vector_stores\":[%s]}}}", "{}",
		  ",", 1, OAM_E_ARRAY_TOO_LONG,
		  "tool_resources.file_search.vector_stores" },
		{ "{\"tool_resources\":{\"file_search\":{\"vector_stores\":[{"
		  "\"file_ids\":[%s]}]}}}",
		  "\"f\"", ",", 10000, OAM_E_ARRAY_TOO_LONG,
		  "tool_resources.file_search.vector_stores[0].file_ids" },
		{ "{\"tool_resources\":{\"file_search\":{\"vector_stores\":[{"
		  "\"metadata\":{\"k\":\"%s\"}}]}}}",
		  EMOJI, "", 512, OAM_E_STRING_TOO_LONG,
		  "tool_resources.file_search.vector_stores[0].metadata.k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oam_error err = { 0 };
		struct json_object *good = filled(cases[i].format, cases[i].limit,
						  cases[i].unit, cases[i].separator);
		struct json_object *bad = filled(cases[i].format, cases[i].limit + 1,
						 cases[i].unit, cases[i].separator);

		assert_ok(assistant_check(good, ASSISTANT_OVERRIDE, "", &err));
		if (assistant_check(bad, ASSISTANT_OVERRIDE, "", &err) != -1 ||
		    err.code != cases[i].code || strcmp(err.param, cases[i].param) != 0)
			fail_msg("%s: %d %s: %s", cases[i].format, (int)err.code,
				 err.param, err.message);
		json_object_put(good);
		json_object_put(bad);
	}
}

/* {"metadata":{"k00":"v",…}}, behind `first` if that is not "". */
static struct json_object *with_pairs(const char *first, int count)
{
	char text[1024] = "{\"model\":\"m\",\"metadata\":{";

	strcat(text, first);
	for (int i = 0; i < count; i++)
		snprintf(text + strlen(text), 32, "%s\"k%02d\":\"v\"",
			 i || first[0] ? "," : "", i);
	strcat(text, "}}");
	return parse(text);
}

static void test_metadata_pairs(void **state)
{
	static const struct {
		int count;
		enum oam_code plain, managed;
	} cases[] = {
		{ 0, OAM_OK, OAM_OK },
		{ 14, OAM_OK, OAM_OK },
		{ 15, OAM_OK, OAM_E_TOO_MANY_PROPERTIES },
		{ 16, OAM_OK, OAM_E_TOO_MANY_PROPERTIES },
		{ 17, OAM_E_TOO_MANY_PROPERTIES, OAM_E_TOO_MANY_PROPERTIES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *tree = with_pairs("", cases[i].count);
		struct oam_error plain = { 0 }, managed = { 0 };

		assistant_check(tree, ASSISTANT_CREATE, "p", &plain);
		assistant_check_managed(tree, "p", &managed);
		assert_int_equal(plain.code, cases[i].plain);
		assert_int_equal(managed.code, cases[i].managed);
		assert_string_equal(plain.param, plain.code ? "p.metadata" : "");
		assert_string_equal(managed.param, managed.code ? "p.metadata" : "");
		json_object_put(tree);
	}
}

static void test_reserved_names(void **state)
{
	static const struct {
		const char *text, *param; /* NULL: allowed */
	} cases[] = {
		{ "{}", NULL },
		{ "{\"metadata\":null}", NULL },
		{ "{\"metadata\":{}}", NULL },
		{ "{\"metadata\":{\"oam\":\"\",\"OAM_x\":\"\",\"xoam_\":\"\"}}", NULL },
		{ "{\"metadata\":{\"oam_\":\"\"}}", "metadata.oam_" },
		{ "{\"metadata\":{\"a\":\"\",\"oam_nonce\":\"\"}}",
		  "metadata.oam_nonce" },
		{ "{\"metadata\":{\"oam_anything\":\"\"}}", "metadata.oam_anything" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *tree = parse(cases[i].text);
		struct oam_error err = { 0 };

		assert_int_equal(assistant_check_managed(tree, "", &err),
				 cases[i].param ? -1 : 0);
		assert_int_equal(err.code,
				 cases[i].param ? OAM_E_RESERVED_METADATA : OAM_OK);
		assert_string_equal(err.param, cases[i].param ?: "");
		json_object_put(tree);
	}
}

#define FUNCTION(inner) "{\"tools\":[{\"type\":\"function\",\"function\":{" inner "}}]}"
#define SEARCH(inner) \
	"{\"tools\":[{\"type\":\"file_search\",\"file_search\":{" inner "}}]}"
#define RANKING(inner) SEARCH("\"ranking_options\":{" inner "}")
#define SCHEMA(inner) \
	"{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{" inner "}}}"
#define STORE(inner) \
	"{\"tool_resources\":{\"file_search\":{\"vector_stores\":[{" inner "}]}}}"
#define CHUNKS(inner) \
	STORE("\"chunking_strategy\":{\"type\":\"static\",\"static\":{" inner "}}")
#define SIZES(size, overlap) \
	CHUNKS("\"max_chunk_size_tokens\":" size ",\"chunk_overlap_tokens\":" overlap)

#define IN_FUNCTION "tools[0].function."
#define IN_SEARCH   "tools[0].file_search."
#define IN_SCHEMA   "response_format.json_schema."
#define IN_STORE    "tool_resources.file_search.vector_stores[0]."
#define IN_CHUNKS   IN_STORE "chunking_strategy.static."

static void test_what_is_taken(void **state)
{
	static const char *const good[] = {
		"{}",
		"{\"name\":null,\"description\":null,\"instructions\":null,"
		"\"tool_resources\":null,\"metadata\":null,\"temperature\":null,"
		"\"top_p\":null,\"response_format\":null,\"reasoning_effort\":null}",
		"{\"name\":\"\",\"description\":\"\",\"instructions\":\"\",\"tools\":[],"
		"\"tool_resources\":{},\"metadata\":{}}",
		"{\"temperature\":0}",
		"{\"temperature\":2}",
		"{\"temperature\":2.0}",
		"{\"top_p\":0}",
		"{\"top_p\":1}",
		"{\"reasoning_effort\":\"none\"}",
		"{\"reasoning_effort\":\"minimal\"}",
		"{\"reasoning_effort\":\"low\"}",
		"{\"reasoning_effort\":\"medium\"}",
		"{\"reasoning_effort\":\"high\"}",
		"{\"reasoning_effort\":\"xhigh\"}",
		"{\"reasoning_effort\":\"max\"}",
		"{\"metadata\":{\"\":\"\"}}",
		"{\"tools\":[{\"type\":\"code_interpreter\"},{\"type\":\"file_search\"}]}",
		SEARCH(""),
		SEARCH("\"max_num_results\":1"),
		SEARCH("\"max_num_results\":50"),
		RANKING("\"score_threshold\":0"),
		RANKING("\"score_threshold\":1"),
		RANKING("\"score_threshold\":0.5,\"ranker\":\"auto\""),
		RANKING("\"score_threshold\":0.5,\"ranker\":\"default_2024_08_21\""),
		FUNCTION("\"name\":\"a-Z_9\""),
		FUNCTION("\"name\":\"f\",\"description\":\"\",\"parameters\":{},"
			 "\"strict\":null"),
		FUNCTION("\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"x\":[1]},"
			 "\"strict\":true"),
		"{\"response_format\":\"auto\"}",
		"{\"response_format\":{\"type\":\"text\"}}",
		"{\"response_format\":{\"type\":\"json_object\"}}",
		SCHEMA("\"name\":\"a-Z_9\""),
		SCHEMA("\"name\":\"s\",\"description\":\"\",\"schema\":{\"a\":1},"
		       "\"strict\":null"),
		SCHEMA("\"name\":\"s\",\"strict\":false"),
		"{\"tool_resources\":{\"code_interpreter\":null,\"file_search\":null}}",
		"{\"tool_resources\":{\"code_interpreter\":{},\"file_search\":{}}}",
		"{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":[]},"
		"\"file_search\":{\"vector_store_ids\":[]}}}",
		STORE(""),
		STORE("\"metadata\":null"),
		STORE("\"chunking_strategy\":{\"type\":\"auto\"}"),
		SIZES("100", "0"),
		SIZES("100", "50"),
		SIZES("101", "50"),
		SIZES("800", "400"),
		SIZES("4096", "2048"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct json_object *tree = parse(good[i]);
		struct oam_error err = { 0 };

		if (assistant_check(tree, ASSISTANT_OVERRIDE, "", &err))
			fail_msg("%s: %s", good[i], err.message);
		json_object_put(tree);
	}
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *param;
		enum oam_code code;
	} bad[] = {
		{ "{\"model\":\"\"}", "model", OAM_E_STRING_TOO_SHORT },
		{ "{\"model\":null}", "model", OAM_E_INVALID_TYPE },
		{ "{\"model\":{}}", "model", OAM_E_INVALID_TYPE },
		{ "{\"name\":1}", "name", OAM_E_INVALID_TYPE },
		{ "{\"id\":\"asst_a\"}", "id", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"object\":\"assistant\"}", "object", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"created_at\":1}", "created_at", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"file_ids\":[]}", "file_ids", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"temperature\":2.1}", "temperature", OAM_E_DECIMAL_TOO_BIG },
		{ "{\"temperature\":-0.1}", "temperature", OAM_E_DECIMAL_TOO_SMALL },
		{ "{\"temperature\":\"1\"}", "temperature", OAM_E_INVALID_TYPE },
		{ "{\"top_p\":1.01}", "top_p", OAM_E_DECIMAL_TOO_BIG },
		{ "{\"top_p\":-1}", "top_p", OAM_E_DECIMAL_TOO_SMALL },
		{ "{\"reasoning_effort\":\"huge\"}", "reasoning_effort",
		  OAM_E_INVALID_VALUE },
		{ "{\"reasoning_effort\":1}", "reasoning_effort", OAM_E_INVALID_TYPE },
		{ "{\"metadata\":[]}", "metadata", OAM_E_INVALID_TYPE },
		{ "{\"metadata\":\"\"}", "metadata", OAM_E_INVALID_TYPE },
		{ "{\"metadata\":{\"a\":1}}", "metadata.a", OAM_E_INVALID_TYPE },
		{ "{\"metadata\":{\"a\":null}}", "metadata.a", OAM_E_INVALID_TYPE },
		{ "{\"metadata\":{\"a\":{}}}", "metadata.a", OAM_E_INVALID_TYPE },
		/* tools */
		{ "{\"tools\":null}", "tools", OAM_E_INVALID_TYPE },
		{ "{\"tools\":{}}", "tools", OAM_E_INVALID_TYPE },
		{ "{\"tools\":[\"file_search\"]}", "tools[0]", OAM_E_INVALID_TYPE },
		{ "{\"tools\":[null]}", "tools[0]", OAM_E_INVALID_TYPE },
		{ "{\"tools\":[{}]}", "tools[0].type", OAM_E_MISSING_PARAMETER },
		{ "{\"tools\":[{\"type\":null}]}", "tools[0].type", OAM_E_INVALID_TYPE },
		{ "{\"tools\":[{\"type\":1}]}", "tools[0].type", OAM_E_INVALID_TYPE },
		{ "{\"tools\":[{\"type\":\"retrieval\"}]}", "tools[0].type",
		  OAM_E_INVALID_VALUE },
		{ "{\"tools\":[{\"type\":\"function\\u0000\"}]}", "tools[0].type",
		  OAM_E_INVALID_VALUE },
		{ "{\"tools\":[{\"type\":\"code_interpreter\",\"x\":1}]}", "tools[0].x",
		  OAM_E_UNKNOWN_PARAMETER },
		{ "{\"tools\":[{\"type\":\"code_interpreter\",\"file_search\":{}}]}",
		  "tools[0].file_search", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"tools\":[{\"type\":\"function\"}]}", "tools[0].function",
		  OAM_E_MISSING_PARAMETER },
		{ "{\"tools\":[{\"type\":\"function\",\"function\":null}]}",
		  "tools[0].function", OAM_E_INVALID_TYPE },
		{ FUNCTION(""), IN_FUNCTION "name", OAM_E_MISSING_PARAMETER },
		{ FUNCTION("\"name\":\"\""), IN_FUNCTION "name", OAM_E_STRING_TOO_SHORT },
		{ FUNCTION("\"name\":\"a b\""), IN_FUNCTION "name",
		  OAM_E_INVALID_PARAMETER },
		{ FUNCTION("\"name\":\"a.b\""), IN_FUNCTION "name",
		  OAM_E_INVALID_PARAMETER },
		{ FUNCTION("\"name\":\"\xc3\xa9\""), IN_FUNCTION "name",
		  OAM_E_INVALID_PARAMETER },
		{ FUNCTION("\"name\":\"a\\u0000\""), IN_FUNCTION "name",
		  OAM_E_INVALID_PARAMETER },
		{ FUNCTION("\"name\":\"f\",\"parameters\":[]"), IN_FUNCTION "parameters",
		  OAM_E_INVALID_TYPE },
		{ FUNCTION("\"name\":\"f\",\"strict\":1"), IN_FUNCTION "strict",
		  OAM_E_INVALID_TYPE },
		{ FUNCTION("\"name\":\"f\",\"description\":null"),
		  IN_FUNCTION "description", OAM_E_INVALID_TYPE },
		{ FUNCTION("\"name\":\"f\",\"x\":1"), IN_FUNCTION "x",
		  OAM_E_UNKNOWN_PARAMETER },
		{ SEARCH("\"max_num_results\":0"), IN_SEARCH "max_num_results",
		  OAM_E_INTEGER_TOO_SMALL },
		{ SEARCH("\"max_num_results\":51"), IN_SEARCH "max_num_results",
		  OAM_E_INTEGER_TOO_BIG },
		{ SEARCH("\"max_num_results\":20.0"), IN_SEARCH "max_num_results",
		  OAM_E_INVALID_TYPE },
		{ SEARCH("\"x\":1"), IN_SEARCH "x", OAM_E_UNKNOWN_PARAMETER },
		{ RANKING(""), IN_SEARCH "ranking_options.score_threshold",
		  OAM_E_MISSING_PARAMETER },
		{ RANKING("\"score_threshold\":1.5"),
		  IN_SEARCH "ranking_options.score_threshold", OAM_E_DECIMAL_TOO_BIG },
		{ RANKING("\"score_threshold\":-0.5"),
		  IN_SEARCH "ranking_options.score_threshold", OAM_E_DECIMAL_TOO_SMALL },
		{ RANKING("\"score_threshold\":0,\"ranker\":\"best\""),
		  IN_SEARCH "ranking_options.ranker", OAM_E_INVALID_VALUE },
		/* response_format */
		{ "{\"response_format\":\"text\"}", "response_format",
		  OAM_E_INVALID_VALUE },
		{ "{\"response_format\":\"\"}", "response_format", OAM_E_INVALID_VALUE },
		{ "{\"response_format\":1}", "response_format", OAM_E_INVALID_TYPE },
		{ "{\"response_format\":[]}", "response_format", OAM_E_INVALID_TYPE },
		{ "{\"response_format\":{}}", "response_format.type",
		  OAM_E_MISSING_PARAMETER },
		{ "{\"response_format\":{\"type\":\"auto\"}}", "response_format.type",
		  OAM_E_INVALID_VALUE },
		{ "{\"response_format\":{\"type\":\"text\",\"json_schema\":{}}}",
		  "response_format.json_schema", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"response_format\":{\"type\":\"json_schema\"}}",
		  "response_format.json_schema", OAM_E_MISSING_PARAMETER },
		{ SCHEMA(""), IN_SCHEMA "name", OAM_E_MISSING_PARAMETER },
		{ SCHEMA("\"name\":\"\""), IN_SCHEMA "name", OAM_E_STRING_TOO_SHORT },
		{ SCHEMA("\"name\":\"a/b\""), IN_SCHEMA "name", OAM_E_INVALID_PARAMETER },
		{ SCHEMA("\"name\":\"s\",\"schema\":\"{}\""), IN_SCHEMA "schema",
		  OAM_E_INVALID_TYPE },
		{ SCHEMA("\"name\":\"s\",\"strict\":\"true\""), IN_SCHEMA "strict",
		  OAM_E_INVALID_TYPE },
		{ SCHEMA("\"name\":\"s\",\"x\":1"), IN_SCHEMA "x",
		  OAM_E_UNKNOWN_PARAMETER },
		/* tool_resources */
		{ "{\"tool_resources\":[]}", "tool_resources", OAM_E_INVALID_TYPE },
		{ "{\"tool_resources\":{\"x\":{}}}", "tool_resources.x",
		  OAM_E_UNKNOWN_PARAMETER },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":null}}}",
		  "tool_resources.code_interpreter.file_ids", OAM_E_INVALID_TYPE },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":[\"f\",\"\"]}}"
		  "}",
		  "tool_resources.code_interpreter.file_ids[1]", OAM_E_STRING_TOO_SHORT },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"file_ids\":[1]}}}",
		  "tool_resources.code_interpreter.file_ids[0]", OAM_E_INVALID_TYPE },
		{ "{\"tool_resources\":{\"code_interpreter\":{\"vector_store_ids\":[]}}}",
		  "tool_resources.code_interpreter.vector_store_ids",
		  OAM_E_UNKNOWN_PARAMETER },
		{ "{\"tool_resources\":{\"file_search\":{\"vector_store_ids\":[\"v\"],"
		  "\"vector_stores\":[{}]}}}",
		  "tool_resources.file_search.vector_stores", OAM_E_INVALID_PARAMETER },
		{ STORE("\"x\":1"), IN_STORE "x", OAM_E_UNKNOWN_PARAMETER },
		{ STORE("\"metadata\":{\"a\":1}"), IN_STORE "metadata.a",
		  OAM_E_INVALID_TYPE },
		{ STORE("\"chunking_strategy\":null"), IN_STORE "chunking_strategy",
		  OAM_E_INVALID_TYPE },
		{ STORE("\"chunking_strategy\":{}"), IN_STORE "chunking_strategy.type",
		  OAM_E_MISSING_PARAMETER },
		{ STORE("\"chunking_strategy\":{\"type\":\"x\"}"),
		  IN_STORE "chunking_strategy.type", OAM_E_INVALID_VALUE },
		{ STORE("\"chunking_strategy\":{\"type\":\"auto\",\"static\":{}}"),
		  IN_STORE "chunking_strategy.static", OAM_E_UNKNOWN_PARAMETER },
		{ STORE("\"chunking_strategy\":{\"type\":\"static\"}"),
		  IN_STORE "chunking_strategy.static", OAM_E_MISSING_PARAMETER },
		{ CHUNKS("\"max_chunk_size_tokens\":800"),
		  IN_CHUNKS "chunk_overlap_tokens", OAM_E_MISSING_PARAMETER },
		{ CHUNKS("\"chunk_overlap_tokens\":400"),
		  IN_CHUNKS "max_chunk_size_tokens", OAM_E_MISSING_PARAMETER },
		{ SIZES("99", "0"), IN_CHUNKS "max_chunk_size_tokens",
		  OAM_E_INTEGER_TOO_SMALL },
		{ SIZES("4097", "0"), IN_CHUNKS "max_chunk_size_tokens",
		  OAM_E_INTEGER_TOO_BIG },
		{ SIZES("800", "-1"), IN_CHUNKS "chunk_overlap_tokens",
		  OAM_E_INTEGER_TOO_SMALL },
		{ SIZES("800", "401"), IN_CHUNKS "chunk_overlap_tokens",
		  OAM_E_INVALID_PARAMETER },
		{ SIZES("101", "51"), IN_CHUNKS "chunk_overlap_tokens",
		  OAM_E_INVALID_PARAMETER },
		{ SIZES("4096", "2049"), IN_CHUNKS "chunk_overlap_tokens",
		  OAM_E_INTEGER_TOO_BIG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *tree = parse(bad[i].text);
		struct oam_error err = { 0 };
		char param[OAM_PARAM_MAX];

		snprintf(param, sizeof(param), "config.%s", bad[i].param);
		if (assistant_check(tree, ASSISTANT_OVERRIDE, "config", &err) != -1 ||
		    err.code != bad[i].code || strcmp(err.param, param) != 0)
			fail_msg("%s: %d %s: %s", bad[i].text, (int)err.code, err.param,
				 err.message);
		json_object_put(tree);
	}
}

/* Which of the three uses takes it, and which field the others name. */
static void test_each_use(void **state)
{
	static const struct {
		const char *text;
		enum oam_code code[3]; /* create, override, modify */
	} cases[] = {
		{ "{\"model\":\"m\"}", { OAM_OK, OAM_OK, OAM_OK } },
		{ "{}", { OAM_E_MISSING_PARAMETER, OAM_OK, OAM_OK } },
		{ "{\"name\":\"n\"}", { OAM_E_MISSING_PARAMETER, OAM_OK, OAM_OK } },
		{ "{\"model\":\"m\",\"reasoning_effort\":\"low\"}",
		  { OAM_OK, OAM_OK, OAM_OK } },
		{ "{\"model\":\"m\",\"tool_resources\":{\"file_search\":{"
		  "\"vector_store_ids\":[\"v\"]}}}",
		  { OAM_OK, OAM_OK, OAM_OK } },
		{ "{\"model\":\"m\",\"tool_resources\":{\"file_search\":{"
		  "\"vector_stores\":[]}}}",
		  { OAM_OK, OAM_OK, OAM_E_UNKNOWN_PARAMETER } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *tree = parse(cases[i].text);

		for (int use = ASSISTANT_CREATE; use <= ASSISTANT_MODIFY; use++) {
			struct oam_error err = { 0 };

			assistant_check(tree, (enum assistant_use)use, "", &err);
			if (err.code != cases[i].code[use])
				fail_msg("%s as %d: %s", cases[i].text, use, err.message);
		}
		json_object_put(tree);
	}
}

static void test_merge_cases(void **state)
{
	static const struct {
		const char *base, *changes, *expected;
	} cases[] = {
		{ "{}", "{}", "{}" },
		{ "{\"a\":1}", "{\"a\":null}", "{}" },
		{ "{\"a\":1}", "{\"b\":null}", "{\"a\":1}" },
		{ "{}", "{\"a\":{\"b\":null}}", "{\"a\":{\"b\":null}}" },
		/* one level: metadata and tool_resources are replaced as a whole */
		{ "{\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}",
		  "{\"metadata\":{\"c\":\"3\"}}", "{\"metadata\":{\"c\":\"3\"}}" },
		{ "{\"tools\":[1,2]}", "{\"tools\":[]}", "{\"tools\":[]}" },
		/* there a null says nothing, and is not kept */
		{ "{}", "{\"tool_resources\":{\"code_interpreter\":null}}",
		  "{\"tool_resources\":{}}" },
		{ "{\"tool_resources\":{\"code_interpreter\":{}}}",
		  "{\"tool_resources\":{\"code_interpreter\":null,\"file_search\":{}}}",
		  "{\"tool_resources\":{\"file_search\":{}}}" },
		{ "{\"a\":1,\"b\":2}", "{\"a\":false,\"b\":\"\"}",
		  "{\"a\":false,\"b\":\"\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *base = parse(cases[i].base);
		struct json_object *changes = parse(cases[i].changes);
		struct oam_error err = { 0 };
		struct json_object *merged = assistant_merge(base, changes, &err);

		assert_string_equal(json_text(merged), cases[i].expected);
		/* what may be changed in it is not shared with what it was made from */
		json_object_object_add(merged, "new", json_object_new_int(1));
		if (json_member(merged, "metadata"))
			json_object_object_add(json_member(merged, "metadata"), "new",
					       json_object_new_int(1));
		assert_string_equal(json_text(base), cases[i].base);
		assert_string_equal(json_text(changes), cases[i].changes);
		json_object_put(base);
		json_object_put(changes);
		json_object_put(merged);
	}
}

#define STAMP_TIME "2026-11-23T16:25:00.123Z"
#define STAMP_NOW  INT64_C(1795451100123)

/* However full the metadata is: what is allowed stays within the protocol's 16 pairs. */
static void test_stamp_and_the_room_for_it(void **state)
{
	static const struct {
		const char *first; /* a pair before the others, or "" */
		int count;         /* of the others */
		int pairs;         /* afterwards */
		const char *created_at;
	} cases[] = {
		{ "", 0, 3, STAMP_TIME },
		{ "", 12, 15, STAMP_TIME },
		{ "", 13, 16, STAMP_TIME },
		{ "", 14, 16, NULL },
		{ "\"created_at\":\"\"", 0, 3, STAMP_TIME },
		{ "\"created_at\":\"\"", 12, 15, STAMP_TIME },
		{ "\"created_at\":\"old\"", 13, 16, STAMP_TIME },
		{ "\"oam_nonce\":\"old\"", 0, 3, STAMP_TIME },
		{ "\"oam_installation\":\"other\",\"oam_nonce\":\"old\"", 12, 15,
		  STAMP_TIME },
		{ "\"oam_installation\":\"other\",\"oam_nonce\":\"old\"", 13, 16,
		  STAMP_TIME },
		{ "\"oam_installation\":\"other\",\"oam_nonce\":\"old\"", 14, 16, NULL },
	};
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *config = with_pairs(cases[i].first, cases[i].count);
		struct json_object *before = NULL, *stamped, *metadata;
		struct oam_error err = { 0 };
		const char *created_at;

		assert_int_equal(json_object_deep_copy(config, &before, NULL), 0);
		stamped = assistant_stamp(config, "TAG", "NONCE", STAMP_NOW, &err);
		assert_int_equal(json_object_equal(config, before), 1);
		assert_ok(assistant_check(stamped, ASSISTANT_CREATE, "", &err));
		metadata = json_member(stamped, "metadata");
		assert_string_equal(json_member_string(metadata, ASSISTANT_META_TAG),
				    "TAG");
		assert_string_equal(json_member_string(metadata, ASSISTANT_META_NONCE),
				    "NONCE");
		created_at = json_member_string(metadata, "created_at");
		if (json_object_object_length(metadata) != cases[i].pairs ||
		    strcmp(created_at ?: "", cases[i].created_at ?: "") != 0) {
			print_error("%s and %d: %s\n", cases[i].first, cases[i].count,
				    json_text(metadata));
			failed++;
		}
		json_object_put(config);
		json_object_put(before);
		json_object_put(stamped);
	}
	assert_int_equal(failed, 0);
}

static void test_keep_reserved_cases(void **state)
{
	static const struct {
		const char *from, *to, *expected;
	} cases[] = {
		{ "{}", "{}", "{}" },
		{ "{\"metadata\":{}}", "{}", "{}" },
		{ "{\"metadata\":null}", "{}", "{}" },
		{ "{\"metadata\":{\"a\":\"1\"}}", "{}", "{}" },
		{ "{\"metadata\":{\"a\":\"1\",\"oam_x\":\"2\"}}", "{}",
		  "{\"metadata\":{\"oam_x\":\"2\"}}" },
		{ "{\"metadata\":{\"oam_x\":\"2\"}}", "{\"metadata\":null}",
		  "{\"metadata\":{\"oam_x\":\"2\"}}" },
		{ "{\"metadata\":{\"oam_x\":\"2\"}}",
		  "{\"metadata\":{\"oam_x\":\"1\",\"b\":\"3\"}}",
		  "{\"metadata\":{\"oam_x\":\"2\",\"b\":\"3\"}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *from = parse(cases[i].from);
		struct json_object *to = parse(cases[i].to);
		struct oam_error err = { 0 };

		assert_ok(assistant_keep_reserved(from, to, &err));
		assert_string_equal(json_text(to), cases[i].expected);
		assert_string_equal(json_text(from), cases[i].from);
		json_object_put(from);
		json_object_put(to);
	}
}

static void test_object_defaults(void **state)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	struct json_object *object = assistant_object("asst_a", 1795451100123, config,
						      &err);

	(void)state;
	assert_string_equal(json_text(object),
			    "{\"id\":\"asst_a\",\"object\":\"assistant\","
			    "\"created_at\":1795451100,\"name\":null,\"description\":"
			    "null,\"model\":\"m\",\"instructions\":null,\"tools\":[],"
			    "\"tool_resources\":{},\"metadata\":{},\"temperature\":1.0,"
			    "\"top_p\":1.0,\"response_format\":\"auto\"}");
	json_object_put(object);
	json_object_put(config);
}

/* config_of undoes assistant_object, but for the defaults that this fills in. */
static void test_config_of(void **state)
{
	static const char full[] =
		"{\"name\":\"n\",\"description\":\"d\",\"model\":\"m\",\"instructions\":"
		"\"i\",\"tools\":[{\"type\":\"file_search\"}],\"tool_resources\":{"
		"\"file_search\":{\"vector_store_ids\":[\"v\"]}},\"metadata\":{\"a\":"
		"\"b\"},\"temperature\":0.5,\"top_p\":0,\"response_format\":{\"type\":"
		"\"text\"},\"reasoning_effort\":\"high\"}";
	struct json_object *config = parse(full), *object, *back, *odd, *kept;
	struct oam_error err = { 0 };

	(void)state;
	object = assistant_object("asst_a", 1000, config, &err);
	back = assistant_config_of(object, &err);
	assert_string_equal(json_text(back), full);
	assert_ok(assistant_check(back, ASSISTANT_CREATE, "", &err));
	/* what no configuration holds is left out: ids, nulls, and the unknown */
	odd = parse("{\"id\":\"asst_a\",\"object\":\"assistant\",\"created_at\":1,"
		    "\"model\":\"m\",\"name\":null,\"new_field\":{},\"tools\":[]}");
	kept = assistant_config_of(odd, &err);
	assert_string_equal(json_text(kept), "{\"model\":\"m\",\"tools\":[]}");
	json_object_put(odd);
	json_object_put(kept);
	/* and the copy lives on without the object */
	json_object_put(object);
	json_object_put(config);
	assert_string_equal(json_text(back), full);
	json_object_put(back);
}

static void test_the_default_can_be_stamped(void **state)
{
	struct oam_error err = { 0 };
	struct json_object *config = assistant_default_config(&err);
	struct json_object *stamped = assistant_stamp(config, "TAG", "NONCE", STAMP_NOW,
						      &err);

	(void)state;
	assert_ok(assistant_check(config, ASSISTANT_OVERRIDE, "", &err));
	assert_ok(assistant_check(config, ASSISTANT_MODIFY, "", &err));
	assert_ok(assistant_check(stamped, ASSISTANT_CREATE, "", &err));
	assert_string_equal(
		json_member_string(json_member(stamped, "metadata"), "created_at"),
		STAMP_TIME);
	json_object_put(config);
	json_object_put(stamped);
}

/* What another server sends is not checked before. */
static void test_metadata_that_is_no_object(void **state)
{
	static const char *const texts[] = { "{\"metadata\":\"x\"}",
					     "{\"metadata\":[{\"oam_nonce\":\"n\"}]}",
					     "{\"metadata\":7}", "{\"metadata\":null}",
					     "{\"metadata\":{\"a\":1}}" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *object = parse(texts[i]), *to = parse("{}");
		struct oam_error err = { 0 };

		assert_ok(assistant_keep_reserved(object, to, &err));
		assert_string_equal(json_text(to), "{}");
		assert_ok(assistant_check_managed(object, "", &err));
		assistant_drop_reserved(object);
		assert_string_equal(json_text(object), texts[i]);
		json_object_put(object);
		json_object_put(to);
	}
}

static void test_a_null_is_not_kept(void **state)
{
	struct json_object *from = parse("{\"metadata\":{\"oam_x\":null}}");
	struct json_object *to = parse("{}");
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(assistant_keep_reserved(from, to, &err));
	assert_string_equal(json_text(to), "{}");
	json_object_put(from);
	json_object_put(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_no_nul_in_words),
		cmocka_unit_test(test_the_default_is_within_all_limits),
		cmocka_unit_test(test_uses),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_stamp),
		cmocka_unit_test(test_object_and_back),
		cmocka_unit_test(test_reserved_pairs),
		cmocka_unit_test(test_more_ids),
		cmocka_unit_test(test_limits_of_length),
		cmocka_unit_test(test_metadata_pairs),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_each_use),
		cmocka_unit_test(test_merge_cases),
		cmocka_unit_test(test_stamp_and_the_room_for_it),
		cmocka_unit_test(test_keep_reserved_cases),
		cmocka_unit_test(test_object_defaults),
		cmocka_unit_test(test_config_of),
		cmocka_unit_test(test_the_default_can_be_stamped),
		cmocka_unit_test(test_metadata_that_is_no_object),
		cmocka_unit_test(test_a_null_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
