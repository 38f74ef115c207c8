/*
 * dotenv. The table's expectations are what npm's dotenv 17.4.2 gives for each text.
 *
 * `test_dotenv --dump FILE…` is the C half of tests/sdk/dotenv.mjs: for each file one
 * line `key=value offset offset length line` per assignment, key and value in hex, the
 * offsets and the length those of the key and of the value as written; then an empty
 * line.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>

#include <cmocka.h>

#include "dotenv.h"
#include "file.h"

#define NBSP "\xC2\xA0"
#define BOM  "\xEF\xBB\xBF"
#define LSEP "\xE2\x80\xA8"
#define PSEP "\xE2\x80\xA9"

static const struct sample {
	const char *text;
	struct {
		const char *key, *value;
	} expected[4];
} samples[] = {
	/* plain */
	{ "", { { 0 } } },
	{ "A=1", { { "A", "1" } } },
	{ "A=1\nB=2\n", { { "A", "1" }, { "B", "2" } } },
	{ "A=", { { "A", "" } } },
	{ "A", { { 0 } } },
	{ "A 1", { { 0 } } },
	{ "=1", { { 0 } } },
	{ "A==1", { { "A", "=1" } } },
	{ "A=b=c", { { "A", "b=c" } } },
	{ "  A  =  b c  ", { { "A", "b c" } } },
	{ "A=1\nA=2", { { "A", "1" }, { "A", "2" } } },
	{ "a-b.c_9=1", { { "a-b.c_9", "1" } } },
	{ "9=1", { { "9", "1" } } },
	{ "\xC3\x84=1\nB=2", { { "B", "2" } } },
	{ "A\xC3\x84=1", { { 0 } } },
	{ "not this\nB=2", { { "B", "2" } } },
	{ "two words=1\nB=2", { { "B", "2" } } },
	/* separators */
	{ "A: 1", { { "A", "1" } } },
	{ "A:1", { { 0 } } },
	{ "A : 1", { { 0 } } },
	{ "A:", { { 0 } } },
	{ "A: ", { { "A", "" } } },
	{ "A:\nB=2", { { "A", "B=2" } } },
	{ "A:\r\nB=2", { { "A", "B=2" } } },
	{ "A: \nB=2", { { "A", "" }, { "B", "2" } } },
	{ "A:\n#c\nB=2", { { "A", "" }, { "B", "2" } } },
	{ "A\n\n=1", { { "A", "1" } } },
	{ "A\n=\n1", { { "A", "" } } },
	{ "A" NBSP "=1", { { "A", "1" } } },
	/* export */
	{ "export A=1", { { "A", "1" } } },
	{ "export \n\t A=1", { { "A", "1" } } },
	{ "export=1", { { "export", "1" } } },
	{ "export =1", { { "export", "1" } } },
	{ "export: 1", { { "export", "1" } } },
	{ "export A", { { 0 } } },
	{ "export\nA\nB=1", { { "B", "1" } } },
	{ "exportA=1", { { "exportA", "1" } } },
	{ "export export=1", { { "export", "1" } } },
	{ "export export A=1", { { 0 } } },
	{ "export\nexport\nA=1", { { "A", "1" } } },
	{ "export" NBSP "A=1", { { "A", "1" } } },
	/* comments */
	{ "#A=1\nB=2", { { "B", "2" } } },
	{ "A=1#2", { { "A", "1" } } },
	{ "A=1 # 2", { { "A", "1" } } },
	{ "A=#2", { { "A", "" } } },
	{ "A='1#2'", { { "A", "1#2" } } },
	{ "A='1' # '2", { { "A", "1" } } },
	{ "A=1\n# c\nB=2", { { "A", "1" }, { "B", "2" } } },
	{ "A=\n\n# c = d\nB=2", { { "A", "" }, { "B", "2" } } },
	{ "# c" LSEP "A=1", { { "A", "1" } } },
	{ "A=1 # c" PSEP "B=2", { { "A", "1" }, { "B", "2" } } },
	/* quotes */
	{ "A='1'", { { "A", "1" } } },
	{ "A=\" 1 \"", { { "A", " 1 " } } },
	{ "A=`1'2\"3`", { { "A", "1'2\"3" } } },
	{ "A=''", { { "A", "" } } },
	{ "A='", { { "A", "'" } } },
	{ "A='1", { { "A", "'1" } } },
	{ "A=1'", { { "A", "1'" } } },
	{ "A='1\"", { { "A", "'1\"" } } },
	{ "A='1' 2", { { "A", "'1' 2" } } },
	{ "A='1' '2'", { { "A", "1' '2" } } },
	{ "A='1'2'", { { "A", "1'2" } } },
	{ "A='1'#'", { { "A", "1" } } },
	{ "A='1\n2'\nB=3", { { "A", "1\n2" }, { "B", "3" } } },
	{ "A='1\nB='2'", { { "A", "'1" }, { "B", "2" } } },
	{ "A='1\nB='\nC=3", { { "A", "1\nB=" }, { "C", "3" } } },
	{ "A=\n\n 'x'\nB=1", { { "A", "x" }, { "B", "1" } } },
	{ "A=\n\n x\nB=1", { { "A", "" }, { "B", "1" } } },
	{ "A= \t'x' \t\n\n#c\nB=1", { { "A", "x" }, { "B", "1" } } },
	{ "A='x'" BOM "#c", { { "A", "x" } } },
	{ "A='x'" LSEP "B=1", { { "A", "x" }, { "B", "1" } } },
	{ "A='# x\nB=1", { { "A", "'" }, { "B", "1" } } },
	/* backslashes */
	{ "A=\"1\\n2\\r3\\t4\"", { { "A", "1\n2\r3\\t4" } } },
	{ "A='1\\n2'", { { "A", "1\\n2" } } },
	{ "A=1\\n2", { { "A", "1\\n2" } } },
	{ "A=\"1\\n2", { { "A", "\"1\n2" } } },
	{ "A=\"\\\\n\"", { { "A", "\\\n" } } },
	{ "A=\"1\\\"2\"", { { "A", "1\\\"2" } } },
	{ "A='\\'", { { "A", "\\" } } },
	{ "A='\\''", { { "A", "\\'" } } },
	{ "A='\\'\nB='x'", { { "A", "\\" }, { "B", "x" } } },
	{ "A='\\'\nB=x'", { { "A", "\\'\nB=x" } } },
	{ "A='\\'x\\'x", { { "A", "'\\'x\\'x" } } },
	{ "A='1\\'\nB=2\\'\nC=3", { { "A", "1\\'\nB=2\\" }, { "C", "3" } } },
	/* newlines */
	{ "A=1\r\nB=2\rC=3", { { "A", "1" }, { "B", "2" }, { "C", "3" } } },
	{ "A='1\r\n2\r3\n\r4'", { { "A", "1\n2\n3\n\n4" } } },
	{ "\r\n\r\nA=1\r\n\r\n", { { "A", "1" } } },
	{ "A=1\x85"
	  "B=2",
	  { { "A", "1\x85"
		   "B=2" } } },
	/* JavaScript's white space, and what only looks like it */
	{ BOM "A=1", { { "A", "1" } } },
	{ "A=" NBSP "1" BOM, { { "A", "1" } } },
	{ "A=\v1\f", { { "A", "1" } } },
	{ "A=\xE1\x9A\x80"
	  "1\xE3\x80\x80",
	  { { "A", "1" } } },
	{ "A=\xE2\x80\x80"
	  "1\xE2\x80\x8A",
	  { { "A", "1" } } },
	{ "A=\xE2\x80\xAF"
	  "1\xE2\x81\x9F",
	  { { "A", "1" } } },
	{ "A=\xE2\x80\x8B"
	  "1",
	  { { "A", "\xE2\x80\x8B"
		   "1" } } },
	{ "A=\xE1\xA0\x8E"
	  "1",
	  { { "A", "\xE1\xA0\x8E"
		   "1" } } },
	{ "A=\xC2\x85"
	  "1",
	  { { "A", "\xC2\x85"
		   "1" } } },
	{ "A=\xE0\x82\xA0", { { "A", "\xE0\x82\xA0" } } },
	/* U+2028 ends a line for ^, $ and '.', but not an unquoted value */
	{ "A=1" LSEP "B=2", { { "A", "1" LSEP "B=2" } } },
	{ "A=x" LSEP "'y'", { { "A", "x" LSEP "y" } } },
	{ "A=x" LSEP "'", { { "A", "x" LSEP "'" } } },
	{ "A='x" LSEP "'y' z", { { "A", "'x" LSEP "'y' z" } } },
	{ "A=x" LSEP "'y'" PSEP "z' z", { { "A", "x" LSEP "y" PSEP "z' z" } } },
	{ "A=x" LSEP "'y'" LSEP "`z'" LSEP "z`",
	  { { "A", "x" LSEP "y'" LSEP "`z" LSEP "z`" } } },
};

static void assert_same(const char *got, size_t length, const char *expected)
{
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(got, expected, length);
}

static void check_sample(const struct sample *sample)
{
	/* A copy of the exact size lets the sanitizer see reads behind the end. */
	size_t length = strlen(sample->text);
	char *text = malloc(length + !length);
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	struct oam_error err = { 0 };
	size_t i = 0;

	assert_non_null(text);
	memcpy(text, sample->text, length);
	dotenv_start(&scanner, text, length);
	for (; dotenv_next(&scanner, &entry); i++) {
		size_t size;
		char *value = dotenv_value(text, &entry, &size, &err);

		assert_non_null(value);
		assert_true(i < 4 && sample->expected[i].key);
		assert_same(text + entry.key, entry.key_length, sample->expected[i].key);
		assert_same(value, size, sample->expected[i].value);
		assert_int_equal(value[size], '\0');
		free(value);
	}
	assert_true(i == 4 || !sample->expected[i].key);
	assert_false(dotenv_next(&scanner, &entry));
	free(text);
}

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		print_message("sample %zu\n", i);
		check_sample(&samples[i]);
	}
}

static void check_span(const char *text, const char *value, size_t offset, int line)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;

	dotenv_start(&scanner, text, strlen(text));
	assert_true(dotenv_next(&scanner, &entry));
	assert_int_equal(entry.value, offset);
	assert_same(text + entry.value, entry.value_length, value);
	assert_int_equal(entry.line, line);
}

static void test_spans(void **state)
{
	(void)state;
	check_span("A=1", "1", 2, 1);
	check_span("# c\nA= 1 # c", " 1 ", 6, 2);
	check_span("\r\n\rA=\r\n'1\r\n2' # c", "\r\n'1\r\n2'", 5, 3);
	check_span("A=#c", "", 2, 1);
	check_span("A=\n\nB=1", "", 2, 1);
	check_span("A:\r\n#c", "", 4, 1);
	check_span("export\nA=1", "1", 9, 2);
	check_span("# c" LSEP "A=1", "1", 8, 1);
}

/* What dotenv.h warns of: another value for B closes the quote that A leaves open. */
static void test_replacing_closes_a_quote(void **state)
{
	static const char before[] = "A='\nB='1\nC='", after[] = "A='\nB=\"1\"\nC='";

	(void)state;
	check_span(before, "'", 2, 1);
	check_span(after, "'\nB=\"1\"\nC='", 2, 1);
}

static void check_get(const char *text, const char *key, const char *expected, int line)
{
	struct oam_error err = { 0 };
	char *value;
	int at;

	assert_int_equal(dotenv_get(text, strlen(text), key, &value, &at, &err), 0);
	assert_int_equal(at, line);
	if (expected)
		assert_string_equal(value, expected);
	else
		assert_null(value);
	free(value);
}

static void test_get(void **state)
{
	(void)state;
	check_get("A=1\nAB=2\nA='3'\nB=4", "A", "3", 3);
	check_get("A=1\nAB=2\nA='3'\nB=4", "AB", "2", 2);
	check_get("A=1\nA=", "A", "", 2);
	check_get("AB=1", "A", NULL, 0);
	check_get("#A=1", "A", NULL, 0);
	check_get("", "A", NULL, 0);
}

static void test_nul(void **state)
{
	static const char text[] = "A=\0\nB='x\0y'";
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	struct oam_error err = { 0 };
	size_t length;
	char *value;
	int line;

	(void)state;
	dotenv_start(&scanner, text, sizeof(text) - 1);
	assert_true(dotenv_next(&scanner, &entry));
	assert_true(dotenv_next(&scanner, &entry));
	value = dotenv_value(text, &entry, &length, &err);
	assert_int_equal(length, 3);
	assert_memory_equal(value, "x\0y", 4);
	free(value);
	assert_int_equal(dotenv_get(text, sizeof(text) - 1, "B", &value, &line, &err),
			 -1);
	assert_null(value);
	assert_int_equal(err.code, OAM_E_SETTING);
	assert_string_equal(err.param, "B");
	assert_string_equal(err.message, "line 2: B holds a NUL byte");
}

/* Each pattern, repeated to a megabyte, would take hours if it took quadratic time. */
static void test_hostile(void **state)
{
	static const char *const patterns[][2] = {
		{ "", "'" },        { "A=", "'" },          { "A='", "\\'" },
		{ "A='", "\\'x" },  { "", "A='\\'x\n" },    { "", "A='\\'\n" },
		{ "", "A='x\n" },   { "", "A='x" },         { "A=", "\n" },
		{ "A", "\n" },      { "A", " " },           { "", "A\n\n\n" },
		{ "", "A=\n" },     { "", "A:\n" },         { "", "A: \n" },
		{ "", "export\n" }, { "export", " \n" },    { "", "export " },
		{ "", "A" },        { "", "A=\"'`\\\"\n" }, { "", "A=" },
		{ "A=", LSEP "'" }, { "A=", LSEP "'\"`" },  { "A=", LSEP "'x" },
		{ "", "#" },        { "", "#\n" },          { "A='x'", " " },
		{ "A='", "' " },    { "A='", "\\'\t" },     { "A=\"", "\\n" },
		{ "A=", "\r" },     { "", "A='\\'#\n" },    { "", "A=\n'\\'x" },
	};
	const size_t size = 1024UL * 1024;
	char *text = malloc(size);
	clock_t start = clock();

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const char *unit = patterns[i][1];
		struct dotenv_scanner scanner;
		struct dotenv_entry entry;
		struct oam_error err = { 0 };
		size_t at = strlen(patterns[i][0]);

		memcpy(text, patterns[i][0], at);
		for (size_t j = 0; at < size; j++)
			text[at++] = unit[j % strlen(unit)];
		dotenv_start(&scanner, text, size);
		while (dotenv_next(&scanner, &entry)) {
			char *value = dotenv_value(text, &entry, NULL, &err);

			assert_non_null(value);
			free(value);
		}
	}
	free(text);
	assert_true((clock() - start) / CLOCKS_PER_SEC < 60);
}

static void print_hex(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		printf("%02x", (unsigned char)bytes[i]);
}

static int dump(const char *path)
{
	struct oam_error err = { 0 };
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	char *text;
	size_t length;

	if (file_read(path, 1024UL * 1024, &text, &length, &err) || !text) {
		fprintf(stderr, "%s: cannot be read\n", path);
		return -1;
	}
	dotenv_start(&scanner, text, length);
	while (dotenv_next(&scanner, &entry)) {
		size_t size;
		char *value = dotenv_value(text, &entry, &size, &err);

		if (!value)
			break;
		print_hex(text + entry.key, entry.key_length);
		putchar('=');
		print_hex(value, size);
		printf(" %zu %zu %zu %d\n", entry.key, entry.value, entry.value_length,
		       entry.line);
		free(value);
	}
	putchar('\n');
	free(text);
	return error_result(&err);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_replacing_closes_a_quote),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_hostile),
	};

	if (argc < 2 || strcmp(argv[1], "--dump") != 0)
		return cmocka_run_group_tests(tests, NULL, NULL);
	for (int i = 2; i < argc; i++)
		if (dump(argv[i]))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
