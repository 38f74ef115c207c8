/* POST /initialize: makes sure that there is an assistant, and says which. */
#include "endpoint.h"

static int initialize(struct service *service, const struct request *request,
		      struct json_writer *data, struct oam_error *err)
{
	struct service_status status;
	char id[ASSISTANT_ID_SIZE];

	if (service_initialize(service, request->profile, id, err) ||
	    service_status(service, request->profile, &status, err))
		return -1;
	json_write_string(data, "assistantId", id);
	service_status_write_brief(&status, data);
	return 0;
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "initialize",
		.method = "POST",
		.message = "Assistant initialized.",
		.open = service_open,
		.handle = initialize,
	};

	return endpoint_main(&endpoint);
}
