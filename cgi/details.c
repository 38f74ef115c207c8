/* GET /details/{id}: one assistant; without an id the current one. */
#include "endpoint.h"

static int details(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_details(service, request->profile, request->id, &assistant, err))
		return -1;
	return endpoint_data(data, assistant);
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "details",
		.method = "GET",
		.id = ENDPOINT_OPTIONAL_ID,
		.message = "Assistant details retrieved.",
		.open = service_open,
		.handle = details,
	};

	return endpoint_main(&endpoint);
}
