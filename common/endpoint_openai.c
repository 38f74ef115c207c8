/*
 * The dialect of OpenAI's own clients: objects without an envelope, and errors as
 * {"error":{"message","type","param","code"}} in the words that clients look for.
 */
#include <stdio.h>
#include <string.h>

#include "endpoint_request.h"

/* OpenAI-Beta is a list. We are assistants=v2, which may be left out. */
static int check_beta(const struct channel *channel, struct oam_error *err)
{
	static const char name[] = "assistants=", version[] = "v2";
	const char *at = channel_param(channel, "HTTP_OPENAI_BETA");

	for (at = at ? strstr(at, name) : NULL; at; at = strstr(at, name)) {
		at += strlen(name);
		if (strcspn(at, ", \t") != strlen(version) ||
		    strncmp(at, version, strlen(version)) != 0)
			return error_set(err, BETA_REFUSED, NULL);
	}
	return 0;
}

static void begin_success(const struct endpoint *endpoint, struct json_writer *body)
{
	(void)endpoint;
	json_write_begin(body, NULL);
}

static const char *code_of(enum oam_code code)
{
	switch (code) {
	case OAM_E_TOKEN_MISSING: /* where OpenAI sends none */
	case OAM_E_PATH_NOT_FOUND:
	case OAM_E_METHOD_NOT_ALLOWED:
	case OAM_E_ASSISTANT_NOT_FOUND:
		return NULL;
	case OAM_E_TOKEN_INVALID:
		return "invalid_api_key";
	default:
		return error_reason(code) ? error_reason(code) : error_code(code);
	}
}

/* OpenAI's words for what has other words here. */
static void reword(const struct incoming *incoming, const struct oam_error *cause,
		   char text[OAM_MESSAGE_MAX])
{
	char line[OAM_MESSAGE_MAX + 128];

	switch (cause->code) {
	case OAM_E_TOKEN_MISSING:
		snprintf(line, sizeof(line),
			 "You didn't provide an API key. %s The key is a JWT of this "
			 "manager.",
			 cause->message);
		break;
	case OAM_E_TOKEN_INVALID:
		snprintf(line, sizeof(line), "Incorrect API key provided. %s",
			 cause->message);
		break;
	case OAM_E_PATH_NOT_FOUND:
	case OAM_E_METHOD_NOT_ALLOWED:
		snprintf(line, sizeof(line), "Invalid URL (%s %s)", incoming->method,
			 incoming->path);
		break;
	default:
		snprintf(line, sizeof(line), "%s", cause->message);
	}
	error_copy(text, OAM_MESSAGE_MAX, line);
}

static void write_failure(const struct incoming *incoming, const struct oam_error *cause,
			  int *status, struct json_writer *body)
{
	char message[OAM_MESSAGE_MAX];

	if (cause->code == OAM_E_METHOD_NOT_ALLOWED)
		*status = 404; /* method and path are one thing there */
	reword(incoming, cause, message);
	json_write_begin(body, NULL);
	json_write_begin(body, "error");
	json_write_string(body, "message", message);
	json_write_string(body, "type",
			  *status >= 500 ? "server_error" : "invalid_request_error");
	json_write_filled(body, "param", cause->param);
	json_write_string(body, "code", code_of(cause->code));
	json_write_end(body);
	json_write_end(body);
}

static void make_plain_failure(enum oam_code code, const char *message, char *text,
			       size_t size)
{
	snprintf(text, size,
		 "{\"error\":{\"message\":\"%s\",\"type\":\"server_error\","
		 "\"param\":null,\"code\":\"%s\"}}",
		 message, error_code(code));
}

const struct dialect endpoint_openai_dialect = {
	.header = "OpenAI-Version: 2020-10-01\r\n",
	.check = check_beta,
	.begin_success = begin_success,
	.end_success = json_write_end,
	.failure = write_failure,
	.plain_failure = make_plain_failure,
};
