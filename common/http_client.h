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

/* What became of a request. */
struct http_answer {
	/* 0: there was no answer. Then `sent` tells whether the server may have acted. */
	int status;
	bool sent;
	bool timed_out;
	char *body; /* '\0' behind it; the caller frees; NULL without an answer */
	size_t length;
	int64_t retry_after; /* ms from retry-after-ms or Retry-After; -1: not given */
	int should_retry;    /* x-should-retry: 1, 0, or -1 when not given */
	char reason[256];    /* for the log and the caller: why there was no answer */
};

/* Prepares requests below settings->base_url, with its key and headers. */
int http_client_open(const struct settings *settings, struct http_client **client,
		     struct oam_error *err);
void http_client_close(struct http_client *client);

/*
 * Sends one request and waits at most `timeout` ms. `body` is JSON text or NULL. 0 when
 * the request was made, whatever became of it; -1 (NO_MEMORY, INTERNAL) when it could not
 * be.
 */
int http_client_request(struct http_client *client, const char *method, const char *path,
			const char *body, int64_t timeout, struct http_answer *answer,
			struct oam_error *err);

#endif
