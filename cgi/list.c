/* GET /list: the assistants that the upstream has. */
#include "endpoint.h"

static int list(struct service *service, const struct request *request,
		struct json_writer *data, struct oam_error *err)
{
	struct upstream_page page = {
		.limit = json_object_get_int64(json_member(request->query, "limit")),
		.after = json_member_string(request->query, "after"),
		.before = json_member_string(request->query, "before"),
	};
	const char *order = json_member_string(request->query, "order");
	struct service_listed listed;

	page.ascending = order && order[0] == 'a';
	if (service_write_list(service, &page, "assistants", data, &listed, err))
		return -1;
	json_write_integer(data, "count", listed.count);
	return 0;
}

static const char *const orders[] = { "asc", "desc", NULL };

static const struct shape query[] = {
	{ "limit", SHAPE_INTEGER, .min = 1, .max = 100 },
	{ "order", SHAPE_STRING, .values = orders },
	{ "after", SHAPE_STRING, .min = 1, .max = ASSISTANT_ID_SIZE - 1 },
	{ "before", SHAPE_STRING, .min = 1, .max = ASSISTANT_ID_SIZE - 1 },
	{ 0 },
};

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "list",
		.method = "GET",
		.query = query,
		.message = "Assistants listed.",
		.open = service_open,
		.handle = list,
	};

	return endpoint_main(&endpoint);
}
