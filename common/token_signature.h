/*
 * token_signature: the signatures of RFC 7518, 3, by OpenSSL. It alone includes OpenSSL,
 * with token_key and token_secret.
 */
#ifndef OAM_TOKEN_SIGNATURE_H
#define OAM_TOKEN_SIGNATURE_H

#include <stddef.h>

#include "error.h"

#define TOKEN_MAC_MAX 64 /* bytes: of SHA-512 */

enum token_family { TOKEN_HMAC, TOKEN_RSA, TOKEN_EC };

struct token_algorithm {
	const char *name; /* as the header's `alg` has it */
	enum token_family family;
	const char *hash; /* as OpenSSL names it */
	size_t size; /* bytes: HMAC: of the hash; EC: of r and of s; RSA: 0, it varies */
	const char *curve; /* EC: as OpenSSL names it */
};

/* One key. HMAC has a secret, RSA and EC have a public key. */
struct token_key {
	char *kid; /* NULL: it has none */
	char *secret;
	size_t secret_length;
	struct evp_pkey_st *public_key;
};

/* NULL when there is none of that name: names are case sensitive. */
const struct token_algorithm *token_algorithm_find(const char *name);

/*
 * Has OpenSSL load itself, which it does with its first use. If memory runs out just then,
 * it stays broken, and no token would be good any more: so call this before there are
 * requests. NO_MEMORY.
 */
int token_signature_prepare(struct oam_error *err);

/* The HMAC of a text, algorithm->size bytes of `mac`. NO_MEMORY. */
int token_signature_make(const struct token_algorithm *algorithm,
			 const struct token_key *key, const char *text, size_t length,
			 unsigned char mac[TOKEN_MAC_MAX], struct oam_error *err);

/*
 * 1 when `signature` is the key's signature of the text, 0 when not, -1 with NO_MEMORY. How
 * long it takes does not tell how much of an HMAC is right.
 */
int token_signature_check(const struct token_algorithm *algorithm,
			  const struct token_key *key, const char *text, size_t length,
			  const char *signature, size_t signature_length,
			  struct oam_error *err);

#endif
