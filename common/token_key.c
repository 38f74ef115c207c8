#include "token_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "token_openssl.h"
#include "token_secret.h"

#define FILE_MAX (64 * 1024UL)

static const char pem_any[] = "-----BEGIN ";
static const char pem_begin[] = "-----BEGIN PUBLIC KEY-----";
static const char pem_end[] = "-----END PUBLIC KEY-----";

static int load_secret(struct token_keys *keys, const char *name, const char *secret,
		       struct oam_error *err)
{
	struct token_key *key = &keys->keys[keys->count];

	if (token_secret_check(name, secret, keys->algorithm, err))
		return -1;
	key->text = strdup(secret);
	if (!key->text)
		return error_set(err, NO_MEMORY, NULL);
	key->length = strlen(secret);
	keys->count++;
	return 0;
}

static int load_secrets(const struct settings *settings, struct token_keys *keys,
			struct oam_error *err)
{
	if (load_secret(keys, "JWT_SECRET", settings->jwt_secret, err))
		return -1;
	if (!settings->jwt_secret_previous)
		return 0;
	return load_secret(keys, "JWT_SECRET_PREVIOUS", settings->jwt_secret_previous,
			   err);
}

/* Where the public key in PEM form ends that begins at `begin`. NULL when it is none. */
static const char *find_end(const char *begin)
{
	const char *end = strncmp(begin, pem_begin, strlen(pem_begin)) == 0
				  ? strstr(begin, pem_end)
				  : NULL;

	return end ? end + strlen(pem_end) : NULL;
}

/* The id in the last line `kid: NAME` from `text` to `end`, borrowed; *length 0: none. */
static const char *find_kid(const char *text, const char *end, size_t *length)
{
	static const char label[] = "kid:";
	const char *kid = text;

	*length = 0;
	while (text < end) {
		size_t line = strcspn(text, "\r\n");

		if (strncmp(text, label, strlen(label)) == 0) {
			kid = text + strlen(label);
			kid += strspn(kid, " \t");
			*length = (size_t)(text + line - kid);
		}
		text += line;
		text += strspn(text, "\r\n");
	}
	while (*length > 0 && strchr(" \t", kid[*length - 1]))
		(*length)--;
	return kid;
}

static int refuse(const char *reason, struct oam_error *err)
{
	char text[OAM_MESSAGE_MAX];

	snprintf(text, sizeof(text), "OAM_JWT_PUBLIC_KEY: %s", reason);
	return error_set(err, SETTING, "OAM_JWT_PUBLIC_KEY", text);
}

/* Copies the key from `begin` to `end`, and its id, which is in the text from `at` on. */
static int copy_key(struct token_key *key, const char *at, const char *begin,
		    const char *end, struct oam_error *err)
{
	size_t kid_length;
	const char *kid = find_kid(at, begin, &kid_length);

	key->length = (size_t)(end - begin);
	key->text = strndup(begin, key->length);
	if (kid_length > 0)
		key->kid = strndup(kid, kid_length);
	if (!key->text || (kid_length > 0 && !key->kid))
		return error_set(err, NO_MEMORY, NULL);
	return 0;
}

/* Adds the key that begins at `begin`, and has *at behind it. */
static int add_key(struct token_keys *keys, const char **at, const char *begin,
		   struct oam_error *err)
{
	struct token_key *key = &keys->keys[keys->count];
	const char *end = find_end(begin);
	char reason[160];
	bool fits;

	if (keys->count == TOKEN_KEYS_MAX) {
		snprintf(reason, sizeof(reason), "the file has more than %d keys",
			 TOKEN_KEYS_MAX);
		return refuse(reason, err);
	}
	keys->count++;
	if (end && copy_key(key, *at, begin, end, err))
		return -1;
	*at = end;
	errno = 0;
	fits = end && token_openssl_read(keys->algorithm, key);
	/* Also when it fits: what OpenSSL lacked for its first key, it may lack forever. */
	if (errno == ENOMEM)
		return error_set(err, NO_MEMORY, NULL);
	if (fits)
		return 0;
	snprintf(reason, sizeof(reason),
		 "key %zu of the file is not a public key in PEM form for OAM_JWT_ALG "
		 "(RS: 2048 bits or more; ES: its curve)",
		 keys->count);
	return refuse(reason, err);
}

static int load_public_keys(const struct settings *settings, struct token_keys *keys,
			    struct oam_error *err)
{
	const char *path = settings->jwt_public_key;
	const char *at, *begin;
	struct oam_error cause = { 0 };
	char *text = NULL;
	size_t length;

	if (!path)
		return error_set(
			err, SETTING, "OAM_JWT_PUBLIC_KEY",
			"OAM_JWT_PUBLIC_KEY is not set: OAM_JWT_ALG needs a PEM file");
	if (file_read(path, FILE_MAX, &text, &length, &cause) || !text) {
		refuse("the file cannot be read", err);
		return error_detail(err, "%s", path);
	}
	at = text;
	while (!error_result(err) && (begin = strstr(at, pem_any)))
		add_key(keys, &at, begin, err);
	if (keys->count == 0)
		refuse("there is not a public key in PEM form in the file", err);
	free(text);
	return error_result(err);
}

/* Makes *err of *cause, with the place of the setting before the message. */
static int name_the_place(const struct settings *settings, const struct oam_error *cause,
			  struct oam_error *err)
{
	char place[OAM_MESSAGE_MAX], text[OAM_MESSAGE_MAX];

	if (cause->code != OAM_E_SETTING)
		return error_set(err, NO_MEMORY, NULL);
	settings_place(settings, cause->param, place, sizeof(place));
	snprintf(text, sizeof(text), "%s%s%s", place, place[0] ? ": " : "",
		 cause->message);
	error_set(err, SETTING, cause->param, text);
	return error_detail(err, "%s", cause->detail);
}

int token_keys_load(const struct settings *settings, struct token_keys *keys,
		    struct oam_error *err)
{
	struct oam_error cause = { 0 };

	*keys = (struct token_keys){ 0 };
	keys->algorithm = token_algorithm_find(settings->jwt_alg);
	if (!keys->algorithm)
		return error_set(err, SETTING, "OAM_JWT_ALG",
				 "OAM_JWT_ALG must be HS, RS or ES with 256, 384 or 512");
	if (token_signature_prepare(err))
		return -1;
	if (keys->algorithm->family == TOKEN_HMAC)
		load_secrets(settings, keys, &cause);
	else
		load_public_keys(settings, keys, &cause);
	return error_result(&cause) ? name_the_place(settings, &cause, err) : 0;
}

void token_keys_free(struct token_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		struct token_key *key = &keys->keys[i];

		if (key->text)
			explicit_bzero(key->text, key->length);
		free(key->text);
		free(key->kid);
		token_openssl_release(key);
	}
	*keys = (struct token_keys){ 0 };
}

int token_keys_check(const struct token_keys *keys, const struct token_parts *token,
		     struct oam_error *err)
{
	bool tried = false;

	for (size_t i = 0; i < keys->count; i++) {
		const struct token_key *key = &keys->keys[i];
		int good;

		if (token->kid && key->kid && strcmp(token->kid, key->kid) != 0)
			continue;
		tried = true;
		good = token_signature_check(keys->algorithm, key, token, err);
		if (good)
			return good < 0 ? -1 : 0;
	}
	return error_set(err, TOKEN_INVALID, NULL,
			 tried ? "its signature does not match"
			       : "there is no key with its 'kid'");
}
