/* GET /status: how the rotation of a profile stands. */
#include "endpoint.h"

static int status(struct service *service, const struct request *request,
		  struct json_writer *data, struct oam_error *err)
{
	struct service_status status;

	if (service_status(service, request->profile, &status, err))
		return -1;
	service_status_write(&status, data);
	return 0;
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "status",
		.method = "GET",
		.message = "Status retrieved.",
		.open = service_open_store,
		.handle = status,
	};

	return endpoint_main(&endpoint);
}
