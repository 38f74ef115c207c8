/* DELETE /delete/{id}: deletes an assistant. */
#include "endpoint.h"

static int delete (struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	if (service_delete(service, request->id, err))
		return -1;
	json_write_string(data, "id", request->id);
	json_write_string(data, "object", "assistant.deleted");
	json_write_boolean(data, "deleted", true);
	return 0;
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
