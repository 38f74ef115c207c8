#include "endpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint_channel.h"
#include "endpoint_request.h"
#include "endpoint_workers.h"

#define RETRY_AFTER "2" /* seconds: a refresh or a busy store is over by then */

/* What all processes of the program share, read before the first fork. */
struct program {
	const struct endpoint *endpoint;
	struct settings settings;
	struct token_verifier *verifier;
};

int endpoint_data(struct json_object *data, struct json_object *from,
		  struct oam_error *err)
{
	json_object_object_foreach (from, name, value) {
		if (value)
			json_put(data, name, json_object_get(value), err);
		else
			json_put_null(data, name, err);
	}
	json_object_put(from);
	return error_result(err);
}

/* ---- the answer ---- */

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

static struct json_object *failure_body(const struct oam_error *cause,
					struct oam_error *err)
{
	struct json_object *body = json_new_object(err), *error = json_new_object(err);

	json_put_boolean(body, "success", false, err);
	json_put_string(body, "message", cause->message, err);
	json_put_string(error, "code", error_code(cause->code), err);
	json_put_string(error, "param", cause->param[0] ? cause->param : NULL, err);
	put_details(error, cause, err);
	json_put(body, "error", error, err);
	return body;
}

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
static int extra_headers(const struct endpoint *endpoint, const struct oam_error *cause,
			 char *text, size_t size)
{
	bool is_get = strcmp(endpoint->method, "GET") == 0;

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
		return snprintf(text, size, "Allow: %s\r\n",
				is_get ? "GET, HEAD" : endpoint->method);
	default:
		if (error_status(cause->code) == 503 ||
		    cause->code == OAM_E_REFRESH_RUNNING)
			return snprintf(text, size, "Retry-After: " RETRY_AFTER "\r\n");
		return 0;
	}
}

static const char no_memory_body[] =
	"{\"success\":false,\"message\":\"Out of memory.\",\"error\":{\"code\":"
	"\"internal_error\",\"param\":null,\"details\":null}}";

static void send_answer(const struct endpoint *endpoint, struct channel *channel,
			const struct incoming *incoming, const struct oam_error *cause,
			struct json_object *data)
{
	struct oam_error err = { 0 };
	struct json_object *body = cause->code ? failure_body(cause, &err)
					       : success_body(endpoint, data, &err);
	const char *text = error_result(&err) ? NULL : json_text(body);
	int status = text ? error_status(cause->code) : 500;
	char header[1536];
	int used;

	if (!text)
		text = no_memory_body;
	used = snprintf(header, sizeof(header),
			"Status: %d %s\r\n"
			"Content-Type: application/json\r\n"
			"Content-Length: %zu\r\n"
			"Cache-Control: no-store\r\n"
			"X-Content-Type-Options: nosniff\r\n"
			"X-Request-Id: %s\r\n",
			status, reason_phrase(status), strlen(text),
			incoming->request_id);
	used += extra_headers(endpoint, cause, header + used,
			      sizeof(header) - (size_t)used - 3);
	memcpy(header + used, "\r\n", 2);
	channel_write(channel, header, (size_t)used + 2);
	if (!incoming->is_head)
		channel_write(channel, text, strlen(text));
	json_object_put(body);
}

static void log_request(const struct incoming *incoming, const struct oam_error *err)
{
	bool ours = error_status(err->code) >= 500;
	char status[8];

	snprintf(status, sizeof(status), "%d", error_status(err->code));
	log_write(ours ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "request", "request",
		  incoming->request_id, "status", status, "code", error_code(err->code),
		  "param", err->param, "message", ours ? err->message : NULL, "detail",
		  err->detail, NULL);
}

/* ---- one request ---- */

/*
 * The service is opened with the first request that needs it, and kept until somebody
 * puts another database in its place.
 */
static int open_service(const struct program *program, struct service **service,
			struct oam_error *err)
{
	if (*service && !service_was_replaced(*service))
		return 0;
	service_close(*service);
	*service = NULL;
	return program->endpoint->open(&program->settings, service, err);
}

static void serve(const struct program *program, struct channel *channel,
		  struct service **service)
{
	const struct endpoint *endpoint = program->endpoint;
	struct incoming incoming = { .request_id = "" };
	struct oam_error err = { 0 };
	struct json_object *data = json_new_object(&err);

	request_name(channel, &incoming);
	if (request_read(endpoint, program->verifier, channel, &incoming, &err) == 0 &&
	    open_service(program, service, &err) == 0) {
		service_begin_request(*service, incoming.request_id);
		endpoint->handle(*service, &incoming.view, data, &err);
		service_end_request(*service);
	}
	send_answer(endpoint, channel, &incoming, &err, data);
	channel_finish(channel);
	log_request(&incoming, &err);
	request_release(&incoming);
	json_object_put(data);
}

/* ---- FastCGI ---- */

static int work(void *context)
{
	const struct program *program = context;
	struct channel *channel = channel_open();
	struct service *service = NULL;

	if (!channel)
		return 1;
	while (channel_accept(channel) == 0) {
		serve(program, channel, &service);
		if (service && service_renewal_wanted(service))
			workers_ask_for_renewal();
	}
	service_close(service);
	channel_close(channel);
	return 0;
}

static int renew(void *context)
{
	const struct service_renewal renewal = { .reason = REASON_EXPIRY };
	const struct program *program = context;
	struct service *service = NULL;
	struct oam_error err = { 0 };

	close(STDIN_FILENO); /* the listening socket is the workers' */
	if (open_service(program, &service, &err) == 0)
		service_renew(service, &renewal, &err);
	service_close(service);
	return error_result(&err) ? 1 : 0;
}

/* ---- plain CGI ---- */

static int serve_cgi(struct program *program)
{
	struct channel *channel = channel_open();
	struct service *service = NULL;
	bool wanted;

	workers_release_signals(); /* the web server may end us, and people the renewal */
	if (!channel)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	serve(program, channel, &service);
	wanted = service && service_renewal_wanted(service);
	service_close(service);
	channel_close(channel);
	if (wanted)
		service_renew_in_background(&program->settings, program->endpoint->open);
	return 0;
}

/* ---- start ---- */

/* A web server shows nothing of our standard error: answer, and keep the reason there. */
static void say_misconfigured(void)
{
	static const char answer[] =
		"Status: 500 Internal Server Error\r\nContent-Type: "
		"application/json\r\n\r\n"
		"{\"success\":false,\"message\":\"The server is misconfigured. Its log "
		"says "
		"how.\",\"error\":{\"code\":\"invalid_setting\",\"param\":null,"
		"\"details\":null}}";

	if (write(STDOUT_FILENO, answer, sizeof(answer) - 1) < 0)
		return;
}

static int load(struct program *program, struct oam_error *err)
{
	if (settings_load(&program->settings, environ, err))
		return -1;
	log_start(program->endpoint->name, program->settings.log_level);
	return token_verifier_open(&program->settings, &program->verifier, err);
}

/*
 * A FastCGI server may leave all descriptors but 0 closed (FastCGI 1.0, 2.2). What is
 * opened next would take their numbers, and the log's lines with them.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int endpoint_main(const struct endpoint *endpoint)
{
	struct program program = { .endpoint = endpoint };
	struct oam_error err = { 0 };
	bool is_cgi;
	int status = 1;

	fill_standard_descriptors();
	workers_hold_signals();
	is_cgi = channel_is_cgi();
	log_start(endpoint->name, LOG_LEVEL_INFO);
	if (is_cgi && !getenv("REQUEST_METHOD")) {
		fprintf(stderr,
			"%s is a FastCGI and CGI program; a web server starts it.\n",
			endpoint->name);
		return 2;
	}
	if (load(&program, &err)) {
		log_write(LOG_LEVEL_ERROR, "cannot-start", "error", err.message, "detail",
			  err.detail, NULL);
		if (is_cgi)
			say_misconfigured();
	} else if (is_cgi) {
		status = serve_cgi(&program);
	} else {
		struct workers workers = { .count = (int)program.settings.workers,
					   .work = work,
					   .renew = renew,
					   .context = &program };

		status = workers_run(&workers);
	}
	token_verifier_close(program.verifier);
	settings_free(&program.settings);
	return status;
}
