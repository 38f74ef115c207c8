/* The pass over all profiles that cron, and requests that meet something due, ask for. */
#include <string.h>

#include "clock.h"
#include "service_private.h"

/*
 * Asks the upstream about the current id. 1 when it confirms that there is none such: only
 * then it is given up. Whatever else it says, it is not asked again for a while.
 */
static int current_is_gone(struct service *service, const struct profile *profile,
			   struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct json_object *assistant;
	struct oam_error cause = { 0 };

	if (upstream->retrieve(upstream, profile->current, &assistant, &cause) == 0)
		json_object_put(assistant);
	if (cause.code == OAM_E_ASSISTANT_NOT_FOUND) {
		if (store_assistant_gone(service->store, profile->current, upstream->name,
					 clock_now(), err) < 0)
			return -1;
		return 1;
	}
	if (error_result(&cause))
		log_write(LOG_LEVEL_WARN, "verify", "profile", profile->name, "error",
			  cause.message, "detail", cause.detail, NULL);
	return store_profile_verified(service->store, profile->id, clock_now(), err);
}

/* What there is to do, forced work and cleanup included. */
static int find_work(struct service *service, const struct service_renewal *renewal,
		     const struct profile *profile, struct oam_error *err)
{
	int work = service_work(service, profile, clock_now());
	/* A server over HTTP that refuses to delete is not asked each minute. */
	bool may_tidy = !service->settings->base_url || (work & WORK_VERIFY);

	if (renewal->force)
		work |= WORK_REFRESH;
	if (may_tidy && service_is_untidy(service, profile, err) > 0)
		work |= WORK_CLEANUP;
	return work;
}

/* With the lease, and nothing unfinished. */
static int refresh_or_verify(struct service *service, struct profile *profile,
			     const struct service_renewal *renewal, struct oam_error *err)
{
	struct service_refresh refresh = { .reason = renewal->reason };
	/* Recovery may have done it. */
	int work = find_work(service, renewal, profile, err), gone;

	if (!(work & WORK_REFRESH)) {
		gone = work & WORK_VERIFY ? current_is_gone(service, profile, err) : 0;
		if (gone <= 0)
			return gone;
	}
	if (service_profile_again(service, profile, err))
		return -1;
	return service_rotate(service, profile, &refresh, err);
}

/* *work becomes what there is to do with the lease: 0 when another process did it, or does. */
static int carry_out(struct service *service, struct profile *profile,
		     const struct service_renewal *renewal, int *work,
		     struct oam_error *err)
{
	struct lease lease;
	int held = service_lease_try(service, profile, &lease, err);

	if (held == 0)
		*work = 0;
	if (held <= 0)
		return held;
	/* Another process may have been at work between our look and the lease. */
	if (service_profile_again(service, profile, err) == 0)
		*work = find_work(service, renewal, profile, err);
	if (*work && service_recover(service, profile, err) == 0 &&
	    service_profile_again(service, profile, err) == 0)
		refresh_or_verify(service, profile, renewal, err);
	if (*work)
		service_deliver(service, profile->name, NULL);
	if (*work & WORK_CLEANUP)
		service_tidy(service, profile);
	service_lease_release(service, &lease);
	return error_result(err);
}

/*
 * Work that could not be done waits as after any other failure, whatever the cause. Work
 * that noted its own failure is not due any more.
 */
static void note_undone(struct service *service, struct profile *profile,
			const struct oam_error *cause)
{
	struct oam_error err = { 0 };
	int64_t now = clock_now();
	int work;

	if (service_profile_again(service, profile, &err))
		return;
	work = service_work(service, profile, now);
	if (work & (WORK_RECOVER | WORK_REFRESH | WORK_VERIFY))
		service_note_failure(service, profile, cause, &err);
	if (work & WORK_PUBLISH)
		store_profile_publish_failed(
			service->store, profile->id, cause->message,
			now + service_retry_delay(profile->publish_failures), &err);
	if (work & WORK_HOOKS)
		store_profile_hook_at(service->store, profile->id,
				      now + service_retry_delay(profile->hook_failures),
				      &err);
}

/* That the id is not out yet is a failure too, though the refresh was none. */
static void add_publish_error(const struct service_status *status, struct oam_error *err)
{
	if (status->profile.publish_failures > 0)
		error_set(err, NOT_PUBLISHED, NULL, status->profile.publish_error);
	if (status->profile.hook_at > 0 && status->profile.hooks_failed > 0)
		error_set(err, HOOK_FAILED, NULL, status->profile.hook_error);
}

/* Keeps the graver one: what does not go away by itself before what may. */
static void keep_error(struct oam_error *err, const struct oam_error *cause)
{
	if (!error_result(cause))
		return;
	if (!error_result(err) ||
	    (error_is_transient(err->code) && !error_is_transient(cause->code)))
		*err = *cause;
}

static int renew_one(struct service *service, struct profile *profile,
		     struct service_renewal *renewal, struct oam_error *err)
{
	int work = find_work(service, renewal, profile, err);
	struct service_status status;
	char old_id[ASSISTANT_ID_SIZE];
	struct oam_error lookup = { 0 };

	if (!work || error_result(err))
		return error_result(err);
	memcpy(old_id, profile->current, sizeof(old_id));
	if (!renewal->dry_run) {
		clock_sleep(renewal->pause);
		renewal->pause = 0;
		if (carry_out(service, profile, renewal, &work, err))
			note_undone(service, profile, err);
	}
	if (!work)
		return error_result(err);
	if (service_status(service, profile->name, &status, &lookup)) {
		/* Else it would look as if there had been nothing to do. */
		keep_error(err, &lookup);
		return -1;
	}
	if (!renewal->dry_run)
		add_publish_error(&status, err);
	if (renewal->report)
		renewal->report(&status, work, old_id, err, renewal->context);
	return error_result(err);
}

int service_renew(struct service *service, const struct service_renewal *asked,
		  struct oam_error *err)
{
	struct service_renewal renewal = *asked;
	struct oam_error lookup = { 0 };
	struct profile profile;
	int64_t after = 0;

	/* Anybody may ask for it, by SIGUSR1 too. Without a server we can only look. */
	if (!service->upstream && !renewal.dry_run)
		return 0;
	if (renewal.profile) {
		if (service_profile(service, renewal.profile, &profile, err))
			return -1;
		return renew_one(service, &profile, &renewal, err);
	}
	while (store_profile_next(service->store, after, &profile, &lookup) > 0) {
		struct oam_error cause = { 0 };

		after = profile.id;
		renew_one(service, &profile, &renewal, &cause);
		keep_error(err, &cause);
	}
	keep_error(err, &lookup);
	if (!renewal.dry_run)
		service_prune(service);
	return error_result(err);
}

int service_publish_again(struct service *service, struct oam_error *err)
{
	const struct service_renewal renewal = { .reason = REASON_CLI };
	struct profile profile;
	int64_t after = 0;

	while (store_profile_next(service->store, after, &profile, err) > 0) {
		after = profile.id;
		if (store_profile_publish_at(service->store, profile.id, 1, err))
			return -1;
	}
	return error_result(err) ? -1 : service_renew(service, &renewal, err);
}
