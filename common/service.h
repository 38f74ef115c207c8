/*
 * service: the rules. What HTTP, the command line and cron can do, they do through here.
 *
 * A profile is a named use with its own configuration, interval and current assistant;
 * 'default' is made on its first use, any other must exist. A refresh holds the profile's
 * lease, so that one process at a time replaces its id; a holder that dies, however it
 * dies, frees it at once, and the next holder finishes or undoes what it left.
 *
 * A handle belongs to one process and one thread; open it after fork(2).
 */
#ifndef OAM_SERVICE_H
#define OAM_SERVICE_H

#include "settings.h"
#include "upstream.h"

struct service;

/* What asked for a refresh; kept in the rotation's row. */
#define REASON_INITIALIZE    "initialize"
#define REASON_API           "api"
#define REASON_CLI           "cli"
#define REASON_CRON          "cron"
#define REASON_EXPIRY        "expiry"

#define INTERVAL_MIN         INT64_C(60000) /* ms; 0 turns automatic refresh off */
#define INTERVAL_MAX         INT64_C(3153600000000) /* 100 years keep all sums in range */

#define CLEANUP_KEEP_DEFAULT 5

/* `settings` must outlive *service. STORE_SCHEMA when the store is not migrated. */
int service_open(const struct settings *settings, struct service **service,
		 struct oam_error *err);
void service_close(struct service *service);

/*
 * The same for programs that never ask the upstream: only service_status() and
 * service_set_interval() work then. It keeps libcurl out of them.
 */
int service_open_store(const struct settings *settings, struct service **service,
		       struct oam_error *err);

/* The same for programs that speak for the embedded upstream alone, else NOT_HOSTED. */
int service_open_hosted(const struct settings *settings, struct service **service,
			struct oam_error *err);

/* True when the store's file is not the one that was opened: close, and open again. */
bool service_was_replaced(const struct service *service);

/* The request that log lines name from now on; borrowed. NULL: none. */
void service_trace(struct service *service, const char *request_id);

/*
 * Makes sure that the profile has an assistant that the upstream confirms: the one that
 * its key in `.env` names, else the store's, else that of the JSON file, else a new one.
 * An id of `.env` or the file that this store knows as replaced or deleted is stale and
 * passed over. Idempotent.
 */
int service_initialize(struct service *service, const char *profile,
		       char id[ASSISTANT_ID_SIZE], struct oam_error *err);

/*
 * The id to use now, straight from the store. When a refresh is due it only notes that
 * (see service_renewal_wanted()). Only when there is no id at all does it do what
 * service_initialize() does, or wait, 25 s at most, for the process that does.
 */
int service_current(struct service *service, const char *profile,
		    char id[ASSISTANT_ID_SIZE], struct oam_error *err);

/* True when service_current() met a refresh that is due since the last call of this. */
bool service_renewal_wanted(struct service *service);

/*
 * One pass over all profiles: finishes what was interrupted, refreshes what is due. Quick
 * when there is nothing to do; a profile that another process works on is left to it.
 * A failure is logged and kept in the profile; the pass goes on. -1 when there was one.
 */
int service_renew(struct service *service, const char *reason, struct oam_error *err);

/*
 * service_renew() in a detached process, without waiting for it; `open` is service_open.
 * To be called when this process has no service open: SQLite handles do not survive
 * fork(2).
 */
void service_renew_in_background(const struct settings *settings,
				 int (*open)(const struct settings *, struct service **,
					     struct oam_error *));

struct service_refresh {
	char new_id[ASSISTANT_ID_SIZE];
	char previous_id[ASSISTANT_ID_SIZE]; /* "" when there was none */
};

/*
 * Replaces the profile's assistant now. `overrides` (may be NULL) change its
 * configuration for this and all later refreshes; faults are named below `config`.
 * REFRESH_RUNNING when another process is at it.
 */
int service_refresh(struct service *service, const char *profile, const char *reason,
		    struct json_object *overrides, struct service_refresh *result,
		    struct oam_error *err);

struct service_status {
	struct profile profile;
	bool needs_refresh;   /* there is no id, or the interval has passed */
	bool stale;           /* the last refresh failed; the id is an old one */
	bool refreshing;      /* somebody holds the lease */
	int64_t next_refresh; /* 0: never by itself */
	int64_t keep_count;
	int64_t assistants; /* owned by the profile, not deleted */
	const char *upstream;
};

/* Asks nobody but the store. */
int service_status(struct service *service, const char *profile,
		   struct service_status *status, struct oam_error *err);

/* The status as the documented JSON object. */
int service_status_json(const struct service_status *status, struct json_object *object,
			struct oam_error *err);

/* `interval` in ms, 0 or INTERVAL_MIN to INTERVAL_MAX; does not restart it. */
int service_set_interval(struct service *service, const char *profile, int64_t interval,
			 struct oam_error *err);

/* *assistants: a JSON array; the caller releases it. */
int service_list(struct service *service, const struct upstream_page *page,
		 struct json_object **assistants, struct oam_error *err);

/*
 * One page, page->limit > 0 at most, and whether more follow in the direction in which
 * it was asked for.
 */
int service_page(struct service *service, const struct upstream_page *page,
		 struct json_object **assistants, bool *has_more, struct oam_error *err);

/* `id` NULL: the profile's current one, or NO_CURRENT. */
int service_details(struct service *service, const char *profile, const char *id,
		    struct json_object **assistant, struct oam_error *err);

/* Makes an assistant that no profile owns: it is hosted, and no rotation touches it. */
int service_create(struct service *service, struct json_object *config,
		   struct json_object **assistant, struct oam_error *err);

/*
 * Changes an assistant in place; faults are named below `path`. When it is the current
 * one of its profile, later refreshes keep the change. The reserved metadata pairs stay.
 */
int service_update(struct service *service, const char *id, struct json_object *updates,
		   const char *path, struct json_object **assistant,
		   struct oam_error *err);

/* Deletes any assistant. A profile whose current one it was has none then. */
int service_delete(struct service *service, const char *id, struct oam_error *err);

struct service_cleanup {
	int64_t keep_count; /* in: 0: the profile's own; out: what was applied */
	bool dry_run;       /* only say what would go */
	bool all;           /* whatever the upstream lists, not only the profile's own */
	struct json_object *deleted; /* out: array of ids */
	struct json_object *failed;  /* out: array of {id, code, message} */
};

/*
 * Deletes old assistants: keeps the newest keep_count and every profile's current one. An
 * assistant that is gone already counts as deleted. Release both arrays also on failure.
 */
int service_cleanup(struct service *service, const char *profile,
		    struct service_cleanup *cleanup, struct oam_error *err);

#endif
