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

static struct json_object *success(const struct endpoint *endpoint,
				   struct json_object *data, struct oam_error *err)
{
	(void)endpoint;
	(void)err;
	return json_object_get(data);
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

static struct json_object *failure(const struct incoming *incoming,
				   const struct oam_error *cause, int *status,
				   struct oam_error *err)
{
	struct json_object *body = json_new_object(err), *error = json_new_object(err);
	char message[OAM_MESSAGE_MAX];

	if (cause->code == OAM_E_METHOD_NOT_ALLOWED)
		*status = 404; /* method and path are one thing there */
	reword(incoming, cause, message);
	json_put_string(error, "message", message, err);
	json_put_string(error, "type",
			*status >= 500 ? "server_error" : "invalid_request_error", err);
	json_put_string(error, "param", cause->param[0] ? cause->param : NULL, err);
	json_put_string(error, "code", code_of(cause->code), err);
	json_put(body, "error", error, err);
	return body;
}

const struct dialect endpoint_openai_dialect = {
	.header = "OpenAI-Version: 2020-10-01\r\n",
	.check = check_beta,
	.success = success,
	.failure = failure,
	.no_memory = "{\"error\":{\"message\":\"Out of memory.\",\"type\":"
		     "\"server_error\",\"param\":null,\"code\":\"internal_error\"}}",
};
