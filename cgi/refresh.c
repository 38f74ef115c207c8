/* POST /refresh: replaces the current assistant now. */
#include "endpoint.h"

static int refresh(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	struct service_refresh refresh = {
		.reason = REASON_API,
		.overrides = json_member(request->body, "config"),
	};

	if (service_refresh(service, request->profile, &refresh, err))
		return -1;
	json_write_string(data, "newAssistantId", refresh.new_id);
	json_write_filled(data, "previousAssistantId", refresh.previous_id);
	json_write_string(data, "status", "refreshed");
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
		.message = "Assistant refreshed.",
		.open = service_open,
		.handle = refresh,
	};

	return endpoint_main(&endpoint);
}
