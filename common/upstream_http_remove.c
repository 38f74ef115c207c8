/*
 * Removing many assistants, up to HTTP_BATCH_MAX at once.
 *
 * Each has its own retries, and keeps its place among those few meanwhile: what was found
 * right before its first attempt holds until its fate is known. A server that asks for a
 * pause (429) gets it from all of them; one that has failed several in a row is asked once
 * for each of the others. After upstream->deadline nothing more is started: what is left
 * is told as timed out, and the next cleanup takes it up.
 */
#include <stdlib.h>
#include <string.h>

#include "upstream_http_private.h"

_Static_assert(HTTP_BATCH_MAX <= UPSTREAM_REMOVALS_MAX, "more removals than is promised");

/* One removal that has begun. */
struct removal {
	const char *id;
	char path[UPSTREAM_HTTP_PATH_SIZE];
	struct call call;
	int attempt;
	int64_t not_before; /* clock_monotonic() */
	enum { FREE, WAITING, RUNNING } state;
};

struct removals {
	struct http_upstream *u;
	struct http_batch *batch;
	const struct upstream_remover *remover;
	struct json_object *ids;
	size_t count, next; /* of the ids; the next one to begin with */
	struct removal begun[HTTP_BATCH_MAX];
	size_t failed_in_a_row;
	int64_t pause_until; /* clock_monotonic() */
};

static void tell(struct removals *r, const char *id, const struct oam_error *result)
{
	r->remover->done(id, result, r->remover->context);
}

static void end(struct removals *r, struct removal *removal, const struct oam_error *err)
{
	removal->state = FREE;
	if (error_result(err) && error_is_transient(err->code))
		r->failed_in_a_row++;
	else
		r->failed_in_a_row = 0;
	tell(r, removal->id, err);
}

/* The id that comes next and may be removed; NULL when there is none, or on an error. */
static const char *next_id(struct removals *r, struct oam_error *err)
{
	while (r->next < r->count) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(r->ids, r->next++));
		int may = r->remover->may(id, r->remover->context, err);

		if (may)
			return may < 0 ? NULL : id;
	}
	return NULL;
}

/* Makes the next removal ready to start. False when there is none, or on an error. */
static bool begin(struct removals *r, struct removal *removal, struct oam_error *err)
{
	const char *id = next_id(r, err);

	if (!id)
		return false;
	*removal = (struct removal){ .id = id, .state = WAITING };
	removal->call = (struct call){ .id = id, .repeatable = true };
	upstream_http_path(removal->path, id);
	return true;
}

/* The time is up: tells of all that wait and all that has not begun. */
static void give_up(struct removals *r)
{
	struct oam_error late = { 0 };

	error_set(&late, UPSTREAM_TIMEOUT, NULL);
	for (size_t i = 0; i < HTTP_BATCH_MAX; i++)
		if (r->begun[i].state == WAITING)
			end(r, &r->begun[i], &late);
	while (r->next < r->count)
		tell(r,
		     json_object_get_string(json_object_array_get_idx(r->ids, r->next++)),
		     &late);
}

/* Starts what may start. */
static int start_some(struct removals *r, struct oam_error *err)
{
	int64_t now = clock_monotonic();
	int64_t deadline = upstream_http_deadline(r->u, CALL_MAX);

	if (now >= deadline) {
		give_up(r);
		return 0;
	}
	for (size_t i = 0; r->pause_until <= now && i < HTTP_BATCH_MAX; i++) {
		struct removal *removal = &r->begun[i];

		if (removal->state == FREE && !begin(r, removal, err))
			continue;
		if (removal->state == RUNNING || removal->not_before > now)
			continue;
		if (http_batch_add(r->batch, "DELETE", removal->path, deadline - now,
				   removal, err))
			return -1;
		removal->state = RUNNING;
	}
	return error_result(err);
}

/* Until the next one may start, but never long: the deadline has to be seen. */
static int64_t time_to_wait(const struct removals *r)
{
	int64_t now = clock_monotonic(), until = now + CLOCK_SECOND;

	for (size_t i = 0; i < HTTP_BATCH_MAX; i++) {
		const struct removal *removal = &r->begun[i];
		int64_t ready = removal->state == FREE ? 0 : removal->not_before;

		if (removal->state == RUNNING ||
		    (removal->state == FREE && r->next == r->count))
			continue;
		if (ready < r->pause_until)
			ready = r->pause_until;
		if (ready < until)
			until = ready;
	}
	return until > now ? until - now : 0;
}

static bool is_over(const struct removals *r)
{
	for (size_t i = 0; i < HTTP_BATCH_MAX; i++)
		if (r->begun[i].state != FREE)
			return false;
	return r->next == r->count;
}

static bool confirms_deletion(const struct http_answer *answer, const char *id)
{
	struct oam_error ignored = { 0 };
	struct json_object *tree = NULL;
	bool confirmed = answer->body &&
			 json_read(answer->body, answer->length, &tree, &ignored) == 0 &&
			 upstream_http_confirms(tree, id);

	json_object_put(tree);
	return confirmed;
}

static void judge(struct removals *r, struct removal *removal,
		  const struct http_answer *answer)
{
	int64_t now = clock_monotonic();
	struct oam_error err = { 0 };

	if (answer->status >= 200 && answer->status < 300) {
		if (!confirms_deletion(answer, removal->id))
			error_set(&err, UPSTREAM_FAILED, NULL,
				  "it did not confirm the deletion");
		end(r, removal, &err);
		return;
	}
	if (upstream_http_may_retry(&removal->call, answer) &&
	    removal->attempt + 1 < ATTEMPTS_MAX &&
	    (answer->status == 429 || r->failed_in_a_row < HTTP_BATCH_MAX)) {
		removal->not_before = now + upstream_http_delay(answer, removal->attempt);
		if (answer->status == 429 && removal->not_before > r->pause_until)
			r->pause_until = removal->not_before;
		upstream_http_note(&removal->call, answer);
		removal->attempt++;
		removal->state = WAITING;
		return;
	}
	upstream_http_sort(r->u, &removal->call, answer, &err);
	if (err.code == OAM_E_ASSISTANT_NOT_FOUND && removal->call.uncertain)
		err = (struct oam_error){ 0 }; /* the lost attempt did it */
	end(r, removal, &err);
}

static int run(struct removals *r, struct oam_error *err)
{
	while (!is_over(r)) {
		struct http_answer answer;
		void *context;
		int ended;

		if (start_some(r, err))
			return -1;
		if (is_over(r))
			break;
		ended = http_batch_wait(r->batch, time_to_wait(r), &answer, &context,
					err);
		if (ended < 0)
			return -1;
		if (ended) {
			judge(r, context, &answer);
			free(answer.body);
		}
	}
	return 0;
}

int upstream_http_remove_all(struct upstream *upstream, struct json_object *ids,
			     const struct upstream_remover *remover,
			     struct oam_error *err)
{
	struct removals r = { .u = (struct http_upstream *)upstream,
			      .remover = remover,
			      .ids = ids,
			      .count = json_object_array_length(ids) };

	if (r.count == 0)
		return 0;
	if (http_batch_open(r.u->client, &r.batch, err) == 0)
		run(&r, err);
	http_batch_close(r.batch);
	return error_result(err);
}
