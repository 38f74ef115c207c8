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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
