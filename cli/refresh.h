/*
 * refresh: one pass over all profiles, for cron.
 *
 * oam-refresh runs every minute and nearly always has nothing to do. So it is a program
 * that only looks into the store, and becomes oam, which has libcurl, when there is work.
 */
#ifndef OAM_CLI_REFRESH_H
#define OAM_CLI_REFRESH_H

#include "cli.h"

typedef int refresh_opener(const struct settings *, struct service **,
			   struct oam_error *);

#define REFRESH_HAS_WORK (-1)

/*
 * Runs the command line and gives the exit status. `look`: does nothing of it, and tells
 * by REFRESH_HAS_WORK when there is something to do.
 */
int refresh_main(int argc, char **argv, refresh_opener *open, bool look);

#endif
