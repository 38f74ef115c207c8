/* token_key: which keys a PEM file gives, and which of them a token is tried with. */
#include "signed_token.h"
#include "token_key.h"

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

/* The verdict on a token of the key, NULL when it is good, else why not. */
static const char *verdict(const struct token_keys *keys, EVP_PKEY *key, const char *kid,
			   const char *typ)
{
	static struct oam_error err;
	struct signed_token token;

	sign_token(&token, keys->algorithm->name, "SHA256", key, typ, "{}");
	token.parts.kid = kid;
	err = (struct oam_error){ 0 };
	if (token_keys_check(keys, &token.parts, &err) == 0)
		return NULL;
	assert_int_equal(err.code, OAM_E_TOKEN_INVALID);
	return err.message;
}

/* The same, whether libjwt or OpenSSL checks. */
static const char *refusal(const struct token_keys *keys, EVP_PKEY *key, const char *kid)
{
	bool good = verdict(keys, key, kid, NULL) == NULL;
	const char *message = verdict(keys, key, kid, "at+jwt");

	assert_int_equal(good, message == NULL);
	return message;
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
	struct signed_token token = { .text = "" };
	struct oam_error err = { 0 };
	struct token_keys keys;

	(void)state;
	fclose(file);
	assert_ok(load("ES256", &keys, &err));
	for (size_t length = 1; length < 100; length++)
		for (int way = 0; way < 2; way++) {
			struct oam_error fault = { 0 };

			sign_token(&token, "ES256", "SHA256", a, way ? "at+jwt" : "JWT",
				   "{}");
			set_signature(&token, length);
			assert_int_equal(token_keys_check(&keys, &token.parts, &fault),
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
