/* GET /current: the id to use now. */
#include "endpoint.h"

static int current(struct service *service, const struct request *request,
		   struct json_object *data, struct oam_error *err)
{
	char id[ASSISTANT_ID_SIZE];

	if (service_current(service, request->profile, id, err))
		return -1;
	json_put_string(data, "assistantId", id, err);
	return json_put_string(data, "status", "active", err);
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "current",
		.method = "GET",
		.message = "Current assistant retrieved.",
		.open = service_open,
		.handle = current,
	};

	return endpoint_main(&endpoint);
}
