/* token_secret: whether JWT_SECRET is fit to sign with. */
#ifndef OAM_TOKEN_SECRET_H
#define OAM_TOKEN_SECRET_H

#include <stddef.h>

#include "error.h"

/*
 * SETTING when the secret is missing (NULL), shorter than `bytes` (the size of the hash of
 * `algorithm`, RFC 7518, 3.2), repeats a few characters, or is a known placeholder.
 */
int token_secret_check(const char *secret, const char *algorithm, size_t bytes,
		       struct oam_error *err);

#endif
