/*
 * The http upstream: any server that speaks the Assistants v2 protocol.
 *
 * An answer is believed only when it has the right shape. A failure is sorted by what it
 * tells of the request: refused, not there, not done, or nobody knows. What was surely
 * not done is tried again, as the official SDK does it, until the time of the call is up;
 * what may have been done is tried again only where doing it twice is the same as once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "upstream_http_private.h"

#define RETRY_FIRST     INT64_C(500)
#define RETRY_MAX       (8 * CLOCK_SECOND)
#define RETRY_AFTER_MAX CLOCK_MINUTE /* the SDK takes a longer one for nonsense */
#define CREATE_MAX      (15 * CLOCK_SECOND)
#define SKEW_MAX        CLOCK_HOUR /* how far the server's clock may be from ours */

/* ---- sorting failures ---- */

/*
 * True when a request without a success may have been carried out all the same: 303 (See
 * Other) is what some answer after a POST, and 1xx is the beginning of an answer (RFC 9110,
 * 15.2 and 15.4.4).
 */
static bool is_undecided(const struct http_answer *answer)
{
	if (answer->status == 0)
		return answer->sent;
	return answer->status < 200 || answer->status == 303 || answer->status >= 500;
}

static void copy_member(struct json_object *envelope, const char *name, char *to,
			size_t size)
{
	const char *text = json_member_string(envelope, name);

	if (text)
		error_copy(to, size, text);
}

/* The error envelope of the answer, borrowed from *tree; NULL when there is none. */
static struct json_object *read_envelope(const struct http_answer *answer,
					 struct json_object **tree)
{
	struct oam_error ignored = { 0 };

	*tree = NULL;
	if (!answer->body || json_read(answer->body, answer->length, tree, &ignored))
		return NULL;
	struct json_object *envelope = json_member(*tree, "error");

	return json_object_is_type(envelope, json_type_object) ? envelope : NULL;
}

static int not_found(const struct http_upstream *u, const struct call *call,
		     bool has_envelope, struct oam_error *err)
{
	if (u->is_openai)
		return error_set(err, UPSTREAM_SWITCHED_OFF, NULL);
	if (!call->id || !has_envelope)
		return error_set(err, UPSTREAM_NO_PROTOCOL, NULL);
	return error_set(err, ASSISTANT_NOT_FOUND, NULL, call->id);
}

static int sort_status(const struct http_upstream *u, const struct call *call,
		       const struct http_answer *answer, bool has_envelope,
		       struct oam_error *err)
{
	char text[32];

	snprintf(text, sizeof(text), "HTTP status %d", answer->status);
	switch (answer->status) {
	case 400:
	case 413:
	case 415:
	case 422:
		return error_set(err, UPSTREAM_REFUSED, NULL, answer->status);
	case 401:
		return error_set(err, UPSTREAM_UNAUTHORIZED, NULL);
	case 403:
		return error_set(err, UPSTREAM_FORBIDDEN, NULL);
	case 404:
		return not_found(u, call, has_envelope, err);
	case 429:
		return error_set(err, UPSTREAM_RATE_LIMITED, NULL);
	case 408:
	case 409:
		return error_set(err, UPSTREAM_FAILED, NULL, text);
	default:
		if (is_undecided(answer) && !call->repeatable)
			return error_set(err, UPSTREAM_AMBIGUOUS, NULL, text);
		return error_set(err, UPSTREAM_FAILED, NULL, text);
	}
}

int upstream_http_sort(const struct http_upstream *u, const struct call *call,
		       const struct http_answer *answer, struct oam_error *err)
{
	struct json_object *tree, *envelope;

	if (answer->status == 0) {
		if (is_undecided(answer) && !call->repeatable)
			return error_set(err, UPSTREAM_AMBIGUOUS, NULL, answer->reason);
		if (answer->timed_out)
			return error_set(err, UPSTREAM_TIMEOUT, NULL);
		return error_set(err, UPSTREAM_FAILED, NULL, answer->reason);
	}
	envelope = read_envelope(answer, &tree);
	err->upstream.status = answer->status;
	copy_member(envelope, "type", err->upstream.type, sizeof(err->upstream.type));
	copy_member(envelope, "code", err->upstream.code, sizeof(err->upstream.code));
	copy_member(envelope, "param", err->upstream.param, sizeof(err->upstream.param));
	if (answer->status != 401) /* there it may quote a part of the key */
		copy_member(envelope, "message", err->upstream.message,
			    sizeof(err->upstream.message));
	sort_status(u, call, answer, envelope != NULL, err);
	json_object_put(tree);
	return -1;
}

/* ---- calls with their retries ---- */

bool upstream_http_may_retry(const struct call *call, const struct http_answer *answer)
{
	bool transient = answer->status == 408 || answer->status == 409 ||
			 answer->status == 429;

	if (answer->too_large) /* it would be so again */
		return false;
	if (answer->status == 0)
		return !answer->sent || call->repeatable;
	if (answer->should_retry == 0)
		return false;
	if (answer->status >= 500)
		return call->repeatable;
	return transient || (answer->should_retry == 1 && call->repeatable);
}

int64_t upstream_http_delay(const struct http_answer *answer, int attempt)
{
	int64_t delay = RETRY_FIRST << attempt;

	if (answer->retry_after >= 0 && answer->retry_after <= RETRY_AFTER_MAX)
		return answer->retry_after;
	if (delay > RETRY_MAX)
		delay = RETRY_MAX;
	return delay - arc4random_uniform((uint32_t)delay / 4);
}

void upstream_http_note(struct call *call, const struct http_answer *answer)
{
	if (is_undecided(answer))
		call->uncertain = true;
}

static bool is_success(const struct http_answer *answer)
{
	return answer->status >= 200 && answer->status < 300;
}

/* The answer's JSON object. A server that did it but garbles its answer: nobody knows. */
static int read_answer(const struct call *call, const struct http_answer *answer,
		       struct json_object **tree, struct oam_error *err)
{
	struct oam_error cause = { 0 };

	if (answer->body && call->items)
		json_read_list(answer->body, answer->length, call->items, tree, &cause);
	else if (answer->body)
		json_read(answer->body, answer->length, tree, &cause);
	if (json_object_is_type(*tree, json_type_object))
		return 0;
	json_object_put(*tree);
	*tree = NULL;
	if (!call->repeatable)
		return error_set(err, UPSTREAM_AMBIGUOUS, NULL,
				 "its answer is not a JSON object");
	return error_set(err, UPSTREAM_FAILED, NULL, "its answer is not a JSON object");
}

int64_t upstream_http_deadline(const struct http_upstream *u, int64_t limit)
{
	int64_t own = clock_monotonic() + limit;

	return u->base.deadline && u->base.deadline < own ? u->base.deadline : own;
}

int upstream_http_call(struct http_upstream *u, struct call *call,
		       struct json_object **tree, struct oam_error *err)
{
	const char *body = call->body ? json_text(call->body) : NULL;
	int64_t deadline = upstream_http_deadline(u,
						  call->limit ? call->limit : CALL_MAX);

	*tree = NULL;
	if (call->body && !body)
		return error_set(err, NO_MEMORY, NULL);
	for (int attempt = 0;; attempt++) {
		struct http_request request = { .method = call->method,
						.path = call->path,
						.body = body,
						.timeout = deadline - clock_monotonic(),
						.once = !call->repeatable };
		struct http_answer answer;
		int64_t left, delay;
		bool done;

		if (http_client_request(u->client, &request, &answer, err))
			return -1;
		done = is_success(&answer);
		if (done)
			read_answer(call, &answer, tree, err);
		delay = upstream_http_delay(&answer, attempt);
		left = deadline - clock_monotonic() - delay;
		if (!done && (!upstream_http_may_retry(call, &answer) ||
			      attempt + 1 >= ATTEMPTS_MAX || left < CLOCK_SECOND)) {
			upstream_http_sort(u, call, &answer, err);
			done = true;
		}
		upstream_http_note(call, &answer);
		call->received = answer.length;
		call->too_large = answer.too_large;
		free(answer.body);
		if (done)
			return error_result(err);
		clock_sleep(delay);
	}
}

/* ---- answers ---- */

/* Which assistant of the answer is wrong, and in what. */
static int refuse_assistant(struct json_object *assistant, const struct oam_error *wrong,
			    struct oam_error *err)
{
	const char *id = json_member_string(assistant, "id");
	size_t length = strlen(wrong->message);
	char text[OAM_MESSAGE_MAX];

	if (wrong->code == OAM_E_NO_MEMORY)
		return error_set(err, NO_MEMORY, NULL);
	snprintf(text, sizeof(text), "%s in its answer is not valid: %.*s",
		 id && assistant_id_is_valid(id) ? id : "an assistant",
		 (int)(length ? length - 1 : 0), wrong->message); /* ends with a stop */
	return error_set(err, UPSTREAM_FAILED, NULL, text);
}

int upstream_http_check(struct json_object *assistant, struct oam_error *err)
{
	struct oam_error wrong = { 0 };
	int64_t seconds;

	if (assistant_check_received(assistant, &wrong))
		return refuse_assistant(assistant, &wrong, err);
	seconds = json_object_get_int64(json_member(assistant, "created_at"));
	if (seconds > INT64_C(100000000000))
		return json_put_integer(assistant, "created_at", seconds / CLOCK_SECOND,
					err);
	return 0;
}

/* Makes a call that answers with one assistant; `id` NULL: any. */
static int call_for_assistant(struct http_upstream *u, struct call *call, const char *id,
			      struct json_object **assistant, struct oam_error *err)
{
	struct oam_error wrong = { 0 };

	if (upstream_http_call(u, call, assistant, err))
		return -1;
	if (upstream_http_check(*assistant, &wrong) == 0 && id &&
	    strcmp(json_member_string(*assistant, "id"), id) != 0)
		error_set(&wrong, UPSTREAM_FAILED, NULL,
			  "it answered with another assistant than was asked for");
	if (error_result(&wrong) == 0)
		return 0;
	json_object_put(*assistant);
	*assistant = NULL;
	if (!call->repeatable)
		return error_set(err, UPSTREAM_AMBIGUOUS, NULL, wrong.message);
	*err = wrong;
	return -1;
}

static struct http_upstream *http_of(struct upstream *upstream)
{
	return (struct http_upstream *)upstream;
}

void upstream_http_path(char path[UPSTREAM_HTTP_PATH_SIZE], const char *id)
{
	snprintf(path, UPSTREAM_HTTP_PATH_SIZE, "/assistants/%s", id);
}

static int http_retrieve(struct upstream *upstream, const char *id,
			 struct json_object **assistant, struct oam_error *err)
{
	char path[UPSTREAM_HTTP_PATH_SIZE];
	struct call call = {
		.method = "GET", .path = path, .id = id, .repeatable = true
	};

	upstream_http_path(path, id);
	return call_for_assistant(http_of(upstream), &call, id, assistant, err);
}

static int http_modify(struct upstream *upstream, const char *id,
		       struct json_object *changes, struct json_object **assistant,
		       struct oam_error *err)
{
	char path[UPSTREAM_HTTP_PATH_SIZE];
	struct call call = { .method = "POST",
			     .path = path,
			     .body = changes,
			     .id = id,
			     .repeatable = true };

	upstream_http_path(path, id);
	return call_for_assistant(http_of(upstream), &call, id, assistant, err);
}

bool upstream_http_confirms(struct json_object *answer, const char *id)
{
	struct json_object *deleted = json_member(answer, "deleted");
	const char *told = json_member_string(answer, "id");

	return json_object_is_type(deleted, json_type_boolean) &&
	       json_object_get_boolean(deleted) && (!told || strcmp(told, id) == 0);
}

static int http_remove(struct upstream *upstream, const char *id, struct oam_error *err)
{
	char path[UPSTREAM_HTTP_PATH_SIZE];
	struct call call = {
		.method = "DELETE", .path = path, .id = id, .repeatable = true
	};
	struct oam_error cause = { 0 };
	struct json_object *answer;

	upstream_http_path(path, id);
	if (upstream_http_call(http_of(upstream), &call, &answer, &cause)) {
		/* Gone after an attempt whose answer was lost: that attempt did it. */
		if (cause.code == OAM_E_ASSISTANT_NOT_FOUND && call.uncertain)
			return 0;
		*err = cause;
		return -1;
	}
	if (!upstream_http_confirms(answer, id))
		error_set(err, UPSTREAM_FAILED, NULL, "it did not confirm the deletion");
	json_object_put(answer);
	return error_result(err);
}

/* ---- creation ---- */

struct search {
	const char *nonce;
	int64_t since; /* ms: older assistants cannot be the one */
	struct json_object *found;
};

static bool has_nonce(struct json_object *assistant, const char *nonce)
{
	const char *its = json_member_string(json_member(assistant, "metadata"),
					     ASSISTANT_META_NONCE);

	return its && strcmp(its, nonce) == 0;
}

static int match_nonce(struct json_object *assistant, void *context,
		       struct oam_error *err)
{
	struct search *search = context;
	int64_t created_at = json_object_get_int64(json_member(assistant, "created_at"));

	(void)err;
	if (has_nonce(assistant, search->nonce)) {
		search->found = json_object_get(assistant);
		return 1;
	}
	return created_at * CLOCK_SECOND < search->since - SKEW_MAX;
}

/*
 * Somebody else's need not be valid for us to find ours. That ours is not there, though,
 * would be a lie: then another one would be made, again and again.
 */
static int pass_over(struct json_object *assistant, void *context, struct oam_error *err)
{
	const struct search *search = context;

	if (has_nonce(assistant, search->nonce))
		return upstream_http_check(assistant, err);
	return 0;
}

static int http_find_nonce(struct upstream *upstream, const char *nonce, int64_t since,
			   struct json_object **assistant, struct oam_error *err)
{
	const struct upstream_page everything = { .invalid = pass_over };
	struct search search = { .nonce = nonce, .since = since };

	*assistant = NULL;
	if (upstream_http_each(upstream, &everything, match_nonce, &search, err)) {
		json_object_put(search.found);
		return -1;
	}
	*assistant = search.found;
	return 0;
}

static int http_create(struct upstream *upstream, struct json_object *config,
		       struct json_object **assistant, struct oam_error *err)
{
	struct call call = { .method = "POST",
			     .path = "/assistants",
			     .body = config,
			     .limit = CREATE_MAX };

	return call_for_assistant(http_of(upstream), &call, NULL, assistant, err);
}

/* ---- opening ---- */

static void http_close(struct upstream *upstream)
{
	struct http_upstream *u = http_of(upstream);

	http_client_close(u->client);
	free(u);
}

static bool is_openai(const char *url)
{
	const char *host = strstr(url, "://api.openai.com");

	return host && strchr("/:", host[strlen("://api.openai.com")]); /* or '\0' */
}

int upstream_http_open(const struct settings *settings, struct upstream **upstream,
		       struct oam_error *err)
{
	struct http_upstream *u = calloc(1, sizeof(*u));

	*upstream = NULL;
	if (!u)
		return error_set(err, NO_MEMORY, NULL);
	u->base = (struct upstream){
		.name = settings->base_url,
		.create = http_create,
		.retrieve = http_retrieve,
		.modify = http_modify,
		.remove = http_remove,
		.remove_all = upstream_http_remove_all,
		.each = upstream_http_each,
		.find_nonce = http_find_nonce,
		.close = http_close,
	};
	u->is_openai = is_openai(settings->base_url);
	if (http_client_open(settings, &u->client, err)) {
		free(u);
		return -1;
	}
	*upstream = &u->base;
	return 0;
}
