#include "token_base64.h"

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ssize_t token_base64_decode(const char *text, size_t length, char *out)
{
	unsigned int bits = 0, held = 0;
	size_t done = 0;

	if (length == 0 || length % 4 == 1)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int value = digit_value(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (unsigned int)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[done++] = (char)(bits >> held & 0xFF);
		}
		bits &= (1U << held) - 1;
	}
	out[done] = '\0';
	return bits == 0 ? (ssize_t)done : -1;
}
