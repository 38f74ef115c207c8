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

void clock_iso8601(int64_t ms, char text[CLOCK_ISO8601_SIZE])
{
	int64_t rest = ms % CLOCK_SECOND;
	time_t seconds = ms / CLOCK_SECOND;
	struct tm utc;
	char whole[CLOCK_ISO8601_SIZE - 5]; /* room for a year of ten characters */

	if (rest < 0) { /* before 1970 the remainder is negative */
		rest += CLOCK_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &utc);
	strftime(whole, sizeof(whole), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, CLOCK_ISO8601_SIZE, "%s.%03dZ", whole, (int)rest);
}
