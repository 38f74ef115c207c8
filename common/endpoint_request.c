#include "endpoint_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "random.h"

#define QUERY_MAX 4096

static const char *param(const struct channel *channel, const char *name)
{
	const char *value = channel_param(channel, name);

	return value ? value : "";
}

void request_name(const struct channel *channel, struct incoming *incoming)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *given = param(channel, "HTTP_X_REQUEST_ID");
	size_t length = strlen(given);
	struct oam_error ignored = { 0 };

	if (length > 0 && length < REQUEST_ID_SIZE && strspn(given, allowed) == length) {
		memcpy(incoming->request_id, given, length + 1);
		return;
	}
	memcpy(incoming->request_id, "req_", 4);
	if (random_base62(incoming->request_id + 4, 22, &ignored))
		incoming->request_id[4] = '\0';
}

/* ---- token (RFC 6750, 2.1) ---- */

static int authenticate(const struct token_verifier *verifier,
			const struct channel *channel, struct json_object **claims,
			struct oam_error *err)
{
	static const char scheme[] = "Bearer ";
	const char *header = channel_param(channel, "HTTP_AUTHORIZATION");

	*claims = NULL;
	if (!header || strncasecmp(header, scheme, strlen(scheme)) != 0)
		return error_set(err, TOKEN_MISSING, NULL);
	header += strlen(scheme);
	header += strspn(header, " ");
	return token_verify(verifier, header, clock_now(), claims, err);
}

/* ---- path and method ---- */

/* What follows the endpoint's own path: "" or "/ID"; NULL when the path is another. */
static const char *path_rest(const struct endpoint *endpoint, const char *path)
{
	size_t base = strlen(ENDPOINT_BASE), name = strlen(endpoint->name);

	if (strncmp(path, ENDPOINT_BASE, base) != 0 ||
	    strncmp(path + base, endpoint->name, name) != 0)
		return NULL;
	return path + base + name;
}

/* Servers split the path at different places between the two variables. */
static int check_path(const struct endpoint *endpoint, const struct channel *channel,
		      struct incoming *incoming, struct oam_error *err)
{
	char path[sizeof(ENDPOINT_BASE) + 64 + ASSISTANT_ID_SIZE];
	size_t length = (size_t)snprintf(path, sizeof(path), "%s%s",
					 param(channel, "SCRIPT_NAME"),
					 param(channel, "PATH_INFO"));
	const char *rest = path_rest(endpoint, path), *id = rest ? rest + 1 : NULL;

	if (!rest || length >= sizeof(path))
		return error_set(err, PATH_NOT_FOUND, NULL);
	if (rest[0] == '\0')
		return endpoint->id == ENDPOINT_ID ? error_set(err, PATH_NOT_FOUND, NULL)
						   : 0;
	if (rest[0] != '/' || endpoint->id == ENDPOINT_NO_ID || id[0] == '\0' ||
	    strchr(id, '/') || strlen(id) >= sizeof(incoming->id) ||
	    !json_is_utf8(id, strlen(id)))
		return error_set(err, PATH_NOT_FOUND, NULL);
	strcpy(incoming->id, id);
	incoming->view.id = incoming->id;
	return 0;
}

static int check_method(const struct endpoint *endpoint, const struct channel *channel,
			const struct incoming *incoming, struct oam_error *err)
{
	const char *method = param(channel, "REQUEST_METHOD");
	bool is_get = strcmp(endpoint->method, "GET") == 0;

	if (strcmp(method, endpoint->method) == 0 || (is_get && incoming->is_head))
		return 0;
	return error_set(err, METHOD_NOT_ALLOWED, NULL,
			 is_get ? "GET, HEAD" : endpoint->method);
}

static int check_rights(const struct endpoint *endpoint,
			const struct token_verifier *verifier, struct json_object *claims,
			struct oam_error *err)
{
	if (strcmp(endpoint->method, "GET") == 0 || token_may_manage(verifier, claims))
		return 0;
	return error_set(err, FORBIDDEN, NULL);
}

/* ---- query ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX and '+' in place. False when malformed, NUL, or not UTF-8. */
static bool decode_percent(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++) {
		if (*from == '+') {
			*to++ = ' ';
		} else if (*from == '%') {
			int high = hex_digit(from[1]);
			int low = high < 0 ? -1 : hex_digit(from[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high * 16 + low);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return json_is_utf8(text, (size_t)(to - text));
}

/* The value as the table wants it: a number where it says so, else text. */
static struct json_object *typed_value(const struct shape *table, const char *name,
				       const char *text)
{
	size_t digits = strspn(text, "0123456789");

	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0 && table->kind == SHAPE_INTEGER &&
		    digits > 0 && digits < 19 && text[digits] == '\0')
			return json_object_new_int64(strtoll(text, NULL, 10));
	return json_object_new_string(text);
}

static int add_pair(const struct endpoint *endpoint, char *pair,
		    struct json_object *query, struct oam_error *err)
{
	char *equals = strchr(pair, '=');
	const char *value = "";

	if (equals) {
		*equals = '\0';
		value = equals + 1;
		if (!decode_percent(equals + 1))
			return error_set(err, INVALID_PARAMETER, "query", "query",
					 "bad percent-encoding");
	}
	if (!decode_percent(pair))
		return error_set(err, INVALID_PARAMETER, "query", "query",
				 "bad percent-encoding");
	if (json_object_object_get_ex(query, pair, NULL))
		return error_set(err, INVALID_PARAMETER, pair, pair, "it is given twice");
	return json_put(query, pair, typed_value(endpoint->query, pair, value), err);
}

/* Takes `profile` out of the query, which every endpoint has. */
static int take_profile(struct incoming *incoming, struct oam_error *err)
{
	const char *name = json_member_string(incoming->view.query, "profile");

	if (!name)
		name = PROFILE_DEFAULT;
	if (!profile_name_is_valid(name))
		return error_set(err, INVALID_PARAMETER, "profile", "profile",
				 "expected 1 to 64 of a-z, 0-9, '_' and '-'");
	strcpy(incoming->profile, name);
	incoming->view.profile = incoming->profile;
	json_object_object_del(incoming->view.query, "profile");
	return 0;
}

static const struct shape nothing[] = { { 0 } };

static int read_query(const struct endpoint *endpoint, const struct channel *channel,
		      struct incoming *incoming, struct oam_error *err)
{
	char text[QUERY_MAX], *rest = text, *pair;

	incoming->view.query = json_new_object(err);
	if (!incoming->view.query)
		return -1;
	if (snprintf(text, sizeof(text), "%s", param(channel, "QUERY_STRING")) >=
	    (int)sizeof(text))
		return error_set(err, INVALID_PARAMETER, "query", "query", "too long");
	while ((pair = strsep(&rest, "&")) != NULL)
		if (pair[0] && add_pair(endpoint, pair, incoming->view.query, err))
			return -1;
	if (take_profile(incoming, err))
		return -1;
	return shape_check(endpoint->query ? endpoint->query : nothing,
			   incoming->view.query, "", err);
}

/* ---- body ---- */

/* application/json, with charset=utf-8 or without (RFC 8259, 8.1). */
static bool is_json_type(const char *type)
{
	size_t length = strcspn(type, "; \t");
	const char *charset = strcasestr(type, "charset=");

	if (length != strlen("application/json") ||
	    strncasecmp(type, "application/json", length) != 0)
		return false;
	if (!charset)
		return true;
	charset += strlen("charset=");
	charset += *charset == '"';
	return strncasecmp(charset, "utf-8", 5) == 0 && strchr("\"; \t", charset[5]);
}

/*
 * Reads and forgets what is left of a body that is refused, so that the server can finish
 * sending it and then hear the answer.
 */
static void drain(struct channel *channel)
{
	char bytes[16384];

	for (int i = 0; i < 4096 && channel_has_end(channel) &&
			channel_read(channel, bytes, sizeof(bytes)) > 0;
	     i++)
		;
}

/* *text is malloc'd, '\0' behind it. */
static int receive_body(struct channel *channel, char **text, size_t *length,
			struct oam_error *err)
{
	const char *header = param(channel, "CONTENT_LENGTH");
	size_t limit = ENDPOINT_BODY_MAX, size = limit + 1;
	ssize_t n;

	*text = NULL;
	*length = 0;
	if (header[0] == '\0' && !channel_has_end(channel))
		return 0;
	if (header[0] != '\0') {
		size_t digits = strspn(header, "0123456789");

		if (header[digits] != '\0' || digits > 18)
			return error_set(err, INVALID_PARAMETER, "Content-Length",
					 "Content-Length", "expected a number");
		size = (size_t)strtoull(header, NULL, 10);
	}
	if (header[0] != '\0' && size > limit) {
		drain(channel);
		return error_set(err, BODY_TOO_LARGE, NULL, ENDPOINT_BODY_MAX);
	}
	*text = malloc(size + 1);
	if (!*text)
		return error_set(err, NO_MEMORY, NULL);
	n = channel_read(channel, *text, size);
	if (n < 0 || (header[0] != '\0' && (size_t)n < size))
		return error_set(err, INVALID_JSON, NULL, "the body breaks off",
				 n < 0 ? 0 : (size_t)n);
	if ((size_t)n > limit) {
		drain(channel);
		return error_set(err, BODY_TOO_LARGE, NULL, ENDPOINT_BODY_MAX);
	}
	(*text)[n] = '\0';
	*length = (size_t)n;
	return 0;
}

static int parse_body(const struct endpoint *endpoint, const struct channel *channel,
		      const char *text, size_t length, struct incoming *incoming,
		      struct oam_error *err)
{
	static const struct shape object = { .kind = SHAPE_OBJECT };

	if (length == 0) {
		incoming->view.body = json_new_object(err);
		if (!incoming->view.body)
			return -1;
	} else {
		if (!is_json_type(param(channel, "CONTENT_TYPE")))
			return error_set(err, NOT_JSON, NULL);
		if (json_read(text, length, &incoming->view.body, err) ||
		    shape_check_value(&object, incoming->view.body, "body", err))
			return -1;
	}
	return shape_check(endpoint->body ? endpoint->body : nothing, incoming->view.body,
			   "", err);
}

static int read_body(const struct endpoint *endpoint, struct channel *channel,
		     struct incoming *incoming, struct oam_error *err)
{
	size_t length;
	char *text;
	int result = receive_body(channel, &text, &length, err);

	if (result == 0)
		result = parse_body(endpoint, channel, text, length, incoming, err);
	free(text);
	return result;
}

int request_read(const struct endpoint *endpoint, const struct token_verifier *verifier,
		 struct channel *channel, struct incoming *incoming,
		 struct oam_error *err)
{
	struct json_object *claims;
	int result = -1;

	/* A refusal has no body either then. */
	incoming->is_head = strcmp(param(channel, "REQUEST_METHOD"), "HEAD") == 0;
	if (authenticate(verifier, channel, &claims, err) == 0 &&
	    check_path(endpoint, channel, incoming, err) == 0 &&
	    check_method(endpoint, channel, incoming, err) == 0 &&
	    check_rights(endpoint, verifier, claims, err) == 0 &&
	    read_query(endpoint, channel, incoming, err) == 0)
		result = read_body(endpoint, channel, incoming, err);
	else
		drain(channel);
	json_object_put(claims);
	return result;
}

void request_release(struct incoming *incoming)
{
	json_object_put(incoming->view.query);
	json_object_put(incoming->view.body);
}
