#include "random.h"

#include <string.h>
#include <sys/random.h>

int random_base62(char *text, size_t length, struct oam_error *err)
{
	static const char alphabet[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char pool[64];

	for (size_t done = 0; done < length;) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool)) {
			error_set(err, INTERNAL, NULL);
			return error_detail(err, "getrandom failed");
		}
		for (size_t i = 0; i < sizeof(pool) && done < length; i++)
			if (pool[i] < 4 * 62) /* above that a remainder would be uneven */
				text[done++] = alphabet[pool[i] % 62];
	}
	text[length] = '\0';
	return 0;
}
