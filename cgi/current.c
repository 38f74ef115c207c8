/* GET /current: the id to use now. */
#include "endpoint.h"

static const char message[] = "Current assistant retrieved.";

static int current(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	struct service_status status;

	if (service_current_status(service, request->profile, &status, err))
		return -1;
	json_write_string(data, "assistantId", status.profile.current);
	service_status_write_brief(&status, data);
	json_write_string(data, "message", message);
	return 0;
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "current",
		.method = "GET",
		.message = message,
		.open = service_open,
		.handle = current,
	};

	return endpoint_main(&endpoint);
}
