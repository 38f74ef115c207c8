/* endpoint_request: from CGI variables to a checked request. Inside of endpoint*.c. */
#ifndef OAM_ENDPOINT_REQUEST_H
#define OAM_ENDPOINT_REQUEST_H

#include "endpoint.h"
#include "endpoint_channel.h"
#include "token.h"

#define REQUEST_ID_SIZE   65
#define REQUEST_NAME_SIZE 27 /* of those that are made here */
#define REQUEST_PATH_SIZE 256

/* A request as it is being read: `view` is what the handler will see of it. */
struct incoming {
	const struct endpoint *endpoint; /* the first of the chain until one is found */
	struct request view;
	const char *method;           /* the channel's */
	char path[REQUEST_PATH_SIZE]; /* cut when longer */
	char allow[64]; /* the methods of the path, when none is the given */
	char request_id[REQUEST_ID_SIZE];
	bool is_head;
	char profile[PROFILE_NAME_SIZE];
};

/* What is particular to one kind of clients. */
struct dialect {
	bool has_profiles;     /* every query may name one */
	const char *header;    /* more fields of every answer, each with its line end */
	const char *text_type; /* Content-Type of a success that is text; NULL: JSON */

	/* Looks at a request beyond what is common; may be NULL. */
	int (*check)(const struct channel *, struct oam_error *);

	/* What stands around the handler's part of the body; NULL: nothing. */
	void (*begin_success)(const struct endpoint *, struct json_writer *body);
	void (*end_success)(struct json_writer *body);

	/* *status comes as the error's row has it. */
	void (*failure)(const struct incoming *, const struct oam_error *cause,
			int *status, struct json_writer *body);

	/* The body of a failure, without any memory. `message` needs no escapes. */
	void (*plain_failure)(enum oam_code, const char *message, char *text,
			      size_t size);
};

extern const struct dialect endpoint_own_dialect;

/* Of the endpoint; never NULL. */
const struct dialect *endpoint_dialect(const struct endpoint *endpoint);
const struct dialect *request_dialect(const struct incoming *incoming);

/*
 * Ids for the requests of one process: a random beginning, which no other process has, and
 * a number. To be drawn after the fork.
 */
struct request_names {
	char next[REQUEST_NAME_SIZE];
};

void request_names_draw(struct request_names *names);

/*
 * What every answer needs to know: path, method, and a name: the caller's X-Request-Id when
 * it is harmless, else a new one.
 */
void request_begin(const struct channel *channel, struct request_names *names,
		   struct incoming *incoming);

/* A CGI variable, or "". */
const char *request_param(const struct channel *channel, const char *name);

/*
 * shape_check() at the top of a query or a body. Without a shape nothing is allowed; then an
 * object that is not there is as good as an empty one.
 */
int request_check_shape(const struct shape *shape, struct json_object *object,
			struct oam_error *err);

/*
 * Reads the body that incoming->endpoint allows, and checks it: the 400 rows, 413 and 415.
 * A refused one is drained.
 */
int request_read_body(struct channel *channel, struct incoming *incoming,
		      struct oam_error *err);

/*
 * Reads and forgets a body that is refused, so that the server can finish sending it and
 * then hear the answer. A plain CGI program may read no more than CONTENT_LENGTH.
 */
void request_drain(struct channel *channel);

/*
 * After request_begin(): all checks up to the handler, and incoming->endpoint becomes the one that is meant.
 * Release with request_release() in any case.
 */
int request_read(struct token_verifier *verifier, struct channel *channel,
		 struct incoming *incoming, struct oam_error *err);
void request_release(struct incoming *incoming);

#endif
