/* Opening, status, and what only reads. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

/* How long the id of a server over HTTP is believed without asking. */
#define VERIFY_INTERVAL (10 * CLOCK_MINUTE)

/* What a request may take upstream: less than web servers wait. */
#define REQUEST_MAX (27 * CLOCK_SECOND)

int service_open_store(const struct settings *settings, struct service **out,
		       struct oam_error *err)
{
	struct service *service = calloc(1, sizeof(*service));

	*out = NULL;
	if (!service)
		return error_set(err, NO_MEMORY, NULL);
	service->settings = settings;
	if (store_open(settings->db, &service->store, err)) {
		free(service);
		return -1;
	}
	*out = service;
	return 0;
}

int service_open_hosted(const struct settings *settings, struct service **service,
			struct oam_error *err)
{
	*service = NULL;
	if (settings->base_url)
		return error_set(err, NOT_HOSTED, NULL, settings->base_url);
	if (service_open_store(settings, service, err))
		return -1;
	if (upstream_embedded_open((*service)->store, &(*service)->upstream, err) == 0)
		return 0;
	service_close(*service);
	*service = NULL;
	return -1;
}

void service_close(struct service *service)
{
	if (!service)
		return;
	if (service->upstream)
		service->upstream->close(service->upstream);
	store_close(service->store);
	free(service);
}

bool service_was_replaced(const struct service *service)
{
	return store_was_replaced(service->store);
}

void service_begin_request(struct service *service, const char *request_id)
{
	service->request_id = request_id;
	if (service->upstream)
		service->upstream->deadline = clock_monotonic() + REQUEST_MAX;
}

void service_end_request(struct service *service)
{
	service->request_id = NULL;
	if (service->upstream)
		service->upstream->deadline = 0;
}

const char *service_upstream_name(const struct service *service)
{
	const char *url = service->settings->base_url;

	return url ? url : UPSTREAM_EMBEDDED;
}

bool service_renewal_wanted(struct service *service)
{
	bool wanted = service->renewal_wanted;

	service->renewal_wanted = false;
	return wanted;
}

bool service_is_ahead(int64_t at, int64_t now, int64_t max)
{
	return at > now && at - now <= max;
}

bool service_interval_passed(const struct profile *profile, int64_t now)
{
	return profile->interval > 0 &&
	       llabs(now - profile->refreshed_at) >= profile->interval;
}

/*
 * The embedded upstream is the store: there is nothing to ask of what it hosts. It will
 * deny an id that is from the time before OPENAI_BASE_URL was unset.
 */
static bool verification_is_due(const struct service *service,
				const struct profile *profile, int64_t now)
{
	if (!service->settings->base_url)
		return !profile->current_is_hosted;
	return llabs(now - profile->verified_at) >= VERIFY_INTERVAL;
}

int service_work(const struct service *service, const struct profile *profile,
		 int64_t now)
{
	bool has_current = profile->current[0] != '\0';
	int work = 0;

	if (!service_is_ahead(profile->retry_at, now, RETRY_MAX)) {
		if (profile->unfinished)
			work |= WORK_RECOVER;
		/* One that was deleted is replaced too; one that never was is not. */
		if (service_interval_passed(profile, now) ||
		    (!has_current && profile->refreshed_at && profile->interval))
			work |= profile->refreshed_at ? WORK_REFRESH : 0;
		if (has_current && verification_is_due(service, profile, now))
			work |= WORK_VERIFY;
	}
	return work | service_delivery(profile, now);
}

void service_status_fill(const struct service *service, struct service_status *status,
			 int64_t now)
{
	const struct settings *settings = service->settings;
	const struct profile *profile = &status->profile;
	bool has_current = profile->current[0] != '\0';

	status->needs_refresh = !has_current || service_interval_passed(profile, now);
	status->stale = has_current && profile->failures > 0;
	status->refreshing = service_is_ahead(profile->lease_until, now, LEASE_TIME);
	status->next_refresh = 0;
	if (has_current && profile->interval > 0)
		status->next_refresh = profile->refreshed_at + profile->interval;
	if (status->next_refresh && status->next_refresh < profile->retry_at)
		status->next_refresh = profile->retry_at;
	status->keep_count = profile->keep_count >= 0 ? profile->keep_count
						      : settings->keep_count;
	status->upstream = service_upstream_name(service);
}

int service_status(struct service *service, const char *name,
		   struct service_status *status, struct oam_error *err)
{
	if (service_profile(service, name, &status->profile, err))
		return -1;
	service_status_fill(service, status, clock_now());
	return 0;
}

/* ISO 8601, or null for 0. */
static void write_time(struct json_writer *writer, const char *name, int64_t ms)
{
	char text[CLOCK_ISO8601_SIZE];

	if (ms)
		clock_iso8601(ms, text);
	json_write_string(writer, name, ms ? text : NULL);
}

static void write_first_members(const struct service_status *status,
				struct json_writer *writer)
{
	const struct profile *profile = &status->profile;

	json_write_filled(writer, "assistantId", profile->current);
	write_time(writer, "lastRefresh", profile->refreshed_at);
	json_write_integer(writer, "refreshInterval", profile->interval);
	json_write_boolean(writer, "needsRefresh", status->needs_refresh);
}

void service_status_write_brief(const struct service_status *status,
				struct json_writer *writer)
{
	json_write_begin(writer, "status");
	write_first_members(status, writer);
	json_write_end(writer);
}

void service_status_write(const struct service_status *status, struct json_writer *writer)
{
	const struct profile *profile = &status->profile;

	write_first_members(status, writer);
	json_write_string(writer, "profile", profile->name);
	json_write_filled(writer, "previousAssistantId", profile->previous);
	write_time(writer, "nextRefresh", status->next_refresh);
	json_write_boolean(writer, "refreshing", status->refreshing);
	json_write_boolean(writer, "stale", status->stale);
	json_write_integer(writer, "consecutiveFailures", profile->failures);
	json_write_filled(writer, "lastError", profile->last_error);
	write_time(writer, "lastFailure", profile->failed_at);
	json_write_boolean(writer, "published",
			   profile->publish_at == 0 && profile->published[0] != '\0');
	json_write_filled(writer, "publishError", profile->publish_error);
	json_write_filled(writer, "hookError", profile->hook_error);
	write_time(writer, "lastHookFailure", profile->hook_failed_at);
	json_write_integer(writer, "assistants", profile->assistants);
	json_write_integer(writer, "keepCount", status->keep_count);
	json_write_string(writer, "environmentKey", profile->env_key);
	json_write_string(writer, "upstream", status->upstream);
}

int service_status_tree(struct service *service, const char *name,
			struct json_object **tree, struct oam_error *err)
{
	struct json_writer writer = { 0 };
	struct service_status status;

	*tree = NULL;
	if (service_status(service, name, &status, err))
		return -1;
	json_write_begin(&writer, NULL);
	service_status_write(&status, &writer);
	json_write_end(&writer);
	if (json_writer_result(&writer, err) == 0)
		json_read(writer.text, writer.length, tree, err);
	json_writer_free(&writer);
	return error_result(err);
}

int service_check_interval(int64_t interval, struct oam_error *err)
{
	if (interval == 0 || (interval >= INTERVAL_MIN && interval <= INTERVAL_MAX))
		return 0;
	return error_set(err, INVALID_PARAMETER, "interval", "interval",
			 "it must be at least one minute, or 0 for never");
}

int service_set_interval(struct service *service, const char *name, int64_t interval,
			 struct oam_error *err)
{
	struct store *store = service->store;
	struct profile profile;

	if (service_check_interval(interval, err) || store_begin(store, err))
		return -1;
	/* In one transaction: a profile that is removed meanwhile was not changed. */
	if (service_profile(service, name, &profile, err) == 0 &&
	    store_profile_set_interval(store, profile.id, interval, err) == 0)
		store_commit(store, err);
	store_rollback(store);
	return error_result(err);
}

int service_history(struct service *service, const char *name, int64_t limit,
		    struct json_object **history, struct oam_error *err)
{
	struct profile profile = { 0 };

	*history = NULL;
	if (name && service_profile(service, name, &profile, err))
		return -1;
	return store_rotation_history(service->store, profile.id, limit, history, err);
}

void service_on_progress(struct service *service, service_progress *progress,
			 void *context)
{
	service->progress = progress;
	service->progress_context = context;
}

int service_details(struct service *service, const char *name, const char *id,
		    struct json_object **assistant, struct oam_error *err)
{
	struct profile profile;

	*assistant = NULL;
	if (!id) {
		if (service_profile(service, name, &profile, err))
			return -1;
		if (profile.current[0] == '\0')
			return error_set(err, NO_CURRENT, NULL, name);
		id = profile.current;
	}
	if (!assistant_id_is_valid(id))
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	return service->upstream->retrieve(service->upstream, id, assistant, err);
}
