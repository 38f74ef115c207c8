/*
 * Removing many assistants, up to HTTP_BATCH_MAX at once.
 *
 * Each has its own retries. A server that asks for a pause (429) gets it from all of them.
 * After upstream->deadline nothing more is started: what is left is told as timed out, and
 * the next cleanup takes it up.
 */
#include <stdlib.h>
#include <string.h>

#include "upstream_http_private.h"

/* One removal on its way. */
struct removal {
	const char *id;
	char path[UPSTREAM_HTTP_PATH_SIZE];
	struct call call;
	int attempt;
	int64_t not_before; /* clock_monotonic() */
	enum { WAITING, RUNNING, ENDED } state;
};

struct removals {
	struct http_upstream *u;
	struct http_batch *batch;
	struct removal *all;
	size_t count, ended;
	int64_t pause_until; /* clock_monotonic() */
	upstream_removed *done;
	void *context;
};

static void end(struct removals *r, struct removal *removal, const struct oam_error *err)
{
	removal->state = ENDED;
	r->ended++;
	r->done(removal->id, err, r->context);
}

/* Starts what may start; tells of what cannot any more. */
static int start_some(struct removals *r, struct oam_error *err)
{
	int64_t now = clock_monotonic();
	int64_t deadline = upstream_http_deadline(r->u, CALL_MAX);

	for (size_t i = 0; i < r->count; i++) {
		struct removal *removal = &r->all[i];
		struct oam_error late = { 0 };

		if (removal->state != WAITING)
			continue;
		if (now >= deadline) {
			error_set(&late, UPSTREAM_TIMEOUT, NULL);
			end(r, removal, &late);
			continue;
		}
		if (removal->not_before > now || r->pause_until > now)
			continue;
		if (!http_batch_room(r->batch))
			return 0;
		if (http_batch_add(r->batch, "DELETE", removal->path, deadline - now,
				   removal, err))
			return -1;
		removal->state = RUNNING;
	}
	return 0;
}

/* Until the next one may start, but never long: the deadline has to be seen. */
static int64_t time_to_wait(const struct removals *r)
{
	int64_t now = clock_monotonic(), until = now + CLOCK_SECOND;

	for (size_t i = 0; http_batch_room(r->batch) && i < r->count; i++) {
		int64_t ready = r->all[i].not_before;

		if (ready < r->pause_until)
			ready = r->pause_until;
		if (r->all[i].state == WAITING && ready < until)
			until = ready;
	}
	return until > now ? until - now : 0;
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
	    removal->attempt + 1 < ATTEMPTS_MAX) {
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
	while (r->ended < r->count) {
		struct http_answer answer;
		void *context;
		int ended;

		if (start_some(r, err))
			return -1;
		if (r->ended == r->count)
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
			     upstream_removed *done, void *context, struct oam_error *err)
{
	struct removals r = { .u = (struct http_upstream *)upstream,
			      .count = json_object_array_length(ids),
			      .done = done,
			      .context = context };

	if (r.count == 0)
		return 0;
	r.all = calloc(r.count, sizeof(*r.all));
	if (!r.all)
		return error_set(err, NO_MEMORY, NULL);
	for (size_t i = 0; i < r.count; i++) {
		struct removal *removal = &r.all[i];

		removal->id = json_object_get_string(json_object_array_get_idx(ids, i));
		upstream_http_path(removal->path, removal->id);
		removal->call = (struct call){ .id = removal->id, .repeatable = true };
	}
	if (http_batch_open(r.u->client, &r.batch, err) == 0)
		run(&r, err);
	http_batch_close(r.batch);
	free(r.all);
	return error_result(err);
}
