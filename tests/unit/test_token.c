/* token: signing and verifying. Hostile tokens stand in a table. */
#include "clock.h"
#include "signed_token.h"
#include "token.h"
#include "token_cache.h"

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
	static const char *const bad[] = { "",
					   ".",
					   "..",
					   "...",
					   "a.b",
					   "a.b.c",
					   "eyJhbGciOiJub25lIn0.e30.",
					   "=.=.=",
					   "a~.b.c",
					   "ab.c.d~" };
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

/*
 * Tokens made byte by byte for SECRET, which no library would make: by Python's hmac over
 * the header and the claims that `what` shows. Each is read at NOW.
 */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" /* {"alg":"HS256","typ":"JWT"} */

#define ALG    "its algorithm is not the configured one"
#define SIG    "its signature does not match"
#define HEAD   "its header is malformed"
#define CLAIMS "its claims are malformed"
#define EXP    "it has no numeric 'exp'"
#define TYP    "its type is not JWT"
#define B64    "its signature is not base64url"
#define UNREAD SIG /* libjwt reads the claims before it checks, and cannot read these */

static const struct {
	const char *what;
	const char *reason; /* NULL: the token is good */
	const char *token;
} raw[] = {
	{ "good", NULL,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k" },
	{ "header {\"alg\":\"HS256\"}", NULL,
	  "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDF9.sC6YhxPPjCzej8"
	  "a92yv8VMmQ4wg54c4UUZsVnoHxnoA" },
	{ "header {\"alg\":\"HS256\",\"typ\":\"jwt\"}", NULL,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6Imp3dCJ9.eyJleHAiOjE4MDAwMDAwMDF"
	  "9.B9glmMXfrT1aO06cVsG8s8HQJiSF8mnSf29kTfrTA4c" },
	{ "header {\"alg\":\"HS256\",\"typ\":\"at+JWT\"}", NULL,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K0pXVCJ9.eyJleHAiOjE4MDAwMDA"
	  "wMDF9.gp7x2jh6hKpFUn5msiQhNdO1jXHstkIcl-PqMcEx5bE" },
	{ "header {\"alg\":\"HS256\",\"kid\":\"../../x\",\"jku\":\"http://x\"}", NULL,
	  "eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL3giLCJqa3UiOiJodHRwOi8v"
	  "eCJ9.eyJleHAiOjE4MDAwMDAwMDF9.uEMBCgPHt19tcCyg3TPH9PRTiUhZJH"
	  "d9KrM0hroZhmg" },
	{ "header {\"alg\" : \"HS256\"}", NULL,
	  "IHsiYWxnIiA6ICJIUzI1NiJ9Cg.eyJleHAiOjE4MDAwMDAwMDF9.E2ebdVt9"
	  "j_ecDGHHWvXk7Ob1t4kXNvQCz4z3wcO76vs" },
	{ "header {\"alg\":\"none\"}", ALG,
	  "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDAwMDF9._ufTJMljwLSH8Ch"
	  "r_WKzQ5jTaK5QzreEXtGNF6wowco" },
	{ "header {\"alg\":\"None\"}", ALG,
	  "eyJhbGciOiJOb25lIn0.eyJleHAiOjE4MDAwMDAwMDF9.92I9_3Y19aP_XAI"
	  "pkPj1INBPEpiBTNaLk5KldJRK6KY" },
	{ "header {\"alg\":\"hs256\"}", ALG,
	  "eyJhbGciOiJoczI1NiJ9.eyJleHAiOjE4MDAwMDAwMDF9.CTv6QWFSLhtqVG"
	  "XmsAOnUx6xfFxNC8r0IUpRCXWQV-I" },
	{ "header {\"alg\":\"HS384\"}", ALG,
	  "eyJhbGciOiJIUzM4NCJ9.eyJleHAiOjE4MDAwMDAwMDF9.OmapEoWmqK57fl"
	  "Jmqfh68uIoRzoTpVq1JFILZjTN1pw" },
	{ "header {\"alg\":\"HS256 \"}", ALG,
	  "eyJhbGciOiJIUzI1NiAifQ.eyJleHAiOjE4MDAwMDAwMDF9.RO8RV-y3RXHh"
	  "h1p3CW9ZSQy4hPX9Yn5YL7oicl57CVI" },
	{ "header {\"alg\":\"RS256\"}", ALG,
	  "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDF9.greOnKKlnjOtMA"
	  "B4jibztPEgH6ZRWdFOd_8DaTZ7D4E" },
	{ "header {\"alg\":null}", ALG,
	  "eyJhbGciOm51bGx9.eyJleHAiOjE4MDAwMDAwMDF9.-4Nu_xsw_2jPK9FRCy"
	  "_pXFrTwC9DZmyJprJPzsMeuTY" },
	{ "header {\"alg\":[\"HS256\"]}", ALG,
	  "eyJhbGciOlsiSFMyNTYiXX0.eyJleHAiOjE4MDAwMDAwMDF9.ALz0iLoG4_T"
	  "pTd0nwjwkPG8NvrfWyg8AJD1jt-UISMA" },
	{ "header {\"alg\":256}", ALG,
	  "eyJhbGciOjI1Nn0.eyJleHAiOjE4MDAwMDAwMDF9.9ITnFeHAa5b0-_YJcb2"
	  "0XtKB3ZgpBClVa6bempxQ-U8" },
	{ "header {}", ALG,
	  "e30.eyJleHAiOjE4MDAwMDAwMDF9.bE1Zpkv1_7Ljbnez8pAMAjaLi4BdLH7"
	  "1SoiDdrsptvA" },
	{ "header {\"typ\":\"JWT\"}", ALG,
	  "eyJ0eXAiOiJKV1QifQ.eyJleHAiOjE4MDAwMDAwMDF9.qs9xNlYjDEFa4WC2"
	  "xqgAEmCmvhMJg2Ml3rbdGzn9B5k" },
	{ "header {\"alg\":\"HS256\",\"alg\":\"HS256\"}", HEAD,
	  "eyJhbGciOiJIUzI1NiIsImFsZyI6IkhTMjU2In0.eyJleHAiOjE4MDAwMDAw"
	  "MDF9.MV7JsnL5TmIslpNe2oTB6aDsRUuUmajUGHXcPNpbYR0" },
	{ "header {\"alg\":\"none\",\"alg\":\"HS256\"}", HEAD,
	  "eyJhbGciOiJub25lIiwiYWxnIjoiSFMyNTYifQ.eyJleHAiOjE4MDAwMDAwM"
	  "DF9.CS_TzmVG7coz3EOwosu_NtRHtVKa8vZAJwJbJaskX6I" },
	{ "header {\"alg\":\"HS256\",\"alg\":\"none\"}", HEAD,
	  "eyJhbGciOiJIUzI1NiIsImFsZyI6Im5vbmUifQ.eyJleHAiOjE4MDAwMDAwM"
	  "DF9.RnUHRHqXsTv5byAw95eVNFqHERv35t-2X34bWfNDZw8" },
	{ "header [\"HS256\"]", HEAD,
	  "WyJIUzI1NiJd.eyJleHAiOjE4MDAwMDAwMDF9.qDmy_gLVftj97mV4ncCGXH"
	  "bXxL-as-igfv-OzAJxF2M" },
	{ "header \"HS256\"", HEAD,
	  "IkhTMjU2Ig.eyJleHAiOjE4MDAwMDAwMDF9.NVmGzSaBRfV_FI56Qet3dCcl"
	  "wyasUovnM-vKsW5npbQ" },
	{ "header null", HEAD,
	  "bnVsbA.eyJleHAiOjE4MDAwMDAwMDF9.hRskndMrVvhT85H9SeCr-w6u7Zuf"
	  "5MzgYIv4Zn7wuk0" },
	{ "header {\"alg\":\"HS256\"}x", HEAD,
	  "eyJhbGciOiJIUzI1NiJ9eA.eyJleHAiOjE4MDAwMDAwMDF9._kb85RkOTj3b"
	  "b60q4fyJZw_mST8Fdt1AR0u_c3w8U2g" },
	{ "header {\"alg\":\"HS256\",}", HEAD,
	  "eyJhbGciOiJIUzI1NiIsfQ.eyJleHAiOjE4MDAwMDAwMDF9.L9MgdBgnVOLV"
	  "a9FZaZ3Z21akBt8KhgPTFr5qB9HUWL0" },
	{ "header {'alg':'HS256'}", HEAD,
	  "eydhbGcnOidIUzI1Nid9.eyJleHAiOjE4MDAwMDAwMDF9.e2H7yyUFTeM9ik"
	  "oWI85yrsUmWLDdLISF27xF2PsyaZM" },
	{ "header {\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "it has critical extensions",
	  "eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiZXhwIl19.eyJleHAiOjE4MDAwMDA"
	  "wMDF9.W3ioBWpr9S0m9slBhEyiFkdR9v-NDSJigKZf3lHBz1w" },
	{ "header {\"alg\":\"HS256\",\"crit\":[]}", "it has critical extensions",
	  "eyJhbGciOiJIUzI1NiIsImNyaXQiOltdfQ.eyJleHAiOjE4MDAwMDAwMDF9."
	  "k4fxfDfCB_Sp4UPnMcQZ2MsjB2erVt1E0Q93G6cZdlQ" },
	{ "header {\"alg\":\"HS256\",\"crit\":null}", "it has critical extensions",
	  "eyJhbGciOiJIUzI1NiIsImNyaXQiOm51bGx9.eyJleHAiOjE4MDAwMDAwMDF"
	  "9.JmPeLg849JZ2qTtHytZ220-ZJE0f_It31jCwgdyuZGc" },
	{ "header {\"alg\":\"HS256\",\"typ\":\"JWE\"}", TYP,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXRSJ9.eyJleHAiOjE4MDAwMDAwMDF"
	  "9._pGtoIGiRnwnJZIxYRCPm0vgplDygINIklIAqdIY-gU" },
	{ "header {\"alg\":\"HS256\",\"typ\":null}", TYP,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6bnVsbH0.eyJleHAiOjE4MDAwMDAwMDF9"
	  ".2sDQKvTVwAalUCLFxCLkj90tMgE-dKdqxrp-kkUvw38" },
	{ "header {\"alg\":\"HS256\",\"typ\":1}", TYP,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6MX0.eyJleHAiOjE4MDAwMDAwMDF9.2PW"
	  "sTup8yLpnSmRh0Da1qYB1ORyFvLLQyRG8KyS9AKQ" },
	{ "header {\"alg\":\"HS256\",\"typ\":\"\"}", TYP,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IiJ9.eyJleHAiOjE4MDAwMDAwMDF9.BS"
	  "__zqluX2c89I8tL1WGsGJURkwaOQF7sou7q-joYyY" },
	{ "header {\"alg\":\"HS256\",\"typ\":\"JWTx\"}", TYP,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVHgifQ.eyJleHAiOjE4MDAwMDAwM"
	  "DF9.DP8mQXwKAoWcPKR60mwmR1E-LvYFtIPQC72M6cNKy1I" },
	{ "header, a NUL behind", HEAD,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9AA.eyJleHAiOjE4MDAwMDAwM"
	  "DF9.IP6ePpkaTHNL5rP3hFI8QMsqGlA1a-nUas4PHslMkBk" },
	{ "header, a NUL and garbage behind", HEAD,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9AHsiYWxnIjoibm9uZSJ9.eyJ"
	  "leHAiOjE4MDAwMDAwMDF9.S9WqW3xFLXrTla4EOT8hf0Xg_7wpF9JOvyQMge"
	  "-g2vY" },
	{ "header, invalid UTF-8", HEAD,
	  "eyJhbGciOiJIUzI1NiIsIngiOiL_In0.eyJleHAiOjE4MDAwMDAwMDF9.LDA"
	  "dsSVkcksidlIvp6AGPDm8QDwiMgrZ9eJMuTgNNFk" },
	{ "claims [1800000001]", CLAIMS,
	  HEADER ".WzE4MDAwMDAwMDFd.BWyxSJ22lvQXTjnYljx-fl8HTIUCOg3rZAsoJCzEJ4"
		 "k" },
	{ "claims [{\"exp\":1800000001}]", CLAIMS,
	  HEADER ".W3siZXhwIjoxODAwMDAwMDAxfV0.2IJI0f_1GoM8OhBUsJLBRzw9uOTWggP"
		 "muychz8tuhgM" },
	{ "claims null", UNREAD,
	  HEADER ".bnVsbA.frjUBN8BR28sG-rwEtEC3TG95-jOxilYt-SOkr0SREA" },
	{ "claims 1800000001", UNREAD,
	  HEADER ".MTgwMDAwMDAwMQ.-igxOzL9ar0e3mxyl0jIQORJaYsVWO6D-jXWqz9_bi4" },
	{ "claims \"exp\"", UNREAD,
	  HEADER ".ImV4cCI.QTGLzjhRzz1FVKFfFYJQ-NistIJFmKQQwiSn6ZTt4aY" },
	{ "claims {\"exp\":1800000001", UNREAD,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDE.KNT1vCFsoAhs2HyZQV4VaiKjtutdyb_cqOw"
		 "I30DUbcw" },
	{ "claims {\"exp\":1800000001}}", UNREAD,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9fQ.2INaIdj-kwFsETBt3bIr51G470lkWG6N"
		 "pfHt7ZEZ5Rg" },
	{ "claims {\"exp\":01800000001}", UNREAD,
	  HEADER ".eyJleHAiOjAxODAwMDAwMDAxfQ.zPT96_VI38s_cFf7iYJ3XRI-Qnrydkqn"
		 "d9aK5OTI-g0" },
	{ "claims {\"exp\":1e999}", UNREAD,
	  HEADER ".eyJleHAiOjFlOTk5fQ.QMC-TP58-em9ZwjDMs_3j2GjMnwcJZdk-zRvVP5F"
		 "HzU" },
	{ "claims {\"exp\":NaN}", UNREAD,
	  HEADER ".eyJleHAiOk5hTn0.iD5hOcQ8KU8HGFEkvC2yT_aUVRZ335FaTm1qMKixkQ8" },
	{ "claims {\"exp\":Infinity}", UNREAD,
	  HEADER ".eyJleHAiOkluZmluaXR5fQ.4GlYPnGnMn-6INnHnJfiSZam6iKr9KrbDRwH"
		 "9hKUp1g" },
	{ "claims {\"exp\":1,\"exp\":1800000001}", CLAIMS,
	  HEADER ".eyJleHAiOjEsImV4cCI6MTgwMDAwMDAwMX0.iu0FU_59cho_nsMe_0-nsgl"
		 "1WAi1hCMjI-PqPbC_Wkg" },
	{ "claims {\"exp\":1800000001,\"a\":{\"b\":1,\"b\":2}}", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOnsiYiI6MSwiYiI6Mn19.rX5Dd0IXPJ"
		 "l96gUoYm7zfx6NK0-kKjiQGDJSfNZa2co" },
	{ "claims {}", EXP, HEADER ".e30.N55IwmTUOB_fjGp-iiuPFwn7ulbt0Zdta2kPIrticIA" },
	{ "claims {\"Exp\":1800000001}", EXP,
	  HEADER ".eyJFeHAiOjE4MDAwMDAwMDF9.zinIF3wc4cY4SHs7qdan2CJ2N5JjtQdA5C"
		 "oDk5Wi3Q8" },
	{ "claims {\"exp\":\"1800000001\"}", EXP,
	  HEADER ".eyJleHAiOiIxODAwMDAwMDAxIn0.0GO_8gNoEZp9zJgRsbG7lV61FVm9tpA"
		 "gydCWfxgukiY" },
	{ "claims {\"exp\":null}", EXP,
	  HEADER ".eyJleHAiOm51bGx9.YgnT4_6O3fYL6gjmN0c7InEZzOqIX6Hsf50aMqbjEy"
		 "M" },
	{ "claims {\"exp\":true}", EXP,
	  HEADER ".eyJleHAiOnRydWV9.DhCaPGT9PJsDwgFmmui99Vp-45nunZJ9siO7KxV8Zh"
		 "w" },
	{ "claims {\"exp\":{}}", EXP,
	  HEADER ".eyJleHAiOnt9fQ.D3qpvkhr_HLY6Hwxhoj4Mv46R-_aNExtqB2sjam0JlI" },
	{ "claims {\"exp\":[1800000001]}", EXP,
	  HEADER ".eyJleHAiOlsxODAwMDAwMDAxXX0.QWgdKciJwsBUlscmM2Gi2uF6Efq9SwL"
		 "r9T2haezs-ZE" },
	{ "claims {\"exp\":1e10}", NULL,
	  HEADER ".eyJleHAiOjFlMTB9.J0uJX_rVmOVERt5TifhW99WxwWa-PzMQuRugh4yqlo"
		 "Y" },
	{ "claims {\"exp\":1800000000.5}", NULL,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDAuNX0.Ox6N0A81k0t7tZaKzXYlXnO1PAEaNOd"
		 "tDPR2TQ34t-Y" },
	{ "claims {\"exp\":1800000000}", "it has expired",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDB9.NPjCs0n9FO0zB6-V3KnfgWk30e-OjLrfBa"
		 "TKPjbcsZs" },
	{ "claims {\"exp\":0}", "it has expired",
	  HEADER ".eyJleHAiOjB9.1P_E6DNn0qCp66r8rPnHdam-8JO3HxWA2I3gZ0LTbRM" },
	{ "claims {\"exp\":-1}", "it has expired",
	  HEADER ".eyJleHAiOi0xfQ.7yEOCjSkaY0csXaWT3y8XnRy9AWX5KWq4a8gTYUyNOs" },
	{ "claims {\"exp\":1e9}", "it has expired",
	  HEADER ".eyJleHAiOjFlOX0.FMx5rGoG97nBzka2Lyr0amV1J0BoOmJG4qL0c2duxlU" },
	{ "claims {\"exp\":1799999999.999}", "it has expired",
	  HEADER ".eyJleHAiOjE3OTk5OTk5OTkuOTk5fQ.D6fjaRLvT8WsciDWUt3sxEq48ETL"
		 "-WLXEWTZRSKfNzc" },
	{ "claims {\"exp\":1e308}", EXP,
	  HEADER ".eyJleHAiOjFlMzA4fQ.w1dMEPkFSBxMzYkbBNg03TFfG2frbIdeoS2tz1IW"
		 "WwA" },
	{ "claims {\"exp\":1800000001,\"nbf\":1800000000}", NULL,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6MTgwMDAwMDAwMH0.3JYweiKy7H6"
		 "9HCrJkY7QscEk1Bp3OZvI5prHgaUhdLc" },
	{ "claims {\"exp\":1800000001,\"nbf\":1800000000.5}", "it is not valid yet",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6MTgwMDAwMDAwMC41fQ.e9rAAiCO"
		 "F0l62M28Oauz3JB7MV-M6IFL5EgF-oqYC7I" },
	{ "claims {\"exp\":1800000001,\"nbf\":1800000001}", "it is not valid yet",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6MTgwMDAwMDAwMX0.6wOBv4gWcRr"
		 "kabstnJfwmtVyh7E2vt0sfZ6xrlhbJyc" },
	{ "claims {\"exp\":1800000001,\"nbf\":1e308}", "its 'nbf' is not a number",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6MWUzMDh9._e6WY6wR9kk-iBgaaZ"
		 "4eIE7nXaxkEsr3rqAWOXvwZh0" },
	{ "claims {\"exp\":1800000001,\"nbf\":null}", "its 'nbf' is not a number",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6bnVsbH0.J7s3klc3SvNjYKP4bCX"
		 "TZEohWtNI7pJoyV2lJ9lmdHA" },
	{ "claims {\"exp\":1800000001,\"nbf\":\"0\"}", "its 'nbf' is not a number",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsIm5iZiI6IjAifQ.HXsKw1ifl7GrCbOX9bsK"
		 "Q2kCknqZH-QQxcKWXivXMqE" },
	{ "claims {\"exp\":1800000001,\"iat\":1799999000}", NULL,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImlhdCI6MTc5OTk5OTAwMH0.Msove8gH9BK"
		 "I4KlP9CxZExuWoFZCMrOwP90DSv5StUQ" },
	{ "claims {\"exp\":1800000001,\"iat\":\"1\"}", "its 'iat' is not a number",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImlhdCI6IjEifQ.1fEm-sIjmbob7y1paUzQ"
		 "UK6UZ7oOAD2hPORxzLTji-4" },
	{ "claims {\"exp\":1800000001,\"iat\":null}", "its 'iat' is not a number",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImlhdCI6bnVsbH0.eYmUGaLtbqXdFHkzo-9"
		 "-qUtW0QwyOy8bLAMuo3Hv34E" },
	{ "claims with an escaped NUL", UNREAD,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsInNjb3BlIjoiciB3XHUwMDAweCJ9.MxNRbD"
		 "TGdy-jTvWpE527vMLICYnW3zWxen-8mw9DnTw" },
	{ "claims, a NUL behind", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9AA._jlYIoKiZoKn-fg_xUGssTXJmKM0P-YV"
		 "biQzLsOESmE" },
	{ "claims, a NUL and garbage behind", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9AHg.yVtdDdeIac0JPH3FSnmT0-7GGRrnX4l"
		 "F4EKAx6MgMFs" },
	{ "claims, invalid UTF-8", UNREAD,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOiLAryJ9.UbZQ4kERczpHDA1R7crZ4n"
		 "8eKh9lYw4mFlmhhMszU1A" },
	{ "claims, a lone surrogate", UNREAD,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOiJcdWQ4MDAifQ.rXaLQgBHiF-HPCPd"
		 "SKm39OIwPeiVCxrE-L653bAmvWk" },
	{ "claims, nested 65 deep", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOltbW1tbW1tbW1tbW1tbW1tbW1tbW1t"
		 "bW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tbW1tdXV1"
		 "dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1"
		 "dXV1dXV1dXV1dXV1dXV1dfQ.Nno_KYhkBnTe5QOCewVTerrZkYPbdPnCChSJ"
		 "ENj6XJg" },
	{ "header padded", HEAD,
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9=.eyJleHAiOjE4MDAwMDAwMD"
	  "F9.jllsrFNNL-xOriHv0pX7V_KdPHJBTry7k09syiE2xxg" },
	{ "claims padded", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9==.Kb0wlCWkAwHkEpnZBjb-J2HMLEl-zof-"
		 "2o6M0IZzwU4" },
	{ "claims with a space", CLAIMS,
	  HEADER ".eyJl eHAiOjE4MDAwMDAwMDF9.lGq9HdD5NUSEsotBsOsQqrlCK_bd4cwH_"
		 "dSbecdw8Yc" },
	{ "claims with a line end", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9\n.5f93_qLYYJ9xucCatb3wxO_NdtAxKoYUe"
		 "JNIAKTibq8" },
	{ "claims with !", CLAIMS,
	  HEADER ".eyJl!eHAiOjE4MDAwMDAwMDF9.wu4dYoDFqIB_vXuu6zshWx6ZvLpTSqUJU"
		 "iKAmhvxNwU" },
	{ "claims in base64, not base64url", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOiI/Pz4+In0.b3LZBVrAKn0TEZA2PxT"
		 "2j4HifGCM7lOUD03bsL47YGY" },
	{ "claims in base64url", NULL,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDEsImEiOiI_Pz4-In0.MudKOmi8rGRwDpXlELy"
		 "dEvsBzX1PjX02O2wCPu3j4k4" },
	{ "claims, length of 1 modulo 4", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9IAAAA.hkSfUz-kg7HytIW_BxpktV0XLUj16"
		 "W0VRTBYtc6ENwA" },
	{ "claims, bits left over", CLAIMS,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9IB.hl1Rh9N1y3JaUBLoAtca9kxF9DNpm8E2"
		 "Km6osyvQnBs" },
	{ "empty header", HEAD,
	  ".eyJleHAiOjE4MDAwMDAwMDF9.-XNDGE524QGBb_MWYGwYIClntAu-4q_CD7"
	  "7VDp_xcFo" },
	{ "empty claims", CLAIMS,
	  HEADER "..TnodloNbQEYUH6yElXj4uS2HukAl1CwbLKglPGmGv8g" },
	{ "empty signature", B64, HEADER ".eyJleHAiOjE4MDAwMDAwMDF9." },
	{ "signature missing", "it does not have three parts",
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9" },
	{ "no dot", "it does not have three parts",
	  "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" },
	{ "four parts", B64,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_d-0twR41k" },
	{ "a dot behind", B64,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k." },
	{ "signature padded", B64,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k=" },
	{ "signature, a space behind", B64,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k " },
	{ "signature, bits left over", B64,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41l" },
	{ "signature cut", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR4w" },
	{ "signature longer", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41l4" },
	{ "signature of zeros", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		 "AAAAAAAAA" },
	{ "signature of other claims", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDJ9.mxcfmg5-9fIvUGwoxVQpA3-HM4yR6KQpp_"
		 "d-0twR41k" },
	{ "signature of another header", SIG,
	  "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDF9.mxcfmg5-9fIvUG"
	  "woxVQpA3-HM4yR6KQpp_d-0twR41k" },
	{ "signed with another key", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.Uf7GkRcMmvjZ2qnCOWiBc04J9iX_Zvn1OU"
		 "dM4N-86NQ" },
	{ "signed with the empty key", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.OhqhjYZJmBiNZe3D0mAGeZmgk9Qo9NUlGY"
		 "gXDupnUkQ" },
	{ "signed with half of the key", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.QXj6k1TPat1m6cqbN8aBqISxkp-gTNe9W8"
		 "nWvdDvo2s" },
	{ "HS256 in the header, HS512 in the signature", SIG,
	  HEADER ".eyJleHAiOjE4MDAwMDAwMDF9.Af0CdTqtQ-JP5mvlEgRM7TG6RNuzwY4tuZ"
		 "P_iP1qVrwbX7MRTPPLru-s5C3quSHF3OT6qmXyiMv5cpG_HqSpJQ" },
	{ "alg none without a signature", B64,
	  "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDAwMDF9." },
	{ "expired and badly signed", SIG,
	  HEADER ".eyJleHAiOjF9.WJbfxSYGuuAsdt0zHYu0QpKxNM0sBE5cO8LWph3zInU" },
};

/* "" when the token at `row` got what it should, else what it got. */
static const char *raw_verdict(struct token_verifier *verifier, size_t row,
			       struct oam_error *fault)
{
	struct json_object *claims;
	int result = token_verify(verifier, raw[row].token, NOW, &claims, fault);
	bool taken = result == 0 && claims && fault->code == OAM_OK;
	bool refused = result == -1 && !claims && fault->code == OAM_E_TOKEN_INVALID;

	json_object_put(claims);
	if (!raw[row].reason)
		return taken ? "" : fault->message;
	if (!refused)
		return "it was taken";
	return strstr(fault->message, raw[row].reason) ? "" : fault->message;
}

static void test_raw_tokens(void **state)
{
	struct settings settings = good_settings();
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	int failed = 0;

	(void)state;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++) {
		struct oam_error fault = { 0 };
		const char *got = raw_verdict(verifier, i, &fault);

		if (got[0] == '\0')
			continue;
		print_error("%s: %s\n", raw[i].what, got);
		failed++;
	}
	token_verifier_close(verifier);
	assert_int_equal(failed, 0);
}

/* The longest token that is read, and one character more. */
static void test_the_length_limit(void **state)
{
	struct settings settings = good_settings();
	char claims[TOKEN_MAX];
	size_t good = 0, bad = 0;

	(void)state;
	for (int fill = 5850; fill < 5950; fill++) {
		char *token;

		snprintf(claims, sizeof(claims), "{\"a\":\"%0*d\",\"exp\":1800000001}",
			 fill, 0);
		token = sign(&settings, claims);
		if (strlen(token) <= TOKEN_MAX) {
			assert_int_equal(verdict(&settings, token), OAM_OK);
			good++;
		} else {
			assert_int_equal(verdict(&settings, token), OAM_E_TOKEN_INVALID);
			bad++;
		}
		free(token);
	}
	assert_true(good > 0 && bad > 0);
}

static void test_issuer_and_audience(void **state)
{
	static const struct {
		const char *issuer, *audience, *claims, *reason;
	} cases[] = {
		{ "me", NULL, "\"iss\":\"me\"", NULL },
		{ "me", NULL, "\"iss\":\"Me\"", "issuer" },
		{ "me", NULL, "\"iss\":\"me2\"", "issuer" },
		{ "me", NULL, "\"iss\":\"\"", "issuer" },
		{ "me", NULL, "\"iss\":null", "issuer" },
		{ "me", NULL, "\"iss\":[\"me\"]", "issuer" },
		{ "me", NULL, "\"aud\":\"me\"", "issuer" },
		{ NULL, "us", "\"aud\":\"us\"", NULL },
		{ NULL, "us", "\"aud\":[\"x\",1,null,\"us\"]", NULL },
		{ NULL, "us", "\"aud\":[]", "audience" },
		{ NULL, "us", "\"aud\":[\"x\"]", "audience" },
		{ NULL, "us", "\"aud\":[[\"us\"]]", "audience" },
		{ NULL, "us", "\"aud\":{\"us\":\"us\"}", "audience" },
		{ NULL, "us", "\"aud\":\"x us\"", "audience" },
		{ NULL, "us", "\"aud\":null", "audience" },
		{ NULL, "us", "\"iss\":\"us\"", "audience" },
		{ "me", "us", "\"iss\":\"me\",\"aud\":\"us\"", NULL },
		{ "me", "us", "\"iss\":\"me\",\"aud\":\"them\"", "audience" },
		{ "me", "us", "\"iss\":\"you\",\"aud\":\"us\"", "issuer" },
		{ NULL, NULL, "\"iss\":1,\"aud\":1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = good_settings();
		struct token_verifier *verifier;
		struct json_object *claims;
		struct oam_error err = { 0 }, fault = { 0 };
		char issuer[8], audience[8], text[128], *token;
		int expected = cases[i].reason ? -1 : 0;

		snprintf(issuer, sizeof(issuer), "%s", cases[i].issuer ?: "");
		snprintf(audience, sizeof(audience), "%s", cases[i].audience ?: "");
		settings.jwt_issuer = cases[i].issuer ? issuer : NULL;
		settings.jwt_audience = cases[i].audience ? audience : NULL;
		snprintf(text, sizeof(text), "{%s,\"exp\":1800000001}", cases[i].claims);
		token = sign(&settings, text);
		assert_ok(token_verifier_open(&settings, &verifier, &err));
		if (token_verify(verifier, token, NOW, &claims, &fault) != expected ||
		    !strstr(fault.message, cases[i].reason ?: ""))
			fail_msg("%s: %s", text, fault.message);
		json_object_put(claims);
		token_verifier_close(verifier);
		free(token);
	}
}

static void test_what_opens(void **state)
{
	static const struct {
		const char *alg;
		size_t length;     /* of SECRET; 0: no secret at all */
		const char *words; /* NULL: it opens */
	} cases[] = {
		{ "HS256", 32, NULL },
		{ "HS256", 31, "too short: HS256 needs 32 bytes" },
		{ "HS384", 48, NULL },
		{ "HS384", 47, "too short: HS384 needs 48 bytes" },
		{ "HS512", 64, NULL },
		{ "HS512", 63, "too short: HS512 needs 64 bytes" },
		{ "HS256", 0, "JWT_SECRET is not set" },
		{ "none", 64, "OAM_JWT_ALG must be" },
		{ "hs256", 64, "OAM_JWT_ALG must be" },
		{ "PS256", 64, "OAM_JWT_ALG must be" },
		{ "", 64, "OAM_JWT_ALG must be" },
		{ "RS256", 64, "OAM_JWT_PUBLIC_KEY is not set" },
		{ "ES256", 64, "OAM_JWT_PUBLIC_KEY is not set" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = { 0 };
		struct token_verifier *verifier;
		struct oam_error err = { 0 };
		char alg[8], part[sizeof(SECRET)];

		snprintf(alg, sizeof(alg), "%s", cases[i].alg);
		snprintf(part, sizeof(part), "%.*s", (int)cases[i].length, SECRET);
		settings.jwt_alg = alg;
		settings.jwt_secret = cases[i].length ? part : NULL;
		if (!cases[i].words) {
			assert_ok(token_verifier_open(&settings, &verifier, &err));
			token_verifier_close(verifier);
			continue;
		}
		assert_int_equal(token_verifier_open(&settings, &verifier, &err), -1);
		assert_int_equal(err.code, OAM_E_SETTING);
		assert_null(verifier);
		if (!strstr(err.message, cases[i].words))
			fail_msg("%s: %s", cases[i].words, err.message);
		if (settings.jwt_secret)
			assert_null(strstr(err.message, settings.jwt_secret));
	}
	token_verifier_close(NULL);
}

static void test_placeholders_open_nothing(void **state)
{
	static const char *const bad[] = {
		"your-super-secret-jwt-key-here-0123",
		"YOUR_JWT_SECRET_GOES_HERE_PLEASE_DO_IT",
		"a-string-secret-at-least-256-bits-long",
		"xkcd-correct-horse-PassWord-battery-staple",
		"change-me-in-production-or-else-bad-luck",
		"abcdefghijklmnopqrstuvwxyzABCDEFGH",
		"aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccdddd",
		"12312312312312312312312312312312",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings = good_settings();
		struct json_object *claims = parse("{\"exp\":1}");
		struct token_verifier *verifier;
		struct oam_error err = { 0 }, on_sign = { 0 };
		char copy[64], *token;

		snprintf(copy, sizeof(copy), "%s", bad[i]);
		settings.jwt_secret = copy;
		if (token_verifier_open(&settings, &verifier, &err) != -1)
			fail_msg("%s", bad[i]);
		assert_int_equal(err.code, OAM_E_SETTING);
		assert_null(strstr(err.message, bad[i]));
		assert_int_equal(token_sign(&settings, claims, &token, &on_sign), -1);
		assert_null(token);
		assert_string_equal(on_sign.message, err.message);
		json_object_put(claims);
	}
}

/* A private key, a certificate and the like are not taken for a public key. */
static void test_public_key_files(void **state)
{
	static const struct {
		const char *text, *words; /* NULL: no file */
	} cases[] = {
		{ NULL, "cannot be read" },
		{ "", "not a public key" },
		{ "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "not a public key" },
		{ "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
		  "not a public key" },
		{ "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
		  "not a public key" },
		{ "-----BEGIN RSA PRIVATE KEY-----\nAA==\n", "not a public key" },
		{ "-----BEGIN PUBLIC KEY-----\n" SECRET "\n-----END PUBLIC KEY-----\n",
		  "not a public key" },
		{ "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
		  "not a public key" },
		{ "-----BEGIN PUBLIC KEY-----\n", "not a public key" },
	};
	char path[] = "/tmp/oam-unit.XXXXXX", rs256[] = "RS256";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = { .jwt_alg = rs256, .jwt_public_key = path };
		struct token_verifier *verifier;
		struct oam_error err = { 0 };

		unlink(path);
		if (cases[i].text) {
			FILE *file = fopen(path, "w");

			assert_non_null(file);
			fputs(cases[i].text, file);
			fclose(file);
		}
		assert_int_equal(token_verifier_open(&settings, &verifier, &err), -1);
		assert_int_equal(err.code, OAM_E_SETTING);
		assert_string_equal(err.param, "OAM_JWT_PUBLIC_KEY");
		assert_null(verifier);
		if (!strstr(err.message, cases[i].words))
			fail_msg("%s: %s", cases[i].text, err.message);
	}
	unlink(path);
}

static void test_a_folder_is_no_key(void **state)
{
	char path[] = "/", rs256[] = "RS256";
	struct settings settings = { .jwt_alg = rs256, .jwt_public_key = path };
	struct token_verifier *verifier;
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(token_verifier_open(&settings, &verifier, &err), -1);
	assert_non_null(strstr(err.message, "cannot be read"));
	assert_null(verifier);
}

static void test_only_hmac_signs(void **state)
{
	static char algorithms[][6] = { "RS256", "ES512", "none", "hs256", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		struct settings settings = good_settings();
		struct json_object *claims = parse("{\"exp\":1800000001}");
		struct oam_error err = { 0 };
		char *token;

		settings.jwt_alg = algorithms[i];
		assert_int_equal(token_sign(&settings, claims, &token, &err), -1);
		assert_int_equal(err.code, OAM_E_SETTING);
		assert_string_equal(err.param, "OAM_JWT_ALG");
		assert_null(token);
		json_object_put(claims);
	}
}

/* What goes in comes out, whatever the type and the script. */
static void test_claims_survive(void **state)
{
	static const char text[] =
		"{\"sub\":\"\xf0\x9f\x98\x80 \\\"q\\\" \\\\ /\",\"exp\":1800000001,"
		"\"big\":9223372036854775807,\"half\":0.5,\"list\":[1,null,true,{}],"
		"\"deep\":{\"a\":{\"b\":[]}}}";
	struct settings settings = good_settings();
	struct json_object *given = parse(text), *claims;
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	char *token = sign(&settings, text);

	(void)state;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	assert_ok(token_verify(verifier, token, NOW, &claims, &err));
	assert_int_equal(json_object_equal(given, claims), 1);
	json_object_put(claims);
	json_object_put(given);
	token_verifier_close(verifier);
	free(token);
}

static void test_more_rights_to_manage(void **state)
{
	char name[160];

	(void)state;
	assert_manages("role=admin", "{\"role\":\"Admin\"}", false);
	assert_manages("role=admin", "{\"role\":\"administrator\"}", false);
	assert_manages("role=admin", "{\"role\":\"adm\"}", false);
	assert_manages("role=admin", "{\"Role\":\"admin\"}", false);
	assert_manages("role=admin", "{\"roles\":\"admin\"}", false);
	assert_manages("role=admin", "{\"role\":null}", false);
	assert_manages("role=admin", "{\"role\":true}", false);
	assert_manages("role=admin", "{\"role\":{\"admin\":true}}", false);
	assert_manages("role=admin", "{\"role\":[]}", false);
	assert_manages("role=admin", "{\"role\":[\"x\",null,1]}", false);
	assert_manages("admin=true", "{\"admin\":true}", false); /* nothing is coerced */
	assert_manages("level=1", "{\"level\":1}", false);
	assert_manages("scope=w", "{\"scope\":\"w\"}", true);
	assert_manages("scope=w", "{\"scope\":\" w \"}", true);
	assert_manages("scope=w", "{\"scope\":\"r w x\"}", true);
	assert_manages("scope=w", "{\"scope\":[\"r\",\"w\"]}", true);
	assert_manages("scope=w", "{\"scope\":[\"r w\"]}", false);
	assert_manages("scope=w", "{\"scope\":\"\"}", false);
	assert_manages("scope=w", "{\"scope\":\"W\"}", false);
	assert_manages("scope=w", "{\"scope\":\"r,w\"}", false);
	assert_manages("scope=w", "{\"scope\":\"r\\tw\"}", false);
	assert_manages("scope=w", "{\"scope\":1}", false);
	/* A claim with a name that is too long to look for is not there. */
	snprintf(name, sizeof(name), "%0*d=w", 127, 0);
	assert_manages(name, "{}", false);
	snprintf(name, sizeof(name), "%0*d=w", 128, 0);
	assert_manages(name, "{}", false);
}

/*
 * A NUL ends no word of a scope: as JSON the string goes on.
 */
static void test_a_nul_in_a_scope_ends_no_word(void **state)
{
	(void)state;
	assert_manages("scope=w", "{\"scope\":\"r w\\u0000x\"}", false);
}

static int verify(struct token_verifier *verifier, const char *token, int64_t now)
{
	struct oam_error err = { 0 };
	struct json_object *claims;
	int result = token_verify(verifier, token, now, &claims, &err);

	assert_true((result == 0) == (claims != NULL));
	json_object_put(claims);
	return result;
}

/* A signature is remembered; that says nothing about the time, nor about other tokens. */
static void test_a_remembered_token(void **state)
{
	struct settings settings = good_settings();
	char *token = sign(&settings, "{\"nbf\":1799999990,\"exp\":1800000001}");
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	size_t length = strlen(token);

	(void)state;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	for (int i = 0; i < 3; i++)
		assert_int_equal(verify(verifier, token, NOW), 0);
	assert_int_equal(verify(verifier, token, NOW + 1 * CLOCK_SECOND), -1);
	assert_int_equal(verify(verifier, token, NOW - 11 * CLOCK_SECOND), -1);
	assert_int_equal(verify(verifier, token, NOW), 0);
	for (size_t i = 0; i < length; i++) {
		char good = token[i];

		token[i] = good == 'A' ? 'B' : 'A';
		assert_int_equal(verify(verifier, token, NOW), -1);
		token[i] = '\0';
		assert_int_equal(verify(verifier, token, NOW), -1);
		token[i] = good;
	}
	assert_int_equal(verify(verifier, token, NOW), 0);
	token_verifier_close(verifier);
	free(token);
}

/* More tokens than are remembered, in turns: each gets its own claims. */
static void test_many_tokens(void **state)
{
	enum { TOKENS = 2 * TOKEN_CACHE_SLOTS + 1 };
	struct settings settings = good_settings();
	struct token_verifier *verifier;
	struct oam_error err = { 0 };
	struct json_object *claims;
	char *tokens[TOKENS], text[64];

	(void)state;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	for (int i = 0; i < TOKENS; i++) {
		snprintf(text, sizeof(text), "{\"n\":%d,\"exp\":1800000001}", 100 + i);
		tokens[i] = sign(&settings, text);
	}
	for (int turn = 0; turn < 3 * TOKENS; turn++) {
		int i = turn * 7 % TOKENS;

		assert_ok(token_verify(verifier, tokens[i], NOW, &claims, &err));
		assert_int_equal(json_object_get_int(json_member(claims, "n")), 100 + i);
		json_object_put(claims);
	}
	for (int i = 0; i < TOKENS; i++)
		free(tokens[i]);
	token_verifier_close(verifier);
}

/* A token with this header, of SECRET. */
static char *sign_header(const char *header, const char *claims)
{
	EVP_PKEY *key = secret_key(secret);
	char *token = malloc(4096), *end;
	char mac[1024];
	size_t length;

	assert_non_null(token);
	end = encode_base64(header, strlen(header), token);
	*end++ = '.';
	end = encode_base64(claims, strlen(claims), end);
	length = sign_bytes("SHA256", key, token, mac);
	*end++ = '.';
	encode_base64(mac, length, end);
	EVP_PKEY_free(key);
	return token;
}

/* RFC 7515, 4.1.9; RFC 9068, 2.1. */
static void test_types(void **state)
{
	static const struct {
		const char *typ;
		enum oam_code code;
	} cases[] = {
		{ "\"JWT\"", OAM_OK },
		{ "\"at+jwt\"", OAM_OK },
		{ "\"AT+JWT\"", OAM_OK },
		{ "\"application/jwt\"", OAM_OK },
		{ "\"Application/JWT\"", OAM_OK },
		{ "\"application/at+jwt\"", OAM_OK },
		{ "\"APPLICATION/At+Jwt\"", OAM_OK },
		{ "\"application/\"", OAM_E_TOKEN_INVALID },
		{ "\"application/application/jwt\"", OAM_E_TOKEN_INVALID },
		{ "\"text/jwt\"", OAM_E_TOKEN_INVALID },
		{ "\"jwt;x=1\"", OAM_E_TOKEN_INVALID },
		{ "\" jwt\"", OAM_E_TOKEN_INVALID },
		{ "\"at+jwt\\u0000\"", OAM_E_TOKEN_INVALID },
		{ "\"dpop+jwt\"", OAM_E_TOKEN_INVALID },
		{ "\"logout+jwt\"", OAM_E_TOKEN_INVALID },
		{ "[\"at+jwt\"]", OAM_E_TOKEN_INVALID },
	};
	struct settings settings = good_settings();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char header[128], *token;

		snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"typ\":%s}",
			 cases[i].typ);
		token = sign_header(header, "{\"exp\":1800000001}");
		if (verdict(&settings, token) != cases[i].code)
			fail_msg("%s", cases[i].typ);
		free(token);
	}
}

/*
 * Of what libjwt cannot read, it says that the signature is bad. OpenSSL sees that it is good,
 * and then we read the claims.
 */
static void test_claims_that_libjwt_cannot_read(void **state)
{
	static const struct {
		const char *claims, *reason; /* NULL: they are good */
	} cases[] = {
		{ "{\"exp\":1800000001,\"a\":\"\\u0000\"}", NULL },
		{ "{\"exp\":1800000001,\"a\":18446744073709551616}", NULL },
		{ "null", CLAIMS },
		{ "1800000001", CLAIMS },
		{ "\"exp\"", CLAIMS },
		{ "{\"exp\":1800000001", CLAIMS },
		{ "{\"exp\":1800000001}}", CLAIMS },
		{ "{\"exp\":01800000001}", CLAIMS },
		{ "{\"exp\":1e999}", CLAIMS },
		{ "{\"exp\":NaN}", CLAIMS },
		{ "{\"exp\":1800000001,\"a\":\"\xc0\xaf\"}", CLAIMS },
		{ "{\"exp\":1800000001,\"a\":\"\\ud800\"}", CLAIMS },
	};
	struct settings settings = good_settings();
	struct token_verifier *verifier;
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(token_verifier_open(&settings, &verifier, &err));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int way = 0; way < 2; way++) {
			const char
				*header = way ? "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"
					      : "{\"alg\":\"HS256\"}";
			const char *reason = way ? cases[i].reason : SIG;
			char *token = sign_header(header, cases[i].claims);
			struct oam_error fault = { 0 };
			struct json_object *claims;

			if (token_verify(verifier, token, NOW, &claims, &fault) !=
				    (reason ? -1 : 0) ||
			    !strstr(fault.message, reason ?: ""))
				fail_msg("%s: %s", cases[i].claims, fault.message);
			json_object_put(claims);
			free(token);
		}
	token_verifier_close(verifier);
}

/* RFC 7515, 4.1.4: it is a string. Secrets have no ids. */
static void test_kids(void **state)
{
	struct settings settings = good_settings();
	char *good = sign_header("{\"alg\":\"HS256\",\"kid\":\"x\"}",
				 "{\"exp\":1800000001}");
	char *bad = sign_header("{\"alg\":\"HS256\",\"kid\":1}", "{\"exp\":1800000001}");

	(void)state;
	assert_int_equal(verdict(&settings, good), OAM_OK);
	assert_int_equal(verdict(&settings, bad), OAM_E_TOKEN_INVALID);
	free(good);
	free(bad);
}

#define OLD "9c2e7b14f86d05a3e1d4c7b29806f5a3d17e4b8c2f9065da3b1e7c4f8d2a6095"

static char old_secret[] = OLD;

/* The secret of before verifies what it signed, and signs nothing more. */
static void test_the_previous_secret(void **state)
{
	struct settings before = good_settings(), during, after = good_settings();
	char *old, *new;

	(void)state;
	before.jwt_secret = old_secret;
	during = good_settings();
	during.jwt_secret_previous = old_secret;
	old = sign(&before, "{\"exp\":1800000001}");
	new = sign(&during, "{\"exp\":1800000001}");
	assert_int_equal(verdict(&before, old), OAM_OK);
	assert_int_equal(verdict(&during, old), OAM_OK);
	assert_int_equal(verdict(&during, new), OAM_OK);
	assert_int_equal(verdict(&before, new), OAM_E_TOKEN_INVALID);
	assert_int_equal(verdict(&after, old), OAM_E_TOKEN_INVALID);
	assert_int_equal(verdict(&after, new), OAM_OK);
	free(old);
	free(new);
}

/* The previous secret must be as good as the one that signs, and is named. */
static void test_a_bad_previous_secret(void **state)
{
	static char bad[][64] = { "tooFew",
				  "this-is-my-very-secret-jwt-key-please-change",
				  "gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct settings settings = good_settings();
		struct token_verifier *verifier;
		struct oam_error err = { 0 };

		settings.jwt_secret_previous = bad[i];
		assert_int_equal(token_verifier_open(&settings, &verifier, &err), -1);
		assert_string_equal(err.param, "JWT_SECRET_PREVIOUS");
		assert_non_null(strstr(err.message, "JWT_SECRET_PREVIOUS "));
		assert_non_null(strstr(err.message, "openssl rand -hex 32"));
		assert_null(strstr(err.message, bad[i]));
	}
}

/* Also a token whose signature is remembered. */
static void test_revoked_tokens(void **state)
{
	static const struct {
		const char *list, *claims;
		bool revoked;
	} cases[] = {
		{ "a", "{\"jti\":\"a\",\"exp\":1800000001}", true },
		{ "b, a ,c", "{\"jti\":\"a\",\"exp\":1800000001}", true },
		{ "b a", "{\"jti\":\"a\",\"exp\":1800000001}", true },
		{ "b,c", "{\"jti\":\"a\",\"exp\":1800000001}", false },
		{ "aa,A", "{\"jti\":\"a\",\"exp\":1800000001}", false },
		{ "a", "{\"exp\":1800000001}", false },
		{ "a", "{\"jti\":[\"a\"],\"exp\":1800000001}", false },
		{ ",", "{\"jti\":\"\",\"exp\":1800000001}", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings settings = good_settings();
		char list[32], *token = sign(&settings, cases[i].claims);
		struct token_verifier *verifier;
		struct oam_error err = { 0 }, fault = { 0 };
		struct json_object *claims;

		snprintf(list, sizeof(list), "%s", cases[i].list);
		assert_ok(token_verifier_open(&settings, &verifier, &err));
		assert_int_equal(verify(verifier, token, NOW), 0);
		settings.jwt_revoked = list;
		assert_int_equal(verify(verifier, token, NOW), cases[i].revoked ? -1 : 0);
		token_verify(verifier, token, NOW, &claims, &fault);
		json_object_put(claims);
		if (cases[i].revoked)
			assert_non_null(strstr(fault.message, "it was revoked"));
		token_verifier_close(verifier);
		free(token);
	}
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
		cmocka_unit_test(test_raw_tokens),
		cmocka_unit_test(test_the_length_limit),
		cmocka_unit_test(test_issuer_and_audience),
		cmocka_unit_test(test_what_opens),
		cmocka_unit_test(test_placeholders_open_nothing),
		cmocka_unit_test(test_public_key_files),
		cmocka_unit_test(test_a_folder_is_no_key),
		cmocka_unit_test(test_only_hmac_signs),
		cmocka_unit_test(test_claims_survive),
		cmocka_unit_test(test_more_rights_to_manage),
		cmocka_unit_test(test_a_nul_in_a_scope_ends_no_word),
		cmocka_unit_test(test_a_remembered_token),
		cmocka_unit_test(test_many_tokens),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_claims_that_libjwt_cannot_read),
		cmocka_unit_test(test_kids),
		cmocka_unit_test(test_the_previous_secret),
		cmocka_unit_test(test_a_bad_previous_secret),
		cmocka_unit_test(test_revoked_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
