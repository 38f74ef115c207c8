/* POST /cleanup: deletes old assistants. */
#include "endpoint.h"

static int cleanup(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	struct service_cleanup cleanup = {
		.keep_count = json_object_get_int64(
			json_member(request->body, "keepCount")),
		.dry_run = json_object_get_boolean(json_member(request->body, "dryRun")),
		.all = json_object_get_boolean(json_member(request->body, "all")),
	};

	if (service_cleanup(service, request->profile, &cleanup, err))
		goto out;
	json_write_integer(data, "deletedCount",
			   (int64_t)json_object_array_length(cleanup.deleted));
	json_write_value(data, "deletedAssistants", cleanup.deleted);
	json_write_integer(data, "keepCount", cleanup.keep_count);
	json_write_value(data, "failed", cleanup.failed);
	json_write_boolean(data, "dryRun", cleanup.dry_run);
out:
	json_object_put(cleanup.deleted);
	json_object_put(cleanup.failed);
	return error_result(err);
}

static const struct shape body[] = {
	{ "keepCount", SHAPE_INTEGER, .min = 1, .max = 1000000 },
	{ "dryRun", SHAPE_BOOLEAN },
	{ "all", SHAPE_BOOLEAN },
	{ 0 },
};

int main(void)
{
	static const struct endpoint endpoint = {
		.name = "cleanup",
		.method = "POST",
		.body = body,
		.message = "Cleanup finished.",
		.open = service_open,
		.handle = cleanup,
	};

	return endpoint_main(&endpoint);
}
