/*
 * upstream: a server of assistants, behind one interface.
 *
 * The embedded upstream keeps them in our own store. Errors sort themselves by their code:
 *
 *	ASSISTANT_NOT_FOUND	the server confirms that there is none: the id is invalid
 *	UPSTREAM_AMBIGUOUS	it may have been done: look for the nonce before another try
 *	error_is_transient()	it was not done; the same call may work later
 *	anything else		it was not done and will not work unchanged
 *
 * One caller at a time; open it after fork(2).
 */
#ifndef OAM_UPSTREAM_H
#define OAM_UPSTREAM_H

#include "settings.h"
#include "store.h"

#define UPSTREAM_EMBEDDED "embedded"

/* Hears of one assistant, which it may not keep. 0: go on, 1: enough, -1: it failed. */
typedef int upstream_visit(struct json_object *assistant, void *context,
			   struct oam_error *);

/* Which part of the list. Ids are NULL when not given. */
struct upstream_page {
	int64_t limit; /* 0: everything, however many pages it takes */
	bool ascending;
	const char *after, *before;

	/*
	 * Hears, when everything is asked for, of each element that is no valid assistant.
	 * NULL: one that is not valid makes the whole fail. The embedded upstream has none.
	 */
	upstream_visit *invalid;
};

/* Whoever wants many assistants removed. */
struct upstream_remover {
	/*
	 * Is asked of each as late as can be. 1: remove it, 0: leave it, -1: break off. The
	 * embedded upstream asks within the transaction that removes it; over HTTP it is
	 * asked before the request is sent, and what it finds has to hold until done().
	 */
	int (*may)(const char *id, void *context, struct oam_error *);
	/* Hears of each that was to be removed: OAM_OK when it went. */
	void (*done)(const char *id, const struct oam_error *result, void *context);
	void *context;
};

/* Over HTTP, how many removals at most have begun and are not done. */
#define UPSTREAM_REMOVALS_MAX 8

struct upstream {
	/* What the `upstream` column of the store says: 'embedded' or the base URL. */
	const char *name;
	struct store *store; /* of the embedded one */

	/* clock_monotonic() by which every call must be over; 0: each has its own time. */
	int64_t deadline;

	/* In and out are assistant objects of the protocol. The caller releases them. */
	int (*create)(struct upstream *, struct json_object *config,
		      struct json_object **assistant, struct oam_error *);
	int (*retrieve)(struct upstream *, const char *id, struct json_object **assistant,
			struct oam_error *);
	int (*modify)(struct upstream *, const char *id, struct json_object *changes,
		      struct json_object **assistant, struct oam_error *);
	int (*remove)(struct upstream *, const char *id, struct oam_error *);

	/*
	 * Removes the ids of a JSON array, several at once where that helps. -1 when the
	 * work itself broke off; ids that were not told of are then undecided.
	 */
	int (*remove_all)(struct upstream *, struct json_object *ids,
			  const struct upstream_remover *, struct oam_error *);

	/*
	 * Visits each assistant of the page, and holds no more than some of them in memory.
	 * A visit may use the store, which no query keeps locked meanwhile.
	 */
	int (*each)(struct upstream *, const struct upstream_page *,
		    upstream_visit *visit, void *context, struct oam_error *);

	/*
	 * The one whose metadata oam_nonce is `nonce`, created at `since` (ms) or later;
	 * NULL, and no error, when there is none.
	 */
	int (*find_nonce)(struct upstream *, const char *nonce, int64_t since,
			  struct json_object **assistant, struct oam_error *);

	void (*close)(struct upstream *);
};

/* The assistants of our own store, which must stay open as long as *upstream is used. */
int upstream_embedded_open(struct store *store, struct upstream **upstream,
			   struct oam_error *err);

/*
 * The server at settings->base_url. A call takes 25 s at most, with its retries, a creation
 * 15 s, so that there is time to look for what came of it; upstream->deadline may allow
 * less. What the server said of a failure is in err->upstream.
 */
int upstream_http_open(const struct settings *settings, struct upstream **upstream,
		       struct oam_error *err);

#endif
