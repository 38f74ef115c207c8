/* POST /refresh: replaces the current assistant now. */
#include "endpoint.h"

static int refresh(struct service *service, const struct request *request,
		   struct json_object *data, struct oam_error *err)
{
	struct json_object *config = json_member(request->body, "config");
	struct service_refresh result;

	if (service_refresh(service, request->profile, REASON_API, config, &result, err))
		return -1;
	json_put_string(data, "newAssistantId", result.new_id, err);
	json_put_string(data, "previousAssistantId",
			result.previous_id[0] ? result.previous_id : NULL, err);
	return json_put_string(data, "status", "refreshed", err);
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
