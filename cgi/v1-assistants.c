/* /v1/assistants and /v1/assistants/{id}: what OpenAI's own clients ask for. */
#include "endpoint.h"

#define LIMIT_DEFAULT 20

static const char *id_at(struct json_object *assistants, size_t index)
{
	return json_member_string(json_object_array_get_idx(assistants, index), "id");
}

/* The ids are null on an empty page, as OpenAI's were. */
static int list(struct service *service, const struct request *request,
		struct json_object *data, struct oam_error *err)
{
	struct upstream_page page = {
		.limit = json_object_get_int64(json_member(request->query, "limit")),
		.after = json_member_string(request->query, "after"),
		.before = json_member_string(request->query, "before"),
	};
	const char *order = json_member_string(request->query, "order");
	struct json_object *assistants;
	bool has_more;
	size_t count;

	page.ascending = order && order[0] == 'a';
	if (page.limit == 0)
		page.limit = LIMIT_DEFAULT;
	if (service_page(service, &page, &assistants, &has_more, err))
		return -1;
	count = json_object_array_length(assistants);
	json_put_string(data, "object", "list", err);
	json_put(data, "data", json_object_get(assistants), err);
	json_put_string(data, "first_id", id_at(assistants, 0), err);
	json_put_string(data, "last_id", count ? id_at(assistants, count - 1) : NULL,
			err);
	json_object_put(assistants);
	return json_put_boolean(data, "has_more", has_more, err);
}

static int create(struct service *service, const struct request *request,
		  struct json_object *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_create(service, request->body, &assistant, err))
		return -1;
	return endpoint_data(data, assistant, err);
}

static int retrieve(struct service *service, const struct request *request,
		    struct json_object *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_details(service, NULL, request->id, &assistant, err))
		return -1;
	return endpoint_data(data, assistant, err);
}

static int modify(struct service *service, const struct request *request,
		  struct json_object *data, struct oam_error *err)
{
	struct json_object *assistant;

	if (service_update(service, request->id, request->body, "", &assistant, err))
		return -1;
	return endpoint_data(data, assistant, err);
}

static int delete (struct service *service, const struct request *request,
		   struct json_object *data, struct oam_error *err)
{
	if (service_delete(service, request->id, err))
		return -1;
	json_put_string(data, "id", request->id, err);
	json_put_string(data, "object", "assistant.deleted", err);
	return json_put_boolean(data, "deleted", true, err);
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

/* What all five have, and the first of those after it. */
#define ROUTE(following) \
	.name = "v1-assistants", .path = "/v1/assistants", .open = service_open_hosted, \
	.dialect = &endpoint_openai_dialect, .next = (following)

int main(void)
{
	static const struct endpoint delete_one = { ROUTE(NULL), .method = "DELETE",
						    .id = ENDPOINT_ID, .handle = delete },
				     modify_one = { ROUTE(&delete_one), .method = "POST",
						    .id = ENDPOINT_ID, .body = fields,
						    .handle = modify },
				     retrieve_one = { ROUTE(&modify_one), .method = "GET",
						      .id = ENDPOINT_ID,
						      .handle = retrieve },
				     create_one = { ROUTE(&retrieve_one),
						    .method = "POST", .body = fields,
						    .handle = create },
				     list_all = { ROUTE(&create_one), .method = "GET",
						  .query = query, .handle = list };

	return endpoint_main(&list_all);
}
