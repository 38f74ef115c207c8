/* POST /refresh: replaces the current assistant now. */
#include <string.h>

#include "clock.h"
#include "endpoint.h"

static const char message[] = "Assistant refreshed.";

/*
 * The refresh is done, even when the store cannot be read after it. Then *status keeps
 * what it was before, with the new id and the time of now: a failure would make callers
 * refresh again.
 */
static void status_after(struct service *service, const struct request *request,
			 const char *new_id, struct service_status *status)
{
	const struct service_status before = *status;
	struct oam_error unread = { 0 };

	if (service_status(service, request->profile, status, &unread) == 0)
		return;
	*status = before;
	strcpy(status->profile.current, new_id); /* both are ids */
	status->profile.refreshed_at = clock_now();
	status->needs_refresh = false;
}

static int refresh(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	struct service_refresh refresh = {
		.reason = REASON_API,
		.overrides = json_member(request->body, "config"),
	};
	struct service_status status;

	if (service_status(service, request->profile, &status, err) ||
	    service_refresh(service, request->profile, &refresh, err))
		return -1;
	status_after(service, request, refresh.new_id, &status);
	json_write_string(data, "newAssistantId", refresh.new_id);
	json_write_filled(data, "previousAssistantId", refresh.previous_id);
	service_status_write_brief(&status, data);
	json_write_string(data, "message", message);
	return 0;
}

static const struct shape body[] = {
	{ "config", SHAPE_OBJECT },
	{ 0 },
};

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "refresh",
		.method = "POST",
		.body = body,
		.message = message,
		.open = service_open,
		.handle = refresh,
	};

	return endpoint_main(&endpoint);
}
