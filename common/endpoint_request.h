/* endpoint_request: from CGI variables to a checked request. Inside of endpoint*.c. */
#ifndef OAM_ENDPOINT_REQUEST_H
#define OAM_ENDPOINT_REQUEST_H

#include "endpoint.h"
#include "endpoint_channel.h"
#include "token.h"

#define REQUEST_ID_SIZE 65

/* A request as it is being read: `view` is what the handler will see of it. */
struct incoming {
	struct request view;
	char request_id[REQUEST_ID_SIZE];
	bool is_head;
	char id[ASSISTANT_ID_SIZE];
	char profile[PROFILE_NAME_SIZE];
};

/* The caller's X-Request-Id when it is harmless, else a new one. */
void request_name(const struct channel *channel, struct incoming *incoming);

/* All checks up to the handler. Release with request_release() in any case. */
int request_read(const struct endpoint *endpoint, const struct token_verifier *verifier,
		 struct channel *channel, struct incoming *incoming,
		 struct oam_error *err);
void request_release(struct incoming *incoming);

#endif
