/*
 * visible: text from outside, as a terminal or a log may show it.
 *
 * Control characters steer a terminal: U+0000-1F, 7F, and 80-9F (ECMA-48), which many
 * obey too; directional ones (Unicode UAX #9) show text in another order than it has.
 * They are written as \x1b or \u202e, and so is each byte that is no UTF-8. Thread safe.
 */
#ifndef OAM_VISIBLE_H
#define OAM_VISIBLE_H

#include <stddef.h>

#define VISIBLE_SIZE 8

/*
 * Writes the first character of `text`, which is not "", or its escape, into `shown`.
 * Returns how many bytes of `text` it takes.
 */
size_t visible_step(const char *text, char shown[VISIBLE_SIZE]);

#endif
