/*
 * token: JSON Web Tokens (RFC 7515, 7519), checked the way RFC 8725 asks for.
 *
 * One algorithm is accepted, the configured one; the key never comes from the token. A
 * token must have a numeric `exp` in the future. token_signature.h tells which library
 * checks signatures.
 */
#ifndef OAM_TOKEN_H
#define OAM_TOKEN_H

#include <stdint.h>

#include "json.h"
#include "settings.h"

/* Longer tokens are refused; web servers cut headers at 8 KiB anyway. */
#define TOKEN_MAX 8000

struct token_verifier;

/*
 * Prepares verification from the JWT_ and OAM_JWT_ settings. SETTING when the keys cannot
 * be used (token_key.h). `settings` must stay alive.
 * Not thread safe; forked children go on with a copy.
 */
int token_verifier_open(const struct settings *settings, struct token_verifier **verifier,
			struct oam_error *err);
void token_verifier_close(struct token_verifier *verifier);

/*
 * Checks a compact JWS at the time `now` (ms). *claims (the caller releases it) on
 * success, TOKEN_INVALID with the reason otherwise. What the claims say counts only when
 * the signature is good. A good signature is remembered (token_cache.h), the rest is not: a
 * token that is revoked is refused at once.
 */
int token_verify(struct token_verifier *verifier, const char *token, int64_t now,
		 struct json_object **claims, struct oam_error *err);

/*
 * True when the claims allow more than reading: OAM_JWT_MANAGE is unset, or the claim it
 * names is that string, an array with it, or for `scope` a list of words with it.
 */
bool token_may_manage(const struct token_verifier *verifier, struct json_object *claims);

/*
 * Signs `claims` with JWT_SECRET. *token is malloc'd. SETTING as for token_verifier_open(),
 * and when the algorithm is not an HMAC: then the private key is not ours.
 */
int token_sign(const struct settings *settings, struct json_object *claims, char **token,
	       struct oam_error *err);

#endif
