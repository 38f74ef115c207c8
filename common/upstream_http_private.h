/* upstream_http_private: what the http upstream's own files share. */
#ifndef OAM_UPSTREAM_HTTP_PRIVATE_H
#define OAM_UPSTREAM_HTTP_PRIVATE_H

#include "clock.h"
#include "http_client.h"
#include "upstream.h"

#define CALL_MAX                (25 * CLOCK_SECOND) /* with its retries */
#define ATTEMPTS_MAX            6

#define UPSTREAM_HTTP_PATH_SIZE (ASSISTANT_ID_SIZE + 16)

struct http_upstream {
	struct upstream base; /* first: what callers hold */
	struct http_client *client;
	bool is_openai;
};

/* One call of the protocol. */
struct call {
	const char *method;
	const char *path; /* below the base URL, with its query */
	struct json_object *body;
	const char *id;  /* what a 404 is about, or NULL */
	int64_t limit;   /* ms with all retries; 0: CALL_MAX */
	size_t items;    /* the answer is a list of so many; 0: it is no list */
	bool repeatable; /* doing it twice is the same as once */
	bool uncertain;  /* set: an attempt may have been carried out */
	size_t received; /* set: bytes of the answer */
	bool too_large;  /* set: the answer was cut off */
};

/* clock_monotonic() when something that may take `limit` ms from now must be over. */
int64_t upstream_http_deadline(const struct http_upstream *u, int64_t limit);

/* Writes the path of one assistant. */
void upstream_http_path(char path[UPSTREAM_HTTP_PATH_SIZE], const char *id);

/* Turns a failed answer into the error that tells what it means. -1. */
int upstream_http_sort(const struct http_upstream *u, const struct call *call,
		       const struct http_answer *answer, struct oam_error *err);

/* True when another attempt makes sense and does no harm. */
bool upstream_http_may_retry(const struct call *call, const struct http_answer *answer);

/* What the server asks for, else half a second, doubled each time, less up to a quarter. */
int64_t upstream_http_delay(const struct http_answer *answer, int attempt);

/* Remembers in the call whether an attempt may have been carried out. */
void upstream_http_note(struct call *call, const struct http_answer *answer);

/* Makes the call until it is done, refused, or its time is up. *tree: a JSON object. */
int upstream_http_call(struct http_upstream *u, struct call *call,
		       struct json_object **tree, struct oam_error *err);

/*
 * Checks an assistant that the server answered with, before anything of it is kept, shown
 * or published. UPSTREAM_FAILED names what is wrong. Some servers count created_at in
 * milliseconds: it becomes seconds.
 */
int upstream_http_check(struct json_object *assistant, struct oam_error *err);

int upstream_http_each(struct upstream *upstream, const struct upstream_page *page,
		       upstream_visit *visit, void *context, struct oam_error *err);
/* True when the answer to a DELETE says that this assistant is deleted. */
bool upstream_http_confirms(struct json_object *answer, const char *id);

int upstream_http_remove_all(struct upstream *upstream, struct json_object *ids,
			     const struct upstream_remover *remover,
			     struct oam_error *err);

#endif
