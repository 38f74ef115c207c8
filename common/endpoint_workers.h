/*
 * endpoint_workers: a supervisor and its children.
 *
 * The supervisor holds no database and serves no request. It keeps `count` workers alive,
 * and at a worker's sign runs one renewal beside them, so that no request ever waits for
 * it. SIGTERM or SIGINT ends the workers after the request that each has in hand.
 *
 * When the supervisor itself is killed, one of its workers starts the program anew in its
 * place, on the same socket, and the others end. (lighttpd 1.4.69 would start no other: it
 * finds that somebody still listens, and takes that for good.) Such an heir is not the web
 * server's child; it ends when the web server is gone.
 *
 * A web server that is killed ends nobody. Where ENDPOINT_END_WITH_PARENT is in the
 * environment, the supervisor ends with its parent. The configuration of a web server that
 * starts the programs sets it; what a spawner starts, which ends at once, must not have it.
 */
#ifndef OAM_ENDPOINT_WORKERS_H
#define OAM_ENDPOINT_WORKERS_H

#include <stdbool.h>

struct workers {
	int count;
	/* What a child does; its result is the child's exit status. */
	int (*work)(void *context);
	int (*renew)(void *context);
	void *context;
};

/*
 * Holds SIGTERM and the like back until workers_run() takes them. The first call of a
 * program: libfcgi installs handlers of its own, and a signal that reached one of those
 * in the supervisor would make every later worker end at once.
 */
void workers_hold_signals(void);

/* Undoes that, libfcgi's handlers too: for a plain CGI program, which has no workers. */
void workers_release_signals(void);

/* Returns in the supervisor when all is over, with the program's exit status. */
int workers_run(const struct workers *workers);

/* In a worker: asks the supervisor for a renewal. Many signs at once are one. */
void workers_ask_for_renewal(void);

#endif
