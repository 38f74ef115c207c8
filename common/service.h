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

#include "json_writer.h"
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
#define CLEANUP_KEEP_MAX     1000000

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

/*
 * Around a request: log lines name it (borrowed), and the upstream gets 27 s for all that
 * it needs, since web servers wait 30 s. Outside, each call of it has its own time.
 */
void service_begin_request(struct service *service, const char *request_id);
void service_end_request(struct service *service);

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

struct service_status;

/*
 * service_current() that also tells how the rotation stands. The id is
 * status->profile.current.
 */
int service_current_status(struct service *service, const char *profile,
			   struct service_status *status, struct oam_error *err);

/* True when service_current() met a refresh that is due since the last call of this. */
bool service_renewal_wanted(struct service *service);

/* What there is to do for a profile; bits. */
enum {
	WORK_RECOVER = 1,  /* a refresh was interrupted */
	WORK_REFRESH = 2,  /* it is due, or there is no current assistant any more */
	WORK_PUBLISH = 4,  /* the files do not have the current id yet */
	WORK_VERIFY = 8,   /* a server over HTTP has not been asked for long */
	WORK_CLEANUP = 16, /* there are more than the keep count */
	WORK_HOOKS = 32    /* the deploy hooks have not run, or one of them failed */
};

struct service_renewal {
	const char *reason;  /* in: REASON_… */
	const char *profile; /* in: NULL: all */
	bool force;          /* in: refresh whether it is due or not */
	bool dry_run;        /* in: only report what there is to do */
	int64_t pause;       /* in: ms to wait before the first thing is done */

	/*
	 * In, may be NULL: hears of each profile that had work: its status after it, the
	 * WORK_ bits, the current id before, and what failed (OAM_OK: nothing).
	 */
	void (*report)(const struct service_status *, int work, const char *old_id,
		       const struct oam_error *, void *context);
	void *context;
};

/*
 * One pass over the profiles: finishes what was interrupted, refreshes what is due,
 * publishes what was not, verifies, cleans up. Quick when there is nothing to do; a
 * profile that another process works on is left to it. A failure is logged and kept in
 * the profile; the pass goes on. -1 when there was one: the first one that is not
 * transient, else the first.
 */
int service_renew(struct service *service, const struct service_renewal *renewal,
		  struct oam_error *err);

/* Publishes all current ids, whether the files have them or not: after a restore. */
int service_publish_again(struct service *service, struct oam_error *err);

/*
 * service_renew() in a detached process, without waiting for it; `open` is service_open.
 * To be called when this process has no service open: SQLite handles do not survive
 * fork(2).
 */
void service_renew_in_background(const struct settings *settings,
				 int (*open)(const struct settings *, struct service **,
					     struct oam_error *));

struct service_refresh {
	const char *reason; /* in: REASON_… */
	/* In: change the configuration for this and all later refreshes. May be NULL. */
	struct json_object *overrides;
	const char *deploy_hook; /* in: a shell command for after publishing, or NULL */
	bool keep_old;           /* in: no automatic cleanup this time */

	char new_id[ASSISTANT_ID_SIZE];      /* out */
	char previous_id[ASSISTANT_ID_SIZE]; /* out: "" when there was none */
};

/*
 * Replaces the profile's assistant now. Faults of the overrides are named below `config`.
 * REFRESH_RUNNING when another process is at it. That the new id could not be published is
 * no failure of this: it is kept in the profile, and service_renew() tries again.
 */
int service_refresh(struct service *service, const char *profile,
		    struct service_refresh *refresh, struct oam_error *err);

/*
 * Makes an assistant that the upstream has already the profile's current one. CONFLICT
 * when it is another profile's.
 */
int service_adopt(struct service *service, const char *profile, const char *id,
		  struct oam_error *err);

struct service_status {
	struct profile profile;
	bool needs_refresh;   /* there is no id, or the interval has passed */
	bool stale;           /* the last refresh failed; the id is an old one */
	bool refreshing;      /* somebody holds the lease */
	int64_t next_refresh; /* 0: never by itself */
	int64_t keep_count;
	const char *upstream;
};

/* Asks nobody but the store. */
int service_status(struct service *service, const char *profile,
		   struct service_status *status, struct oam_error *err);

/*
 * Metrics of all profiles in Prometheus' text format. *text is malloc'd; the caller frees.
 */
int service_metrics(struct service *service, char **text, struct oam_error *err);

/* Writes the members of the documented JSON object: all, as GET status gives them. */
void service_status_write(const struct service_status *status,
			  struct json_writer *writer);

/*
 * Writes the first four of them, assistantId to needsRefresh, as the object `status`: what
 * the answers that name an id or an interval say besides.
 */
void service_status_write_brief(const struct service_status *status,
				struct json_writer *writer);

/* Status and object in one: the tree is the caller's to release. */
int service_status_tree(struct service *service, const char *profile,
			struct json_object **tree, struct oam_error *err);

/* `interval` in ms; INVALID when it is neither 0 nor in range. Does not restart it. */
int service_set_interval(struct service *service, const char *profile, int64_t interval,
			 struct oam_error *err);

/*
 * The newest `limit` (0: all) refreshes of the profile (NULL: of all), as documented for
 * store_rotation_history().
 */
int service_history(struct service *service, const char *profile, int64_t limit,
		    struct json_object **history, struct oam_error *err);

/* ---- profiles ---- */

/* The statuses of all profiles, as a JSON array; the caller releases it. */
int service_profiles(struct service *service, struct json_object **profiles,
		     struct oam_error *err);

/* The status of one profile, and its configuration as `config`, in one object. */
int service_profile_show(struct service *service, const char *profile,
			 struct json_object **object, struct oam_error *err);

/* What to change. NULL, or false: as it is. */
struct service_profile_change {
	struct json_object *config;    /* in the place of the present one */
	struct json_object *overrides; /* members to change in it; null clears */
	bool has_interval, has_keep_count;
	int64_t interval;   /* ms, 0: off */
	int64_t keep_count; /* -1: OAM_KEEP_COUNT, 0: no automatic cleanup */
	const char *env_key;
};

/*
 * Changes a profile, or makes it, all or nothing. A new one has the default configuration
 * and the key OPENAI_ASSISTANT_ID_NAME unless the change says otherwise.
 */
int service_profile_set(struct service *service, const char *profile,
			const struct service_profile_change *change,
			struct oam_error *err);

/*
 * Removes a profile with its history; not 'default'. Its assistants stay where they are,
 * and nobody owns them any more.
 */
int service_profile_remove(struct service *service, const char *profile,
			   struct oam_error *err);

/* ---- moving assistants ---- */

struct service_import {
	struct json_object
		*imported;           /* out: array of {id, from}: the id here and there */
	struct json_object *skipped; /* out: array of ids that are here already */
	struct json_object *failed;  /* out: array of {id, code, message} */
};

/*
 * Adds assistant objects (an array) to the upstream. The embedded one keeps their ids and
 * takes all or, when one is not valid, none; a server over HTTP gives them new ids, one
 * after the other. Errors name the place, as [3].model. Release the arrays also on
 * failure.
 */
int service_import(struct service *service, struct json_object *assistants,
		   struct service_import *import, struct oam_error *err);

/*
 * All assistants of another server, reached as settings say. The caller releases them.
 * LIST_TOO_LONG when their text is more than LIST_BYTES_MAX.
 */
int service_fetch(const struct settings *settings, const char *base_url,
		  struct json_object **assistants, struct oam_error *err);

/* ---- assistants ---- */

/* Visits the assistants of the page one by one, as upstream->each() does. */
int service_each(struct service *service, const struct upstream_page *page,
		 upstream_visit *visit, void *context, struct oam_error *err);

#define LIST_BYTES_MAX ((size_t)128 * 1024 * 1024) /* of a list that is in memory whole */

/* What was written of a list. */
struct service_listed {
	int64_t count;
	char first[ASSISTANT_ID_SIZE], last[ASSISTANT_ID_SIZE]; /* "" when it is empty */
	bool has_more; /* by service_write_page() */
};

/*
 * Writes the assistants of the page as the array member `name`. LIST_TOO_LONG when that is
 * more than LIST_BYTES_MAX; what was written is then worth nothing.
 */
int service_write_list(struct service *service, const struct upstream_page *page,
		       const char *name, struct json_writer *writer,
		       struct service_listed *listed, struct oam_error *err);

/*
 * service_write_list() of at most page->limit assistants, which must be more than 0.
 * Finds out whether more follow in the direction of the page.
 */
int service_write_page(struct service *service, const struct upstream_page *page,
		       const char *name, struct json_writer *writer,
		       struct service_listed *listed, struct oam_error *err);

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

/*
 * Deletes any assistant. A profile whose current one it was has none then. CONFLICT when
 * another process does not stop adopting or deleting it.
 */
int service_delete(struct service *service, const char *id, struct oam_error *err);

/*
 * From now on `progress` hears how far a cleanup or an import is; for people who wait.
 * NULL: nobody.
 */
typedef void service_progress(size_t done, size_t total, void *context);
void service_on_progress(struct service *service, service_progress *progress,
			 void *context);

struct service_cleanup {
	int64_t keep_count; /* in: 0: the profile's own; out: what was applied */
	bool dry_run;       /* only say what would go */
	bool all;           /* whatever the upstream lists, not only the profile's own */
	struct json_object *deleted; /* out: array of ids */
	struct json_object *failed;  /* out: array of {id, code, message} */
};

/*
 * Deletes old assistants: keeps the newest keep_count, every profile's current one, what
 * its files name, and what is being made. That is asked again right before each deletion,
 * so that an assistant that is adopted meanwhile stays; it is then in neither array. An
 * assistant that is gone already counts as deleted. Release both arrays also on failure.
 */
int service_cleanup(struct service *service, const char *profile,
		    struct service_cleanup *cleanup, struct oam_error *err);

#endif
