#include "clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000000;
}

int64_t clock_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void clock_sleep(int64_t milliseconds)
{
	struct timespec pause = { .tv_sec = milliseconds / CLOCK_SECOND,
				  .tv_nsec = milliseconds % CLOCK_SECOND * 1000000 };

	nanosleep(&pause, NULL);
}

/* Writes two digits and what separates them from the next, and returns the end. */
static char *put_two(char *to, int value, char separator)
{
	to[0] = (char)('0' + value / 10);
	to[1] = (char)('0' + value % 10);
	to[2] = separator;
	return to + 3;
}

/*
 * The Gregorian date of a day since 1970-01-01. Years begin with March here, so that the
 * day that only some have is their last; then 400 of them always have 146,097 days.
 */
static char *put_date(char *to, int64_t day)
{
	int64_t since = day + 719468; /* since 0000-03-01 */
	int64_t era = since / 146097 - (since % 146097 < 0);
	int day_of_era = (int)(since - era * 146097);
	int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
			   day_of_era / 146096) /
			  365;
	int day_of_year = day_of_era -
			  (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int month = (5 * day_of_year + 2) / 153; /* 0: March */
	int64_t year = era * 400 + year_of_era + (month >= 10);

	if (year >= 0 && year <= 9999)
		to = put_two(put_two(to, (int)year / 100, 0) - 1, (int)year % 100, '-');
	else
		to += snprintf(to, CLOCK_ISO8601_SIZE, "%lld-", (long long)year);
	to = put_two(to, month < 10 ? month + 3 : month - 9, '-');
	return put_two(to, day_of_year - (153 * month + 2) / 5 + 1, 'T');
}

/* Every answer has some of these: strftime(3) and gmtime_r(3) take several times as long. */
void clock_iso8601(int64_t ms, char text[CLOCK_ISO8601_SIZE])
{
	int64_t day = ms / CLOCK_DAY;
	int rest = (int)(ms % CLOCK_DAY);
	char *at;

	if (rest < 0) { /* before 1970 the remainder is negative */
		rest += (int)CLOCK_DAY;
		day--;
	}
	at = put_date(text, day);
	at = put_two(at, rest / (int)CLOCK_HOUR, ':');
	at = put_two(at, rest / (int)CLOCK_MINUTE % 60, ':');
	at = put_two(at, rest / (int)CLOCK_SECOND % 60, '.');
	rest %= (int)CLOCK_SECOND;
	*at++ = (char)('0' + rest / 100);
	put_two(at, rest % 100, 'Z')[0] = '\0';
}
