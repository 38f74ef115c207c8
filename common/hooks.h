/*
 * hooks: programs of the application that hear of a new assistant, as certbot's do.
 *
 * Below OAM_HOOKS_DIR, pre.d runs before an attempt to replace an assistant, deploy.d when
 * a new id is in the application's files, post.d after an attempt, good or bad. Each
 * executable runs by itself, in the byte order of the names; hidden files, those that end
 * in ~ or have .dpkg- in their name, and what is not executable are passed over.
 *
 * A hook gets a clean environment (PATH, HOME, LANG and the four variables below), no
 * input, no open files, its own session and a time limit. What it prints is read and its
 * end is logged. Nothing that can be written by everybody, or that belongs to neither us
 * nor root, is run.
 *
 * Failures are logged, and change nothing.
 */
#ifndef OAM_HOOKS_H
#define OAM_HOOKS_H

#include <stdint.h>

#include "error.h"

#define HOOKS_PRE    "pre.d"
#define HOOKS_DEPLOY "deploy.d"
#define HOOKS_POST   "post.d"

struct hook {
	const char *profile;      /* OAM_PROFILE */
	const char *assistant_id; /* OAM_ASSISTANT_ID; "" when there is none (yet) */
	const char *previous_id;  /* OAM_PREVIOUS_ASSISTANT_ID; "" when there was none */
	const char *reason;       /* OAM_REASON: initialize, api, cli, cron or expiry */
};

/*
 * Runs all hooks of a stage, each for at most `limit` ms: then it and what it started get
 * SIGTERM, and 2 s later SIGKILL. How many failed; a folder that is not there has none.
 */
int hooks_run(const char *folder, const char *stage, const struct hook *hook,
	      int64_t limit);

/* The same for a shell command. */
int hooks_run_command(const char *command, const struct hook *hook, int64_t limit);

#endif
