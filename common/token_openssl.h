/*
 * token_openssl: what libjwt 1.10 cannot do, by OpenSSL: look at a key, and check a token
 * whose `typ` is not JWT. It alone includes OpenSSL, with token_secret.
 */
#ifndef OAM_TOKEN_OPENSSL_H
#define OAM_TOKEN_OPENSSL_H

#include "token_signature.h"

/*
 * Reads the key's text into key->public_key, which costs ten times as much as to check a
 * signature with it. False when it is not one in PEM form that the algorithm takes: RS wants
 * RSA of 2048 bits or more (RFC 7518, 3.3), ES its curve (3.4). When memory runs out,
 * errno is ENOMEM. Release with token_openssl_release() in any case.
 */
bool token_openssl_read(const struct token_algorithm *algorithm, struct token_key *key);
void token_openssl_release(struct token_key *key);

/*
 * 1 when the token has the key's signature, 0 when not, -1 when OpenSSL could not tell. It may
 * say 0 when memory runs out: errno is ENOMEM then. For token_signature_check() alone.
 */
int token_openssl_check(const struct token_algorithm *algorithm,
			const struct token_key *key, const struct token_parts *token);

/* OpenSSL keeps a list of what failed; libcurl would find it there. */
void token_openssl_forget_errors(void);

#endif
