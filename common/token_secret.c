#include "token_secret.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "token_leaked.h"
#include "token_words.h"

#define DISTINCT_MIN  8
#define UNGUESSED_MIN 16

static size_t distinct_bytes(const char *text)
{
	bool seen[256] = { false };
	size_t count = 0;

	for (; *text; text++) {
		count += !seen[(unsigned char)*text];
		seen[(unsigned char)*text] = true;
	}
	return count;
}

/* 1 when it is in a public list, 0 when not, -1 without memory. */
static int is_leaked(const char *secret, struct oam_error *err)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	uint64_t begin = 0;

	if (!SHA256((const unsigned char *)secret, strlen(secret), digest))
		return error_set(err, NO_MEMORY, NULL);
	for (size_t i = 0; i < sizeof(begin); i++)
		begin = begin << 8 | digest[i];
	explicit_bzero(digest, sizeof(digest));
	return token_leaked_has(begin);
}

static int refuse(const char *name, const char *reason, struct oam_error *err)
{
	char text[OAM_MESSAGE_MAX];

	snprintf(text, sizeof(text), "%s %s. Make one: openssl rand -hex 32", name,
		 reason);
	return error_set(err, SETTING, name, text);
}

int token_secret_check(const char *name, const char *secret,
		       const struct token_algorithm *algorithm, struct oam_error *err)
{
	char reason[64];
	int leaked;

	if (!secret)
		return refuse(name, "is not set", err);
	if (strlen(secret) < algorithm->size) {
		snprintf(reason, sizeof(reason), "is too short: %s needs %zu bytes",
			 algorithm->name, algorithm->size);
		return refuse(name, reason, err);
	}
	leaked = is_leaked(secret, err);
	if (leaked < 0)
		return -1;
	if (leaked)
		return refuse(name, "is known: it is in a public list of secrets", err);
	if (distinct_bytes(secret) < DISTINCT_MIN)
		return refuse(name, "is too weak: it repeats a few characters", err);
	if (token_words_unguessed(secret, UNGUESSED_MIN) < UNGUESSED_MIN)
		return refuse(name,
			      "can be guessed: it is made of words, rows of keys or "
			      "repetitions",
			      err);
	return 0;
}
