/* token: signing and verifying. The hostile tokens, made byte by byte, are in tests/http. */
#include "clock.h"
#include "expect.h"
#include "token.h"

#define SECRET "3f9a1c7e5b2d8460af13579bdf02468ace13579bdf02468ace9f8e7d6c5b4a39"
#define NOW    (INT64_C(1800000000) * CLOCK_SECOND)

static char secret[] = SECRET, hs256[] = "HS256";

static struct settings good_settings(void)
{
	return (struct settings){ .jwt_secret = secret, .jwt_alg = hs256 };
}

static char *sign(const struct settings *settings, const char *claims_text)
{
	struct json_object *claims = parse(claims_text);
	struct oam_error err = { 0 };
	char *token;

	assert_ok(token_sign(settings, claims, &token, &err));
	json_object_put(claims);
	return token;
}

/* The verdict on the token at NOW. */
static enum oam_code verdict(const struct settings *settings, const char *token)
{
	struct token_verifier *verifier;
	struct json_object *claims;
	struct oam_error err = { 0 };

	assert_ok(token_verifier_open(settings, &verifier, &err));
	if (token_verify(verifier, token, NOW, &claims, &err) == 0)
		assert_non_null(claims);
	json_object_put(claims);
	token_verifier_close(verifier);
	return err.code;
}

static void test_round_trip(void **state)
{
	static char algorithms[][6] = { "HS256", "HS384", "HS512" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct settings settings = good_settings();
		char *token;

		settings.jwt_alg = algorithms[i];
		token = sign(&settings, "{\"exp\":1800000001}");
		assert_int_equal(verdict(&settings, token), OAM_OK);
		settings.jwt_alg = algorithms[(i + 1) % 3];
		assert_int_equal(verdict(&settings, token), OAM_E_TOKEN_INVALID);
		free(token);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *claims;
		long long leeway;
		enum oam_code code;
	} cases[] = {
		{ "{\"exp\":1800000001}", 0, OAM_OK },
		{ "{\"exp\":1800000000.5}", 0, OAM_OK },
		{ "{\"exp\":1800000000}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":1799999990}", 10, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":1799999991}", 10, OAM_OK },
		{ "{\"exp\":10000000000}", 0, OAM_OK },
		{ "{\"exp\":9223372036854775807}", 0, OAM_OK },
		{ "{}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":\"1800000001\"}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":null}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":true}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":[1800000001]}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":1800000001,\"nbf\":1800000000}", 0, OAM_OK },
		{ "{\"exp\":1800000001,\"nbf\":1800000001}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":1800000001,\"nbf\":1800000009}", 10, OAM_OK },
		{ "{\"exp\":1800000001,\"nbf\":\"0\"}", 0, OAM_E_TOKEN_INVALID },
		{ "{\"exp\":1800000001,\"iat\":null}", 0, OAM_E_TOKEN_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = good_settings();
		char *token = sign(&settings, cases[i].claims);

		settings.jwt_leeway = cases[i].leeway;
		if (verdict(&settings, token) != cases[i].code)
			fail_msg("%s", cases[i].claims);
		free(token);
	}
}

/* Every single character of a good token matters. */
static void test_a_changed_character_is_noticed(void **state)
{
	struct settings settings = good_settings();
	char *token = sign(&settings, "{\"exp\":1800000001}");

	(void)state;
	for (size_t i = 0; token[i]; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(verdict(&settings, token), OAM_E_TOKEN_INVALID);
		token[i] = was;
	}
	assert_int_equal(verdict(&settings, token), OAM_OK);
	free(token);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "...", "a.b", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "=.=.="
	};
	struct settings settings = good_settings();
	char *long_one = malloc(TOKEN_MAX + 2);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(verdict(&settings, bad[i]), OAM_E_TOKEN_INVALID);
	memset(long_one, 'a', TOKEN_MAX + 1);
	long_one[TOKEN_MAX + 1] = '\0';
	long_one[10] = long_one[20] = '.';
	assert_int_equal(verdict(&settings, long_one), OAM_E_TOKEN_INVALID);
	free(long_one);
}

static void test_bad_secrets_open_nothing(void **state)
{
	static char bad[][48] = { "", "tooFew",
				  "abababababababababababababababababababab",
				  "please-CHANGE-ME-before-you-deploy-this-thing" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings = good_settings();
		struct token_verifier *verifier;
		struct oam_error err = { 0 };

		settings.jwt_secret = bad[i];
		assert_int_equal(token_verifier_open(&settings, &verifier, &err), -1);
		assert_int_equal(err.code, OAM_E_SETTING);
		assert_null(verifier);
		if (bad[i][0])
			assert_null(strstr(err.message, bad[i]));
	}
}

static void assert_manages(const char *rule, const char *claims_text, bool expected)
{
	struct settings settings = good_settings();
	struct json_object *claims = parse(claims_text);
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	char *copy = rule ? strdup(rule) : NULL;

	settings.jwt_manage = copy;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	assert_int_equal(token_may_manage(verifier, claims), expected);
	token_verifier_close(verifier);
	json_object_put(claims);
	free(copy);
}

static void test_the_right_to_manage(void **state)
{
	(void)state;
	assert_manages(NULL, "{}", true);
	assert_manages("role=admin", "{}", false);
	assert_manages("role=admin", "{\"role\":\"admin\"}", true);
	assert_manages("role=admin", "{\"role\":[\"x\",\"admin\"]}", true);
	assert_manages("role=admin", "{\"role\":[[\"admin\"]]}", false);
	assert_manages("role=admin", "{\"role\":\"admin\\u0000\"}", false);
	assert_manages("role=admin", "{\"role\":\"x admin\"}", false);
	assert_manages("role=a=b", "{\"role\":\"a=b\"}", true);
	assert_manages("scope=w", "{\"scope\":\"r  w\"}", true);
	assert_manages("scope=w", "{\"scope\":\"rw\"}", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_a_changed_character_is_noticed),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_bad_secrets_open_nothing),
		cmocka_unit_test(test_the_right_to_manage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
