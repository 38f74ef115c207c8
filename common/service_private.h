/* service_private: what the service's own files share. */
#ifndef OAM_SERVICE_PRIVATE_H
#define OAM_SERVICE_PRIVATE_H

#include <sys/types.h>

#include "clock.h"
#include "service.h"

struct service {
	const struct settings *settings;
	struct store *store;
	struct upstream *upstream; /* NULL: opened for the store alone */
	const char *request_id;
	bool renewal_wanted;
	int64_t asked_at; /* when, clock_monotonic(), service_current() wanted one last */
	service_progress *progress; /* or NULL */
	void *progress_context;
};

/* The right to refresh a profile. */
struct lease {
	int fd;
	int64_t profile;
};

/* What service->upstream->name is, or would be. */
const char *service_upstream_name(const struct service *service);

/* Finds the profile; makes 'default' when it is not there yet. PROFILE_NOT_FOUND. */
int service_profile(struct service *service, const char *name, struct profile *profile,
		    struct oam_error *err);

/* Reads the profile again, as after waiting. */
int service_profile_again(struct service *service, struct profile *profile,
			  struct oam_error *err);

/* The longest that we ever look ahead: longer than any refresh takes, and between tries. */
#define LEASE_TIME CLOCK_MINUTE
#define RETRY_MAX  CLOCK_HOUR

/* Fills in what follows from status->profile. */
void service_status_fill(const struct service *service, struct service_status *status,
			 int64_t now);

/*
 * True while `at` is still to come, and no more than `max` ahead: what lies further ahead
 * was written before somebody set the clock back, and must not be waited for.
 */
bool service_is_ahead(int64_t at, int64_t now, int64_t max);

/*
 * True when the interval has passed, whether or not a retry has to wait. Also when the last
 * refresh lies an interval ahead: the clock was set back since.
 */
bool service_interval_passed(const struct profile *profile, int64_t now);

/*
 * What a renewal has to do now, but for WORK_CLEANUP, which costs a look at all of the
 * profile's assistants. Work that failed is due again when its pause is over.
 */
int service_work(const struct service *service, const struct profile *profile,
		 int64_t now);

/*
 * Locks one byte of the file beside the store: 1 with *fd, whose close() unlocks it, 0 when
 * another process has it.
 */
int service_lock(struct service *service, off_t byte, int *fd, struct oam_error *err);

/* The part of it that service_deliver() does: WORK_PUBLISH and WORK_HOOKS. */
int service_delivery(const struct profile *profile, int64_t now);

/*
 * 1 with the lease, 0 when another process has it. PROFILE_NOT_FOUND when the profile was
 * removed since it was read.
 */
int service_lease_try(struct service *service, const struct profile *profile,
		      struct lease *lease, struct oam_error *err);
void service_lease_release(struct service *service, struct lease *lease);

/*
 * The claim on one assistant: the right to adopt it, or to delete it from a server over
 * HTTP, where no transaction covers the look at it and the deletion. Whoever has it looks
 * at the assistant first; what he finds then holds. A holder that dies frees it. Take it
 * after the lease of a profile, never before.
 *
 * *claim is to be closed by service_claim_release(); -1 when it is not held.
 */
int service_claim_try(struct service *service, const char *id, int *claim,
		      struct oam_error *err); /* 1 with it, 0 when another has it */
int service_claim_wait(struct service *service, const char *id, int *claim,
		       struct oam_error *err); /* CONFLICT after 25 s */
void service_claim_release(int *claim);

/* With the lease: finishes rotations that were interrupted. Then read the profile again. */
int service_recover(struct service *service, const struct profile *profile,
		    struct oam_error *err);

/* Keeps that a refresh failed, and when to try again. */
int service_note_failure(struct service *service, const struct profile *profile,
			 const struct oam_error *cause, struct oam_error *err);

/* What is older than OAM_HISTORY_DAYS goes, a portion at a time. */
void service_prune(struct service *service);

/* With the lease and nothing to recover: makes a new assistant the current one. */
int service_rotate(struct service *service, const struct profile *profile,
		   struct service_refresh *refresh, struct oam_error *err);

/*
 * With the lease, as the last step of all that changes the current assistant: publishes,
 * runs the deploy hooks, cleans up; when it is due. What fails is kept in the profile.
 * `refresh` may be NULL. Within a request, hooks are left to the next renewal.
 */
void service_deliver(struct service *service, const char *profile,
		     const struct service_refresh *refresh);

/*
 * Without the lease: delivers if nobody else holds it; else the next renewal does, which
 * is asked for.
 */
void service_deliver_soon(struct service *service, int64_t profile);

/* With the lease: automatic cleanup. What fails is logged, and comes up again. */
void service_tidy(struct service *service, const struct profile *profile);

/* 1 when automatic cleanup would delete something that the store knows. */
int service_is_untidy(struct service *service, const struct profile *profile,
		      struct oam_error *err);

/*
 * With the lease, before (pre.d) an attempt to rotate, or after one (post.d) that failed
 * with `error`. What fails is kept in the store.
 */
void service_run_hooks(struct service *service, const char *stage,
		       const struct profile *profile, const char *reason,
		       const char *error);

/* The delay before another attempt: a minute, twice as long each time, up to an hour. */
int64_t service_retry_delay(int64_t failures);

/*
 * With the lease: makes an assistant object that exists already the current one. 1, or 0
 * when it has become another profile's or was deleted here.
 */
int service_take_over(struct service *service, const struct profile *profile,
		      struct json_object *assistant, struct oam_error *err);

/* INVALID_PARAMETER when it is no interval that is allowed. */
int service_check_interval(int64_t interval, struct oam_error *err);

/*
 * Deletes all of the profile's that is older than its newest cleanup->keep_count, but the
 * current one, what is in the making, what the files name, and unless it was labelled
 * before `spare_previous_since` (0: no such favour) the previous one. With an upstream
 * over HTTP that includes assistants that carry this store's tag though the store does
 * not know them, as after an older backup came back.
 */
int service_clean(struct service *service, const struct profile *profile,
		  int64_t spare_previous_since, struct service_cleanup *cleanup,
		  struct oam_error *err);

/*
 * Deletes the ids in cleanup->deleted, which keeps those that went; the others move to
 * cleanup->failed, which this makes.
 */
int service_delete_all(struct service *service, struct service_cleanup *cleanup,
		       struct oam_error *err);

#endif
