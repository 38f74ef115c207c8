/* clock: milliseconds, and how they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void writes_iso8601(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ 999, "1970-01-01T00:00:00.999Z" },
		{ 1000, "1970-01-01T00:00:01.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -999, "1969-12-31T23:59:59.001Z" },
		{ -1000, "1969-12-31T23:59:59.000Z" },
		{ -1001, "1969-12-31T23:59:58.999Z" },
		{ INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ INT64_C(1709251199999), "2024-02-29T23:59:59.999Z" },
		{ INT64_C(1795451100000), "2026-11-23T16:25:00.000Z" },
		{ INT64_C(2147483648000), "2038-01-19T03:14:08.000Z" },
		{ INT64_C(4107542400000), "2100-03-01T00:00:00.000Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
		{ INT64_C(253402300800000), "10000-01-01T00:00:00.000Z" },
		/* the ends of the range: a hostile or broken value must not break us */
		{ INT64_MAX, "292278994-08-17T07:12:55.807Z" },
		{ INT64_MIN, "-292275055-05-16T16:47:04.192Z" },
	};
	char text[CLOCK_ISO8601_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(text, 'x', sizeof(text));
		clock_iso8601(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

/* Every day of 1,200 years before and after 1970, and every 997th millisecond of one. */
static void writes_the_dates_of_gmtime(void **state)
{
	char text[CLOCK_ISO8601_SIZE], expected[64];

	(void)state;
	for (int64_t day = -438291; day <= 438291; day++) {
		time_t seconds = day * 86400;
		struct tm utc;

		gmtime_r(&seconds, &utc);
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT00:00:00.000Z",
			 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
		clock_iso8601(day * CLOCK_DAY, text);
		assert_string_equal(text, expected);
	}
	for (int ms = 0; ms < CLOCK_DAY; ms += 997) {
		snprintf(expected, sizeof(expected), "1970-01-01T%02d:%02d:%02d.%03dZ",
			 ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
		clock_iso8601(ms, text);
		assert_string_equal(text, expected);
	}
}

/* UTC, whatever the machine's zone is. */
static void ignores_the_time_zone(void **state)
{
	char text[CLOCK_ISO8601_SIZE];

	(void)state;
	setenv("TZ", "Pacific/Auckland", 1);
	tzset();
	clock_iso8601(0, text);
	unsetenv("TZ");
	tzset();
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

static void now_is_now(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = clock_now();

	(void)state;
	assert_true(now >= before - CLOCK_SECOND);
	assert_true(now <= before + 5 * CLOCK_SECOND);
	assert_true(CLOCK_HOUR == 3600000);
}

static void monotonic_never_steps_back(void **state)
{
	int64_t last = clock_monotonic();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		int64_t next = clock_monotonic();

		assert_true(next >= last);
		last = next;
	}
}

static void sleeps_as_long_as_told(void **state)
{
	static const int64_t naps[] = { 0, 1, 30, 1010 };

	(void)state;
	for (size_t i = 0; i < COUNT(naps); i++) {
		int64_t start = clock_monotonic(), took;

		clock_sleep(naps[i]);
		took = clock_monotonic() - start;
		assert_true(took >= naps[i] - 1); /* both ends are rounded down */
		assert_true(took < naps[i] + 5 * CLOCK_SECOND);
	}
}

static void does_not_sleep_back(void **state)
{
	int64_t start = clock_monotonic();

	(void)state;
	clock_sleep(-1);
	clock_sleep(INT64_MIN);
	assert_true(clock_monotonic() - start < 5 * CLOCK_SECOND);
}

static void on_alarm(int number)
{
	(void)number;
}

static void signal_ends_the_sleep(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm }, old;
	struct itimerval timer = { .it_value = { .tv_usec = 50000 } };
	int64_t start = clock_monotonic();

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
	clock_sleep(20 * CLOCK_SECOND);
	assert_true(clock_monotonic() - start < 10 * CLOCK_SECOND);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_iso8601),
		cmocka_unit_test(writes_the_dates_of_gmtime),
		cmocka_unit_test(ignores_the_time_zone),
		cmocka_unit_test(now_is_now),
		cmocka_unit_test(monotonic_never_steps_back),
		cmocka_unit_test(sleeps_as_long_as_told),
		cmocka_unit_test(does_not_sleep_back),
		cmocka_unit_test(signal_ends_the_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
