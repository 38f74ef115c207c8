#include "token_secret.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Parts of secrets that people copy from examples. Compared without regard to case. */
static const char *const placeholders[] = {
	"your-secret",      "your_secret",
	"yoursecret",       "your-jwt",
	"your_jwt",         "your-super",
	"your_super",       "your-256-bit",
	"changeme",         "change-me",
	"change_me",        "change-this",
	"change_this",      "change this",
	"replace-me",       "replace_me",
	"replace-with",     "replace_with",
	"placeholder",      "insert-your",
	"secret-key-here",  "a-string-secret-at-least-256-bits-long",
	"supersecret",      "super-secret",
	"super_secret",     "password",
	"jwt-secret",       "jwt_secret",
	"0123456789",       "1234567890",
	"abcdefghijklm",    "my-secret",
	"mysecret",         "secret-secret",
	"secretsecret",     "test-secret",
	"development-only",
};

static size_t distinct_bytes(const char *text)
{
	bool seen[256] = { false };
	size_t count = 0;

	for (; *text; text++) {
		count += !seen[(unsigned char)*text];
		seen[(unsigned char)*text] = true;
	}
	return count;
}

int token_secret_check(const char *secret, const char *algorithm, size_t bytes,
		       struct oam_error *err)
{
	char text[128];

	if (!secret)
		return error_set(err, SETTING, "JWT_SECRET",
				 "JWT_SECRET is not set. Make one: openssl rand -hex 32");
	if (strlen(secret) < bytes) {
		snprintf(text, sizeof(text),
			 "JWT_SECRET is too short: %s needs %zu bytes", algorithm, bytes);
		return error_set(err, SETTING, "JWT_SECRET", text);
	}
	if (distinct_bytes(secret) < 8)
		return error_set(err, SETTING, "JWT_SECRET",
				 "JWT_SECRET is too weak: it repeats a few characters");
	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++)
		if (strcasestr(secret, placeholders[i]))
			return error_set(err, SETTING, "JWT_SECRET",
					 "JWT_SECRET is a placeholder. Make a real one: "
					 "openssl rand -hex 32");
	return 0;
}
