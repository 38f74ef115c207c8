/* A refresh that somebody asks for. */
#include "clock.h"
#include "service_private.h"

#define LEASE_WAIT  (3 * CLOCK_SECOND)
#define LEASE_PAUSE INT64_C(20) /* ms */

/*
 * A holder of the lease that refreshes nothing only publishes or verifies, and finishes
 * soon: wait for it.
 */
static int take_lease(struct service *service, struct profile *profile,
		      struct lease *lease, struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + LEASE_WAIT;
	int held;

	while ((held = service_lease_try(service, profile, lease, err)) == 0) {
		if (service_profile_again(service, profile, err))
			return -1;
		if (profile->unfinished || clock_monotonic() > deadline)
			return error_set(err, REFRESH_RUNNING, NULL, profile->name);
		clock_sleep(LEASE_PAUSE);
	}
	return held < 0 ? -1 : 0;
}

int service_refresh(struct service *service, const char *name,
		    struct service_refresh *refresh, struct oam_error *err)
{
	struct json_object *overrides = refresh->overrides;
	struct profile profile;
	struct lease lease;

	refresh->new_id[0] = refresh->previous_id[0] = '\0';
	if (service_profile(service, name, &profile, err))
		return -1;
	if (overrides && (assistant_check(overrides, ASSISTANT_OVERRIDE, "config", err) ||
			  assistant_check_managed(overrides, "config", err)))
		return -1;
	if (take_lease(service, &profile, &lease, err))
		return -1;
	if (service_recover(service, &profile, err) == 0 &&
	    service_profile_again(service, &profile, err) == 0)
		service_rotate(service, &profile, refresh, err);
	service_deliver(service, name, refresh);
	service_lease_release(service, &lease);
	return error_result(err);
}
