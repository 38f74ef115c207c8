#include "settings_fault.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *settings_fault_path(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			return "holds a line end or another control character";
	return NULL;
}

const char *settings_fault_secret(const char *text)
{
	if (text[0] == ' ' || (text[0] && text[strlen(text) - 1] == ' '))
		return "has a blank at an end";
	return settings_fault_path(text);
}

const char *settings_fault_text(const char *text)
{
	if (!json_is_utf8(text, strlen(text)))
		return "is not UTF-8";
	return settings_fault_secret(text);
}

const char *settings_fault_word(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || strchr("\"'`", *text))
			return "holds a blank, a line end, a quote or what is not ASCII";
	return NULL;
}

const char *settings_fault_version(const char *text)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("._-", *text))
			return "must be of letters, digits, '.', '_' and '-', like "
			       "2024-05-01-preview";
	return NULL;
}

const char *settings_fault_proxy(const char *text)
{
	static const char *const schemes[] = { "http",    "https",  "socks4",
					       "socks4a", "socks5", "socks5h" };
	const char *end = strstr(text, "://");
	bool known = !end;

	for (size_t i = 0; !known && i < COUNT(schemes); i++)
		known = strlen(schemes[i]) == (size_t)(end - text) &&
			strncasecmp(schemes[i], text, strlen(schemes[i])) == 0;
	if (!known)
		return "must be like http://host:3128 or socks5://host:1080";
	return settings_fault_word(text);
}

const char *settings_fault_algorithm(const char *text)
{
	static const char *const names[] = { "HS256", "HS384", "HS512", "RS256", "RS384",
					     "RS512", "ES256", "ES384", "ES512" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(text, names[i]) == 0)
			return NULL;
	return "must be HS, RS or ES with 256, 384 or 512";
}

const char *settings_fault_base_url(const char *text)
{
	static const char *const local[] = { "127.0.0.1", "localhost", "[::1]" };
	bool is_plain = strncmp(text, "http://", 7) == 0;
	const char *host = text + (is_plain ? 7 : 8);
	size_t length;

	if (!is_plain && strncmp(text, "https://", 8) != 0)
		return "must begin with https:// or http://";
	length = strcspn(host, "/:");
	if (host[0] == '[')
		length = strcspn(host, "]") + 1;
	if (length == 0 || strpbrk(text, "?#@\\") || settings_fault_word(text))
		return "must be like https://host/v1";
	for (size_t i = 0; is_plain && i < COUNT(local); i++)
		if (strlen(local[i]) == length && strncmp(local[i], host, length) == 0)
			is_plain = false;
	return is_plain ? "must begin with https:// for another machine" : NULL;
}

const char *settings_fault_claim(const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || equals[1] == '\0' ||
	    equals - text > SETTINGS_CLAIM_MAX)
		return "must be claim=value, for example role=admin";
	return settings_fault_text(text);
}
