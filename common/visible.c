#include "visible.h"

#include <stdio.h>
#include <string.h>

#include "json.h"

/* The code point of the `n` bytes, which are one character of valid UTF-8. */
static unsigned decode(const char *text, size_t n)
{
	static const unsigned char masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	unsigned point = (unsigned char)text[0] & masks[n];

	for (size_t i = 1; i < n; i++)
		point = point << 6 | ((unsigned char)text[i] & 0x3F);
	return point;
}

static bool is_control(unsigned point)
{
	return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

/* Marks, embeddings, overrides and isolates; the separators of lines and paragraphs. */
static bool is_directional(unsigned point)
{
	return point == 0x061C || point == 0x200E || point == 0x200F ||
	       (point >= 0x2028 && point <= 0x202E) ||
	       (point >= 0x2066 && point <= 0x2069);
}

size_t visible_step(const char *text, char shown[VISIBLE_SIZE])
{
	unsigned point;
	size_t n = 1;

	while (n <= 4 && !json_is_utf8(text, n)) /* never looks beyond the '\0' */
		n++;
	if (n > 4) {
		snprintf(shown, VISIBLE_SIZE, "\\x%02x", (unsigned char)*text);
		return 1;
	}
	point = decode(text, n);
	if (point < 0x80 && is_control(point)) {
		snprintf(shown, VISIBLE_SIZE, "\\x%02x", point);
	} else if (is_control(point) || is_directional(point)) {
		snprintf(shown, VISIBLE_SIZE, "\\u%04x", point);
	} else {
		memcpy(shown, text, n);
		shown[n] = '\0';
	}
	return n;
}
