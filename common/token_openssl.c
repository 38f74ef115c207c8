#include "token_openssl.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

#define RSA_MIN_BITS 2048

void token_openssl_forget_errors(void)
{
	ERR_clear_error();
}

/* OpenSSL would ask the terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int for_writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)for_writing;
	(void)context;
	return -1;
}

static bool fits(EVP_PKEY *key, const struct token_algorithm *algorithm)
{
	char curve[64];

	if (algorithm->family == TOKEN_RSA)
		return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		       EVP_PKEY_get_bits(key) >= RSA_MIN_BITS;
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
	       strcmp(curve, algorithm->curve) == 0;
}

bool token_openssl_read(const struct token_algorithm *algorithm, struct token_key *key)
{
	BIO *bio = BIO_new_mem_buf(key->text, (int)key->length);
	bool good;

	if (bio)
		key->public_key = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	BIO_free(bio);
	good = key->public_key && fits(key->public_key, algorithm);
	ERR_clear_error();
	return good;
}

void token_openssl_release(struct token_key *key)
{
	EVP_PKEY_free(key->public_key);
	key->public_key = NULL;
}

static int check_hmac(const struct token_algorithm *algorithm,
		      const struct token_key *key, const struct token_parts *token)
{
	const EVP_MD *hash = EVP_get_digestbyname(algorithm->hash);
	unsigned char mac[EVP_MAX_MD_SIZE];
	int good;

	if (token->signature_length != algorithm->size)
		return 0;
	if (!hash ||
	    !HMAC(hash, key->text, (int)key->length, (const unsigned char *)token->text,
		  token->signed_length, mac, NULL))
		return -1;
	good = CRYPTO_memcmp(mac, token->signature, algorithm->size) == 0;
	explicit_bzero(mac, sizeof(mac));
	return good;
}

/*
 * The two numbers r and s of RFC 7518, 3.4, in the form that OpenSSL wants: *der is OpenSSL's,
 * the length is returned; 0 when they are not as long as they must be, -1 without memory.
 */
static int encode_numbers(const struct token_algorithm *algorithm,
			  const struct token_parts *token, unsigned char **der)
{
	const unsigned char *bytes = (const unsigned char *)token->signature;
	int size = (int)algorithm->size, length = -1;
	ECDSA_SIG *pair;
	BIGNUM *r, *s;

	if (token->signature_length != 2 * algorithm->size)
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
		      const struct token_parts *token, const unsigned char *signature,
		      size_t signature_length)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int good = -1;

	/* RSA's padding is PKCS #1 v1.5 when nothing else is said, as RFC 7518, 3.3 has it. */
	if (context &&
	    EVP_DigestVerifyInit(context, NULL, EVP_get_digestbyname(algorithm->hash),
				 NULL, key) == 1)
		good = EVP_DigestVerify(context, signature, signature_length,
					(const unsigned char *)token->text,
					token->signed_length) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

static int check_public(const struct token_algorithm *algorithm, EVP_PKEY *key,
			const struct token_parts *token)
{
	unsigned char *der = NULL;
	int length, good;

	if (algorithm->family == TOKEN_RSA)
		return check_with(algorithm, key, token,
				  (const unsigned char *)token->signature,
				  token->signature_length);
	length = encode_numbers(algorithm, token, &der);
	good = length > 0 ? check_with(algorithm, key, token, der, (size_t)length)
			  : length;
	OPENSSL_free(der);
	return good;
}

int token_openssl_check(const struct token_algorithm *algorithm,
			const struct token_key *key, const struct token_parts *token)
{
	if (algorithm->family == TOKEN_HMAC)
		return check_hmac(algorithm, key, token);
	return check_public(algorithm, key->public_key, token);
}
