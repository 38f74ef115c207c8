/* shape: every kind and bound, without coercion; the fault is named by its full path. */
#include "expect.h"
#include "shape.h"

static const char *const words[] = { "one", "two", NULL };

static const struct shape inner[] = {
	{ "x", SHAPE_INTEGER, .required = true, .min = -5, .max = 5 },
	{ 0 },
};

static const struct shape item = { .kind = SHAPE_OBJECT, .members = inner };

static int refuse_odd(struct json_object *value, const char *path, struct oam_error *err)
{
	if (json_object_get_int64(value) % 2 == 0)
		return 0;
	return error_set(err, INVALID_PARAMETER, path, path, "odd");
}

static const struct shape table[] = {
	{ "text", SHAPE_STRING, .min = 1, .max = 3 },
	{ "word", SHAPE_STRING, .values = words },
	{ "free", SHAPE_INTEGER },
	{ "even", SHAPE_INTEGER, .check = refuse_odd },
	{ "part", SHAPE_DECIMAL, .max = 1 },
	{ "flag", SHAPE_BOOLEAN, .nullable = true },
	{ "list", SHAPE_ARRAY, .max = 2, .items = &item },
	{ "deep", SHAPE_OBJECT, .members = inner },
	{ "open", SHAPE_OBJECT },
	{ "any", SHAPE_ANY },
	{ 0 },
};

static void test_what_is_taken(void **state)
{
	static const char *const good[] = {
		"{}",
		"{\"text\":\"a\"}",
		"{\"text\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}",
		"{\"word\":\"two\"}",
		"{\"free\":-9223372036854775808}",
		"{\"even\":4}",
		"{\"part\":0}",
		"{\"part\":1.0}",
		"{\"flag\":null}",
		"{\"flag\":false}",
		"{\"list\":[]}",
		"{\"list\":[{\"x\":-5},{\"x\":5}]}",
		"{\"deep\":{\"x\":0}}",
		"{\"open\":{\"whatever\":[1]}}",
		"{\"any\":[null]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct json_object *tree = parse(good[i]);
		struct oam_error err = { 0 };

		assert_ok(shape_check(table, tree, "", &err));
		json_object_put(tree);
	}
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *param;
		enum oam_code code;
	} bad[] = {
		{ "{\"none\":1}", "p.none", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"text\":\"\"}", "p.text", OAM_E_STRING_TOO_SHORT },
		{ "{\"text\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}", "p.text",
		  OAM_E_STRING_TOO_LONG },
		{ "{\"text\":1}", "p.text", OAM_E_INVALID_TYPE },
		{ "{\"text\":null}", "p.text", OAM_E_INVALID_TYPE },
		{ "{\"word\":\"On\"}", "p.word", OAM_E_INVALID_VALUE },
		{ "{\"word\":\"one\\u0000\"}", "p.word", OAM_E_INVALID_VALUE },
		{ "{\"free\":1.0}", "p.free", OAM_E_INVALID_TYPE },
		{ "{\"free\":\"1\"}", "p.free", OAM_E_INVALID_TYPE },
		{ "{\"free\":true}", "p.free", OAM_E_INVALID_TYPE },
		{ "{\"even\":3}", "p.even", OAM_E_INVALID_PARAMETER },
		{ "{\"part\":1.0001}", "p.part", OAM_E_DECIMAL_TOO_BIG },
		{ "{\"part\":-0.1}", "p.part", OAM_E_DECIMAL_TOO_SMALL },
		{ "{\"part\":\"0\"}", "p.part", OAM_E_INVALID_TYPE },
		{ "{\"flag\":0}", "p.flag", OAM_E_INVALID_TYPE },
		{ "{\"list\":{}}", "p.list", OAM_E_INVALID_TYPE },
		{ "{\"list\":[{\"x\":1},{\"x\":1},{\"x\":1}]}", "p.list",
		  OAM_E_ARRAY_TOO_LONG },
		{ "{\"list\":[{\"x\":1},{}]}", "p.list[1].x", OAM_E_MISSING_PARAMETER },
		{ "{\"list\":[{\"x\":6}]}", "p.list[0].x", OAM_E_INTEGER_TOO_BIG },
		{ "{\"list\":[{\"x\":-6}]}", "p.list[0].x", OAM_E_INTEGER_TOO_SMALL },
		{ "{\"list\":[null]}", "p.list[0]", OAM_E_INVALID_TYPE },
		{ "{\"deep\":{\"x\":1,\"y\":2}}", "p.deep.y", OAM_E_UNKNOWN_PARAMETER },
		{ "{\"open\":[]}", "p.open", OAM_E_INVALID_TYPE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *tree = parse(bad[i].text);
		struct oam_error err = { 0 };

		assert_int_equal(shape_check(table, tree, "p", &err), -1);
		assert_int_equal(err.code, bad[i].code);
		assert_string_equal(err.param, bad[i].param);
		json_object_put(tree);
	}
}

/* One row of a table, one value, and what becomes of them. OAM_OK: it is taken. */
static void test_kinds_and_bounds(void **state)
{
	static const struct shape string = { .kind = SHAPE_STRING },
				  bounded = { .kind = SHAPE_STRING, .min = 2, .max = 3 },
				  integer = { .kind = SHAPE_INTEGER },
				  low = { .kind = SHAPE_INTEGER, .min = -2, .max = 0 },
				  high = { .kind = SHAPE_INTEGER, .max = 10 },
				  decimal = { .kind = SHAPE_DECIMAL },
				  unit = { .kind = SHAPE_DECIMAL, .max = 1 },
				  range = { .kind = SHAPE_DECIMAL, .min = -1, .max = 1 },
				  flag = { .kind = SHAPE_BOOLEAN },
				  object = { .kind = SHAPE_OBJECT },
				  array = { .kind = SHAPE_ARRAY },
				  pair = { .kind = SHAPE_ARRAY, .max = 2 },
				  strings = { .kind = SHAPE_ARRAY, .items = &bounded },
				  matrix = { .kind = SHAPE_ARRAY, .items = &strings },
				  any = { .kind = SHAPE_ANY },
				  word = { .kind = SHAPE_STRING, .values = words },
				  maybe = { .kind = SHAPE_STRING,
					    .nullable = true,
					    .values = words };
	static const struct {
		const struct shape *shape;
		const char *value;
		enum oam_code code;
		const char *param, *words; /* of the message */
	} cases[] = {
		{ &string, "\"\"", OAM_OK, "", "" },
		{ &string, "\"\\u0000\"", OAM_OK, "", "" },
		{ &string, "null", OAM_E_INVALID_TYPE, "v", "a string, but got null" },
		{ &string, "1", OAM_E_INVALID_TYPE, "v", "a string, but got an integer" },
		{ &string, "1.5", OAM_E_INVALID_TYPE, "v", "got a decimal" },
		{ &string, "true", OAM_E_INVALID_TYPE, "v", "got a boolean" },
		{ &string, "{}", OAM_E_INVALID_TYPE, "v", "got an object" },
		{ &string, "[\"a\"]", OAM_E_INVALID_TYPE, "v", "got an array" },
		{ &bounded, "\"a\"", OAM_E_STRING_TOO_SHORT, "v",
		  "minimum length 2, but got a string with length 1" },
		{ &bounded, "\"ab\"", OAM_OK, "", "" },
		{ &bounded, "\"abc\"", OAM_OK, "", "" },
		{ &bounded, "\"abcd\"", OAM_E_STRING_TOO_LONG, "v",
		  "maximum length 3, but got a string with length 4" },
		/* characters: three of four bytes fit, one of four bytes is too short */
		{ &bounded, "\"\xf0\x9f\x98\x80\"", OAM_E_STRING_TOO_SHORT, "v",
		  "length 1" },
		{ &bounded, "\"\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\"", OAM_OK, "",
		  "" },
		{ &bounded, "\"e\\u0301e\\u0301\"", OAM_E_STRING_TOO_LONG, "v",
		  "length 4" },
		{ &bounded, "\"a\\u0000b\"", OAM_OK, "", "" },
		{ &bounded, "\"a\\u0000bc\"", OAM_E_STRING_TOO_LONG, "v", "length 4" },
		{ &integer, "9223372036854775807", OAM_OK, "", "" },
		{ &integer, "-0", OAM_OK, "", "" },
		{ &integer, "1.0", OAM_E_INVALID_TYPE, "v", "an integer, but got a dec" },
		{ &integer, "1e2", OAM_E_INVALID_TYPE, "v", "got a decimal" },
		{ &integer, "\"1\"", OAM_E_INVALID_TYPE, "v", "got a string" },
		{ &integer, "false", OAM_E_INVALID_TYPE, "v", "got a boolean" },
		{ &integer, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &low, "0", OAM_OK, "", "" },
		{ &low, "-2", OAM_OK, "", "" },
		{ &low, "1", OAM_E_INTEGER_TOO_BIG, "v", "<= 0, but got 1" },
		{ &low, "-3", OAM_E_INTEGER_TOO_SMALL, "v", ">= -2, but got -3" },
		{ &high, "10", OAM_OK, "", "" },
		{ &high, "0", OAM_OK, "", "" },
		{ &high, "11", OAM_E_INTEGER_TOO_BIG, "v", "<= 10, but got 11" },
		{ &high, "-1", OAM_E_INTEGER_TOO_SMALL, "v", ">= 0, but got -1" },
		{ &high, "9223372036854775807", OAM_E_INTEGER_TOO_BIG, "v",
		  "9223372036854775807" },
		{ &decimal, "-1e308", OAM_OK, "", "" },
		{ &decimal, "3", OAM_OK, "", "" },
		{ &decimal, "\"3\"", OAM_E_INVALID_TYPE, "v", "a number, but got a str" },
		{ &decimal, "true", OAM_E_INVALID_TYPE, "v", "got a boolean" },
		{ &decimal, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &unit, "0", OAM_OK, "", "" },
		{ &unit, "-0.0", OAM_OK, "", "" },
		{ &unit, "1", OAM_OK, "", "" },
		{ &unit, "1.0", OAM_OK, "", "" },
		{ &unit, "1.0000000000000002", OAM_E_DECIMAL_TOO_BIG, "v", "<= 1" },
		{ &unit, "2", OAM_E_DECIMAL_TOO_BIG, "v", "<= 1, but got 2" },
		{ &unit, "-1e-9", OAM_E_DECIMAL_TOO_SMALL, "v", ">= 0, but got -1e-09" },
		{ &range, "-1", OAM_OK, "", "" },
		{ &range, "-1.5", OAM_E_DECIMAL_TOO_SMALL, "v", ">= -1, but got -1.5" },
		{ &flag, "true", OAM_OK, "", "" },
		{ &flag, "false", OAM_OK, "", "" },
		{ &flag, "1", OAM_E_INVALID_TYPE, "v", "a boolean, but got an integer" },
		{ &flag, "\"true\"", OAM_E_INVALID_TYPE, "v", "got a string" },
		{ &flag, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &object, "{}", OAM_OK, "", "" },
		{ &object, "{\"a\":{\"b\":null}}", OAM_OK, "", "" },
		{ &object, "[]", OAM_E_INVALID_TYPE, "v", "an object, but got an array" },
		{ &object, "\"{}\"", OAM_E_INVALID_TYPE, "v", "got a string" },
		{ &object, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &array, "[]", OAM_OK, "", "" },
		{ &array, "[1,\"a\",null,[]]", OAM_OK, "", "" },
		{ &array, "{}", OAM_E_INVALID_TYPE, "v", "an array, but got an object" },
		{ &array, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &pair, "[1,2]", OAM_OK, "", "" },
		{ &pair, "[1,2,3]", OAM_E_ARRAY_TOO_LONG, "v",
		  "maximum length 2, but got an array with length 3" },
		{ &strings, "[\"ab\",\"abc\"]", OAM_OK, "", "" },
		{ &strings, "[\"ab\",1]", OAM_E_INVALID_TYPE, "v[1]", "'v[1]'" },
		{ &strings, "[\"ab\",\"ab\",null]", OAM_E_INVALID_TYPE, "v[2]",
		  "got null" },
		{ &matrix, "[[],[\"ab\"]]", OAM_OK, "", "" },
		{ &matrix, "[[\"ab\"],[\"ab\",\"a\"]]", OAM_E_STRING_TOO_SHORT, "v[1][1]",
		  "'v[1][1]'" },
		{ &any, "null", OAM_OK, "", "" },
		{ &any, "{\"a\":[1.5]}", OAM_OK, "", "" },
		{ &word, "\"one\"", OAM_OK, "", "" },
		{ &word, "\"three\"", OAM_E_INVALID_VALUE, "v",
		  "'three'. Supported values are: 'one', 'two'." },
		{ &word, "\"\"", OAM_E_INVALID_VALUE, "v", "''" },
		{ &word, "\"ONE\"", OAM_E_INVALID_VALUE, "v", "'ONE'" },
		{ &word, "\"one \"", OAM_E_INVALID_VALUE, "v", "'one '" },
		{ &word, "null", OAM_E_INVALID_TYPE, "v", "got null" },
		{ &maybe, "null", OAM_OK, "", "" },
		{ &maybe, "\"two\"", OAM_OK, "", "" },
		{ &maybe, "\"\"", OAM_E_INVALID_VALUE, "v", "''" },
		{ &maybe, "false", OAM_E_INVALID_TYPE, "v", "got a boolean" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *value = parse(cases[i].value);
		struct oam_error err = { 0 };
		int result = shape_check_value(cases[i].shape, value, "v", &err);

		if (result != (cases[i].code == OAM_OK ? 0 : -1) ||
		    err.code != cases[i].code || strcmp(err.param, cases[i].param) != 0 ||
		    !strstr(err.message, cases[i].words))
			fail_msg("%zu: %s: %s", i, cases[i].value, err.message);
		json_object_put(value);
	}
}

static const struct shape leaf[] = {
	{ "must", SHAPE_STRING, .required = true },
	{ "null", SHAPE_STRING, .required = true, .nullable = true },
	{ 0 },
};

static const struct shape branch = { .kind = SHAPE_OBJECT, .members = leaf };

static const struct shape tree_shape[] = {
	{ "list", SHAPE_ARRAY, .items = &branch },
	{ "leaf", SHAPE_OBJECT, .nullable = true, .members = leaf },
	{ 0 },
};

static void test_required_and_paths(void **state)
{
	static const struct {
		const char *path, *text, *param;
		enum oam_code code;
	} cases[] = {
		{ "", "{\"leaf\":null}", "", OAM_OK },
		{ "", "{\"leaf\":{\"must\":\"\",\"null\":null}}", "", OAM_OK },
		{ "", "{\"leaf\":{\"must\":\"\"}}", "leaf.null",
		  OAM_E_MISSING_PARAMETER },
		{ "", "{\"leaf\":{\"null\":null}}", "leaf.must",
		  OAM_E_MISSING_PARAMETER },
		{ "", "{\"leaf\":{\"must\":null,\"null\":null}}", "leaf.must",
		  OAM_E_INVALID_TYPE },
		{ "", "{\"leaf\":{}}", "leaf.must", OAM_E_MISSING_PARAMETER },
		{ "", "{\"list\":[{\"must\":\"\",\"null\":\"\"},{\"must\":\"\"}]}",
		  "list[1].null", OAM_E_MISSING_PARAMETER },
		{ "a.b[3]", "{\"list\":[{\"must\":1}]}", "a.b[3].list[0].must",
		  OAM_E_INVALID_TYPE },
		{ "a", "{\"list\":[{\"must\":\"\",\"null\":\"\",\"x\":{}}]}",
		  "a.list[0].x", OAM_E_UNKNOWN_PARAMETER },
		{ "a", "{\"List\":[]}", "a.List", OAM_E_UNKNOWN_PARAMETER },
		{ "a", "{\"lis\":[]}", "a.lis", OAM_E_UNKNOWN_PARAMETER },
		{ "a", "{\"\":[]}", "a.", OAM_E_UNKNOWN_PARAMETER },
		{ "", "{\"unknown\":null}", "unknown", OAM_E_UNKNOWN_PARAMETER },
		/* what is wrong is named before what is missing */
		{ "", "{\"leaf\":{\"x\":1}}", "leaf.x", OAM_E_UNKNOWN_PARAMETER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *tree = parse(cases[i].text);
		struct oam_error err = { 0 };
		int result = shape_check(tree_shape, tree, cases[i].path, &err);

		if (result != (cases[i].code == OAM_OK ? 0 : -1) ||
		    err.code != cases[i].code || strcmp(err.param, cases[i].param) != 0)
			fail_msg("%s: %s: %s", cases[i].text, err.param, err.message);
		json_object_put(tree);
	}
}

static int refuse_always(struct json_object *value, const char *path,
			 struct oam_error *err)
{
	(void)value;
	return error_set(err, INVALID_PARAMETER, path, path, "refused");
}

/* .check sees only what the kind let through, and no null that is allowed. */
static void test_the_check_comes_last(void **state)
{
	static const struct shape shape = {
		.kind = SHAPE_STRING, .nullable = true, .max = 2, .check = refuse_always
	};
	static const struct {
		const char *value;
		enum oam_code code;
	} cases[] = {
		{ "null", OAM_OK },
		{ "1", OAM_E_INVALID_TYPE },
		{ "\"abc\"", OAM_E_STRING_TOO_LONG },
		{ "\"ab\"", OAM_E_INVALID_PARAMETER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *value = parse(cases[i].value);
		struct oam_error err = { 0 };

		shape_check_value(&shape, value, "v", &err);
		assert_int_equal(err.code, cases[i].code);
		json_object_put(value);
	}
}

/* Names from outside may be long or cut in two: the error stays bounded UTF-8. */
static void test_long_names(void **state)
{
	static const char unit[] = "\xe2\x82\xac"; /* three bytes */
	char text[1024] = "{\"", joined[OAM_PARAM_MAX];

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, unit);
	strcat(text, "\":1}");
	for (size_t i = 0; i < 3; i++) {
		static const char *const paths[] = { "", "a", "ab" };
		struct json_object *tree = parse(text);
		struct oam_error err = { 0 };

		assert_int_equal(shape_check(tree_shape, tree, paths[i], &err), -1);
		assert_int_equal(err.code, OAM_E_UNKNOWN_PARAMETER);
		assert_true(strlen(err.param) > 100);
		assert_true(json_is_utf8(err.param, strlen(err.param)));
		assert_true(json_is_utf8(err.message, strlen(err.message)));
		json_object_put(tree);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	shape_path(joined, "a", text);
	assert_int_equal(strlen(joined), OAM_PARAM_MAX - 1);
	assert_memory_equal(joined, "a.xxx", 5);
	shape_path(joined, "", "b");
	assert_string_equal(joined, "b");
	shape_path(joined, "a[0]", "b");
	assert_string_equal(joined, "a[0].b");
}

/* A long list of values, and a long value, cut the message and nothing else. */
static void test_long_values(void **state)
{
	static const char *const many[] = {
		"a23456789012345678901234567890123456789012345678901234567890",
		"b23456789012345678901234567890123456789012345678901234567890",
		"c23456789012345678901234567890123456789012345678901234567890",
		"d23456789012345678901234567890123456789012345678901234567890",
		"e23456789012345678901234567890123456789012345678901234567890",
		"f",
		NULL,
	};
	static const struct shape shape = { .kind = SHAPE_STRING, .values = many };
	struct json_object *last = parse("\"f\""), *wrong;
	struct oam_error err = { 0 };
	char text[4000] = "\"";

	(void)state;
	assert_ok(shape_check_value(&shape, last, "v", &err));
	memset(text + 1, 'x', sizeof(text) - 3);
	text[sizeof(text) - 2] = '"';
	wrong = parse(text);
	assert_int_equal(shape_check_value(&shape, wrong, "v", &err), -1);
	assert_int_equal(err.code, OAM_E_INVALID_VALUE);
	assert_true(strlen(err.message) < OAM_MESSAGE_MAX);
	json_object_put(wrong);
	json_object_put(last);
}

/* What a file holds where an object should be. */
static void test_what_is_no_object(void **state)
{
	static const char *const texts[] = { "null", "[1]", "7", "\"text\"", "true" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct json_object *tree = parse(texts[i]);
		struct oam_error err = { 0 };

		assert_int_equal(shape_check(table, tree, "config", &err), -1);
		assert_int_equal(err.code, OAM_E_INVALID_TYPE);
		assert_string_equal(err.param, "config");
		json_object_put(tree);
	}
}

static void test_the_rest_and_the_least(void **state)
{
	static const struct shape rest[] = { { "known", SHAPE_INTEGER },
					     { SHAPE_REST, SHAPE_ANY, .nullable = true },
					     { 0 } };
	static const struct shape some = { .kind = SHAPE_OBJECT, .min = 1 };
	struct json_object *tree = parse("{\"a\":null,\"known\":1,\"*\":[]}");
	struct json_object *wrong = parse("{\"a\":1,\"known\":\"x\"}");
	struct json_object *empty = parse("{}");
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(shape_check(rest, tree, "", &err));
	assert_ok(shape_check_value(&some, tree, "o", &err));
	assert_int_equal(shape_check(rest, wrong, "", &err), -1);
	assert_string_equal(err.param, "known");
	err = (struct oam_error){ 0 };
	assert_int_equal(shape_check_value(&some, empty, "o", &err), -1);
	assert_string_equal(err.param, "o");
	json_object_put(tree);
	json_object_put(wrong);
	json_object_put(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_kinds_and_bounds),
		cmocka_unit_test(test_required_and_paths),
		cmocka_unit_test(test_the_check_comes_last),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_what_is_no_object),
		cmocka_unit_test(test_the_rest_and_the_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
