/*
 * token_verify: nothing but the token that was signed is accepted, and that again when it
 * is remembered. The first byte chooses:
 * any text; edits of a good token; a header and claims with a good token's signature; or
 * claims that are really signed, which must then say what was checked.
 */
#include "clock.h"
#include "fuzz.h"
#include "token.h"

#define NOW (INT64_C(1800000000) * CLOCK_SECOND)

static char secret[] = "3f9a1c7e5b2d8460af13579bdf02468ace13579bdf02468ace9f8e7d6c5b4a39";
static char algorithm[] = "HS256", manage[] = "scope=manage";
static const struct settings settings = { .jwt_secret = secret,
					  .jwt_alg = algorithm,
					  .jwt_manage = manage };

static struct token_verifier *verifier;
static char *good;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char claims[] = "{\"sub\":\"fuzz\",\"exp\":1800000001}";
	struct oam_error err = { 0 };
	struct json_object *tree;

	(void)argc;
	(void)argv;
	claim(json_read(claims, strlen(claims), &tree, &err) == 0);
	claim(token_sign(&settings, tree, &good, &err) == 0);
	claim(token_verifier_open(&settings, &verifier, &err) == 0);
	json_object_put(tree);
	return 0;
}

static bool is_accepted(const char *token, struct json_object **claims)
{
	struct oam_error err = { 0 }, again = { 0 };
	struct json_object *same;

	if (token_verify(verifier, token, NOW, claims, &err) == 0) {
		claim(json_object_is_type(*claims, json_type_object));
		claim(token_verify(verifier, token, NOW, &same, &again) == 0);
		claim(json_object_equal(*claims, same));
		json_object_put(same);
		token_may_manage(verifier, *claims);
		return true;
	}
	claim(!*claims);
	claim(err.code == OAM_E_TOKEN_INVALID);
	check_error(&err);
	return false;
}

static void check_refused(const char *token)
{
	struct json_object *claims;

	claim(is_accepted(token, &claims) == (strcmp(token, good) == 0));
	json_object_put(claims);
}

/* Each three bytes: what to do, where, and with which character. */
static void try_edits(const char *edits, size_t size)
{
	size_t length = strlen(good);
	char *token = malloc(length + size + 1);

	claim(token);
	strcpy(token, good);
	for (size_t i = 0; i + 2 < size; i += 3) {
		unsigned char what = (unsigned char)edits[i];
		size_t at = (unsigned char)edits[i + 1] | (what & 0x10U) << 4;
		char *place = token + at % (length + 1);

		switch (what % 4) {
		case 0:
			memmove(place + 1, place, strlen(place) + 1);
			*place = edits[i + 2];
			break;
		case 1:
			if (*place)
				memmove(place, place + 1, strlen(place));
			break;
		case 2:
			*place = '\0';
			break;
		default:
			if (*place)
				*place = edits[i + 2];
		}
		length = strlen(token);
	}
	check_refused(token);
	free(token);
}

static size_t encode(const char *text, size_t length, char *to)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t done = 0;

	for (size_t i = 0; i < length; i += 3) {
		unsigned bits = (unsigned)(unsigned char)text[i] << 16;
		size_t left = length - i < 3 ? length - i : 3;

		if (left > 1)
			bits |= (unsigned)(unsigned char)text[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char)text[i + 2];
		for (size_t j = 0; j <= left; j++)
			to[done++] = digits[bits >> (18 - 6 * j) & 63];
	}
	return done;
}

/* HEADER newline CLAIMS. */
static void try_parts(const char *text, size_t size)
{
	const char *newline = memchr(text, '\n', size);
	size_t first = newline ? (size_t)(newline - text) : size;
	char *token = malloc(2 * size + strlen(good) + 16), *end = token;

	claim(token);
	end += encode(text, first, end);
	*end++ = '.';
	if (newline)
		end += encode(newline + 1, size - first - 1, end);
	strcpy(end, strrchr(good, '.'));
	check_refused(token);
	free(token);
}

static void check_claims(struct json_object *claims)
{
	struct json_object *exp = json_member(claims, "exp");

	claim(json_object_is_type(exp, json_type_int) ||
	      json_object_is_type(exp, json_type_double));
	claim(json_object_get_double(exp) * CLOCK_SECOND > (double)NOW);
}

static void try_claims(const char *text, size_t size)
{
	struct oam_error err = { 0 };
	struct json_object *tree, *claims;
	char *token;

	if (json_read(text, size, &tree, &err))
		return;
	if (json_object_is_type(tree, json_type_object) &&
	    token_sign(&settings, tree, &token, &err) == 0) {
		if (is_accepted(token, &claims))
			check_claims(claims);
		json_object_put(claims);
		free(token);
	}
	json_object_put(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = copy_text(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		check_refused(text);
		break;
	case 1:
		try_edits(text, size - 1);
		break;
	case 2:
		try_parts(text, size - 1);
		break;
	default:
		try_claims(text, size - 1);
	}
	free(text);
	return 0;
}
