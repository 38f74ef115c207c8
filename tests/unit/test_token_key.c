/* token_key: which keys a PEM file gives, and which of them a token is tried with. */
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "expect.h"
#include "token_key.h"

#define TEXT        "header.claims"
#define TEXT_LENGTH (sizeof(TEXT) - 1)

static char path[] = "/tmp/oam-unit.XXXXXX";

/* A key pair; the PEM of its public half is appended to `file`. */
static EVP_PKEY *add_key(FILE *file, const char *kid, EVP_PKEY *key)
{
	assert_non_null(key);
	if (kid)
		fprintf(file, "about this key\nkid: %s\n", kid);
	assert_int_equal(PEM_write_PUBKEY(file, key), 1);
	return key;
}

static FILE *start_file(void)
{
	int fd;

	strcpy(path, "/tmp/oam-unit.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	return fdopen(fd, "w");
}

static int load(const char *algorithm, struct token_keys *keys, struct oam_error *err)
{
	char name[8];
	struct settings settings = { .jwt_alg = name, .jwt_public_key = path };
	int result;

	snprintf(name, sizeof(name), "%s", algorithm);
	result = token_keys_load(&settings, keys, err);
	unlink(path);
	return result;
}

/* The signature of TEXT as a token has it: for ES256 r and s, each of 32 bytes. */
static size_t sign(EVP_PKEY *key, char out[512])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char raw[512];
	const unsigned char *at = raw;
	size_t length = sizeof(raw);
	ECDSA_SIG *pair;

	assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(context, raw, &length,
					(const unsigned char *)TEXT, TEXT_LENGTH),
			 1);
	EVP_MD_CTX_free(context);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
		memcpy(out, raw, length);
		return length;
	}
	pair = d2i_ECDSA_SIG(NULL, &at, (long)length);
	assert_non_null(pair);
	BN_bn2binpad(ECDSA_SIG_get0_r(pair), (unsigned char *)out, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(pair), (unsigned char *)out + 32, 32);
	ECDSA_SIG_free(pair);
	return 64;
}

/* NULL when the signature of the key is taken for a token with this `kid`, else why not. */
static const char *refusal(const struct token_keys *keys, EVP_PKEY *key, const char *kid)
{
	static struct oam_error err;
	char signature[512];
	size_t length = sign(key, signature);

	err = (struct oam_error){ 0 };
	if (token_keys_check(keys, kid, TEXT, TEXT_LENGTH, signature, length, &err) == 0)
		return NULL;
	assert_int_equal(err.code, OAM_E_TOKEN_INVALID);
	return err.message;
}

static void assert_refused(const char *message, const char *words)
{
	assert_non_null(message);
	if (!strstr(message, words))
		fail_msg("%s", message);
}

static void test_several_keys(void **state)
{
	FILE *file = start_file();
	EVP_PKEY *a = add_key(file, "a", EVP_EC_gen("P-256"));
	EVP_PKEY *b = add_key(file, "b", EVP_EC_gen("P-256"));
	EVP_PKEY *c = add_key(file, NULL, EVP_EC_gen("P-256"));
	EVP_PKEY *stranger = EVP_EC_gen("P-256");
	struct oam_error err = { 0 };
	struct token_keys keys;

	(void)state;
	fclose(file);
	assert_ok(load("ES256", &keys, &err));
	assert_int_equal(keys.count, 3);
	assert_string_equal(keys.keys[0].kid, "a");
	assert_string_equal(keys.keys[1].kid, "b");
	assert_null(keys.keys[2].kid);

	assert_null(refusal(&keys, a, "a"));
	assert_null(refusal(&keys, b, "b"));
	assert_null(refusal(&keys, b, NULL)); /* each is tried */
	assert_null(refusal(&keys, c, NULL));
	assert_null(refusal(&keys, c, "anything")); /* a key without an id fits any */
	assert_refused(refusal(&keys, a, "b"), "its signature does not match");
	assert_refused(refusal(&keys, a, "A"), "its signature does not match");
	assert_refused(refusal(&keys, stranger, NULL), "its signature does not match");
	token_keys_free(&keys);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	EVP_PKEY_free(c);
	EVP_PKEY_free(stranger);
}

static void test_an_unknown_kid(void **state)
{
	FILE *file = start_file();
	EVP_PKEY *a = add_key(file, "  a b\t ", EVP_RSA_gen(2048));
	struct oam_error err = { 0 };
	struct token_keys keys;

	(void)state;
	fclose(file);
	assert_ok(load("RS256", &keys, &err));
	assert_string_equal(keys.keys[0].kid, "a b");
	assert_null(refusal(&keys, a, "a b"));
	assert_null(refusal(&keys, a, NULL));
	assert_refused(refusal(&keys, a, "x"), "there is no key with its 'kid'");
	token_keys_free(&keys);
	EVP_PKEY_free(a);
}

/* RFC 7518, 3.4: r and s are as long as the curve, whatever their value. */
static void test_the_length_of_a_signature(void **state)
{
	FILE *file = start_file();
	EVP_PKEY *a = add_key(file, NULL, EVP_EC_gen("P-256"));
	struct oam_error err = { 0 };
	struct token_keys keys;
	char signature[512] = { 0 };

	(void)state;
	fclose(file);
	assert_ok(load("ES256", &keys, &err));
	sign(a, signature);
	for (size_t length = 0; length < 100; length++) {
		struct oam_error fault = { 0 };

		assert_int_equal(token_keys_check(&keys, NULL, TEXT, TEXT_LENGTH,
						  signature, length, &fault),
				 length == 64 ? 0 : -1);
	}
	token_keys_free(&keys);
	EVP_PKEY_free(a);
}

static void test_how_many(void **state)
{
	(void)state;
	for (int count = TOKEN_KEYS_MAX; count <= TOKEN_KEYS_MAX + 1; count++) {
		FILE *file = start_file();
		struct oam_error err = { 0 };
		struct token_keys keys;

		for (int i = 0; i < count; i++)
			EVP_PKEY_free(add_key(file, NULL, EVP_EC_gen("P-256")));
		fclose(file);
		if (count == TOKEN_KEYS_MAX) {
			assert_ok(load("ES256", &keys, &err));
		} else {
			assert_int_equal(load("ES256", &keys, &err), -1);
			assert_non_null(strstr(err.message, "more than 8 keys"));
		}
		token_keys_free(&keys);
	}
}

/* One key that does not fit, and its number is said; whichever kind it is. */
static void test_what_does_not_fit(void **state)
{
	static const struct {
		const char *algorithm, *kind; /* of the second key */
	} cases[] = {
		{ "ES256", "P-384" }, { "ES384", "P-256" },     { "ES512", "P-384" },
		{ "ES256", "rsa" },   { "RS256", "P-256" },     { "RS256", "small" },
		{ "ES256", "ed" },    { "ES256", "secp256k1" },
	};
	static const char *const first[] = { "RS256", "ES256", "ES384", "ES512" };
	static const char *const curves[] = { NULL, "P-256", "P-384", "P-521" };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *file = start_file();
		const char *kind = cases[i].kind;
		struct oam_error err = { 0 };
		struct token_keys keys;

		for (size_t j = 0; j < 4; j++)
			if (strcmp(first[j], cases[i].algorithm) == 0)
				EVP_PKEY_free(add_key(file, NULL,
						      curves[j] ? EVP_EC_gen(curves[j])
								: EVP_RSA_gen(2048)));
		EVP_PKEY_free(add_key(file, NULL,
				      strcmp(kind, "rsa") == 0     ? EVP_RSA_gen(2048)
				      : strcmp(kind, "small") == 0 ? EVP_RSA_gen(2040)
				      : strcmp(kind, "ed") == 0
					      ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
					      : EVP_EC_gen(kind)));
		fclose(file);
		assert_int_equal(load(cases[i].algorithm, &keys, &err), -1);
		if (!strstr(err.message, "key 2 of the file is not a public key"))
			fail_msg("%s: %s", kind, err.message);
		token_keys_free(&keys);
	}
}

/* A private key beside public ones has no business in a file that others may read. */
static void test_other_pem_is_refused(void **state)
{
	FILE *file = start_file();
	EVP_PKEY *key = add_key(file, NULL, EVP_EC_gen("P-256"));
	struct oam_error err = { 0 };
	struct token_keys keys;

	(void)state;
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
	assert_int_equal(load("ES256", &keys, &err), -1);
	assert_non_null(strstr(err.message, "key 2 of the file is not a public key"));
	token_keys_free(&keys);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_keys),
		cmocka_unit_test(test_an_unknown_kid),
		cmocka_unit_test(test_the_length_of_a_signature),
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_other_pem_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
