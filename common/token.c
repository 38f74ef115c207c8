#include "token.h"

#include <ctype.h>
#include <errno.h>
#include <jwt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "file.h"
#include "token_cache.h"
#include "token_key.h"
#include "token_secret.h"

#define PUBLIC_KEY_MAX (64 * 1024UL)

struct algorithm {
	const char *name;
	jwt_alg_t id;
	size_t secret_min; /* bytes: the hash's size, RFC 7518, 3.2; 0: a public key */
};

static const struct algorithm algorithms[] = {
	{ "HS256", JWT_ALG_HS256, 32 }, { "HS384", JWT_ALG_HS384, 48 },
	{ "HS512", JWT_ALG_HS512, 64 }, { "RS256", JWT_ALG_RS256, 0 },
	{ "RS384", JWT_ALG_RS384, 0 },  { "RS512", JWT_ALG_RS512, 0 },
	{ "ES256", JWT_ALG_ES256, 0 },  { "ES384", JWT_ALG_ES384, 0 },
	{ "ES512", JWT_ALG_ES512, 0 },
};

struct token_verifier {
	const struct settings *settings;
	const struct algorithm *algorithm;
	char *key;
	size_t key_length; /* never 0: libjwt takes an empty key for "do not check" */
	struct token_cache cache;
};

static const struct algorithm *find_algorithm(const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

static int load_secret(struct token_verifier *verifier, struct oam_error *err)
{
	if (token_secret_check(verifier->settings->jwt_secret, verifier->algorithm->name,
			       verifier->algorithm->secret_min, err))
		return -1;
	verifier->key = strdup(verifier->settings->jwt_secret);
	if (!verifier->key)
		return error_set(err, NO_MEMORY, NULL);
	verifier->key_length = strlen(verifier->key);
	return 0;
}

static int load_public_key(struct token_verifier *verifier, struct oam_error *err)
{
	const char *path = verifier->settings->jwt_public_key;
	struct oam_error cause = { 0 };

	if (!path)
		return error_set(
			err, SETTING, "OAM_JWT_PUBLIC_KEY",
			"OAM_JWT_PUBLIC_KEY is not set: OAM_JWT_ALG needs a PEM file");
	if (file_read(path, PUBLIC_KEY_MAX, &verifier->key, &verifier->key_length,
		      &cause) ||
	    !verifier->key) {
		error_set(err, SETTING, "OAM_JWT_PUBLIC_KEY",
			  "OAM_JWT_PUBLIC_KEY: the file cannot be read");
		return error_detail(err, "%s", path);
	}
	if (!token_key_fits(verifier->key, verifier->algorithm->name))
		return error_set(err, SETTING, "OAM_JWT_PUBLIC_KEY",
				 "OAM_JWT_PUBLIC_KEY: not a public key in PEM form for "
				 "OAM_JWT_ALG (RS: 2048 bits or more; ES: its curve)");
	return 0;
}

/*
 * OpenSSL loads itself with its first use. If memory runs out just then, it stays broken,
 * and no token would be good any more: so that is done before there are requests.
 */
static int load_openssl(struct oam_error *err)
{
	static const char key[] = "only to see a signature found good";
	static const char token[] = "eyJhbGciOiJIUzI1NiJ9."
				    "e30."
				    "f79KkYf1tF4kaZ2oBH3vTkwqF7lKkrf09Odooi75edo";
	jwt_t *jwt = NULL;
	int result;
	bool works;

	errno = 0;
	result = jwt_decode(&jwt, token, (const unsigned char *)key, sizeof(key) - 1);
	works = result == 0 && jwt_get_alg(jwt) == JWT_ALG_HS256 && errno != ENOMEM;
	jwt_free(jwt);
	return works ? 0 : error_set(err, NO_MEMORY, NULL);
}

int token_verifier_open(const struct settings *settings, struct token_verifier **out,
			struct oam_error *err)
{
	struct token_verifier *verifier = calloc(1, sizeof(*verifier));

	*out = NULL;
	if (!verifier)
		return error_set(err, NO_MEMORY, NULL);
	load_openssl(err);
	verifier->settings = settings;
	verifier->algorithm = find_algorithm(settings->jwt_alg);
	if (!verifier->algorithm)
		error_set(err, SETTING, "OAM_JWT_ALG",
			  "OAM_JWT_ALG must be HS, RS or ES with 256, 384 or 512");
	else if (verifier->algorithm->secret_min > 0)
		load_secret(verifier, err);
	else
		load_public_key(verifier, err);
	if (error_result(err)) {
		token_verifier_close(verifier);
		return -1;
	}
	*out = verifier;
	return 0;
}

void token_verifier_close(struct token_verifier *verifier)
{
	if (!verifier)
		return;
	if (verifier->key)
		explicit_bzero(verifier->key, strlen(verifier->key));
	free(verifier->key);
	token_cache_clear(&verifier->cache);
	free(verifier);
}

static int invalid(struct oam_error *err, const char *reason)
{
	return error_set(err, TOKEN_INVALID, NULL, reason);
}

static int base64url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/*
 * Decodes base64url without padding (RFC 7515, 2), strictly: no other characters, no
 * impossible length, no bits left over that are not zero. `out` needs length + 1 bytes.
 * The decoded length, or -1.
 */
static ssize_t decode_base64url(const char *text, size_t length, char *out)
{
	unsigned int bits = 0, held = 0;
	size_t done = 0;

	if (length == 0 || length % 4 == 1)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int digit = base64url_digit(text[i]);

		if (digit < 0)
			return -1;
		bits = bits << 6 | (unsigned int)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[done++] = (char)(bits >> held & 0xFF);
		}
		bits &= (1U << held) - 1;
	}
	out[done] = '\0';
	return bits == 0 ? (ssize_t)done : -1;
}

/* Decodes one segment that must be a JSON object. */
static int decode_object(const char *segment, size_t length, const char *what,
			 struct json_object **object, struct oam_error *err)
{
	char text[TOKEN_MAX + 1];
	ssize_t decoded = decode_base64url(segment, length, text);
	struct oam_error cause = { 0 };

	*object = NULL;
	if (decoded < 0)
		return invalid(err, what);
	if (json_read(text, (size_t)decoded, object, &cause))
		return cause.code == OAM_E_NO_MEMORY ? error_set(err, NO_MEMORY, NULL)
						     : invalid(err, what);
	if (json_object_is_type(*object, json_type_object))
		return 0;
	json_object_put(*object);
	*object = NULL;
	return invalid(err, what);
}

/* RFC 8725, 3.1 and 3.11; RFC 7515, 4.1.11. */
static int check_header(const struct token_verifier *verifier, struct json_object *header,
			struct oam_error *err)
{
	const char *alg = json_member_string(header, "alg");
	const char *typ = json_member_string(header, "typ");

	if (!alg || strcmp(alg, verifier->algorithm->name) != 0)
		return invalid(err, "its algorithm is not the configured one");
	if (json_object_object_get_ex(header, "crit", NULL))
		return invalid(err, "it has critical extensions");
	if (json_object_object_get_ex(header, "typ", NULL) &&
	    (!typ || strcasecmp(typ, "JWT") != 0))
		return invalid(err, "its type is not JWT");
	return 0;
}

/*
 * libjwt may return success without having checked anything (an empty key, no memory):
 * so the algorithm that it used must be the configured one. When memory ran out anywhere
 * in it or in OpenSSL, its word counts for nothing, whatever it is.
 */
static int check_signature(const struct token_verifier *verifier, const char *token,
			   struct oam_error *err)
{
	jwt_t *jwt = NULL;
	bool good;

	errno = 0;
	good = jwt_decode(&jwt, token, (const unsigned char *)verifier->key,
			  (int)verifier->key_length) == 0 &&
	       jwt && jwt_get_alg(jwt) == verifier->algorithm->id;
	if (errno == ENOMEM)
		error_set(err, NO_MEMORY, NULL);
	else if (!good)
		invalid(err, "its signature does not match");
	jwt_free(jwt);
	return error_result(err);
}

/* A NumericDate (RFC 7519, 2) in ms. 1 when there, 0 when not, -1 when not a number. */
static int numeric_date(struct json_object *claims, const char *name, double *ms)
{
	struct json_object *value;

	if (!json_object_object_get_ex(claims, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return -1;
	*ms = json_object_get_double(value) * CLOCK_SECOND;
	return isfinite(*ms) ? 1 : -1;
}

static int check_times(const struct token_verifier *verifier, struct json_object *claims,
		       int64_t now, struct oam_error *err)
{
	double leeway = (double)(verifier->settings->jwt_leeway * CLOCK_SECOND);
	double exp = 0, nbf = 0, iat = 0;
	int has_nbf = numeric_date(claims, "nbf", &nbf);

	if (numeric_date(claims, "exp", &exp) != 1)
		return invalid(err, "it has no numeric 'exp'");
	if ((double)now >= exp + leeway)
		return invalid(err, "it has expired");
	if (has_nbf < 0)
		return invalid(err, "its 'nbf' is not a number");
	if (has_nbf && (double)now < nbf - leeway)
		return invalid(err, "it is not valid yet");
	if (numeric_date(claims, "iat", &iat) < 0)
		return invalid(err, "its 'iat' is not a number");
	return 0;
}

/* True when `claim` is the string `wanted`, or an array that holds it. */
static bool claim_has(struct json_object *claim, const char *wanted)
{
	size_t length = strlen(wanted);

	if (json_object_is_type(claim, json_type_string))
		return (size_t)json_object_get_string_len(claim) == length &&
		       memcmp(json_object_get_string(claim), wanted, length) == 0;
	if (json_object_is_type(claim, json_type_array))
		for (size_t i = 0; i < json_object_array_length(claim); i++) {
			struct json_object *item = json_object_array_get_idx(claim, i);

			if (json_object_is_type(item, json_type_string) &&
			    claim_has(item, wanted))
				return true;
		}
	return false;
}

static int check_claims(const struct token_verifier *verifier, struct json_object *claims,
			int64_t now, struct oam_error *err)
{
	const struct settings *settings = verifier->settings;
	struct json_object *issuer;

	if (check_times(verifier, claims, now, err))
		return -1;
	issuer = settings->jwt_issuer ? json_member(claims, "iss") : NULL;
	if (settings->jwt_issuer && (!json_object_is_type(issuer, json_type_string) ||
				     !claim_has(issuer, settings->jwt_issuer)))
		return invalid(err, "its issuer is not the configured one");
	if (settings->jwt_audience &&
	    !claim_has(json_member(claims, "aud"), settings->jwt_audience))
		return invalid(err, "its audience is not the configured one");
	return 0;
}

/* What of a token does not change with time: its form, header and signature. */
static int read_signed(const struct token_verifier *verifier, const char *token,
		       struct json_object **claims, struct oam_error *err)
{
	const char *payload = strchr(token, '.');
	const char *signature = payload ? strchr(payload + 1, '.') : NULL;
	struct json_object *header = NULL;
	char scratch[TOKEN_MAX + 1];

	*claims = NULL;
	if (!signature)
		return invalid(err, "it does not have three parts");
	if (decode_base64url(signature + 1, strlen(signature + 1), scratch) < 0)
		return invalid(err, "its signature is not base64url");
	if (decode_object(token, (size_t)(payload - token), "its header is malformed",
			  &header, err) == 0 &&
	    check_header(verifier, header, err) == 0 &&
	    decode_object(payload + 1, (size_t)(signature - payload) - 1,
			  "its claims are malformed", claims, err) == 0)
		check_signature(verifier, token, err);
	json_object_put(header);
	return error_result(err);
}

int token_verify(struct token_verifier *verifier, const char *token, int64_t now,
		 struct json_object **out, struct oam_error *err)
{
	size_t length = strlen(token);
	struct json_object *claims;

	*out = NULL;
	if (length > TOKEN_MAX)
		return invalid(err, "it is too long");
	claims = json_object_get(token_cache_find(&verifier->cache, token, length));
	if (!claims && read_signed(verifier, token, &claims, err) == 0)
		token_cache_add(&verifier->cache, token, length, claims);
	if (error_result(err) || check_claims(verifier, claims, now, err)) {
		json_object_put(claims);
		return -1;
	}
	*out = claims;
	return 0;
}

/* RFC 8693, 4.2: `scope` is a list of words with spaces between them. */
static bool scope_has(struct json_object *scope, const char *wanted)
{
	const char *at = json_object_is_type(scope, json_type_string)
				 ? json_object_get_string(scope)
				 : "";
	size_t length = strlen(wanted);

	if (strlen(at) < (size_t)json_object_get_string_len(scope))
		return false; /* a NUL ends no word */
	while (*at) {
		size_t word = strcspn(at, " ");

		if (word == length && memcmp(at, wanted, length) == 0)
			return true;
		at += word;
		at += strspn(at, " ");
	}
	return false;
}

bool token_may_manage(const struct token_verifier *verifier, struct json_object *claims)
{
	const char *rule = verifier->settings->jwt_manage;
	const char *wanted;
	char name[128];

	if (!rule)
		return true;
	wanted = strchr(rule, '=') + 1; /* settings made sure that it is there */
	if ((size_t)(wanted - rule) > sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(wanted - rule - 1), rule);
	return claim_has(json_member(claims, name), wanted) ||
	       (strcmp(name, "scope") == 0 &&
		scope_has(json_member(claims, name), wanted));
}

int token_sign(const struct settings *settings, struct json_object *claims, char **token,
	       struct oam_error *err)
{
	const struct algorithm *algorithm = find_algorithm(settings->jwt_alg);
	const char *text = json_text(claims);
	char *encoded = NULL;
	jwt_t *jwt = NULL;

	*token = NULL;
	if (!algorithm || algorithm->secret_min == 0)
		return error_set(
			err, SETTING, "OAM_JWT_ALG",
			"tokens can be made here only with HS256, HS384 or HS512: "
			"the private key of another algorithm is not here");
	if (token_secret_check(settings->jwt_secret, algorithm->name,
			       algorithm->secret_min, err))
		return -1;
	if (text && jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, text) == 0 &&
	    jwt_set_alg(jwt, algorithm->id, (const unsigned char *)settings->jwt_secret,
			(int)strlen(settings->jwt_secret)) == 0)
		encoded = jwt_encode_str(jwt);
	*token = encoded; /* libjwt 1.x returns plain malloc'd memory */
	jwt_free(jwt);
	return *token ? 0 : error_set(err, NO_MEMORY, NULL);
}
