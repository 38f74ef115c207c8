/* token_key: only what begins as a key of the algorithm does, and is as long, is one. */
#include "expect.h"
#include "token_key.h"

#define PEM_MAX 8192
#define EC_P256 \
	"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48" \
	"\xce\x3d\x03\x01\x07\x03\x42\x00\x04"
#define RSA_KIND  "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05"
#define RSA_BEGIN "\x30\x82\x01\x22" RSA_KIND

/* The PEM of a DER of `length` bytes that begins so. */
static const char *pem_of(const char *begin, size_t begin_length, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char pem[PEM_MAX];
	char *end = stpcpy(pem, "-----BEGIN PUBLIC KEY-----\n");
	unsigned int bits = 0, held = 0;

	assert_true(length * 4 / 3 < PEM_MAX - 100);
	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | (i < begin_length ? (unsigned char)begin[i] : 'k');
		held += 8;
		for (; held >= 6; held -= 6)
			*end++ = digits[bits >> (held - 6) & 63];
	}
	if (held > 0)
		*end++ = digits[bits << (6 - held) & 63];
	strcpy(end, "==\n-----END PUBLIC KEY-----\n");
	return pem;
}

#define FITS(begin, length, algorithm) \
	token_key_fits(pem_of(begin, sizeof(begin) - 1, length), algorithm)

static void test_elliptic_curves(void **state)
{
	(void)state;
	assert_true(FITS(EC_P256, 91, "ES256"));
	assert_false(FITS(EC_P256, 90, "ES256"));
	assert_false(FITS(EC_P256, 92, "ES256"));
	assert_false(FITS("\x30\x59", 91, "ES256")); /* as long, and something else */
	assert_false(FITS(EC_P256, 91, "ES384"));
	assert_false(FITS(EC_P256, 91, "RS256"));
}

static void test_rsa(void **state)
{
	(void)state;
	assert_true(FITS(RSA_BEGIN, 294, "RS256"));
	assert_true(FITS(RSA_BEGIN, 550, "RS512"));
	assert_false(FITS(RSA_BEGIN, 289, "RS256"));
	assert_false(FITS("\x31\x82\x01\x22" RSA_KIND, 294, "RS256"));
	assert_false(FITS("\x30\x82\x01\x22\x30\x0d", 294, "RS256"));
	assert_false(FITS(RSA_BEGIN, 294, "ES256"));
}

static void test_an_unknown_algorithm_has_no_key(void **state)
{
	(void)state;
	assert_false(FITS(EC_P256, 91, "HS256"));
	assert_false(FITS(RSA_BEGIN, 294, ""));
}

static void test_longer_than_any_key(void **state)
{
	(void)state;
	assert_true(FITS(RSA_BEGIN, 4096, "RS256"));
	assert_false(FITS(RSA_BEGIN, 4097, "RS256"));
}

/* What is not base64 is no key, and white space is nothing. */
static void test_the_text(void **state)
{
	char pem[PEM_MAX];
	char *middle = pem + 60;

	(void)state;
	strcpy(pem, pem_of(EC_P256, sizeof(EC_P256) - 1, 91));
	assert_true(token_key_fits(pem, "ES256"));
	*middle = '-';
	assert_false(token_key_fits(pem, "ES256"));
	strcpy(pem, pem_of(EC_P256, sizeof(EC_P256) - 1, 91));
	memmove(middle + 4, middle, strlen(middle) + 1);
	memcpy(middle, "\r\n\t ", 4);
	assert_true(token_key_fits(pem, "ES256"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elliptic_curves),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_an_unknown_algorithm_has_no_key),
		cmocka_unit_test(test_longer_than_any_key),
		cmocka_unit_test(test_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
