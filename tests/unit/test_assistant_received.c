/* assistant: what another server may answer with. */
#include "assistant.h"
#include "expect.h"

#define HEAD "{\"id\":\"asst_1\",\"created_at\":1,\"model\":\"m\""

static enum oam_code check(const char *text, char param[OAM_PARAM_MAX])
{
	struct json_object *object = parse(text);
	struct oam_error err = { 0 };

	assistant_check_received(object, &err);
	json_object_put(object);
	strcpy(param, err.param);
	return err.code;
}

static void test_what_is_taken(void **state)
{
	static const char *const texts[] = {
		HEAD "}",
		"{\"id\":\"asst_1\",\"created_at\":1761861537000,\"model\":\"m\"}",
		HEAD ",\"object\":\"assistant\",\"new_in_2027\":[1,null,{}]}",
		HEAD
		",\"name\":null,\"description\":null,\"instructions\":null,\"tools\":"
		"null,\"tool_resources\":null,\"metadata\":null,\"temperature\":null,"
		"\"top_p\":null,\"response_format\":null,\"reasoning_effort\":null}",
		HEAD ",\"temperature\":2,\"top_p\":0.5,\"reasoning_effort\":\"future\"}",
		HEAD ",\"tools\":[{\"type\":\"browser\",\"browser\":7}]}",
		HEAD ",\"tools\":[{\"type\":\"file_search\",\"file_search\":{"
		     "\"max_num_results\":null,\"ranking_options\":{\"ranker\":\"x\","
		     "\"score_threshold\":0,\"hybrid_search\":null}}}]}",
		HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f.g\","
		     "\"description\":null,\"parameters\":null,\"strict\":null}}]}",
		HEAD ",\"tool_resources\":{\"code_interpreter\":null,\"file_search\":{"
		     "\"vector_store_ids\":[\"a\",\"b\"]},\"x\":1}}",
		HEAD ",\"response_format\":\"auto\"}",
		HEAD
		",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		"\"name\":\"n\",\"description\":null,\"schema\":{},\"strict\":true}}}",
	};
	char param[OAM_PARAM_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (check(texts[i], param))
			fail_msg("%s in %s", param, texts[i]);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *param;
	} rows[] = {
		{ "null", "assistant" },
		{ "[]", "assistant" },
		{ "\"asst_1\"", "assistant" },
		{ "{}", "id" },
		{ "{\"id\":5,\"created_at\":1,\"model\":\"m\"}", "id" },
		{ "{\"id\":\"assistant\",\"created_at\":1,\"model\":\"m\"}", "id" },
		{ "{\"id\":\"asst_1\\u0000\",\"created_at\":1,\"model\":\"m\"}", "id" },
		{ "{\"id\":\"asst_1\",\"created_at\":1,\"model\":\"m\\u0000\"}",
		  "model" },
		{ "{\"id\":\"asst_../x\",\"created_at\":1,\"model\":\"m\"}", "id" },
		{ "{\"id\":\"asst_1\",\"model\":\"m\"}", "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":null,\"model\":\"m\"}",
		  "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":\"1\",\"model\":\"m\"}",
		  "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":1.5,\"model\":\"m\"}",
		  "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":-1,\"model\":\"m\"}", "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":9223372036854775807,"
		  "\"model\":\"m\"}",
		  "created_at" },
		{ "{\"id\":\"asst_1\",\"created_at\":1}", "model" },
		{ "{\"id\":\"asst_1\",\"created_at\":1,\"model\":null}", "model" },
		{ "{\"id\":\"asst_1\",\"created_at\":1,\"model\":\"\"}", "model" },
		{ HEAD ",\"object\":1}", "object" },
		{ HEAD ",\"name\":[]}", "name" },
		{ HEAD ",\"description\":{}}", "description" },
		{ HEAD ",\"instructions\":5}", "instructions" },
		{ HEAD ",\"tools\":{}}", "tools" },
		{ HEAD ",\"tools\":[null]}", "tools[0]" },
		{ HEAD ",\"tools\":[{}]}", "tools[0].type" },
		{ HEAD ",\"tools\":[{\"type\":7}]}", "tools[0].type" },
		{ HEAD ",\"tools\":[{\"type\":\"function\",\"function\":[]}]}",
		  "tools[0].function" },
		{ HEAD ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}",
		  "tools[0].function.name" },
		{ HEAD ",\"tool_resources\":[]}", "tool_resources" },
		{ HEAD
		  ",\"tool_resources\":{\"file_search\":{\"vector_store_ids\":[7]}}}",
		  "tool_resources.file_search.vector_store_ids[0]" },
		{ HEAD ",\"metadata\":\"str\"}", "metadata" },
		{ HEAD ",\"metadata\":{\"a\":1}}", "metadata.a" },
		{ HEAD ",\"metadata\":{\"a\":null}}", "metadata.a" },
		{ HEAD ",\"temperature\":\"1\"}", "temperature" },
		{ HEAD ",\"temperature\":2.5}", "temperature" },
		{ HEAD ",\"top_p\":-1}", "top_p" },
		{ HEAD ",\"response_format\":7}", "response_format" },
		{ HEAD ",\"response_format\":{}}", "response_format.type" },
		{ HEAD ",\"reasoning_effort\":3}", "reasoning_effort" },
	};
	char param[OAM_PARAM_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (check(rows[i].text, param) == OAM_OK)
			fail_msg("%s is taken", rows[i].text);
		assert_string_equal(param, rows[i].param);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
