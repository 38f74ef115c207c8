/*
 * token_key: the keys that verify tokens, from the settings.
 *
 * HS…: JWT_SECRET, and JWT_SECRET_PREVIOUS when it is set: the first one signs, both verify.
 * RS… and ES…: the keys of the file OAM_JWT_PUBLIC_KEY, each a SubjectPublicKeyInfo in PEM
 * form (RFC 7468, 13). PEM has no place for a key's id, but allows text between the keys: a
 * line `kid: NAME` there is the id of the key below it.
 */
#ifndef OAM_TOKEN_KEY_H
#define OAM_TOKEN_KEY_H

#include "settings.h"
#include "token_signature.h"

/* More are refused: a token without `kid` is tried with each. */
#define TOKEN_KEYS_MAX 8

struct token_keys {
	const struct token_algorithm *algorithm;
	struct token_key keys[TOKEN_KEYS_MAX];
	size_t count;
};

/*
 * Fills *keys from the settings; release with token_keys_free(), also after a failure.
 * SETTING when the algorithm is unknown; when a secret is missing or not fit to sign with
 * (token_secret.h); when the file cannot be read, has no key or more than TOKEN_KEYS_MAX, has
 * anything else in PEM form, or a key that does not fit: RS wants RSA of 2048 bits or more
 * (RFC 7518, 3.3), ES its curve (3.4).
 */
int token_keys_load(const struct settings *settings, struct token_keys *keys,
		    struct oam_error *err);

/* Wipes and releases all. Safe on an all-zero struct. */
void token_keys_free(struct token_keys *keys);

/*
 * Checks a token's signature: TOKEN_INVALID when it is of none of the keys. A key is passed
 * over when it has an id and the token's `kid` is another.
 */
int token_keys_check(const struct token_keys *keys, const struct token_parts *token,
		     struct oam_error *err);

#endif
