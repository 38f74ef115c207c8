/*
 * token_signature: libjwt and OpenSSL are of one opinion, and libjwt's word is not taken
 * when it lacked memory.
 */
#include <dlfcn.h>
#include <errno.h>
#include <jwt.h>

#include "clock.h"
#include "signed_token.h"
#include "token.h"

#define SECRET \
	"3f9a1c7e5b2d8460af13579bdf02468ace13579bdf02468ace9f8e7d6c5b4a39" \
	"9c2e7b14f86d05a3e1d4c7b29806f5a3d17e4b8c2f9065da3b1e7c4f8d2a6095"
#define NOW    (INT64_C(1800000000) * CLOCK_SECOND)
#define CLAIMS "{\"exp\":1800000001}"

static char secret[] = SECRET;
static char path[] = "/tmp/oam-unit.XXXXXX";

/* ---- libjwt, and what it may do without memory ---- */

/* How many of the next calls leave errno at ENOMEM; and which have no copy of the key. */
static int lacking, keyless;
static int calls;

typedef int (*decode_fn)(jwt_t **jwt, const char *token, const unsigned char *key,
			 int length);

int jwt_decode(jwt_t **jwt, const char *token, const unsigned char *key, int length)
{
	decode_fn decode = (decode_fn)dlsym(RTLD_NEXT, "jwt_decode");
	int result;

	calls++;
	result = decode(jwt, token, key, keyless > 0 ? 0 : length);
	if (lacking-- > 0)
		errno = ENOMEM;
	keyless--;
	return result;
}

/* The last character of the signature becomes another. */
static bool spoil;

char *jwt_encode_str(jwt_t *jwt)
{
	char *(*encode)(jwt_t *) = (char *(*)(jwt_t *))dlsym(RTLD_NEXT, "jwt_encode_str");
	char *token = encode(jwt);

	if (spoil && token) {
		char *last = token + strlen(token) - 1;

		*last = *last == 'A' ? 'E' : 'A';
	}
	return token;
}

static const struct token_key hs_key = { .text = secret, .length = sizeof(secret) - 1 };

static int check(struct signed_token *token, int lacks, struct oam_error *err)
{
	*err = (struct oam_error){ 0 };
	calls = 0;
	lacking = lacks;
	return token_signature_check(token_algorithm_find("HS256"), &hs_key,
				     &token->parts, err);
}

/* malloc() sets errno also when it then finds memory elsewhere: asked again, it is good. */
static void test_a_lack_of_memory(void **state)
{
	EVP_PKEY *key = secret_key(secret), *other = secret_key("another");
	struct signed_token good, bad;
	struct oam_error err;

	(void)state;
	sign_token(&good, "HS256", "SHA256", key, "JWT", CLAIMS);
	sign_token(&bad, "HS256", "SHA256", other, "JWT", CLAIMS);
	for (int lacks = 0; lacks < 2; lacks++) {
		assert_int_equal(check(&good, lacks, &err), 1);
		assert_int_equal(calls, 1 + lacks);
		assert_int_equal(check(&bad, lacks, &err), 0);
		assert_int_equal(calls, 1 + lacks);
		assert_int_equal(err.code, OAM_OK);
	}
	assert_int_equal(check(&good, 2, &err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	assert_int_equal(check(&bad, 2, &err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	lacking = 0;
	/* What was in errno before says nothing. */
	errno = ENOMEM;
	assert_int_equal(check(&good, 0, &err), 1);
	assert_int_equal(calls, 1);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

/* What OpenSSL lacks when it is loaded, it may lack forever: asked once. */
static void test_a_lack_of_memory_at_the_start(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	lacking = 1;
	assert_int_equal(token_signature_prepare(&err), -1);
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	err = (struct oam_error){ 0 };
	assert_ok(token_signature_prepare(&err));
}

/* Without a key libjwt takes any token. */
static void test_no_key(void **state)
{
	EVP_PKEY *other = secret_key("another");
	struct token_key empty = { .text = secret };
	static const char *const algs[] = { "HS256", "none" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct oam_error err = { 0 };
		struct signed_token token;
		jwt_t *jwt = NULL;

		sign_token(&token, algs[i], "SHA256", other, "JWT", CLAIMS);
		assert_int_equal(jwt_decode(&jwt, token.text, NULL, 0), 0);
		assert_non_null(jwt);
		jwt_free(jwt);
		assert_int_equal(token_signature_check(token_algorithm_find("HS256"),
						       &empty, &token.parts, &err),
				 0);
		keyless = 1;
		assert_int_equal(check(&token, 0, &err), 0);
		keyless = 0;
	}
	EVP_PKEY_free(other);
}

static void test_a_token_that_libjwt_spoils(void **state)
{
	const struct token_algorithm *hs256 = token_algorithm_find("HS256");
	struct oam_error err = { 0 };
	char *token;

	(void)state;
	assert_ok(token_signature_make(hs256, &hs_key, CLAIMS, &token, &err));
	free(token);
	spoil = true;
	assert_int_equal(token_signature_make(hs256, &hs_key, CLAIMS, &token, &err), -1);
	spoil = false;
	assert_int_equal(err.code, OAM_E_NO_MEMORY);
	assert_null(token);
	err = (struct oam_error){ 0 };
	assert_int_equal(
		token_signature_make(hs256, &hs_key, "{\"a\":\"\\u0000\"}", &token, &err),
		-1);
	assert_int_equal(err.code, OAM_E_INTERNAL);
	assert_null(token);
}

/* ---- both ways ---- */

static const struct {
	char alg[6], hash[7];
	const char *curve; /* NULL: RSA or a secret */
} ways[] = {
	{ "HS256", "SHA256", NULL },    { "HS384", "SHA384", NULL },
	{ "HS512", "SHA512", NULL },    { "RS256", "SHA256", NULL },
	{ "RS384", "SHA384", NULL },    { "RS512", "SHA512", NULL },
	{ "ES256", "SHA256", "P-256" }, { "ES384", "SHA384", "P-384" },
	{ "ES512", "SHA512", "P-521" },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static EVP_PKEY *new_key(size_t way, const char *of_secret)
{
	if (ways[way].curve)
		return EVP_EC_gen(ways[way].curve);
	return ways[way].alg[0] == 'R' ? EVP_RSA_gen(2048) : secret_key(of_secret);
}

static struct token_verifier *open_verifier(size_t way, EVP_PKEY *key)
{
	static char alg[6];
	static struct settings settings;
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	FILE *file;

	strcpy(alg, ways[way].alg);
	settings = (struct settings){ .jwt_alg = alg };
	if (alg[0] == 'H') {
		settings.jwt_secret = secret;
	} else {
		strcpy(path, "/tmp/oam-unit.XXXXXX");
		file = fdopen(mkstemp(path), "w");
		assert_non_null(file);
		assert_int_equal(PEM_write_PUBKEY(file, key), 1);
		fclose(file);
		settings.jwt_public_key = path;
	}
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	if (alg[0] != 'H')
		unlink(path);
	return verifier;
}

static bool is_taken(struct token_verifier *verifier, const char *token)
{
	struct oam_error err = { 0 };
	struct json_object *claims;
	bool taken = token_verify(verifier, token, NOW, &claims, &err) == 0;

	assert_int_equal(err.code, taken ? OAM_OK : OAM_E_TOKEN_INVALID);
	json_object_put(claims);
	return taken;
}

/* Another character, none, a NUL, one outside of base64url, and one more. */
static void try_changes(struct token_verifier *verifier, const char *good)
{
	static const char others[] = { 'A', 'B', '\0', '+', '/', '=', ' ', '.', '\xff' };
	size_t length = strlen(good);
	char token[4096];

	for (size_t at = 0; at < length; at += 1 + length / 40)
		for (size_t i = 0; i < sizeof(others); i++) {
			strcpy(token, good);
			token[at] = others[i];
			if (others[i] != good[at])
				assert_false(is_taken(verifier, token));
			memmove(token + at + 1, good + at, length - at + 1);
			assert_false(is_taken(verifier, token));
		}
}

/* The parts of two tokens that are good, mixed. */
static void try_mixtures(struct token_verifier *verifier, const struct signed_token *a,
			 const struct signed_token *b)
{
	char token[8192];

	snprintf(token, sizeof(token), "%.*s%s", (int)a->parts.signed_length, a->text,
		 b->text + b->parts.signed_length);
	assert_false(is_taken(verifier, token));
	snprintf(token, sizeof(token), "%.*s.", (int)a->parts.signed_length, a->text);
	assert_false(is_taken(verifier, token));
	snprintf(token, sizeof(token), "%.*s%s", (int)strcspn(a->text, "."), a->text,
		 strchr(b->text, '.'));
	if (strcmp(token, b->text) != 0)
		assert_false(is_taken(verifier, token));
}

static void try_algs(struct token_verifier *verifier, size_t way, EVP_PKEY *key,
		     const char *typ)
{
	struct signed_token token;
	char lower[] = { ways[way].alg[0] | 0x20, ways[way].alg[1] | 0x20, '\0' };
	char alg[32];

	snprintf(alg, sizeof(alg), "%s%s", lower, ways[way].alg + 2);
	sign_token(&token, alg, ways[way].hash, key, typ, CLAIMS);
	assert_false(is_taken(verifier, token.text));
	snprintf(alg, sizeof(alg), "%s\\u0000", ways[way].alg);
	sign_token(&token, alg, ways[way].hash, key, typ, CLAIMS);
	assert_false(is_taken(verifier, token.text));
	sign_token(&token, "none", ways[way].hash, key, typ, CLAIMS);
	assert_false(is_taken(verifier, token.text));
	token.text[token.parts.signed_length + 1] = '\0';
	assert_false(is_taken(verifier, token.text));
	for (size_t other = 0; other < WAYS; other++) {
		sign_token(&token, ways[other].alg, ways[way].hash, key, typ, CLAIMS);
		assert_int_equal(is_taken(verifier, token.text), other == way);
	}
}

static void test_both_agree(void **state)
{
	static const char *const typs[] = { "JWT", "at+jwt", NULL };

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		EVP_PKEY *key = new_key(way, secret), *stranger = new_key(way, "another");
		struct token_verifier *verifier = open_verifier(way, key);
		struct signed_token tokens[3], strange;
		const char *alg = ways[way].alg, *hash = ways[way].hash;

		for (size_t i = 0; i < 3; i++) {
			sign_token(&tokens[i], alg, hash, key, typs[i], CLAIMS);
			calls = 0;
			assert_true(is_taken(verifier, tokens[i].text));
			assert_int_equal(calls, i == 1 ? 0 : 1); /* who was asked */
			sign_token(&strange, alg, hash, stranger, typs[i], CLAIMS);
			assert_false(is_taken(verifier, strange.text));
			try_changes(verifier, tokens[i].text);
			try_algs(verifier, way, key, typs[i]);
		}
		try_mixtures(verifier, &tokens[0], &tokens[1]);
		try_mixtures(verifier, &tokens[1], &tokens[0]);
		token_verifier_close(verifier);
		EVP_PKEY_free(key);
		EVP_PKEY_free(stranger);
	}
}

/* A public key is no secret: what it signs as if it were one is refused. */
static void test_a_public_key_as_a_secret(void **state)
{
	static const char *const typs[] = { "JWT", "at+jwt" };
	EVP_PKEY *key = EVP_RSA_gen(2048);
	struct token_verifier *verifier = open_verifier(3, key);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long length;

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	length = BIO_get_mem_data(bio, &pem);
	for (size_t i = 0; i < 4; i++) {
		char text[4096];
		struct signed_token token;
		EVP_PKEY *as_secret;

		/* With the last line's end, and without it. */
		snprintf(text, sizeof(text), "%.*s", (int)(length - (long)(i / 2)), pem);
		as_secret = secret_key(text);
		sign_token(&token, "HS256", "SHA256", as_secret, typs[i % 2], CLAIMS);
		assert_false(is_taken(verifier, token.text));
		sign_token(&token, "RS256", "SHA256", as_secret, typs[i % 2], CLAIMS);
		assert_false(is_taken(verifier, token.text));
		EVP_PKEY_free(as_secret);
	}
	BIO_free(bio);
	token_verifier_close(verifier);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lack_of_memory),
		cmocka_unit_test(test_a_lack_of_memory_at_the_start),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_a_token_that_libjwt_spoils),
		cmocka_unit_test(test_both_agree),
		cmocka_unit_test(test_a_public_key_as_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
