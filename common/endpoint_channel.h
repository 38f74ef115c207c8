/*
 * endpoint_channel: one request and its answer, over FastCGI or over plain CGI.
 *
 * A FastCGI connection is given up when the web server neither sends what is missing nor
 * takes what is written for CHANNEL_SILENCE_MAX: one that hangs holds no worker for ever.
 * (A connection that is kept open after a request is given 2 s for the next.) Signals are
 * held back from the request's first byte to the answer's last: they end a process between
 * two requests.
 */
#ifndef OAM_ENDPOINT_CHANNEL_H
#define OAM_ENDPOINT_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CHANNEL_SILENCE_MAX 30 /* seconds */

struct channel;

/* True when the web server started us as a plain CGI program. */
bool channel_is_cgi(void);

/*
 * For this process alone: open it after fork(2). NULL when it cannot be opened, which does
 * not happen to a plain CGI program: its one request is there.
 */
struct channel *channel_open(void);
void channel_close(struct channel *channel);

/* Waits for a request, over FastCGI. -1 when the process should end. */
int channel_accept(struct channel *channel);

/* Ends the request: the answer is complete and sent. */
void channel_finish(struct channel *channel);

/* To be called from a signal handler: channel_accept() fails after the request in hand. */
void channel_shut_down(void);

/* A CGI variable of this request (RFC 3875, 4.1), or NULL. */
const char *channel_param(const struct channel *channel, const char *name);

/* At most `size` bytes of the body; fewer only at its end. -1 when it broke off. */
ssize_t channel_read(struct channel *channel, char *bytes, size_t size);

/* True when the body's end is known to the channel even without CONTENT_LENGTH. */
bool channel_has_end(const struct channel *channel);

int channel_write(struct channel *channel, const char *bytes, size_t size);

#endif
