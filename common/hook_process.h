/* hook_process: runs one program as a hook. For hooks.c alone. */
#ifndef OAM_HOOK_PROCESS_H
#define OAM_HOOK_PROCESS_H

#include "hooks.h"

#define HOOK_OUTPUT_KEPT 200 /* bytes of the end of what a hook printed */

struct hook_result {
	char how[128];                     /* how it failed; the rest of a sentence */
	char output[HOOK_OUTPUT_KEPT + 1]; /* the last line that it printed */
};

/*
 * Runs arguments[0] with the hook's environment for at most `limit` ms. 0 when it ended
 * with exit status 0, else -1 with result->how.
 */
int hook_process_run(char *const arguments[], const struct hook *hook, int64_t limit,
		     struct hook_result *result);

#endif
