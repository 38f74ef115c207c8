/* json_writer: what it writes is what json-c would write of a tree, byte for byte. */
#include "expect.h"
#include "json_writer.h"

static void write_everything(struct json_writer *writer, struct json_object *tree)
{
	json_write_begin(writer, NULL);
	json_write_string(writer, "text",
			  "a \"b\" \\ /\b\f\n\r\t\x01\x1f\x7f \xc3\xa9 \xf0\x9f\x98\x80");
	json_write_string(writer, "empty", "");
	json_write_string(writer, "none", NULL);
	json_write_begin(writer, "inner");
	json_write_end(writer);
	json_write_begin(writer, "numbers");
	json_write_integer(writer, "zero", 0);
	json_write_integer(writer, "least", INT64_MIN);
	json_write_integer(writer, "most", INT64_MAX);
	json_write_decimal(writer, "whole", 24);
	json_write_decimal(writer, "half", 0.5);
	json_write_end(writer);
	json_write_boolean(writer, "yes", true);
	json_write_boolean(writer, "no", false);
	json_write_null(writer, "null");
	json_write_value(writer, "tree", tree);
	json_write_value(writer, "no tree", NULL);
	json_write_members(writer, tree);
	json_write_end(writer);
}

static void test_everything(void **state)
{
	struct json_object *tree = parse("{\"a\":[1,{}],\"b\":null}"), *read;
	struct json_writer writer = { 0 };
	struct oam_error err = { 0 };

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		write_everything(&writer, tree);
		assert_ok(json_writer_result(&writer, &err));
		assert_int_equal(strlen(writer.text), writer.length);
		read = parse(writer.text);
		assert_string_equal(json_text(read), writer.text);
		assert_int_equal(json_object_object_length(read), 12);
		json_object_put(read);
		json_writer_clear(&writer);
	}
	json_object_put(tree);
	json_writer_free(&writer);
}

/* Members of an empty object are none: no comma is left over for them. */
static void test_no_members(void **state)
{
	struct json_object *empty = parse("{}");
	struct json_writer writer = { 0 };

	(void)state;
	json_write_begin(&writer, NULL);
	json_write_members(&writer, empty);
	json_write_integer(&writer, "a", 1);
	json_write_members(&writer, empty);
	json_write_integer(&writer, "b", -20);
	json_write_end(&writer);
	assert_string_equal(writer.text, "{\"a\":1,\"b\":-20}");
	json_object_put(empty);
	json_writer_free(&writer);
}

static void test_nothing_is_null_where_it_has_to_be_filled(void **state)
{
	struct json_writer writer = { 0 };

	(void)state;
	json_write_begin(&writer, NULL);
	json_write_filled(&writer, "a", "");
	json_write_filled(&writer, "b", "x");
	json_write_end(&writer);
	assert_string_equal(writer.text, "{\"a\":null,\"b\":\"x\"}");
	json_writer_free(&writer);
}

static void test_every_byte(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x80; byte++) {
		char text[] = { 'x', (char)byte, 'y', '\0' };
		struct json_writer writer = { 0 };
		struct json_object *read;

		json_write_begin(&writer, NULL);
		json_write_string(&writer, "a", text);
		json_write_end(&writer);
		read = parse(writer.text);
		assert_string_equal(json_member_string(read, "a"), text);
		assert_string_equal(json_text(read), writer.text);
		json_object_put(read);
		json_writer_free(&writer);
	}
}

/* Bytes are looked at in groups: each byte at each place among harmless ones. */
static void test_every_byte_at_every_place(void **state)
{
	(void)state;
	for (int byte = 1; byte < 0x100; byte++)
		for (size_t place = 0; place < 20; place++) {
			bool plain = byte >= 0x20 && byte != '"' && byte != '\\';
			char text[] = "aZ~! #[]{}^09\xc3\xa9\x7f!#[?";
			struct json_writer writer = { 0 };
			char expected[64];

			assert_int_equal(strlen(text), 20);
			text[place] = (char)byte;
			json_write_string(&writer, NULL, text);
			if (plain) {
				snprintf(expected, sizeof(expected), "\"%s\"", text);
				assert_string_equal(writer.text, expected);
			} else {
				assert_int_equal(writer.text[place + 1], '\\');
				assert_memory_equal(writer.text + 1, text, place);
			}
			json_writer_free(&writer);
		}
}

/* Lengths around each growth of the memory, and one that is not kept afterwards. */
static void test_lengths(void **state)
{
	struct json_writer writer = { 0 };
	char *text = calloc(1, 200001);

	(void)state;
	assert_non_null(text);
	for (size_t length = 0; length < 200000; length += length < 5000 ? 1 : 65537) {
		memset(text, 'x', length);
		text[length] = '\0';
		json_write_begin(&writer, NULL);
		json_write_string(&writer, "a", text);
		json_write_end(&writer);
		assert_int_equal(writer.length, length + strlen("{\"a\":\"\"}"));
		assert_int_equal(strlen(writer.text), writer.length);
		json_writer_clear(&writer);
		assert_true(writer.size <= 65536);
	}
	free(text);
	json_writer_free(&writer);
}

static void test_nothing_written_is_no_text(void **state)
{
	struct json_writer writer = { 0 };
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(json_writer_result(&writer, &err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
}

/* Text that is not there, as when it could not be made, is no memory. */
static void test_a_failure_stays(void **state)
{
	struct json_writer writer = { 0 };
	struct oam_error err = { 0 };

	(void)state;
	json_write_begin(&writer, NULL);
	json_write_raw(&writer, NULL);
	json_write_integer(&writer, "a", 1);
	json_write_end(&writer);
	assert_int_equal(json_writer_result(&writer, &err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	json_writer_clear(&writer);
	json_write_begin(&writer, NULL);
	json_write_end(&writer);
	assert_string_equal(writer.text, "{}");
	json_writer_free(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_no_members),
		cmocka_unit_test(test_nothing_is_null_where_it_has_to_be_filled),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_every_byte_at_every_place),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_nothing_written_is_no_text),
		cmocka_unit_test(test_a_failure_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
