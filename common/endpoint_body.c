/* The body of a request: received, checked, or read and forgotten. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "endpoint_request.h"

#define DRAIN_MAX ((size_t)64 << 20) /* bytes of a body that is refused */

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

void request_drain(struct channel *channel)
{
	const char *header = request_param(channel, "CONTENT_LENGTH");
	size_t left = DRAIN_MAX;
	char bytes[16384];
	ssize_t n;

	if (!channel_has_end(channel)) {
		unsigned long long length = header[0] >= '0' && header[0] <= '9'
						    ? strtoull(header, NULL, 10)
						    : 0;

		left = length < DRAIN_MAX ? (size_t)length : DRAIN_MAX;
	}
	while (left > 0) {
		n = channel_read(channel, bytes,
				 left < sizeof(bytes) ? left : sizeof(bytes));
		if (n <= 0)
			return;
		left -= (size_t)n;
	}
}

/* *text is malloc'd, '\0' behind it. */
static int receive_body(struct channel *channel, size_t limit, char **text,
			size_t *length, struct oam_error *err)
{
	const char *header = request_param(channel, "CONTENT_LENGTH");
	size_t size = limit + 1;
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
		request_drain(channel);
		return error_set(err, BODY_TOO_LARGE, NULL, limit);
	}
	*text = malloc(size + 1);
	if (!*text)
		return error_set(err, NO_MEMORY, NULL);
	n = channel_read(channel, *text, size);
	if (n < 0 || (header[0] != '\0' && (size_t)n < size))
		return error_set(err, INVALID_JSON, NULL, "the body breaks off",
				 n < 0 ? 0 : (size_t)n);
	if ((size_t)n > limit) {
		request_drain(channel);
		return error_set(err, BODY_TOO_LARGE, NULL, limit);
	}
	(*text)[n] = '\0';
	*length = (size_t)n;
	return 0;
}

/* The first member that the body must have, or NULL. */
static const char *required_member(const struct shape *body)
{
	for (; body && body->name; body++)
		if (body->required)
			return body->name;
	return NULL;
}

static int parse_body(const struct channel *channel, const char *text, size_t length,
		      struct incoming *incoming, struct oam_error *err)
{
	const struct endpoint *endpoint = incoming->endpoint;
	static const struct shape object = { .kind = SHAPE_OBJECT };
	const char *required = required_member(endpoint->body);

	if (required && strspn(text ? text : "", " \t\r\n") == length)
		return error_set(err, MISSING_BODY, required, required);
	if (length == 0 && endpoint->body) {
		incoming->view.body = json_new_object(err);
		if (!incoming->view.body)
			return -1;
	} else if (length > 0) {
		if (!is_json_type(request_param(channel, "CONTENT_TYPE")))
			return error_set(err, NOT_JSON, NULL);
		if (json_read(text, length, &incoming->view.body, err) ||
		    shape_check_value(&object, incoming->view.body, "body", err))
			return -1;
	}
	return request_check_shape(endpoint->body, incoming->view.body, err);
}

int request_read_body(struct channel *channel, struct incoming *incoming,
		      struct oam_error *err)
{
	size_t limit = incoming->endpoint->body_max, length;
	char *text;
	int result = receive_body(channel, limit ? limit : ENDPOINT_BODY_MAX, &text,
				  &length, err);

	if (result == 0)
		result = parse_body(channel, text, length, incoming, err);
	free(text);
	return result;
}
