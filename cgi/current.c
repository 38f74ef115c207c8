/* GET /current: the id to use now. */
#include "endpoint.h"

static int current(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	char id[ASSISTANT_ID_SIZE];

	if (service_current(service, request->profile, id, err))
		return -1;
	json_write_string(data, "assistantId", id);
	json_write_string(data, "status", "active");
	return 0;
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
