/* /v1/assistants and /v1/assistants/{id}: what OpenAI's own clients ask for. */
#include "endpoint.h"

#define LIMIT_DEFAULT 20

/* Instructions alone may be 256,000 characters, of 12 bytes each when escaped. */
#define BODY_MAX ((size_t)4 * 1024 * 1024)

/* The ids are null on an empty page, as OpenAI's were. */
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
	if (page.limit == 0)
		page.limit = LIMIT_DEFAULT;
	json_write_string(data, "object", "list");
	if (service_write_page(service, &page, "data", data, &listed, err))
		return -1;
	json_write_filled(data, "first_id", listed.first);
	json_write_filled(data, "last_id", listed.last);
	json_write_boolean(data, "has_more", listed.has_more);
	return 0;
}

static int create(struct service *service, const struct request *request,
		  struct json_writer *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_create(service, request->body, &assistant, err))
		return -1;
	return endpoint_data(data, assistant);
}

static int retrieve(struct service *service, const struct request *request,
		    struct json_writer *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_details(service, NULL, request->id, &assistant, err))
		return -1;
	return endpoint_data(data, assistant);
}

static int modify(struct service *service, const struct request *request,
		  struct json_writer *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_update(service, request->id, request->body, "", &assistant, err))
		return -1;
	return endpoint_data(data, assistant);
}

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

static const char *const orders[] = { "asc", "desc", NULL };

static const struct shape query[] = {
	{ "limit", SHAPE_INTEGER, .min = 1, .max = 100 },
	{ "order", SHAPE_STRING, .values = orders },
	{ "after", SHAPE_STRING, .min = 1, .max = ASSISTANT_ID_SIZE - 1 },
	{ "before", SHAPE_STRING, .min = 1, .max = ASSISTANT_ID_SIZE - 1 },
	{ 0 },
};

/* The service checks the fields of an assistant. */
static const struct shape fields[] = {
	{ SHAPE_REST, SHAPE_ANY, .nullable = true },
	{ 0 },
};

/* What all five have; `following` is the one after it. */
#define COMMON(following) \
	.name = "v1-assistants", .path = "/v1/assistants", .open = service_open_hosted, \
	.dialect = &endpoint_openai_dialect, .next = (following)

static const struct endpoint endpoint_delete = {
	COMMON(NULL),
	.method = "DELETE",
	.id = ENDPOINT_ID,
	.handle = delete,
};

static const struct endpoint endpoint_modify = {
	COMMON(&endpoint_delete), .method = "POST",     .id = ENDPOINT_ID,
	.body = fields,           .body_max = BODY_MAX, .handle = modify,
};

static const struct endpoint endpoint_retrieve = {
	COMMON(&endpoint_modify),
	.method = "GET",
	.id = ENDPOINT_ID,
	.handle = retrieve,
};

static const struct endpoint endpoint_create = {
	COMMON(&endpoint_retrieve), .method = "POST", .body = fields,
	.body_max = BODY_MAX,       .handle = create,
};

static const struct endpoint endpoint_list = {
	COMMON(&endpoint_create),
	.method = "GET",
	.query = query,
	.handle = list,
};

int main(void)
{
	return endpoint_main(&endpoint_list);
}
