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

/* Writes `value` (not negative) in `width` digits and returns their end. */
static char *put_digits(char *to, int value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	return to + width;
}

/* Every status has some of these, so they are made without strftime(3), which is slow. */
void clock_iso8601(int64_t ms, char text[CLOCK_ISO8601_SIZE])
{
	int64_t rest = ms % CLOCK_SECOND;
	time_t seconds = ms / CLOCK_SECOND;
	char *at = text;
	struct tm utc;
	int year;

	if (rest < 0) { /* before 1970 the remainder is negative */
		rest += CLOCK_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &utc);
	year = utc.tm_year + 1900;
	if (year >= 0 && year <= 9999)
		at = put_digits(at, year, 4);
	else
		at += snprintf(at, CLOCK_ISO8601_SIZE, "%d", year);
	*at++ = '-';
	at = put_digits(at, utc.tm_mon + 1, 2);
	*at++ = '-';
	at = put_digits(at, utc.tm_mday, 2);
	*at++ = 'T';
	at = put_digits(at, utc.tm_hour, 2);
	*at++ = ':';
	at = put_digits(at, utc.tm_min, 2);
	*at++ = ':';
	at = put_digits(at, utc.tm_sec, 2);
	*at++ = '.';
	at = put_digits(at, (int)rest, 3);
	*at++ = 'Z';
	*at = '\0';
}
