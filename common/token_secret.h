/* token_secret: whether a secret is fit to sign tokens with. */
#ifndef OAM_TOKEN_SECRET_H
#define OAM_TOKEN_SECRET_H

#include "token_signature.h"

/*
 * SETTING with the setting's `name` when the secret is missing (NULL), shorter than the hash
 * of the algorithm (RFC 7518, 3.2), in a public list of secrets, made of a few characters, or
 * when fewer than 16 of its characters are anything but words, rows of keys and repetitions
 * (token_words.h). Never the value. What `openssl rand`, uuidgen and pwgen make passes.
 */
int token_secret_check(const char *name, const char *secret,
		       const struct token_algorithm *algorithm, struct oam_error *err);

#endif
