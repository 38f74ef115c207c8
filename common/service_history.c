/* What is kept of the past: failures for the back-off, and history for people. */
#include "clock.h"
#include "service_private.h"

#define PRUNE_MAX 1000 /* rows of each table at a time: some milliseconds */

int service_note_failure(struct service *service, const struct profile *profile,
			 const struct oam_error *cause, struct oam_error *err)
{
	int64_t now = clock_now();

	return store_profile_failed(service->store, profile->id, cause->message, now,
				    now + service_retry_delay(profile->failures), err);
}

void service_prune(struct service *service)
{
	int64_t age = service->settings->history_days * 24 * CLOCK_HOUR;
	struct oam_error err = { 0 };

	if (age > 0 &&
	    store_history_prune(service->store, clock_now() - age, PRUNE_MAX, &err) < 0)
		log_write(LOG_LEVEL_WARN, "history", "error", err.message, "detail",
			  err.detail, NULL);
}
