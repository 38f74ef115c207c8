/* Tokens with any header and claims, signed by OpenSSL with any key, also a secret. */
#ifndef OAM_TEST_SIGNED_TOKEN_H
#define OAM_TEST_SIGNED_TOKEN_H

#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "expect.h"
#include "token_base64.h"
#include "token_signature.h"

struct signed_token {
	char text[4096];
	char signature[1024]; /* its bytes */
	struct token_parts parts;
};

/* Gives the end. */
static inline char *encode_base64(const void *bytes, size_t length, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *byte = bytes;
	unsigned int bits = 0, held = 0;

	for (size_t i = 0; i < length; i++) {
		bits = (bits << 8 | byte[i]) & 0xFFFF;
		for (held += 8; held >= 6; held -= 6)
			*out++ = digits[bits >> (held - 6) & 63];
	}
	if (held > 0)
		*out++ = digits[bits << (6 - held) & 63];
	*out = '\0';
	return out;
}

/* A secret as OpenSSL signs with it; release with EVP_PKEY_free(). */
static inline EVP_PKEY *secret_key(const char *secret)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_HMAC, NULL, (const unsigned char *)secret, strlen(secret));

	assert_non_null(key);
	return key;
}

/* The signature as a token has it: of EC, r and s, each as long as the curve. */
static inline size_t sign_bytes(const char *hash, EVP_PKEY *key, const char *text,
				char out[1024])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char raw[1024];
	const unsigned char *at = raw;
	size_t length = sizeof(raw);
	int half = (EVP_PKEY_get_bits(key) + 7) / 8;
	ECDSA_SIG *pair;

	assert_int_equal(
		EVP_DigestSignInit(context, NULL, EVP_get_digestbyname(hash), NULL, key),
		1);
	assert_int_equal(EVP_DigestSign(context, raw, &length,
					(const unsigned char *)text, strlen(text)),
			 1);
	EVP_MD_CTX_free(context);
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) {
		memcpy(out, raw, length);
		return length;
	}
	pair = d2i_ECDSA_SIG(NULL, &at, (long)length);
	assert_non_null(pair);
	BN_bn2binpad(ECDSA_SIG_get0_r(pair), (unsigned char *)out, half);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), (unsigned char *)out + half, half);
	ECDSA_SIG_free(pair);
	return 2 * (size_t)half;
}

/* Gives the token this signature. */
static inline void set_signature(struct signed_token *token, size_t length)
{
	token->parts.signature = token->signature;
	token->parts.signature_length = length;
	token->text[token->parts.signed_length] = '.';
	encode_base64(token->signature, length,
		      token->text + token->parts.signed_length + 1);
}

/* The header has `alg` and, when it is not NULL, `typ`. */
static inline void sign_token(struct signed_token *token, const char *alg,
			      const char *hash, EVP_PKEY *key, const char *typ,
			      const char *claims)
{
	char header[256], *end;

	if (typ)
		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"%s\"}", alg,
			 typ);
	else
		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", alg);
	end = encode_base64(header, strlen(header), token->text);
	*end++ = '.';
	end = encode_base64(claims, strlen(claims), end);
	token->parts = (struct token_parts){ .text = token->text,
					     .signed_length = (size_t)(end - token->text),
					     .is_plain = !typ ||
							 strcmp(typ, "JWT") == 0 };
	set_signature(token, sign_bytes(hash, key, token->text, token->signature));
}

#endif
