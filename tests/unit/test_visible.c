/* visible: what a terminal would obey becomes an escape, and nothing else does. */
#include "visible.h"

#include "expect.h"
#include "log.h"

static void expect_step(const char *text, size_t taken, const char *shown)
{
	char is[VISIBLE_SIZE];

	assert_int_equal(visible_step(text, is), taken);
	assert_string_equal(is, shown);
}

static void test_what_is_escaped(void **state)
{
	(void)state;
	expect_step("\033[2J", 1, "\\x1b");
	expect_step("\n", 1, "\\x0a");
	expect_step("\x7f", 1, "\\x7f");
	expect_step("\xc2\x80", 2, "\\u0080");
	expect_step("\xc2\x85", 2, "\\u0085");
	expect_step("\xc2\x9b", 2, "\\u009b");
	expect_step("\xc2\x9f", 2, "\\u009f");
	expect_step("\xd8\x9c", 2, "\\u061c");
	expect_step("\xe2\x80\x8e", 3, "\\u200e");
	expect_step("\xe2\x80\xa8", 3, "\\u2028");
	expect_step("\xe2\x80\xae\xe2\x80\xac", 3, "\\u202e");
	expect_step("\xe2\x81\xa6\xe2\x81\xa9", 3, "\\u2066");
	expect_step("\xe2\x81\xa9", 3, "\\u2069");
}

static void test_what_stays(void **state)
{
	static const char *const texts[] = { " ",      "~",      "\\",     "\u00a0",
					     "ü",      "\u0100", "\u2027", "\u202f",
					     "\u2065", "漢",     "😀" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_step(texts[i], strlen(texts[i]), texts[i]);
}

static void test_what_is_no_utf_8(void **state)
{
	(void)state;
	expect_step("\x9b", 1, "\\x9b");
	expect_step("\xc2", 1, "\\xc2");
	expect_step("\xe2\x80", 1, "\\xe2");
	expect_step("\xff\xff", 1, "\\xff");
	expect_step("\xc0\x9b", 1, "\\xc0");
	expect_step("\xed\xa0\x80", 1, "\\xed"); /* a surrogate */
}

/* The log's lines, with standard error in a file. */
static void test_lines_of_the_log(void **state)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	char text[1024] = "";

	(void)state;
	dup2(fileno(file), STDERR_FILENO);
	log_start("test", LOG_LEVEL_INFO);
	log_write(LOG_LEVEL_INFO, "e", "a",
		  "\xc2\x9b"
		  "2J",
		  "b",
		  "x\xe2\x80\xae"
		  "y\xe2\x80\xac",
		  "c", "\x9b", "d", "ü", NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(strstr(
		text, " a=\"\\u009b2J\" b=\"x\\u202ey\\u202c\" c=\"\\x9b\" d=ü\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_escaped),
		cmocka_unit_test(test_what_stays),
		cmocka_unit_test(test_what_is_no_utf_8),
		cmocka_unit_test(test_lines_of_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
