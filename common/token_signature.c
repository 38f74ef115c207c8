#include "token_signature.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

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

int token_signature_make(const struct token_algorithm *algorithm,
			 const struct token_key *key, const char *text, size_t length,
			 unsigned char mac[TOKEN_MAC_MAX], struct oam_error *err)
{
	const EVP_MD *hash = EVP_get_digestbyname(algorithm->hash);

	if (!hash || !HMAC(hash, key->secret, (int)key->secret_length,
			   (const unsigned char *)text, length, mac, NULL))
		return error_set(err, NO_MEMORY, NULL);
	return 0;
}

int token_signature_prepare(struct oam_error *err)
{
	static char secret[] = "only to have it loaded";
	const struct token_key key = { .secret = secret, .secret_length = 22 };
	unsigned char mac[TOKEN_MAC_MAX];

	errno = 0;
	if (token_signature_make(&algorithms[0], &key, "", 0, mac, err))
		return -1;
	return errno == ENOMEM ? error_set(err, NO_MEMORY, NULL) : 0;
}

static int check_hmac(const struct token_algorithm *algorithm,
		      const struct token_key *key, const char *text, size_t length,
		      const char *signature, size_t signature_length,
		      struct oam_error *err)
{
	unsigned char mac[TOKEN_MAC_MAX];
	int good;

	if (signature_length != algorithm->size)
		return 0;
	if (token_signature_make(algorithm, key, text, length, mac, err))
		return -1;
	good = CRYPTO_memcmp(mac, signature, signature_length) == 0;
	explicit_bzero(mac, sizeof(mac));
	return good;
}

/*
 * The two numbers r and s of RFC 7518, 3.4, in the form that OpenSSL wants: *der is OpenSSL's,
 * the length is returned; 0 when they are not as long as they must be, -1 without memory.
 */
static int encode_numbers(const struct token_algorithm *algorithm, const char *signature,
			  size_t signature_length, unsigned char **der)
{
	const unsigned char *bytes = (const unsigned char *)signature;
	int size = (int)algorithm->size, length = -1;
	ECDSA_SIG *pair;
	BIGNUM *r, *s;

	if (signature_length != 2 * algorithm->size)
		return 0;
	pair = ECDSA_SIG_new();
	r = BN_bin2bn(bytes, size, NULL);
	s = BN_bin2bn(bytes + size, size, NULL);
	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		length = i2d_ECDSA_SIG(pair, der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	return length > 0 ? length : -1;
}

/* 1, 0, or -1 when OpenSSL could not do it. */
static int check_with(const struct token_algorithm *algorithm, EVP_PKEY *key,
		      const char *text, size_t length, const unsigned char *signature,
		      size_t signature_length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int good = -1;

	/* RSA's padding is PKCS #1 v1.5 when nothing else is said, as RFC 7518, 3.3 has it. */
	if (context &&
	    EVP_DigestVerifyInit(context, NULL, EVP_get_digestbyname(algorithm->hash),
				 NULL, key) == 1)
		good = EVP_DigestVerify(context, signature, signature_length,
					(const unsigned char *)text, length) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

/* OpenSSL says of a bad signature and of a lack of memory the same; errno tells them apart. */
static int check_public(const struct token_algorithm *algorithm,
			const struct token_key *key, const char *text, size_t length,
			const char *signature, size_t signature_length,
			struct oam_error *err)
{
	unsigned char *der = NULL;
	int der_length, good;

	errno = 0;
	if (algorithm->family == TOKEN_RSA) {
		good = check_with(algorithm, key->public_key, text, length,
				  (const unsigned char *)signature, signature_length);
	} else {
		der_length = encode_numbers(algorithm, signature, signature_length, &der);
		good = der_length <= 0 ? der_length
				       : check_with(algorithm, key->public_key, text,
						    length, der, (size_t)der_length);
		OPENSSL_free(der);
	}
	ERR_clear_error();
	if (good < 0 || errno == ENOMEM)
		return error_set(err, NO_MEMORY, NULL);
	return good;
}

int token_signature_check(const struct token_algorithm *algorithm,
			  const struct token_key *key, const char *text, size_t length,
			  const char *signature, size_t signature_length,
			  struct oam_error *err)
{
	if (algorithm->family == TOKEN_HMAC)
		return check_hmac(algorithm, key, text, length, signature,
				  signature_length, err);
	return check_public(algorithm, key, text, length, signature, signature_length,
			    err);
}
