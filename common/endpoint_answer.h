/* endpoint_answer: from what the handler writes to what goes out. Inside of endpoint*.c. */
#ifndef OAM_ENDPOINT_ANSWER_H
#define OAM_ENDPOINT_ANSWER_H

#include "endpoint_request.h"

/* What stands before and behind that which the handler writes. */
void answer_begin(const struct incoming *incoming, struct json_writer *body);
void answer_end(const struct incoming *incoming, struct json_writer *body);

/* Bytes that dialect->plain_failure() needs at most. */
#define ANSWER_PLAIN_SIZE 512

/*
 * Sends the answer: `body` when `cause` is empty, else the failure, which is written there
 * instead. Returns the HTTP status that was sent.
 */
int answer_send(struct channel *channel, const struct incoming *incoming,
		const struct oam_error *cause, struct json_writer *body);

#endif
