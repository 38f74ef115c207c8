/* DELETE /delete/{id}: deletes an assistant. */
#include "endpoint.h"

static int delete (struct service *service, const struct request *request,
		   struct json_object *data, struct oam_error *err)
{
	if (service_delete(service, request->id, err))
		return -1;
	json_put_string(data, "id", request->id, err);
	json_put_string(data, "object", "assistant.deleted", err);
	return json_put_boolean(data, "deleted", true, err);
}

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "delete",
		.method = "DELETE",
		.id = ENDPOINT_ID,
		.message = "Assistant deleted.",
		.open = service_open,
		.handle = delete,
	};

	return endpoint_main(&endpoint);
}
