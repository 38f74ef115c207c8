#include "token_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "token_secret.h"

#define FILE_MAX     (64 * 1024UL)
#define RSA_MIN_BITS 2048

static const char pem_any[] = "-----BEGIN ";
static const char pem_begin[] = "-----BEGIN PUBLIC KEY-----";
static const char pem_end[] = "-----END PUBLIC KEY-----";

static int load_secret(struct token_keys *keys, const char *name, const char *secret,
		       struct oam_error *err)
{
	struct token_key *key = &keys->keys[keys->count];

	if (token_secret_check(name, secret, keys->algorithm, err))
		return -1;
	key->secret = strdup(secret);
	if (!key->secret)
		return error_set(err, NO_MEMORY, NULL);
	key->secret_length = strlen(secret);
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

static bool fits(EVP_PKEY *key, const struct token_algorithm *algorithm)
{
	char curve[64];

	if (algorithm->family == TOKEN_RSA)
		return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		       EVP_PKEY_get_bits(key) >= RSA_MIN_BITS;
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
	       strcmp(curve, algorithm->curve) == 0;
}

/* OpenSSL would ask the terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int for_writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)for_writing;
	(void)context;
	return -1;
}

/* The key that begins at `begin`. NULL when it is none; *end is where it ends. */
static EVP_PKEY *read_key(const char *begin, const char **end)
{
	EVP_PKEY *key = NULL;
	BIO *bio;

	*end = strncmp(begin, pem_begin, strlen(pem_begin)) == 0 ? strstr(begin, pem_end)
								 : NULL;
	if (!*end)
		return NULL;
	*end += strlen(pem_end);
	bio = BIO_new_mem_buf(begin, (int)(*end - begin));
	if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return key;
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

/* Adds the key that begins at `begin`; its id is in the text from *at on. */
static int add_key(struct token_keys *keys, const char **at, const char *begin,
		   struct oam_error *err)
{
	struct token_key *key = &keys->keys[keys->count];
	const char *kid, *end;
	size_t kid_length;
	char reason[160];

	if (keys->count == TOKEN_KEYS_MAX) {
		snprintf(reason, sizeof(reason), "the file has more than %d keys",
			 TOKEN_KEYS_MAX);
		return refuse(reason, err);
	}
	keys->count++;
	errno = 0;
	kid = find_kid(*at, begin, &kid_length);
	if (kid_length > 0)
		key->kid = strndup(kid, kid_length);
	key->public_key = read_key(begin, &end);
	if (errno == ENOMEM)
		return error_set(err, NO_MEMORY, NULL);
	if (end)
		*at = end;
	if (key->public_key && fits(key->public_key, keys->algorithm))
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

		if (key->secret)
			explicit_bzero(key->secret, key->secret_length);
		free(key->secret);
		free(key->kid);
		EVP_PKEY_free(key->public_key);
	}
	*keys = (struct token_keys){ 0 };
}

int token_keys_check(const struct token_keys *keys, const char *kid, const char *text,
		     size_t length, const char *signature, size_t signature_length,
		     struct oam_error *err)
{
	bool tried = false;

	for (size_t i = 0; i < keys->count; i++) {
		const struct token_key *key = &keys->keys[i];
		int good;

		if (kid && key->kid && strcmp(kid, key->kid) != 0)
			continue;
		tried = true;
		good = token_signature_check(keys->algorithm, key, text, length,
					     signature, signature_length, err);
		if (good)
			return good < 0 ? -1 : 0;
	}
	return error_set(err, TOKEN_INVALID, NULL,
			 tried ? "its signature does not match"
			       : "there is no key with its 'kid'");
}
