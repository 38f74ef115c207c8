/* Metrics for Prometheus (text format 0.0.4). Asks nobody but the store. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "service_private.h"

static double last_refresh(const struct service_status *status, int64_t now)
{
	(void)now;
	return (double)status->profile.refreshed_at / CLOCK_SECOND;
}

static double age(const struct service_status *status, int64_t now)
{
	if (status->profile.current[0] == '\0')
		return 0;
	return (double)(now - status->profile.refreshed_at) / CLOCK_SECOND;
}

static double interval(const struct service_status *status, int64_t now)
{
	(void)now;
	return (double)status->profile.interval / CLOCK_SECOND;
}

static double due(const struct service_status *status, int64_t now)
{
	(void)now;
	return status->needs_refresh;
}

static double failures(const struct service_status *status, int64_t now)
{
	(void)now;
	return (double)status->profile.failures;
}

static double publish_failures(const struct service_status *status, int64_t now)
{
	(void)now;
	return (double)status->profile.publish_failures;
}

static double hooks_failed(const struct service_status *status, int64_t now)
{
	(void)now;
	return (double)status->profile.hooks_failed;
}

/* One number of a profile. */
static const struct metric {
	const char *name, *help;
	double (*value)(const struct service_status *, int64_t now);
} metrics[] = {
	{ "oam_last_refresh_timestamp_seconds",
	  "When the current assistant became current; 0: never.", last_refresh },
	{ "oam_assistant_age_seconds",
	  "For how long it has been current; 0: there is none.", age },
	{ "oam_refresh_interval_seconds", "How long it may be current; 0: for ever.",
	  interval },
	{ "oam_refresh_due", "1 when there is none, or the interval has passed.", due },
	{ "oam_refresh_failures", "Failed refreshes since the last good one.", failures },
	{ "oam_publish_failures",
	  "Failed attempts to write the application's files since the last good one.",
	  publish_failures },
	{ "oam_hooks_failed", "Hooks that failed when they ran last.", hooks_failed },
};

static void put_head(FILE *out, const char *name, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

/* ---- counts ---- */

struct counting {
	FILE *out;
	const char *name, *label, *profile;
};

/* Names of profiles and kinds need no escapes. */
static void put_count(const char *kind, int64_t count, void *context)
{
	const struct counting *c = context;

	fprintf(c->out, "%s{profile=\"%s\",%s=\"%s\"} %lld\n", c->name, c->profile,
		c->label, kind, (long long)count);
}

static const struct count {
	const char *name, *help, *label;
	int (*count)(struct store *, int64_t profile, store_count *, void *context,
		     struct oam_error *);
} counts[] = {
	{ "oam_assistants", "Assistants that the profile owns.", "label",
	  store_count_assistants },
	{ "oam_refreshes", "Refreshes in the history.", "outcome",
	  store_count_rotations },
};

/* ---- all of it ---- */

/* Calls `put` for each profile. */
static int for_each(struct service *service, FILE *out, const void *what,
		    int (*put)(struct service *, FILE *, const void *what,
			       const struct profile *, struct oam_error *),
		    struct oam_error *err)
{
	struct profile profile;
	int64_t after = 0;

	while (store_profile_next(service->store, after, &profile, err) > 0) {
		after = profile.id;
		if (put(service, out, what, &profile, err))
			return -1;
	}
	return error_result(err);
}

static int put_metric(struct service *service, FILE *out, const void *what,
		      const struct profile *profile, struct oam_error *err)
{
	const struct metric *metric = what;
	struct service_status status;

	if (service_status(service, profile->name, &status, err))
		return -1;
	fprintf(out, "%s{profile=\"%s\"} %.3f\n", metric->name, profile->name,
		metric->value(&status, clock_now()));
	return 0;
}

static int put_counts(struct service *service, FILE *out, const void *what,
		      const struct profile *profile, struct oam_error *err)
{
	const struct count *count = what;
	struct counting counting = { out, count->name, count->label, profile->name };

	return count->count(service->store, profile->id, put_count, &counting, err);
}

/* What cleanup has left over, because its deletions failed or it is not time yet. */
static int put_surplus(struct service *service, FILE *out, const void *what,
		       const struct profile *profile, struct oam_error *err)
{
	const struct store_surplus surplus = {
		.profile = profile->id,
		.upstream = service_upstream_name(service),
		.keep = profile->keep_count >= 0 ? profile->keep_count
						 : service->settings->keep_count,
	};
	int64_t count;

	(void)what;
	if (surplus.keep == 0)
		return 0;
	if (store_assistant_count_surplus(service->store, &surplus, &count, err))
		return -1;
	fprintf(out, "oam_cleanup_pending{profile=\"%s\"} %lld\n", profile->name,
		(long long)count);
	return 0;
}

static int put_all(struct service *service, FILE *out, struct oam_error *err)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		put_head(out, metrics[i].name, metrics[i].help);
		if (for_each(service, out, &metrics[i], put_metric, err))
			return -1;
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		put_head(out, counts[i].name, counts[i].help);
		if (for_each(service, out, &counts[i], put_counts, err))
			return -1;
	}
	put_head(out, "oam_cleanup_pending", "Assistants over the keep count.");
	return for_each(service, out, NULL, put_surplus, err);
}

int service_metrics(struct service *service, char **text, struct oam_error *err)
{
	size_t length;
	FILE *out = open_memstream(text, &length);

	if (!out) {
		*text = NULL;
		return error_set(err, NO_MEMORY, NULL);
	}
	put_all(service, out, err);
	if (fclose(out))
		error_set(err, NO_MEMORY, NULL);
	if (error_result(err) == 0)
		return 0;
	free(*text);
	*text = NULL;
	return -1;
}
