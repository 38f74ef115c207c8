/*
 * endpoint: everything that the small programs in cgi/ have in common.
 *
 * A program fills a `struct endpoint`, or a chain of them when it answers more than one
 * method or path, and calls endpoint_main(). That runs as FastCGI
 * (a supervisor with OAM_WORKERS workers on the socket at descriptor 0) or as plain CGI
 * (RFC 3875), whichever the web server does. Each request is checked in this order:
 * token, path, method, right to manage, query, body; then the handler is called once.
 * The answer is built whole before its first byte is sent.
 */
#ifndef OAM_ENDPOINT_H
#define OAM_ENDPOINT_H

#include "json_writer.h"
#include "service.h"
#include "shape.h"

#define ENDPOINT_BASE     "/api/openai-assistant/"
#define ENDPOINT_BODY_MAX ((size_t)1024 * 1024) /* bytes */

/* What a handler gets. All of it is borrowed, and checked against the tables below. */
struct request {
	const char *profile;
	const char *id; /* the path's last part, or NULL */
	/* Objects, or NULL where the endpoint allows nothing. */
	struct json_object *query; /* numbers are numbers already */
	struct json_object *body;
};

struct dialect;

struct endpoint {
	const char *name;   /* the path below ENDPOINT_BASE, and the program's name */
	const char *path;   /* the path when it is another; NULL: as above */
	const char *method; /* GET answers HEAD too */
	enum { ENDPOINT_NO_ID, ENDPOINT_OPTIONAL_ID, ENDPOINT_ID } id;
	const struct shape *query; /* what is allowed besides `profile`; NULL: nothing */
	const struct shape *body;  /* what is allowed; NULL: nothing */
	size_t body_max;           /* bytes; 0: ENDPOINT_BODY_MAX */
	const char *message;       /* of a success */

	/* service_open, or service_open_store for one that never asks the upstream. */
	int (*open)(const struct settings *, struct service **, struct oam_error *);

	/* Writes the members of the answer's `data`. They are thrown away when it fails. */
	int (*handle)(struct service *, const struct request *, struct json_writer *data,
		      struct oam_error *);

	const struct dialect *dialect; /* of the answers; NULL: our own envelope */
	const struct endpoint *next;   /* of the same program and dialect, or NULL */
};

/* What OpenAI's clients expect: `data` is the whole body; no profiles. */
extern const struct dialect endpoint_openai_dialect;

/* Prometheus' text format: the handler writes the whole body; no profiles. */
extern const struct dialect endpoint_metrics_dialect;

/* Runs the program; its result is main()'s. The chain must be static. */
int endpoint_main(const struct endpoint *endpoint);

/* For handlers: writes all members of `object`, which it releases. Always 0. */
int endpoint_data(struct json_writer *data, struct json_object *object);

#endif
