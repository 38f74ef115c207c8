/*
 * http_client: one HTTPS request at a time, over libcurl, as carefully as it can be done.
 *
 * No redirects, http and https only, TLS verified, a proxy only from our own setting, the
 * time and the size of an answer bounded, connections reused. One handle belongs to one
 * process and one thread.
 */
#ifndef OAM_HTTP_CLIENT_H
#define OAM_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct http_client;

/* Bytes of an answer: four times those of the longest assistant. */
#define HTTP_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/* What became of a request. */
struct http_answer {
	/* 0: there was no answer. Then `sent` tells whether the server may have acted. */
	int status;
	bool sent; /* false: surely not; libcurl had no connection to send it over */
	bool timed_out;
	bool too_large; /* more than HTTP_ANSWER_MAX: it was cut off */
	char *body;     /* '\0' behind it; the caller frees; NULL without an answer */
	size_t length, size; /* bytes of the body, and of its memory */
	int64_t retry_after; /* ms from retry-after-ms or Retry-After; -1: not given */
	int should_retry;    /* x-should-retry: 1, 0, or -1 when not given */
	char reason[256];    /* for the log and the caller: why there was no answer */
};

/* Prepares requests below settings->base_url, with its key and headers. */
int http_client_open(const struct settings *settings, struct http_client **client,
		     struct oam_error *err);
void http_client_close(struct http_client *client);

struct http_request {
	const char *method, *path;
	const char *body; /* JSON text, or NULL */
	int64_t timeout;  /* ms; with 0 and less nothing is sent, and it has timed out */
	/*
	 * Doing it twice would do harm. libcurl sends a request again, unasked, when the
	 * server closes a kept connection without an answer: so it gets a connection of
	 * its own.
	 */
	bool once;
};

/*
 * Sends one request and waits for its answer. 0 when it was made, whatever became of it;
 * -1 (NO_MEMORY, INTERNAL) when it could not be.
 */
int http_client_request(struct http_client *client, const struct http_request *request,
			struct http_answer *answer, struct oam_error *err);

/*
 * A batch: up to HTTP_BATCH_MAX requests without a body on their way at once, over as few
 * connections as the server allows. It must be closed before its client.
 */
#define HTTP_BATCH_MAX 8

struct http_batch;

int http_batch_open(struct http_client *client, struct http_batch **batch,
		    struct oam_error *err);
void http_batch_close(struct http_batch *batch);

/*
 * Starts one more, which may be done twice; `context` comes back with its answer. Only when
 * http_batch_room(). A `timeout` of 0 and less is 1 ms.
 */
int http_batch_add(struct http_batch *batch, const char *method, const char *path,
		   int64_t timeout, void *context, struct oam_error *err);
bool http_batch_room(const struct http_batch *batch);

/*
 * Waits at most `timeout` ms for one to end: 1 with its *answer (the caller frees the
 * body) and *context, 0 when none did.
 */
int http_batch_wait(struct http_batch *batch, int64_t timeout, struct http_answer *answer,
		    void **context, struct oam_error *err);

#endif
