/*
 * A request through endpoint.c and endpoint_request.c, and its answer. The channel and
 * the service are the ones below. The input: a digit that names the endpoint, lines
 * NAME=value that are the CGI variables, an empty line, the body.
 */
#include <ctype.h>
#include <sys/mman.h>

#include "clock.h"
#include "endpoint.h"
#include "endpoint_channel.h"
#include "fuzz.h"
#include "token.h"

#define SECRET       "3f9a1c7e5b2d8460af13579bdf02468ace13579bdf02468ace9f8e7d6c5b4a39"
#define VARIABLES    32
#define ANSWER_MAX   (64 * 1024)
#define READING_LATE "HAS_END" /* as FastCGI: the end of the body is known */

struct variable {
	const char *name, *value;
};

struct channel {
	struct variable variables[VARIABLES];
	int count;
	const char *body;
	size_t left;
	char answer[ANSWER_MAX];
	size_t length;
	bool served;
};

static struct channel channel;
static char *authorization;
static bool handled;

/* ---- the channel ---- */

bool channel_is_cgi(void)
{
	return true;
}

struct channel *channel_open(void)
{
	return &channel;
}

void channel_close(struct channel *c)
{
	claim(c == &channel);
}

int channel_accept(struct channel *c)
{
	return c->served ? -1 : 0;
}

void channel_finish(struct channel *c)
{
	claim(!c->served);
	c->served = true;
}

void channel_shut_down(void)
{
}

const char *channel_param(const struct channel *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (strcmp(c->variables[i].name, name) == 0)
			return c->variables[i].value;
	return strcmp(name, "HTTP_AUTHORIZATION") == 0 ? authorization : NULL;
}

ssize_t channel_read(struct channel *c, char *bytes, size_t size)
{
	size_t part = size < c->left ? size : c->left;

	memcpy(bytes, c->body, part);
	c->body += part;
	c->left -= part;
	return (ssize_t)part;
}

bool channel_has_end(const struct channel *c)
{
	return channel_param(c, READING_LATE) != NULL;
}

int channel_write(struct channel *c, const char *bytes, size_t size)
{
	claim(!c->served);
	if (size > sizeof(c->answer) - 1 - c->length)
		return -1;
	memcpy(c->answer + c->length, bytes, size);
	c->length += size;
	return 0;
}

/* ---- the service ---- */

void service_begin_request(struct service *service, const char *request_id)
{
	(void)service;
	claim(request_id[0] && strlen(request_id) <= 64);
	for (; *request_id; request_id++)
		claim(isalnum((unsigned char)*request_id) || strchr("._-", *request_id));
}

void service_end_request(struct service *service)
{
	(void)service;
}

void service_close(struct service *service)
{
	(void)service;
}

bool service_was_replaced(const struct service *service)
{
	(void)service;
	return false;
}

bool service_renewal_wanted(struct service *service)
{
	(void)service;
	return false;
}

int service_renew(struct service *service, const struct service_renewal *asked,
		  struct oam_error *err)
{
	(void)service;
	(void)asked;
	return error_set(err, INTERNAL, NULL);
}

void service_renew_in_background(const struct settings *settings,
				 int (*open)(const struct settings *, struct service **,
					     struct oam_error *))
{
	(void)settings;
	(void)open;
}

static int open_nothing(const struct settings *settings, struct service **service,
			struct oam_error *err)
{
	static char some;

	(void)settings;
	(void)err;
	*service = (void *)&some;
	return 0;
}

/* ---- endpoints like those of cgi/ ---- */

static const char *const orders[] = { "asc", "desc", NULL };

static const struct shape query[] = {
	{ "limit", SHAPE_INTEGER, .min = 1, .max = 100 },
	{ "order", SHAPE_STRING, .values = orders },
	{ "after", SHAPE_STRING, .min = 1, .max = ASSISTANT_ID_SIZE - 1 },
	{ 0 },
};

static const struct shape body[] = {
	{ "updates", SHAPE_OBJECT, .required = true },
	{ "keepCount", SHAPE_INTEGER, .min = 1, .max = 1000000 },
	{ "dryRun", SHAPE_BOOLEAN },
	{ 0 },
};

/* What the table allows was checked; without a table there is nothing. */
static void check_object(struct json_object *object, const struct shape *shape)
{
	if (shape)
		claim(json_object_is_type(object, json_type_object));
	else
		claim(!object || json_object_object_length(object) == 0);
}

static int echo(const struct endpoint *endpoint, const struct request *request,
		struct json_writer *data, struct oam_error *err)
{
	struct json_object *limit = json_member(request->query, "limit");

	handled = true;
	claim(profile_name_is_valid(request->profile));
	claim(!request->id == (endpoint->id == ENDPOINT_NO_ID) ||
	      endpoint->id == ENDPOINT_OPTIONAL_ID);
	if (request->id)
		claim(request->id[0] && !strchr(request->id, '/') &&
		      strlen(request->id) < ASSISTANT_ID_SIZE && is_utf8(request->id));
	check_object(request->query, endpoint->query);
	check_object(request->body, endpoint->body);
	claim(!json_member(request->query, "profile"));
	claim(!limit ||
	      (json_object_get_int64(limit) > 0 && json_object_get_int64(limit) <= 100));
	json_write_string(data, "id", request->id);
	json_write_value(data, "query", request->query);
	json_write_value(data, "body", request->body);
	if (request->id && strcmp(request->id, "asst_unknown") == 0)
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, request->id);
	return error_result(err);
}

#define HANDLER(number) \
	static int handle_##number(struct service *service, \
				   const struct request *request, \
				   struct json_writer *data, struct oam_error *err) \
	{ \
		(void)service; \
		return echo(&endpoints[number], request, data, err); \
	}

static const struct endpoint endpoints[4];
HANDLER(0)
HANDLER(1)
HANDLER(2)
HANDLER(3)

static const struct endpoint endpoints[4] = {
	{ .name = "list",
	  .method = "GET",
	  .query = query,
	  .message = "Listed.",
	  .open = open_nothing,
	  .handle = handle_0 },
	{ .name = "details",
	  .method = "GET",
	  .id = ENDPOINT_OPTIONAL_ID,
	  .message = "Details.",
	  .open = open_nothing,
	  .handle = handle_1 },
	{ .name = "update",
	  .method = "PUT",
	  .id = ENDPOINT_ID,
	  .body = body,
	  .message = "Updated.",
	  .open = open_nothing,
	  .handle = handle_2 },
	{ .name = "initialize",
	  .method = "POST",
	  .message = "Initialized.",
	  .open = open_nothing,
	  .handle = handle_3 },
};

/* ---- what was answered ---- */

static void check_body(const char *text, size_t length, int status)
{
	struct oam_error err = { 0 };
	struct json_object *tree;

	claim(json_read(text, length, &tree, &err) == 0);
	claim(json_object_get_boolean(json_member(tree, "success")) == (status == 200));
	claim(json_member_string(tree, "message"));
	claim(json_object_is_type(json_member(tree, "data"),
				  status == 200 ? json_type_object : json_type_string));
	claim(json_member_string(tree, "timestamp"));
	claim((json_member(tree, "error") != NULL) == (status != 200));
	json_object_put(tree);
}

/* RFC 9110, 5.5: no control characters in a field. */
static void check_head(const char *head, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (head[i] == '\r')
			claim(head[i + 1] == '\n');
		else if (head[i] == '\n')
			claim(i > 0 && head[i - 1] == '\r');
		else
			claim((unsigned char)head[i] >= ' ' && head[i] != 0x7F);
	}
	claim(json_is_utf8(head, length));
}

static void check_answer(void)
{
	const char *end = strstr(channel.answer, "\r\n\r\n"), *field;
	const char *method = channel_param(&channel, "REQUEST_METHOD");
	size_t length, promised;
	int status;

	claim(channel.served && end);
	check_head(channel.answer, (size_t)(end - channel.answer));
	claim(sscanf(channel.answer, "Status: %d ", &status) == 1);
	claim(handled || status != 200);
	claim(status < 500);
	field = strstr(channel.answer, "\r\nContent-Length: ");
	claim(field && sscanf(field, "\r\nContent-Length: %zu", &promised) == 1);
	length = channel.length - (size_t)(end + 4 - channel.answer);
	if (method && strcmp(method, "HEAD") == 0) {
		claim(length == 0);
		return;
	}
	claim(length == promised);
	check_body(end + 4, length, status);
}

/* ---- the input ---- */

/* Takes a line apart; the rest of the input is the body after an empty line. */
static char *take_line(char *line, size_t left)
{
	char *newline = memchr(line, '\n', left), *equals;

	if (!newline)
		newline = line + left;
	else
		*newline++ = '\0';
	equals = strchr(line, '=');
	if (equals && channel.count < VARIABLES) {
		*equals = '\0';
		channel.variables[channel.count++] = (struct variable){ line,
									equals + 1 };
	}
	return newline;
}

static void take_input(char *text, size_t size)
{
	char *end = text + size;

	memset(&channel, 0, offsetof(struct channel, answer));
	channel.length = 0;
	channel.served = false;
	while (text < end && *text != '\n')
		text = take_line(text, (size_t)(end - text));
	if (text < end)
		text++;
	channel.body = text;
	channel.left = (size_t)(end - text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char secret[] = SECRET, algorithm[] = "HS256";
	static const char claims[] = "{\"exp\":9000000000,\"role\":\"admin\"}";
	const struct settings settings = { .jwt_secret = secret, .jwt_alg = algorithm };
	struct oam_error err = { 0 };
	struct json_object *tree;
	char env_file[32], *token;

	(void)argc;
	(void)argv;
	claim(json_read(claims, strlen(claims), &tree, &err) == 0);
	claim(token_sign(&settings, tree, &token, &err) == 0);
	claim(asprintf(&authorization, "Bearer %s", token) > 0);
	json_object_put(tree);
	free(token);
	setenv("JWT_SECRET", secret, 1);
	snprintf(env_file, sizeof(env_file), "/proc/self/fd/%d", memfd_create(".env", 0));
	setenv("OAM_ENV_FILE", env_file, 1);
	setenv("OAM_LOG_LEVEL", "error", 1);
	setenv("REQUEST_METHOD", "GET", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = copy_text(data + 1, size - 1);
	handled = false;
	take_input(text, size - 1);
	claim(endpoint_main(&endpoints[data[0] % 4]) == 0);
	channel.answer[channel.length] = '\0';
	check_answer();
	free(text);
	return 0;
}
