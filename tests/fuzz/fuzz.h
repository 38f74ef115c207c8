/* What the fuzzers share. */
#ifndef OAM_FUZZ_H
#define OAM_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* What libFuzzer calls, the first one once. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run when the condition does not hold: libFuzzer then keeps the input. */
#define claim(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, \
				#condition); \
			abort(); \
		} \
	} while (0)

/* A copy of just this size with '\0' behind it, so that a step too far is noticed. */
static inline char *copy_text(const void *data, size_t size)
{
	char *text = malloc(size + 1);

	claim(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static inline bool is_utf8(const char *text)
{
	return json_is_utf8(text, strlen(text));
}

/* A failure has a code and texts that can be sent to the caller. */
static inline void check_error(const struct oam_error *err)
{
	claim(err->code != OAM_OK);
	claim(err->message[0]);
	claim(is_utf8(err->message));
	claim(is_utf8(err->param));
	claim(is_utf8(err->upstream.type));
	claim(is_utf8(err->upstream.code));
	claim(is_utf8(err->upstream.param));
	claim(is_utf8(err->upstream.message));
}

#endif
