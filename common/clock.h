/* clock: time as integer milliseconds. Thread and process safe. */
#ifndef OAM_CLOCK_H
#define OAM_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000)
#define CLOCK_MINUTE (60 * CLOCK_SECOND)
#define CLOCK_HOUR   (60 * CLOCK_MINUTE)
#define CLOCK_DAY    (24 * CLOCK_HOUR)

/* Milliseconds since 1970-01-01 00:00 UTC. May step when the machine's clock is set. */
int64_t clock_now(void);

/* Milliseconds that never step back, for measuring how long something took. */
int64_t clock_monotonic(void);

/* Sleeps; returns early when a signal arrives. */
void clock_sleep(int64_t milliseconds);

#define CLOCK_ISO8601_SIZE 32

/* Writes `ms` as ISO 8601 in UTC with milliseconds, e.g. 2026-11-23T16:25:00.000Z. */
void clock_iso8601(int64_t ms, char text[CLOCK_ISO8601_SIZE]);

#endif
