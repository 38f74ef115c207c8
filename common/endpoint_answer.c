#include "endpoint_answer.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define RETRY_AFTER "2" /* seconds: a refresh or a busy store is over by then */

/* ---- our own envelope ---- */

/* When the answer was made: the last member of each. */
static void end_envelope(struct json_writer *body)
{
	char now[CLOCK_ISO8601_SIZE];

	clock_iso8601(clock_now(), now);
	json_write_string(body, "timestamp", now);
	json_write_end(body);
}

static void begin_success(const struct endpoint *endpoint, struct json_writer *body)
{
	json_write_raw(body, "{\"success\":true,\"message\":\"");
	json_write_raw(body, endpoint->message); /* ours: nothing to escape */
	json_write_raw(body, "\",\"data\":{");
}

static void end_success(struct json_writer *body)
{
	json_write_end(body);
	end_envelope(body);
}

static void write_upstream(const struct oam_error *cause, struct json_writer *body)
{
	json_write_begin(body, "upstream");
	json_write_integer(body, "status", cause->upstream.status);
	json_write_filled(body, "type", cause->upstream.type);
	json_write_filled(body, "code", cause->upstream.code);
	json_write_filled(body, "param", cause->upstream.param);
	json_write_filled(body, "message", cause->upstream.message);
	json_write_end(body);
}

/* The finer reason, and what the assistants server said; null when there is neither. */
static void write_details(const struct oam_error *cause, struct json_writer *body)
{
	const char *reason = error_reason(cause->code);

	if (!reason && cause->upstream.status == 0) {
		json_write_null(body, "details");
		return;
	}
	json_write_begin(body, "details");
	if (reason)
		json_write_string(body, "reason", reason);
	if (cause->upstream.status)
		write_upstream(cause, body);
	json_write_end(body);
}

/* `data` is for callers who look for the reason there; `error` has it for programs. */
static void write_failure(const struct incoming *incoming, const struct oam_error *cause,
			  int *status, struct json_writer *body)
{
	(void)incoming;
	(void)status;
	json_write_begin(body, NULL);
	json_write_boolean(body, "success", false);
	json_write_string(body, "message", cause->message);
	json_write_string(body, "data", cause->message);
	json_write_begin(body, "error");
	json_write_string(body, "code", error_code(cause->code));
	json_write_filled(body, "param", cause->param);
	write_details(cause, body);
	json_write_end(body);
	end_envelope(body);
}

static void make_plain_failure(enum oam_code code, const char *message, char *text,
			       size_t size)
{
	char now[CLOCK_ISO8601_SIZE];

	clock_iso8601(clock_now(), now);
	snprintf(
		text, size,
		"{\"success\":false,\"message\":\"%s\",\"data\":\"%s\",\"error\":"
		"{\"code\":\"%s\",\"param\":null,\"details\":null},\"timestamp\":\"%s\"}",
		message, message, error_code(code), now);
}

const struct dialect endpoint_own_dialect = {
	.has_profiles = true,
	.header = "",
	.begin_success = begin_success,
	.end_success = end_success,
	.failure = write_failure,
	.plain_failure = make_plain_failure,
};

/* ---- metrics ---- */

const struct dialect endpoint_metrics_dialect = {
	.header = "",
	.text_type = "text/plain; version=0.0.4; charset=utf-8",
	.failure = write_failure,
	.plain_failure = make_plain_failure,
};

/* ---- the answer ---- */

/* The status with its reason phrase (RFC 9110, 15). */
static const char *status_text(int status)
{
	switch (status) {
	case 200:
		return "200 OK";
	case 400:
		return "400 Bad Request";
	case 401:
		return "401 Unauthorized";
	case 403:
		return "403 Forbidden";
	case 404:
		return "404 Not Found";
	case 405:
		return "405 Method Not Allowed";
	case 409:
		return "409 Conflict";
	case 413:
		return "413 Content Too Large";
	case 415:
		return "415 Unsupported Media Type";
	case 502:
		return "502 Bad Gateway";
	case 503:
		return "503 Service Unavailable";
	case 504:
		return "504 Gateway Timeout";
	default:
		return "500 Internal Server Error";
	}
}

struct header {
	char text[1536]; /* the longest error's message and all the rest fit */
	size_t length;
};

static void put(struct header *header, const char *text)
{
	size_t length = strlen(text), room = sizeof(header->text) - header->length;

	if (length > room)
		length = room;
	memcpy(header->text + header->length, text, length);
	header->length += length;
}

static void put_number(struct header *header, size_t number)
{
	char digits[24], *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	put(header, at);
}

static void put_field(struct header *header, const char *name, const char *value)
{
	put(header, name);
	put(header, ": ");
	put(header, value);
	put(header, "\r\n");
}

/* The header fields that go with some failures. */
static void put_failure_fields(struct header *header, const struct incoming *incoming,
			       const struct oam_error *cause)
{
	switch (cause->code) {
	case OAM_E_TOKEN_MISSING: /* RFC 6750, 3.1: no error code without a token */
		put_field(header, "WWW-Authenticate", "Bearer realm=\"oam\"");
		break;
	case OAM_E_TOKEN_INVALID:
		put(header, "WWW-Authenticate: Bearer realm=\"oam\", "
			    "error=\"invalid_token\", error_description=\"");
		put(header, cause->message);
		put(header, "\"\r\n");
		break;
	case OAM_E_FORBIDDEN:
		put_field(header, "WWW-Authenticate",
			  "Bearer realm=\"oam\", error=\"insufficient_scope\"");
		break;
	case OAM_E_METHOD_NOT_ALLOWED:
		put_field(header, "Allow", incoming->allow);
		break;
	default:
		if (error_status(cause->code) == 503 ||
		    cause->code == OAM_E_REFRESH_RUNNING)
			put_field(header, "Retry-After", RETRY_AFTER);
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

static void make_header(struct header *header, const struct incoming *incoming,
			const struct oam_error *cause, int status, size_t body_length)
{
	const struct dialect *dialect = request_dialect(incoming);
	const char *type = dialect->text_type && !cause->code ? dialect->text_type
							      : "application/json";

	header->length = 0;
	put_field(header, "Status", status_text(status));
	put_field(header, "Content-Type", type);
	put(header, "Content-Length: ");
	put_number(header, body_length);
	put(header, "\r\n");
	put_field(header, "Cache-Control", "no-store");
	put_field(header, "X-Content-Type-Options", "nosniff");
	put_field(header, "X-Request-Id", incoming->request_id);
	put(header, dialect->header);
	if (may_be_done(incoming, cause))
		put_field(header, "X-Should-Retry", "false");
	put_failure_fields(header, incoming, cause);
	put(header, "\r\n");
}

void answer_begin(const struct incoming *incoming, struct json_writer *body)
{
	const struct dialect *dialect = request_dialect(incoming);

	json_writer_clear(body);
	if (dialect->begin_success)
		dialect->begin_success(incoming->endpoint, body);
}

void answer_end(const struct incoming *incoming, struct json_writer *body)
{
	const struct dialect *dialect = request_dialect(incoming);

	if (dialect->end_success)
		dialect->end_success(body);
}

int answer_send(struct channel *channel, const struct incoming *incoming,
		const struct oam_error *cause, struct json_writer *body)
{
	const struct dialect *dialect = request_dialect(incoming);
	struct oam_error no_memory = { 0 };
	int status = error_status(cause->code);
	char plain[ANSWER_PLAIN_SIZE];
	struct header header;
	const char *text;

	if (cause->code) {
		json_writer_clear(body);
		dialect->failure(incoming, cause, &status, body);
	}
	text = body->text;
	if (json_writer_result(body, &no_memory)) {
		dialect->plain_failure(no_memory.code, no_memory.message, plain,
				       sizeof(plain));
		text = plain;
		status = 500;
		cause = &no_memory;
	}
	make_header(&header, incoming, cause, status, strlen(text));
	channel_write(channel, header.text, header.length);
	if (!incoming->is_head)
		channel_write(channel, text, strlen(text));
	return status;
}
