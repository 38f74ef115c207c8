#include "endpoint_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "random.h"

#define NUMBER_DIGITS 8 /* of the names of requests */
#define QUERY_MAX     4096

const char *request_param(const struct channel *channel, const char *name)
{
	const char *value = channel_param(channel, name);

	return value ? value : "";
}

void request_names_draw(struct request_names *names)
{
	static const char start[] = "req_";
	size_t random = REQUEST_NAME_SIZE - sizeof(start) - NUMBER_DIGITS;
	struct oam_error ignored = { 0 };
	char *at = stpcpy(names->next, start);

	/* Without random bytes they are not unique, but names all the same. */
	if (random_base62(at, random, &ignored))
		memset(at, '0', random);
	memset(at + random, '0', NUMBER_DIGITS);
	at[random + NUMBER_DIGITS] = '\0';
}

/* Adds one to the number at the end; after the last one it begins anew. */
static void count(struct request_names *names)
{
	char *digit = names->next + REQUEST_NAME_SIZE - 2;

	for (int i = 0; i < NUMBER_DIGITS && ++*digit > '9'; i++)
		*digit-- = '0';
}

static void name_request(const struct channel *channel, struct request_names *names,
			 struct incoming *incoming)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *given = request_param(channel, "HTTP_X_REQUEST_ID");
	size_t length = strlen(given);

	if (length > 0 && length < REQUEST_ID_SIZE && strspn(given, allowed) == length) {
		memcpy(incoming->request_id, given, length + 1);
		return;
	}
	count(names);
	memcpy(incoming->request_id, names->next, sizeof(names->next));
}

/* Servers split the path at different places between the two variables. */
static void read_target(const struct channel *channel, struct incoming *incoming)
{
	const char *first = request_param(channel, "SCRIPT_NAME");
	const char *rest = request_param(channel, "PATH_INFO");
	char *path = incoming->path;

	if (strlen(first) + strlen(rest) < sizeof(incoming->path))
		strcpy(stpcpy(path, first), rest);
	else /* then it is nobody's, cut or not */
		snprintf(path, sizeof(incoming->path), "%.126s%.126s...", first, rest);
	incoming->method = request_param(channel, "REQUEST_METHOD");
	incoming->is_head = strcmp(incoming->method, "HEAD") == 0;
}

void request_begin(const struct channel *channel, struct request_names *names,
		   struct incoming *incoming)
{
	name_request(channel, names, incoming);
	read_target(channel, incoming);
}

/* ---- token (RFC 6750, 2.1) ---- */

static int authenticate(struct token_verifier *verifier, const struct channel *channel,
			struct json_object **claims, struct oam_error *err)
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

/* What follows `start`, or NULL when the path is NULL or begins otherwise. */
static const char *after(const char *path, const char *start)
{
	size_t length = strlen(start);

	return path && strncmp(path, start, length) == 0 ? path + length : NULL;
}

/* What follows the endpoint's own path: "" or "/ID"; NULL when the path is another. */
static const char *path_rest(const struct endpoint *endpoint, const char *path)
{
	if (endpoint->path)
		return after(path, endpoint->path);
	return after(after(path, ENDPOINT_BASE), endpoint->name);
}

/* True when the path is the endpoint's. *id is what it ends with, or NULL. */
static bool is_path_of(const struct endpoint *endpoint, const char *path, const char **id)
{
	const char *rest = path_rest(endpoint, path);

	*id = NULL;
	if (!rest)
		return false;
	if (rest[0] == '\0')
		return endpoint->id != ENDPOINT_ID;
	*id = rest + 1;
	return rest[0] == '/' && endpoint->id != ENDPOINT_NO_ID && rest[1] != '\0' &&
	       !strchr(*id, '/') && strlen(*id) < ASSISTANT_ID_SIZE &&
	       json_is_utf8(*id, strlen(*id));
}

static bool is_get(const struct endpoint *endpoint)
{
	return strcmp(endpoint->method, "GET") == 0;
}

static void allow(struct incoming *incoming, const struct endpoint *endpoint)
{
	size_t used = strlen(incoming->allow);

	snprintf(incoming->allow + used, sizeof(incoming->allow) - used, "%s%s%s",
		 used ? ", " : "", endpoint->method, is_get(endpoint) ? ", HEAD" : "");
}

/* Finds the endpoint that has the path and the method. */
static int find_endpoint(struct incoming *incoming, struct oam_error *err)
{
	const struct endpoint *endpoint = incoming->endpoint;
	const char *id;

	for (; endpoint; endpoint = endpoint->next) {
		if (!is_path_of(endpoint, incoming->path, &id))
			continue;
		if (strcmp(incoming->method, endpoint->method) == 0 ||
		    (is_get(endpoint) && incoming->is_head))
			break;
		allow(incoming, endpoint);
	}
	if (!endpoint && incoming->allow[0])
		return error_set(err, METHOD_NOT_ALLOWED, NULL, incoming->allow);
	if (!endpoint)
		return error_set(err, PATH_NOT_FOUND, NULL);
	incoming->endpoint = endpoint;
	incoming->view.id = id;
	return 0;
}

static int check_rights(const struct endpoint *endpoint,
			const struct token_verifier *verifier, struct json_object *claims,
			struct oam_error *err)
{
	if (is_get(endpoint) || token_may_manage(verifier, claims))
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
	const char *number = text + (text[0] == '-');
	size_t digits = strspn(number, "0123456789");

	for (; table && table->name; table++)
		if (strcmp(table->name, name) == 0 && table->kind == SHAPE_INTEGER &&
		    digits > 0 && digits < 19 && number[digits] == '\0')
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

	incoming->view.profile = PROFILE_DEFAULT;
	if (!name)
		return 0;
	if (!profile_name_is_valid(name))
		return error_set(err, INVALID_PARAMETER, "profile", "profile",
				 "expected 1 to 64 of a-z, 0-9, '_' and '-'");
	strcpy(incoming->profile, name);
	incoming->view.profile = incoming->profile;
	json_object_object_del(incoming->view.query, "profile");
	return 0;
}

int request_check_shape(const struct shape *shape, struct json_object *object,
			struct oam_error *err)
{
	static const struct shape nothing[] = { { 0 } };

	if (!shape && !object)
		return 0;
	return shape_check(shape ? shape : nothing, object, "", err);
}

static int read_pairs(const struct endpoint *endpoint, const char *given,
		      struct json_object *query, struct oam_error *err)
{
	char text[QUERY_MAX], *rest = text, *pair;

	if (strlen(given) >= sizeof(text))
		return error_set(err, INVALID_PARAMETER, "query", "query", "too long");
	strcpy(text, given);
	while ((pair = strsep(&rest, "&")) != NULL)
		if (pair[0] && add_pair(endpoint, pair, query, err))
			return -1;
	return 0;
}

static int read_query(const struct channel *channel, struct incoming *incoming,
		      struct oam_error *err)
{
	const struct endpoint *endpoint = incoming->endpoint;
	const char *text = request_param(channel, "QUERY_STRING");

	if (text[0] || endpoint->query) {
		incoming->view.query = json_new_object(err);
		if (!incoming->view.query ||
		    read_pairs(endpoint, text, incoming->view.query, err))
			return -1;
	}
	if (request_dialect(incoming)->has_profiles && take_profile(incoming, err))
		return -1;
	return request_check_shape(endpoint->query, incoming->view.query, err);
}

const struct dialect *endpoint_dialect(const struct endpoint *endpoint)
{
	return endpoint->dialect ? endpoint->dialect : &endpoint_own_dialect;
}

const struct dialect *request_dialect(const struct incoming *incoming)
{
	return endpoint_dialect(incoming->endpoint);
}

/* What only the dialect asks for. */
static int check_dialect(const struct channel *channel, const struct incoming *incoming,
			 struct oam_error *err)
{
	const struct dialect *dialect = request_dialect(incoming);

	return dialect->check ? dialect->check(channel, err) : 0;
}

int request_read(struct token_verifier *verifier, struct channel *channel,
		 struct incoming *incoming, struct oam_error *err)
{
	struct json_object *claims;
	int result = -1;

	if (authenticate(verifier, channel, &claims, err) == 0 &&
	    find_endpoint(incoming, err) == 0 &&
	    check_rights(incoming->endpoint, verifier, claims, err) == 0 &&
	    check_dialect(channel, incoming, err) == 0 &&
	    read_query(channel, incoming, err) == 0)
		result = request_read_body(channel, incoming, err);
	else
		request_drain(channel);
	json_object_put(claims);
	return result;
}

void request_release(struct incoming *incoming)
{
	json_object_put(incoming->view.query);
	json_object_put(incoming->view.body);
}
