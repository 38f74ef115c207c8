/* PUT /update/{id}: changes an assistant in place. */
#include "endpoint.h"

static int update(struct service *service, const struct request *request,
		  struct json_writer *data, struct oam_error *err)
{
	struct json_object *updates = json_member(request->body, "updates");
	struct json_object *assistant;

	if (service_update(service, request->id, updates, "updates", &assistant, err))
		return -1;
	return endpoint_data(data, assistant);
}

static const struct shape body[] = {
	{ "updates", SHAPE_OBJECT, .required = true, .min = 1 },
	{ 0 },
};

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "update",
		.method = "PUT",
		.id = ENDPOINT_ID,
		.body = body,
		.message = "Assistant updated.",
		.open = service_open,
		.handle = update,
	};

	return endpoint_main(&endpoint);
}
