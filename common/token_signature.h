/*
 * token_signature: the signatures of RFC 7518, 3, made and checked. It alone includes
 * libjwt.
 */
#ifndef OAM_TOKEN_SIGNATURE_H
#define OAM_TOKEN_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum token_family { TOKEN_HMAC, TOKEN_RSA, TOKEN_EC };

struct token_algorithm {
	const char *name; /* as the header's `alg` has it */
	enum token_family family;
	const char *hash; /* as OpenSSL names it */
	size_t size; /* bytes: HMAC: of the hash; EC: of r and of s; RSA: 0, it varies */
	const char *curve; /* EC: as OpenSSL names it */
};

/* One key. */
struct token_key {
	char *kid;  /* NULL: it has none */
	char *text; /* HMAC: the secret; RSA and EC: the public key in PEM form */
	size_t length;
	struct evp_pkey_st *public_key; /* RSA and EC: the same, as OpenSSL has it */
};

/* A token and what is read of it before its signature is checked. */
struct token_parts {
	const char *text; /* all of it: three parts in base64url, none of them empty */
	size_t signed_length;  /* of the header, the claims and the dot between them */
	const char *signature; /* its bytes */
	size_t signature_length;
	bool is_plain;   /* the header's `typ` is JWT in any case, or there is none */
	const char *kid; /* NULL: there is none */
};

/* NULL when there is none of that name: names are case sensitive. */
const struct token_algorithm *token_algorithm_find(const char *name);

/*
 * Has OpenSSL load itself, which it does with its first use. If memory runs out just then,
 * it stays broken, and no token would be good any more: so call this before there are
 * requests. NO_MEMORY.
 */
int token_signature_prepare(struct oam_error *err);

/*
 * Makes a token of claims, a JSON object, with an HMAC. *token is malloc'd. NO_MEMORY;
 * INTERNAL when libjwt cannot read the claims.
 */
int token_signature_make(const struct token_algorithm *algorithm,
			 const struct token_key *key, const char *claims, char **token,
			 struct oam_error *err);

/*
 * libjwt checks a plain token. OpenSSL checks any other (token_openssl.h), because libjwt
 * 1.10 refuses every `typ` but JWT, and RFC 9068 asks for at+jwt.
 *
 * 1 when the token has the key's signature, 0 when not, -1 with NO_MEMORY. The caller has
 * read the header: its `alg` is this algorithm. libjwt reads the claims before it checks,
 * and takes what Jansson cannot read (\u0000, integers beyond 64 bits) for badly signed. How
 * long it takes does not tell how much of an HMAC is right.
 */
int token_signature_check(const struct token_algorithm *algorithm,
			  const struct token_key *key, const struct token_parts *token,
			  struct oam_error *err);

#endif
