/* endpoint_answer: from what the handler left to what goes out. Inside of endpoint*.c. */
#ifndef OAM_ENDPOINT_ANSWER_H
#define OAM_ENDPOINT_ANSWER_H

#include "endpoint_request.h"

/*
 * Builds the whole answer and sends it: `data` when `cause` is empty, else the failure.
 * Returns the HTTP status that was sent.
 */
int answer_send(struct channel *channel, const struct incoming *incoming,
		const struct oam_error *cause, struct json_object *data);

#endif
