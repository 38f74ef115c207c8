#include "token.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "settings_fault.h"
#include "token_base64.h"
#include "token_cache.h"
#include "token_key.h"

struct token_verifier {
	const struct settings *settings;
	struct token_keys keys;
	struct token_cache cache;
};

int token_verifier_open(const struct settings *settings, struct token_verifier **out,
			struct oam_error *err)
{
	struct token_verifier *verifier = calloc(1, sizeof(*verifier));

	*out = NULL;
	if (!verifier)
		return error_set(err, NO_MEMORY, NULL);
	verifier->settings = settings;
	if (token_keys_load(settings, &verifier->keys, err)) {
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
	token_keys_free(&verifier->keys);
	token_cache_clear(&verifier->cache);
	free(verifier);
}

static int invalid(struct oam_error *err, const char *reason)
{
	return error_set(err, TOKEN_INVALID, NULL, reason);
}

/* Decodes a part of the token; `out` needs TOKEN_MAX + 1 bytes. */
static int decode(const char *part, size_t length, const char *what, char *out,
		  size_t *out_length, struct oam_error *err)
{
	ssize_t decoded = token_base64_decode(part, length, out);

	if (decoded < 0)
		return invalid(err, what);
	*out_length = (size_t)decoded;
	return 0;
}

/* Reads a text that must be a JSON object. */
static int read_object(const char *text, size_t length, const char *what,
		       struct json_object **object, struct oam_error *err)
{
	struct oam_error cause = { 0 };

	if (json_read(text, length, object, &cause))
		return cause.code == OAM_E_NO_MEMORY ? error_set(err, NO_MEMORY, NULL)
						     : invalid(err, what);
	if (json_object_is_type(*object, json_type_object))
		return 0;
	json_object_put(*object);
	*object = NULL;
	return invalid(err, what);
}

/* True when `value` is a string without a NUL: *text is borrowed from it. */
static bool is_text(struct json_object *value, const char **text)
{
	if (!json_object_is_type(value, json_type_string))
		return false;
	*text = json_object_get_string(value);
	return strlen(*text) == (size_t)json_object_get_string_len(value);
}

/*
 * RFC 7515, 4.1.9: a media type, of which "application/" may be left out, without regard to
 * case. It is a JWT (RFC 7519, 5.1) or, more closely, an access token (RFC 9068, 2.1).
 */
static bool is_token_type(struct json_object *typ, bool *is_plain)
{
	static const char application[] = "application/";
	const char *text;

	if (!is_text(typ, &text))
		return false;
	*is_plain = strcasecmp(text, "JWT") == 0;
	if (strncasecmp(text, application, strlen(application)) == 0)
		text += strlen(application);
	return strcasecmp(text, "JWT") == 0 || strcasecmp(text, "at+jwt") == 0;
}

/* RFC 8725, 3.1 and 3.11; RFC 7515, 4.1.4 and 4.1.11. parts->kid is borrowed. */
static int check_header(const struct token_verifier *verifier, struct json_object *header,
			struct token_parts *parts, struct oam_error *err)
{
	struct json_object *member;
	const char *alg;

	if (!is_text(json_member(header, "alg"), &alg) ||
	    strcmp(alg, verifier->keys.algorithm->name) != 0)
		return invalid(err, "its algorithm is not the configured one");
	if (json_object_object_get_ex(header, "crit", NULL))
		return invalid(err, "it has critical extensions");
	parts->is_plain = true;
	if (json_object_object_get_ex(header, "typ", &member) &&
	    !is_token_type(member, &parts->is_plain))
		return invalid(err, "its type is not JWT");
	if (json_object_object_get_ex(header, "kid", &member) &&
	    !is_text(member, &parts->kid))
		return invalid(err, "its 'kid' is not a string");
	return 0;
}

/* *header is set also after a failure; the caller releases it. */
static int read_header(const struct token_verifier *verifier, const char *part,
		       size_t length, struct json_object **header,
		       struct token_parts *parts, struct oam_error *err)
{
	static const char what[] = "its header is malformed";
	char text[TOKEN_MAX + 1];
	size_t text_length;

	*header = NULL;
	if (decode(part, length, what, text, &text_length, err) ||
	    read_object(text, text_length, what, header, err))
		return -1;
	return check_header(verifier, *header, parts, err);
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

/* True when a list of words with any of `between` between them has the word `wanted`. */
static bool list_has(const char *list, const char *between, const char *wanted)
{
	size_t length = strlen(wanted);

	while (*list) {
		size_t word = strcspn(list, between);

		if (word > 0 && word == length && memcmp(list, wanted, length) == 0)
			return true;
		list += word;
		list += strspn(list, between);
	}
	return false;
}

static int check_claims(const struct token_verifier *verifier, struct json_object *claims,
			int64_t now, struct oam_error *err)
{
	const struct settings *settings = verifier->settings;
	struct json_object *issuer;
	const char *jti;

	if (check_times(verifier, claims, now, err))
		return -1;
	issuer = settings->jwt_issuer ? json_member(claims, "iss") : NULL;
	if (settings->jwt_issuer && (!json_object_is_type(issuer, json_type_string) ||
				     !claim_has(issuer, settings->jwt_issuer)))
		return invalid(err, "its issuer is not the configured one");
	if (settings->jwt_audience &&
	    !claim_has(json_member(claims, "aud"), settings->jwt_audience))
		return invalid(err, "its audience is not the configured one");
	if (settings->jwt_revoked && is_text(json_member(claims, "jti"), &jti) &&
	    list_has(settings->jwt_revoked, SETTINGS_LIST_BETWEEN, jti))
		return invalid(err, "it was revoked");
	return 0;
}

/*
 * What of a token does not change with time: its form, header and signature. Our reader sees
 * the claims only when the signature is good. libjwt reads them before, so what it gets is in
 * base64url for sure: of an empty part it reads beyond the end.
 */
static int read_signed(const struct token_verifier *verifier, const char *token,
		       struct json_object **claims, struct oam_error *err)
{
	static const char what[] = "its claims are malformed";
	const char *payload = strchr(token, '.');
	const char *dot = payload ? strchr(payload + 1, '.') : NULL;
	char signature[TOKEN_MAX + 1], text[TOKEN_MAX + 1];
	struct token_parts parts = { .text = token, .signature = signature };
	struct json_object *header = NULL;
	size_t length;

	*claims = NULL;
	if (!dot)
		return invalid(err, "it does not have three parts");
	parts.signed_length = (size_t)(dot - token);
	if (decode(dot + 1, strlen(dot + 1), "its signature is not base64url", signature,
		   &parts.signature_length, err) ||
	    decode(payload + 1, (size_t)(dot - payload) - 1, what, text, &length, err))
		return -1;
	if (read_header(verifier, token, (size_t)(payload - token), &header, &parts,
			err) == 0 &&
	    token_keys_check(&verifier->keys, &parts, err) == 0)
		read_object(text, length, what, claims, err);
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
	const char *text;

	return is_text(scope, &text) && list_has(text, " ", wanted);
}

bool token_may_manage(const struct token_verifier *verifier, struct json_object *claims)
{
	const char *rule = verifier->settings->jwt_manage;
	const char *wanted;
	char name[SETTINGS_CLAIM_MAX + 1];

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
	const struct token_algorithm *algorithm = token_algorithm_find(settings->jwt_alg);
	const char *text = json_text(claims);
	struct token_keys keys;

	*token = NULL;
	if (!algorithm || algorithm->family != TOKEN_HMAC)
		return error_set(
			err, SETTING, "OAM_JWT_ALG",
			"tokens can be made here only with HS256, HS384 or HS512: "
			"the private key of another algorithm is not here");
	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	if (token_keys_load(settings, &keys, err) == 0)
		token_signature_make(algorithm, &keys.keys[0], text, token, err);
	token_keys_free(&keys);
	return error_result(err);
}
