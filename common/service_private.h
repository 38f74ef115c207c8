/* service_private: what the service's own files share. */
#ifndef OAM_SERVICE_PRIVATE_H
#define OAM_SERVICE_PRIVATE_H

#include "service.h"

struct service {
	const struct settings *settings;
	struct store *store;
	struct upstream *upstream; /* NULL: opened for the store alone */
	const char *request_id;
	bool renewal_wanted;
};

/* The right to refresh a profile. */
struct lease {
	int fd;
	int64_t profile;
};

/* Finds the profile; makes 'default' when it is not there yet. PROFILE_NOT_FOUND. */
int service_profile(struct service *service, const char *name, struct profile *profile,
		    struct oam_error *err);

/* Reads the profile again, as after waiting. */
int service_profile_again(struct service *service, struct profile *profile,
			  struct oam_error *err);

/* True when the interval has passed, whether or not a retry has to wait. */
bool service_interval_passed(const struct profile *profile, int64_t now);

/*
 * True when a renewal has something to do now: a refresh is due or unfinished, or the
 * current id was not verified for long, and there is no retry to wait for.
 */
bool service_work_is_due(const struct service *service, const struct profile *profile,
			 int64_t now);

/* 1 with the lease, 0 when another process has it. */
int service_lease_try(struct service *service, const struct profile *profile,
		      struct lease *lease, struct oam_error *err);
void service_lease_release(struct service *service, struct lease *lease);

/* With the lease: finishes rotations that were interrupted. Then read the profile again. */
int service_recover(struct service *service, const struct profile *profile,
		    struct oam_error *err);

/* With the lease and nothing to recover: makes a new assistant the current one. */
int service_rotate(struct service *service, const struct profile *profile,
		   const char *reason, struct json_object *overrides,
		   struct service_refresh *result, struct oam_error *err);

/*
 * What cleanup may delete of the profile's: all that is older than its newest `keep`, but
 * the current one and what is in the making, and unless it was labelled before
 * `spare_previous_since` (0: no such favour) the previous one. With an upstream over HTTP
 * that includes assistants that carry this store's tag though the store does not know
 * them, as after an older backup came back. *ids: a JSON array; the caller releases it.
 */
int service_surplus(struct service *service, const struct profile *profile, int64_t keep,
		    int64_t spare_previous_since, struct json_object **ids,
		    struct oam_error *err);

/*
 * Deletes the ids in cleanup->deleted, which keeps those that went; the others move to
 * cleanup->failed, which this makes.
 */
int service_delete_all(struct service *service, struct service_cleanup *cleanup,
		       struct oam_error *err);

/* With the lease, after a rotation: deletes what is over the keep count. */
void service_tidy(struct service *service, const struct profile *profile);

#endif
