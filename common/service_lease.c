/* Locks beside the store, and the lease of a profile, which is one of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "service_private.h"

int service_lock(struct service *service, off_t byte, int *fd, struct oam_error *err)
{
	struct oam_error cause = { 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s.lock", service->settings->db);
	if (file_try_lock(path, service->settings->db, byte, fd, &cause)) {
		error_set(err, STORE_FAILED, NULL); /* the lock is a part of it */
		return error_detail(err, "%s", cause.detail);
	}
	return *fd >= 0;
}

/* The profile may have been removed before we had the lock, and its number given away. */
static int is_still_there(struct service *service, const struct profile *profile,
			  struct oam_error *err)
{
	struct profile now;
	int found = store_profile_get(service->store, profile->id, &now, err);

	if (found < 0)
		return -1;
	return found && strcmp(now.name, profile->name) == 0
		       ? 0
		       : error_set(err, PROFILE_NOT_FOUND, "profile", profile->name);
}

int service_lease_try(struct service *service, const struct profile *profile,
		      struct lease *lease, struct oam_error *err)
{
	char holder[64];
	int64_t now = clock_now();
	int held;

	lease->profile = profile->id;
	snprintf(holder, sizeof(holder), "%s pid %d", program_invocation_short_name,
		 (int)getpid());
	held = service_lock(service, profile->id, &lease->fd, err);
	if (held <= 0)
		return held;
	if (is_still_there(service, profile, err) == 0 &&
	    store_lease_take(service->store, profile->id, holder, now, now + LEASE_TIME,
			     err) == 0)
		return 1;
	close(lease->fd);
	return -1;
}

void service_lease_release(struct service *service, struct lease *lease)
{
	struct oam_error ignored = { 0 }; /* the lock excludes; the row only informs */

	store_lease_drop(service->store, lease->profile, &ignored);
	close(lease->fd);
}
