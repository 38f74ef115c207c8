/* token_key: whether a public key in PEM form is one for an algorithm (RFC 7518, 3.3, 3.4). */
#ifndef OAM_TOKEN_KEY_H
#define OAM_TOKEN_KEY_H

#include <stdbool.h>

/*
 * True when `pem` holds one SubjectPublicKeyInfo (RFC 5280) that is of the algorithm's kind
 * (`algorithm` is RS… or ES… with 256, 384 or 512), on the curve that ES needs, or an RSA
 * key of 2048 bits or more. It does not prove that the point or the modulus is good: a
 * signature by such a key just never matches.
 */
bool token_key_fits(const char *pem, const char *algorithm);

#endif
