/*
 * The http upstream against a server that may answer anything. The client and the clock
 * are the ones below. The input: a digit that names the call, then the answers, each with
 * two characters, for its status and for what else is known of it, its body, and RS.
 */
#include "assistant.h"
#include "clock.h"
#include "fuzz.h"
#include "http_client.h"
#include "upstream.h"

#define RS     '\x1e'
#define NONCE  "0CFM2WqfQGSq5lvrIDuAg0"
#define WANTED "asst_1s1BYw3v9kXh5o8i0cTVPmGg"

/* What is left of the input. */
static const char *rest, *rest_end;
static int64_t now;

/* ---- the clock: time goes by when somebody sleeps or asks the server ---- */

int64_t clock_now(void)
{
	return INT64_C(1800000000000) + now;
}

int64_t clock_monotonic(void)
{
	return now;
}

void clock_sleep(int64_t milliseconds)
{
	claim(milliseconds >= 0 && milliseconds <= CLOCK_MINUTE);
	now += milliseconds;
}

void clock_iso8601(int64_t ms, char text[CLOCK_ISO8601_SIZE])
{
	(void)ms;
	strcpy(text, "2027-01-15T08:00:00.000Z");
}

/* ---- the client ---- */

struct http_client {
	int open;
};

struct http_batch {
	void *contexts[HTTP_BATCH_MAX];
	size_t count;
};

static struct http_client client;
static struct http_batch batch;

int http_client_open(const struct settings *settings, struct http_client **out,
		     struct oam_error *err)
{
	(void)settings;
	(void)err;
	client.open++;
	*out = &client;
	return 0;
}

void http_client_close(struct http_client *c)
{
	claim(c->open-- == 1);
}

static char next_byte(void)
{
	return rest < rest_end ? *rest++ : '\0';
}

static void next_answer(int64_t timeout, struct http_answer *answer)
{
	static const int statuses[] = { 200, 201, 0,   0,   404, 400, 401, 403,
					404, 408, 409, 413, 422, 429, 500, 503 };
	static const int64_t pauses[] = { -1, 0, 1, 999, 61000, INT64_MAX, -1, 60000 };
	int status = statuses[next_byte() & 15];
	unsigned flags = (unsigned char)next_byte();
	const char *end = rest < rest_end ? memchr(rest, RS, (size_t)(rest_end - rest))
					  : NULL;

	claim(timeout > 0);
	if (!end)
		end = rest_end;
	*answer = (struct http_answer){ .status = status,
					.sent = status != 0 || flags & 1,
					.timed_out = status == 0 && flags & 2,
					.retry_after = pauses[flags >> 2 & 7],
					.should_retry = (int)(flags >> 5 & 3) % 3 - 1 };
	now += answer->timed_out ? timeout : 1 + (flags & 1);
	if (status != 0) {
		answer->length = (size_t)(end - rest);
		answer->body = copy_text(rest, answer->length);
	} else {
		strcpy(answer->reason, "no answer");
	}
	rest = end < rest_end ? end + 1 : end;
}

int http_client_request(struct http_client *c, const struct http_request *request,
			struct http_answer *answer, struct oam_error *err)
{
	const char *method = request->method, *path = request->path;

	(void)err;
	claim(c->open == 1);
	claim(strcmp(method, "GET") == 0 || strcmp(method, "POST") == 0 ||
	      strcmp(method, "DELETE") == 0);
	claim((strcmp(method, "POST") == 0) == (request->body != NULL));
	claim(strncmp(path, "/assistants", 11) == 0);
	claim(strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			   "0123456789_-/?&=") == strlen(path));
	if (request->timeout > 0)
		next_answer(request->timeout, answer);
	else
		*answer = (struct http_answer){ .retry_after = -1, .timed_out = true };
	return 0;
}

int http_batch_open(struct http_client *c, struct http_batch **out, struct oam_error *err)
{
	(void)err;
	claim(c->open == 1);
	batch.count = 0;
	*out = &batch;
	return 0;
}

void http_batch_close(struct http_batch *b)
{
	claim(b == &batch);
}

bool http_batch_room(const struct http_batch *b)
{
	return b->count < HTTP_BATCH_MAX;
}

int http_batch_add(struct http_batch *b, const char *method, const char *path,
		   int64_t timeout, void *context, struct oam_error *err)
{
	(void)err;
	claim(http_batch_room(b));
	claim(strcmp(method, "DELETE") == 0 && strncmp(path, "/assistants/", 12) == 0);
	claim(timeout > 0);
	b->contexts[b->count++] = context;
	return 0;
}

int http_batch_wait(struct http_batch *b, int64_t timeout, struct http_answer *answer,
		    void **context, struct oam_error *err)
{
	(void)err;
	claim(timeout >= 0);
	if (b->count == 0) {
		claim(timeout > 0); /* or it would spin */
		now += timeout;
		return 0;
	}
	*context = b->contexts[--b->count];
	next_answer(1, answer);
	return 1;
}

/* ---- what became of the call ---- */

static void check_assistant(struct json_object *assistant, const char *id)
{
	struct json_object *own = json_member(assistant, "id");
	struct json_object *created_at = json_member(assistant, "created_at");

	claim(json_object_is_type(own, json_type_string));
	claim(strlen(json_object_get_string(own)) ==
	      (size_t)json_object_get_string_len(own));
	claim(assistant_id_is_valid(json_object_get_string(own)));
	claim(!id || strcmp(json_object_get_string(own), id) == 0);
	claim(json_object_is_type(created_at, json_type_int));
	claim(json_object_get_int64(created_at) >= 0);
	claim(json_object_get_int64(created_at) <= INT64_MAX / CLOCK_SECOND);
	claim(json_member_string(assistant, "model"));
}

static void check_one(int result, struct json_object *assistant, const char *id,
		      const struct oam_error *err)
{
	if (result == 0) {
		claim(err->code == OAM_OK);
		check_assistant(assistant, id);
	} else {
		claim(!assistant);
		check_error(err);
	}
	json_object_put(assistant);
}

static int visit(struct json_object *assistant, void *context, struct oam_error *err)
{
	size_t *count = context;

	(void)err;
	check_assistant(assistant, NULL);
	return ++*count == 1000;
}

static void try_list(struct upstream *upstream, int64_t limit, struct oam_error *err)
{
	const struct upstream_page page = { .limit = limit, .after = WANTED };
	size_t count = 0;

	if (upstream->each(upstream, &page, visit, &count, err))
		check_error(err);
}

static void try_find(struct upstream *upstream, struct oam_error *err)
{
	struct json_object *found;
	int result = upstream->find_nonce(upstream, NONCE, clock_now(), &found, err);

	if (result == 0 && found)
		claim(strcmp(json_member_string(json_member(found, "metadata"),
						ASSISTANT_META_NONCE),
			     NONCE) == 0);
	if (result || found)
		check_one(result, found, NULL, err);
}

/* What became of asst_a to asst_z, and how many are on their way. */
struct removals {
	int asked[26], told[26], on_their_way;
};

static int may_remove(const char *id, void *context, struct oam_error *err)
{
	struct removals *removals = context;

	(void)err;
	removals->asked[id[5] - 'a']++;
	if (id[5] % 5 == 0)
		return 0;
	claim(++removals->on_their_way <= UPSTREAM_REMOVALS_MAX);
	return 1;
}

/* One that was not begun in time is told of without being asked about. */
static void count_removed(const char *id, const struct oam_error *result, void *context)
{
	struct removals *removals = context;

	removals->told[id[5] - 'a']++;
	removals->on_their_way -= removals->asked[id[5] - 'a'];
	if (result->code)
		check_error(result);
}

static void try_remove_all(struct upstream *upstream, struct oam_error *err)
{
	struct removals removals = { 0 };
	const struct upstream_remover remover = { .may = may_remove,
						  .done = count_removed,
						  .context = &removals };
	struct json_object *ids = json_new_array(err);

	for (int c = 'a'; c <= 'z'; c++) {
		char id[] = "asst_x";

		id[5] = (char)c;
		json_append_string(ids, id, err);
	}
	claim(upstream->remove_all(upstream, ids, &remover, err) == 0);
	for (int c = 'a'; c <= 'z'; c++) {
		int i = c - 'a';

		if (removals.asked[i] && c % 5 == 0)
			claim(removals.asked[i] == 1 && removals.told[i] == 0);
		else
			claim(removals.asked[i] <= 1 && removals.told[i] == 1);
	}
	claim(removals.on_their_way == 0);
	json_object_put(ids);
}

static void try_call(struct upstream *upstream, char which)
{
	struct oam_error err = { 0 };
	struct json_object *config = json_new_object(&err), *assistant;
	int result;

	switch (which & 7) {
	case 0:
		result = upstream->create(upstream, config, &assistant, &err);
		check_one(result, assistant, NULL, &err);
		break;
	case 1:
		result = upstream->retrieve(upstream, WANTED, &assistant, &err);
		check_one(result, assistant, WANTED, &err);
		break;
	case 2:
		result = upstream->modify(upstream, WANTED, config, &assistant, &err);
		check_one(result, assistant, WANTED, &err);
		break;
	case 3:
		if (upstream->remove(upstream, WANTED, &err))
			check_error(&err);
		break;
	case 4:
		try_list(upstream, 20, &err);
		break;
	case 5:
		try_list(upstream, 0, &err);
		break;
	case 6:
		try_find(upstream, &err);
		break;
	default:
		try_remove_all(upstream, &err);
	}
	json_object_put(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char url[] = "https://assistants.example/v1";
	const struct settings settings = { .base_url = url };
	struct oam_error err = { 0 };
	struct upstream *upstream;
	char *text = copy_text(data, size), which;

	rest = text;
	rest_end = text + size;
	now = CLOCK_HOUR;
	claim(upstream_http_open(&settings, &upstream, &err) == 0);
	upstream->deadline = size % 2 ? now + 20 * CLOCK_SECOND : 0;
	which = next_byte();
	try_call(upstream, which);
	if (upstream->deadline)
		claim(now < upstream->deadline + CLOCK_SECOND);
	else if ((which & 7) != 7) /* removing many is given all the time it needs */
		claim(now < CLOCK_HOUR + 3 * CLOCK_MINUTE);
	upstream->close(upstream);
	claim(client.open == 0);
	free(text);
	return 0;
}
