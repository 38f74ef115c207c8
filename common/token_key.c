#include "token_key.h"

#include <stddef.h>
#include <string.h>

#define DER_MAX 4096
#define RSA_MIN_DER \
	290 /* a key of 2048 bits takes 294 bytes, one of 2040 less than this */

/* How the DER of a key begins: the outer lengths, the kind and the curve. */
struct kind {
	const char *algorithm;
	const char *begin;
	size_t begin_length;
	size_t length; /* of the whole; 0: RSA, which varies */
};

#define BYTES(text) text, sizeof(text) - 1

static const struct kind kinds[] = {
	{ "ES256",
	  BYTES("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce"
		"\x3d\x03\x01\x07\x03\x42\x00\x04"),
	  91 },
	{ "ES384",
	  BYTES("\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00"
		"\x22\x03\x62\x00\x04"),
	  120 },
	{ "ES512",
	  BYTES("\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04"
		"\x00\x23\x03\x81\x86\x00\x04"),
	  158 },
};

/* What follows the outer length of an RSA key: its kind. */
static const char rsa_kind[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05";

/* Decodes the base64 between the two lines of the PEM. The length, or 0. */
static size_t decode_pem(const char *pem, char *der, size_t size)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char begin[] = "-----BEGIN PUBLIC KEY-----";
	const char *at = strstr(pem, begin);
	const char *end = at ? strstr(at, "-----END PUBLIC KEY-----") : NULL;
	unsigned int bits = 0, held = 0;
	size_t length = 0;

	if (!end)
		return 0;
	for (at += strlen(begin); at < end && *at != '='; at++) {
		const char *digit = strchr(alphabet, *at);

		if (strchr(" \t\r\n", *at))
			continue;
		if (!digit || length == size)
			return 0;
		bits = (bits << 6 | (unsigned int)(digit - alphabet)) & 0xFFFF;
		held += 6;
		if (held >= 8) {
			held -= 8;
			der[length++] = (char)(bits >> held & 0xFF);
		}
	}
	return length;
}

bool token_key_fits(const char *pem, const char *algorithm)
{
	char der[DER_MAX];
	size_t length = decode_pem(pem, der, sizeof(der));

	if (strncmp(algorithm, "RS", 2) == 0) /* 30 82 LL LL, then the kind */
		return length >= RSA_MIN_DER && der[0] == 0x30 &&
		       memcmp(der + 4, rsa_kind, sizeof(rsa_kind) - 1) == 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].algorithm, algorithm) == 0)
			return length == kinds[i].length &&
			       memcmp(der, kinds[i].begin, kinds[i].begin_length) == 0;
	return false;
}
