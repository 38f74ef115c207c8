/* random: the right length, the right characters, and no two alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include "random.h"

#define ALPHABET     "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Buffers of exactly the size, so that ASan sees a step beyond. */
static void has_length_and_alphabet(void **state)
{
	static const size_t lengths[] = { 0, 1, 2, 24, 63, 64, 65, 128, 1000, 100000 };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct oam_error err = { 0 };
		char *text = malloc(lengths[i] + 1);

		assert_non_null(text);
		memset(text, '!', lengths[i] + 1);
		assert_int_equal(random_base62(text, lengths[i], &err), 0);
		assert_int_equal(strlen(text), lengths[i]);
		assert_int_equal(strspn(text, ALPHABET), lengths[i]);
		assert_int_equal(err.code, OAM_OK);
		free(text);
	}
}

enum { DRAWS = 10000, LENGTH = 24 };

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void never_repeats(void **state)
{
	static char draws[DRAWS][LENGTH + 1];
	struct oam_error err = { 0 };

	(void)state;
	for (int i = 0; i < DRAWS; i++)
		assert_int_equal(random_base62(draws[i], LENGTH, &err), 0);
	qsort(draws, DRAWS, sizeof(draws[0]), compare);
	for (int i = 1; i < DRAWS; i++)
		assert_string_not_equal(draws[i - 1], draws[i]);
}

/*
 * Each character comes equally often: 620,000 draws make 10,000 of each, and 600 is six
 * standard deviations. Reduced without care (256 mod 62) eight of them would come 25 %
 * more often.
 */
static void is_even(void **state)
{
	enum { EACH = 10000, TOTAL = 62 * EACH };
	char *text = malloc(TOTAL + 1);
	int seen[256] = { 0 };
	struct oam_error err = { 0 };

	(void)state;
	assert_non_null(text);
	assert_int_equal(random_base62(text, TOTAL, &err), 0);
	for (size_t i = 0; i < TOTAL; i++)
		seen[(unsigned char)text[i]]++;
	for (const char *p = ALPHABET; *p; p++)
		assert_in_range(seen[(unsigned char)*p], EACH - 600, EACH + 600);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_length_and_alphabet),
		cmocka_unit_test(never_repeats),
		cmocka_unit_test(is_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
