/* token_secret: what is refused, and that nothing is which was drawn at random. */
#include <ctype.h>
#include <errno.h>

#include "expect.h"
#include "token_leaked.h"
#include "token_secret.h"

#define EACH   10000 /* of each kind of random secrets */
#define LEAKED "../shared/data/leaked-secrets.sha256"

static const char *refusal(const char *secret)
{
	static struct oam_error err;

	err = (struct oam_error){ 0 };
	if (token_secret_check("JWT_SECRET", secret, token_algorithm_find("HS256"),
			       &err) == 0)
		return NULL;
	assert_int_equal(err.code, OAM_E_SETTING);
	assert_string_equal(err.param, "JWT_SECRET");
	assert_non_null(strstr(err.message, "openssl rand -hex 32"));
	return err.message;
}

static void assert_refused(const char *secret, const char *words)
{
	const char *message = refusal(secret);

	if (!message)
		fail_msg("'%s' was taken", secret);
	if (!strstr(message, words))
		fail_msg("'%s': %s", secret, message);
	if (strlen(secret) >= 8)
		assert_null(strstr(message, secret));
}

static void test_leaked_secrets(void **state)
{
	static const char *const leaked[] = {
		"404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
		"gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C",
		"GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk",
		"ByYM000OLlMQG6VVVp1OH7Xzyr7gHuw1qvUC5dcGt3SNM",
		"12345678901234567890123456789012",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(leaked) / sizeof(leaked[0]); i++)
		assert_refused(leaked[i], "is known: it is in a public list");
	assert_null(refusal("gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9D"));
}

/* The table holds the whole list, and nothing beside it. */
static void test_the_whole_list(void **state)
{
	FILE *file = fopen(LEAKED, "r");
	char line[32];
	int count = 0;

	(void)state;
	if (!file) {
		print_message("skipped: there is no " LEAKED "\n");
		skip();
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		uint64_t begin = strtoull(line, NULL, 16);

		assert_true(token_leaked_has(begin));
		assert_false(token_leaked_has(begin + 1));
		assert_false(token_leaked_has(begin - 1));
		count++;
	}
	fclose(file);
	assert_int_equal(count, 1830);
	assert_false(token_leaked_has(0));
	assert_false(token_leaked_has(UINT64_MAX));
}

static void test_words(void **state)
{
	static const char *const words[] = {
		"this-is-my-very-secret-jwt-key-please-change",
		"ThisIsMySecretKeyForJWTAuthentication",
		"thisisaverysecretkeyforjwtsigning2024",
		"MySuperSecretKeyThatIsAtLeast32CharactersLong!",
		"geheimnis-fuer-die-anwendung-bitte-aendern",
		"clave_secreta_super_segura_para_jwt_token",
		"mon-secret-tr\xc3\xa8s-long-\xc3\xa0-changer-absolument",
		"correct horse battery staple correct horse",
		"REPLACE_THIS_WITH_A_LONG_RANDOM_STRING_OF_64",
		"qwertyuiopasdfghjklzxcvbnm654321",
		"0123456789abcdef0123456789abcdef",
		"P@ssw0rd1234567890P@ssw0rd1234567890",
		"s3cr3t-k3y-f0r-jwt-t0k3ns-ch4ng3-m3",
		"dev-secret-do-not-use-in-production-0001",
		"theQuickBrownFoxJumpsOverTheLazyDog",
		"x9Kq2mZ7x9Kq2mZ7x9Kq2mZ7x9Kq2mZ7x9Kq2mZ7",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_refused(words[i], "can be guessed");
}

/* Words in front of enough random characters do no harm. */
static void test_words_beside_random_characters(void **state)
{
	(void)state;
	assert_null(refusal("oam-production-secret-3f9a1c7e5b2d8460af13579bdf02468a"));
	assert_null(refusal("password:Zk4vYt9QhX2mLw7RbN5cJd8F"));
}

/* A very long one is not looked at for longer. */
static void test_a_very_long_secret(void **state)
{
	enum { LENGTH = 900000 };
	char *text = malloc(LENGTH + 1);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < LENGTH; i++)
		text[i] = "abcdefghij"[i % 10];
	text[LENGTH] = '\0';
	assert_non_null(refusal(text));
	free(text);
}

/* ---- random secrets: the same ones in each run ---- */

static uint64_t seed = 88172645463325252;

static unsigned draw(unsigned count)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % count);
}

static void draw_from(char *text, size_t length, const char *alphabet)
{
	unsigned count = (unsigned)strlen(alphabet);

	for (size_t i = 0; i < length; i++)
		text[i] = alphabet[draw(count)];
	text[length] = '\0';
}

#define HEX       "0123456789abcdef"
#define LETTERS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define BASE64    LETTERS "0123456789+/"
#define BASE64URL LETTERS "0123456789-_"

static void draw_uuid(char *text)
{
	draw_from(text, 36, HEX);
	text[8] = text[13] = text[18] = text[23] = '-';
	text[14] = '4';
	text[19] = "89ab"[draw(4)];
}

/* Syllables with capitals, digits and, if asked for, signs in between: as pwgen(1). */
static void draw_pwgen(char *text, size_t size, bool with_signs)
{
	static const char *const vowels[] = { "a", "ae", "ah", "ai", "e",  "ee", "ei",
					      "i", "ie", "o",  "oh", "oo", "u" };
	static const char *const consonants[] = { "b",  "c", "ch", "d",  "f", "g",  "h",
						  "j",  "k", "l",  "m",  "n", "p",  "ph",
						  "qu", "r", "s",  "sh", "t", "th", "v",
						  "w",  "x", "y",  "z" };
	bool vowel = draw(2), has_digit = false, has_capital = false;
	size_t done = 0;

	while (done < size) {
		const char *next = vowel ? vowels[draw(13)] : consonants[draw(25)];

		if (strlen(next) > size - done)
			continue;
		strcpy(text + done, next);
		if (!vowel && draw(10) < 2) {
			text[done] = (char)toupper((unsigned char)text[done]);
			has_capital = true;
		}
		done += strlen(next);
		vowel = !vowel;
		if (done < size && draw(10) < 3) {
			text[done++] = (char)('0' + draw(10));
			has_digit = true;
			vowel = draw(2);
		} else if (with_signs && done < size && draw(10) < 2) {
			text[done++] = "!-_.,:;/"[draw(8)];
		}
	}
	text[size] = '\0';
	if (!has_digit || !has_capital)
		draw_pwgen(text, size, with_signs);
}

static void draw_kind(unsigned kind, char text[128])
{
	switch (kind) {
	case 0:
		return draw_from(text, 64, HEX); /* openssl rand -hex 32 */
	case 1:
		return draw_from(text, 32, HEX);
	case 2:
		draw_from(text, 43, BASE64); /* openssl rand -base64 32 */
		strcat(text, "=");
		return;
	case 3:
		return draw_from(text, 32, BASE64); /* openssl rand -base64 24 */
	case 4:
		return draw_from(text, 43, BASE64URL);
	case 5:
		return draw_from(text, 32, LETTERS "0123456789"); /* pwgen -s */
	case 6:
		draw_uuid(text);
		return draw_uuid(text + 36);
	case 7:
		return draw_uuid(text);
	case 8:
		return draw_pwgen(text, 32, false);
	default:
		return draw_pwgen(text, 32, true);
	}
}

static void test_random_secrets_are_taken(void **state)
{
	char text[128];

	(void)state;
	for (unsigned kind = 0; kind < 10; kind++)
		for (int i = 0; i < EACH; i++) {
			draw_kind(kind, text);
			if (refusal(text))
				fail_msg("%s: %s", text, refusal(text));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaked_secrets),
		cmocka_unit_test(test_the_whole_list),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_beside_random_characters),
		cmocka_unit_test(test_a_very_long_secret),
		cmocka_unit_test(test_random_secrets_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
