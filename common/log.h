/*
 * log: one line an event on standard error, as key=value pairs.
 *
 * Values with spaces, quotes or characters that are not visible (visible.h) are quoted and
 * escaped, so that hostile input cannot forge a line, nor steer a terminal. Each line is one write(2): lines of several
 * processes do not mix. Never log a token, a key, a secret or a body.
 */
#ifndef OAM_LOG_H
#define OAM_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* To be called once, before any fork or thread. The level before that is INFO. */
void log_start(const char *program, enum log_level level);

/* For callers that would have to prepare what they write. */
bool log_is_wanted(enum log_level level);

/*
 * Writes a line when `level` is wanted: `event`, then pairs of name and value (const char
 * pointers) up to a final NULL. A pair whose value is NULL or "" is left out.
 */
void log_write(enum log_level level, const char *event, ...) __attribute__((sentinel));

#endif
