#include "token_signature.h"

#include <errno.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#include "token_openssl.h"

static const struct token_algorithm algorithms[] = {
	{ "HS256", TOKEN_HMAC, "SHA256", 32, NULL },
	{ "HS384", TOKEN_HMAC, "SHA384", 48, NULL },
	{ "HS512", TOKEN_HMAC, "SHA512", 64, NULL },
	{ "RS256", TOKEN_RSA, "SHA256", 0, NULL },
	{ "RS384", TOKEN_RSA, "SHA384", 0, NULL },
	{ "RS512", TOKEN_RSA, "SHA512", 0, NULL },
	{ "ES256", TOKEN_EC, "SHA256", 32, "prime256v1" },
	{ "ES384", TOKEN_EC, "SHA384", 48, "secp384r1" },
	{ "ES512", TOKEN_EC, "SHA512", 66, "secp521r1" },
};

const struct token_algorithm *token_algorithm_find(const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

/*
 * libjwt succeeds without a look at the signature when it has no key: when the key is empty,
 * or there was no memory for a copy of it. The algorithm is JWT_ALG_NONE then.
 */
static int check_plain(const struct token_algorithm *algorithm,
		       const struct token_key *key, const char *text)
{
	jwt_t *jwt = NULL;
	int good = jwt_decode(&jwt, text, (const unsigned char *)key->text,
			      (int)key->length) == 0 &&
		   jwt && jwt_get_alg(jwt) == jwt_str_alg(algorithm->name);

	jwt_free(jwt);
	return good;
}

/*
 * 1, 0, or -1 when memory ran out: then libjwt may have compared the signature with what the
 * stack holds, since it does not see that OpenSSL made no HMAC. Only errno tells, and the
 * answer counts for nothing, whatever it was. (Jansson resets errno, but it has read the
 * JSON by then.)
 */
static int ask(const struct token_algorithm *algorithm, const struct token_key *key,
	       const struct token_parts *token)
{
	int good, cause;

	errno = 0;
	good = token->is_plain ? check_plain(algorithm, key, token->text)
			       : token_openssl_check(algorithm, key, token);
	cause = errno;
	token_openssl_forget_errors();
	return cause == ENOMEM ? -1 : good;
}

/*
 * malloc() also sets errno when it finds no room where it looks first, and then finds some
 * elsewhere. That room is still there the second time: so ask twice.
 */
int token_signature_check(const struct token_algorithm *algorithm,
			  const struct token_key *key, const struct token_parts *token,
			  struct oam_error *err)
{
	int good = ask(algorithm, key, token);

	if (good < 0)
		good = ask(algorithm, key, token);
	return good < 0 ? error_set(err, NO_MEMORY, NULL) : good;
}

/* Only once each: what OpenSSL lacked when it was loaded, it may lack forever. */
int token_signature_prepare(struct oam_error *err)
{
	static char secret[] = "only to see a signature found good";
	static const char text[] = "eyJhbGciOiJIUzI1NiJ9."
				   "e30."
				   "f79KkYf1tF4kaZ2oBH3vTkwqF7lKkrf09Odooi75edo";
	const struct token_key key = { .text = secret, .length = sizeof(secret) - 1 };
	const struct token_parts plain = { .text = text, .is_plain = true };
	const char zeros[32] = { 0 };
	const struct token_parts other = { .text = text,
					   .signature = zeros,
					   .signature_length = sizeof(zeros) };

	if (ask(&algorithms[0], &key, &plain) == 1 &&
	    ask(&algorithms[0], &key, &other) == 0)
		return 0;
	return error_set(err, NO_MEMORY, NULL);
}

/* NULL when libjwt cannot do it. */
static char *encode(const struct token_algorithm *algorithm, const struct token_key *key,
		    const char *claims)
{
	char *token = NULL;
	jwt_t *jwt = NULL;

	if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
	    jwt_set_alg(jwt, jwt_str_alg(algorithm->name),
			(const unsigned char *)key->text, (int)key->length) == 0)
		token = jwt_encode_str(jwt);
	jwt_free(jwt);
	return token;
}

/*
 * jwt_encode_str() does not see that OpenSSL made no HMAC either, and sets errno to 0: so
 * the finished token is checked.
 */
int token_signature_make(const struct token_algorithm *algorithm,
			 const struct token_key *key, const char *claims, char **token,
			 struct oam_error *err)
{
	struct token_parts made = { .is_plain = true };
	char *text;

	*token = NULL;
	errno = 0;
	text = encode(algorithm, key, claims);
	if (!text)
		return errno == ENOMEM ? error_set(err, NO_MEMORY, NULL)
				       : error_set(err, INTERNAL, NULL);
	made.text = text;
	if (token_signature_check(algorithm, key, &made, err) != 1) {
		free(text);
		return error_set(err, NO_MEMORY, NULL);
	}
	*token = text; /* libjwt 1.x returns plain malloc'd memory */
	return 0;
}
