#include "endpoint_answer.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER "2" /* seconds: a refresh or a busy store is over by then */

#define NO_MEMORY_BODY \
	"{\"success\":false,\"message\":\"Out of memory.\",\"error\":{\"code\":" \
	"\"internal_error\",\"param\":null,\"details\":null}}"

/* ---- our own envelope ---- */

static struct json_object *success_body(const struct endpoint *endpoint,
					struct json_object *data, struct oam_error *err)
{
	struct json_object *body = json_new_object(err);

	json_put_boolean(body, "success", true, err);
	json_put_string(body, "message", endpoint->message, err);
	json_put(body, "data", json_object_get(data), err);
	return body;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static struct json_object *upstream_details(const struct oam_error *cause,
					    struct oam_error *err)
{
	struct json_object *upstream = json_new_object(err);

	json_put_integer(upstream, "status", cause->upstream.status, err);
	json_put_string(upstream, "type", or_null(cause->upstream.type), err);
	json_put_string(upstream, "code", or_null(cause->upstream.code), err);
	json_put_string(upstream, "param", or_null(cause->upstream.param), err);
	json_put_string(upstream, "message", or_null(cause->upstream.message), err);
	return upstream;
}

/* The finer reason, and what the assistants server said; null when there is neither. */
static void put_details(struct json_object *error, const struct oam_error *cause,
			struct oam_error *err)
{
	const char *reason = error_reason(cause->code);
	struct json_object *details;

	if (!reason && cause->upstream.status == 0) {
		json_put_null(error, "details", err);
		return;
	}
	details = json_new_object(err);
	if (reason)
		json_put_string(details, "reason", reason, err);
	if (cause->upstream.status)
		json_put(details, "upstream", upstream_details(cause, err), err);
	json_put(error, "details", details, err);
}

static struct json_object *failure_body(const struct incoming *incoming,
					const struct oam_error *cause, int *status,
					struct oam_error *err)
{
	struct json_object *body = json_new_object(err), *error = json_new_object(err);

	(void)incoming;
	(void)status;
	json_put_boolean(body, "success", false, err);
	json_put_string(body, "message", cause->message, err);
	json_put_string(error, "code", error_code(cause->code), err);
	json_put_string(error, "param", cause->param[0] ? cause->param : NULL, err);
	put_details(error, cause, err);
	json_put(body, "error", error, err);
	return body;
}

const struct dialect endpoint_own_dialect = {
	.has_profiles = true,
	.header = "",
	.success = success_body,
	.failure = failure_body,
	.no_memory = NO_MEMORY_BODY,
};

/* ---- metrics ---- */

static struct json_object *text_body(const struct endpoint *endpoint,
				     struct json_object *data, struct oam_error *err)
{
	(void)endpoint;
	(void)err;
	return json_object_get(json_member(data, "text"));
}

const struct dialect endpoint_metrics_dialect = {
	.header = "",
	.text_type = "text/plain; version=0.0.4; charset=utf-8",
	.success = text_body,
	.failure = failure_body,
	.no_memory = NO_MEMORY_BODY,
};

/* ---- the answer ---- */

static const char *reason_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Internal Server Error";
	}
}

/* The header fields that go with some failures. Returns the bytes written. */
static int failure_fields(const struct incoming *incoming, const struct oam_error *cause,
			  char *text, size_t size)
{
	switch (cause->code) {
	case OAM_E_TOKEN_MISSING: /* RFC 6750, 3.1: no error code without a token */
		return snprintf(text, size, "WWW-Authenticate: Bearer realm=\"oam\"\r\n");
	case OAM_E_TOKEN_INVALID:
		return snprintf(text, size,
				"WWW-Authenticate: Bearer realm=\"oam\", "
				"error=\"invalid_token\", error_description=\"%s\"\r\n",
				cause->message);
	case OAM_E_FORBIDDEN:
		return snprintf(text, size,
				"WWW-Authenticate: Bearer realm=\"oam\", "
				"error=\"insufficient_scope\"\r\n");
	case OAM_E_METHOD_NOT_ALLOWED:
		return snprintf(text, size, "Allow: %s\r\n", incoming->allow);
	default:
		if (error_status(cause->code) == 503 ||
		    cause->code == OAM_E_REFRESH_RUNNING)
			return snprintf(text, size, "Retry-After: " RETRY_AFTER "\r\n");
		return 0;
	}
}

/*
 * True when a failed request may have done its work all the same, so that clients which
 * repeat what failed would do it twice. A store that is busy has done nothing.
 */
static bool may_be_done(const struct incoming *incoming, const struct oam_error *cause)
{
	if (strcmp(incoming->endpoint->method, "GET") == 0)
		return false;
	return cause->code == OAM_E_NO_MEMORY || cause->code == OAM_E_INTERNAL ||
	       cause->code == OAM_E_STORE_FAILED ||
	       cause->code == OAM_E_UPSTREAM_AMBIGUOUS;
}

/* The whole header. Returns its length. */
static size_t make_header(const struct incoming *incoming, const struct oam_error *cause,
			  int status, size_t body_length, char *text, size_t size)
{
	const struct dialect *dialect = request_dialect(incoming);
	const char *type = dialect->text_type && !cause->code ? dialect->text_type
							      : "application/json";
	int used = snprintf(text, size,
			    "Status: %d %s\r\n"
			    "Content-Type: %s\r\n"
			    "Content-Length: %zu\r\n"
			    "Cache-Control: no-store\r\n"
			    "X-Content-Type-Options: nosniff\r\n"
			    "X-Request-Id: %s\r\n"
			    "%s%s",
			    status, reason_phrase(status), type, body_length,
			    incoming->request_id, dialect->header,
			    may_be_done(incoming, cause) ? "X-Should-Retry: false\r\n"
							 : "");

	used += failure_fields(incoming, cause, text + used, size - (size_t)used - 3);
	memcpy(text + used, "\r\n", 2);
	return (size_t)used + 2;
}

int answer_send(struct channel *channel, const struct incoming *incoming,
		const struct oam_error *cause, struct json_object *data)
{
	const struct dialect *dialect = request_dialect(incoming);
	struct oam_error err = { 0 };
	int status = error_status(cause->code);
	struct json_object *body = cause->code ? dialect->failure(incoming, cause,
								  &status, &err)
					       : dialect->success(incoming->endpoint,
								  data, &err);
	bool is_text = dialect->text_type && !cause->code;
	const char *text = error_result(&err) ? NULL
			   : is_text          ? json_object_get_string(body)
					      : json_text(body);
	char header[1536];
	size_t used;

	if (!text) {
		text = dialect->no_memory;
		status = 500;
		error_set(&err, NO_MEMORY, NULL);
		cause = &err;
	}
	used = make_header(incoming, cause, status, strlen(text), header, sizeof(header));
	channel_write(channel, header, used);
	if (!incoming->is_head)
		channel_write(channel, text, strlen(text));
	json_object_put(body);
	return status;
}
