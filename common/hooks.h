/*
 * hooks: programs of the application that hear of a new assistant, as certbot's do.
 *
 * Below OAM_HOOKS_DIR, pre.d runs before an attempt to replace an assistant, deploy.d when
 * a new id is in the application's files, post.d after an attempt, good or bad, and after
 * one to write the files that failed. Each file runs by itself, in the byte order of the
 * names. As with certbot a name may have any characters; hidden files, README and what
 * editors and packages leave behind (x~, x.bak, x.dpkg-old …) are ignored, and folders,
 * too. A file that is not executable is not ignored: it is a hook that fails.
 *
 * A hook gets a clean environment (PATH, HOME, LANG and the five variables below), no
 * input, no open files, its own session and a time limit. What it prints is read and its
 * end is logged. Nothing that can be written by everybody, or that belongs to neither us
 * nor root, is run.
 *
 * A failure stops neither the other hooks nor the rotation. The caller hears of it.
 */
#ifndef OAM_HOOKS_H
#define OAM_HOOKS_H

#include <stdint.h>

#include "json.h"

#define HOOKS_PRE     "pre.d"
#define HOOKS_DEPLOY  "deploy.d"
#define HOOKS_POST    "post.d"
#define HOOKS_COMMAND "command" /* in the store: oam refresh --deploy-hook */

struct hook {
	const char *profile;      /* OAM_PROFILE */
	const char *assistant_id; /* OAM_ASSISTANT_ID; "" when there is none (yet) */
	const char *previous_id;  /* OAM_PREVIOUS_ASSISTANT_ID; "" when there was none */
	const char *reason;       /* OAM_REASON: initialize, api, cli, cron or expiry */
	const char *error;        /* OAM_ERROR: what failed; NULL: nothing did */
};

/* What is to run, and what came of it. */
struct hooks_stage {
	const char *folder;       /* OAM_HOOKS_DIR */
	const char *name;         /* HOOKS_PRE … */
	int64_t limit;            /* ms for each hook; then it and what it started get
				     SIGTERM, and 2 s later SIGKILL */
	struct json_object *only; /* names of those to run, as in `failed`;
				     NULL, or "" among them: all */

	/*
	 * The caller's array, or NULL. Each that failed is added as {name, error}: the
	 * file, or "" for the folder, and a sentence with what helps. `only` has the names
	 * as they are here: with '?' for what is not UTF-8, or no character to print.
	 */
	struct json_object *failed;
};

/*
 * Runs the hooks of a stage. How many failed; a folder of a stage that is not there has
 * none. `err` is filled only when there was no memory to say which.
 */
int hooks_run(const struct hooks_stage *stage, const struct hook *hook,
	      struct oam_error *err);

/* hooks_run() for a shell command; stage->folder and `only` do not matter. */
int hooks_run_command(const char *command, const struct hooks_stage *stage,
		      const struct hook *hook, struct oam_error *err);

/*
 * Tells what hooks_run() would say of each file of all stages without running it: `name`
 * is like deploy.d/x; `problem` NULL: it runs; `ignored`: it is not looked at.
 */
void hooks_inspect(const char *folder,
		   void (*visit)(const char *name, const char *problem, bool ignored,
				 void *context),
		   void *context);

#endif
