/*
 * What a server may answer with: typed as the protocol has it, and within its limits where
 * we keep or show the field; with nulls wherever there is nothing, and with members and
 * tools that we do not know, which later servers may add.
 */
#include <string.h>

#include "assistant.h"
#include "shape.h"

#define REST \
	{ \
		SHAPE_REST, SHAPE_ANY, .nullable = true \
	}

static int check_id(struct json_object *id, const char *path, struct oam_error *err)
{
	const char *text = json_object_get_string(id);

	if ((size_t)json_object_get_string_len(id) == strlen(text) &&
	    assistant_id_is_valid(text))
		return 0;
	return error_set(err, INVALID_PARAMETER, path, path, "it must be like asst_…");
}

static const struct shape text = { .kind = SHAPE_STRING };

static const struct shape ranking_options[] = {
	{ "score_threshold", SHAPE_DECIMAL, .nullable = true },
	{ "ranker", SHAPE_STRING, .nullable = true },
	REST,
	{ 0 },
};

static const struct shape search_options[] = {
	{ "max_num_results", SHAPE_INTEGER, .nullable = true },
	{ "ranking_options", SHAPE_OBJECT, .nullable = true, .members = ranking_options },
	REST,
	{ 0 },
};

static const struct shape function[] = {
	{ "name", SHAPE_STRING, .required = true, .min = 1, .max = 256 },
	{ "description", SHAPE_STRING, .nullable = true },
	{ "parameters", SHAPE_OBJECT, .nullable = true },
	{ "strict", SHAPE_BOOLEAN, .nullable = true },
	REST,
	{ 0 },
};

static const struct shape tool[] = {
	{ "type", SHAPE_STRING, .required = true, .min = 1, .max = 64 },
	{ "function", SHAPE_OBJECT, .nullable = true, .members = function },
	{ "file_search", SHAPE_OBJECT, .nullable = true, .members = search_options },
	REST,
	{ 0 },
};

static const struct shape tool_item = { .kind = SHAPE_OBJECT, .members = tool };

static const struct shape resource[] = {
	{ "file_ids", SHAPE_ARRAY, .nullable = true, .items = &text },
	{ "vector_store_ids", SHAPE_ARRAY, .nullable = true, .items = &text },
	REST,
	{ 0 },
};

static const struct shape resources[] = {
	{ "code_interpreter", SHAPE_OBJECT, .nullable = true, .members = resource },
	{ "file_search", SHAPE_OBJECT, .nullable = true, .members = resource },
	REST,
	{ 0 },
};

static const struct shape schema[] = {
	{ "name", SHAPE_STRING, .required = true },
	{ "description", SHAPE_STRING, .nullable = true },
	{ "schema", SHAPE_OBJECT, .nullable = true },
	{ "strict", SHAPE_BOOLEAN, .nullable = true },
	REST,
	{ 0 },
};

static const struct shape format[] = {
	{ "type", SHAPE_STRING, .required = true, .min = 1, .max = 64 },
	{ "json_schema", SHAPE_OBJECT, .nullable = true, .members = schema },
	REST,
	{ 0 },
};

static const struct shape format_object = { .kind = SHAPE_OBJECT, .members = format };

static int check_format(struct json_object *value, const char *path,
			struct oam_error *err)
{
	static const struct shape word = { .kind = SHAPE_STRING, .min = 1, .max = 64 };
	bool is_text = json_object_is_type(value, json_type_string);

	return shape_check_value(is_text ? &word : &format_object, value, path, err);
}

static const struct shape received[] = {
	{ "id", SHAPE_STRING, .required = true, .check = check_id },
	{ "object", SHAPE_STRING },
	{ "created_at", SHAPE_INTEGER, .required = true, .max = ASSISTANT_TIME_MAX },
	{ "name", SHAPE_STRING, .nullable = true, .max = 256 },
	{ "description", SHAPE_STRING, .nullable = true, .max = 512 },
	{ "model", SHAPE_STRING, .required = true, .min = 1, .max = 256,
	  .check = assistant_check_no_nul },
	{ "instructions", SHAPE_STRING, .nullable = true, .max = 256000 },
	{ "tools", SHAPE_ARRAY, .nullable = true, .max = 128, .items = &tool_item },
	{ "tool_resources", SHAPE_OBJECT, .nullable = true, .members = resources },
	{ "metadata", SHAPE_OBJECT, .nullable = true, .check = assistant_check_metadata },
	{ "temperature", SHAPE_DECIMAL, .nullable = true, .max = 2 },
	{ "top_p", SHAPE_DECIMAL, .nullable = true, .max = 1 },
	{ "response_format", SHAPE_ANY, .nullable = true, .check = check_format },
	{ "reasoning_effort", SHAPE_STRING, .nullable = true, .max = 64 },
	REST,
	{ 0 },
};

int assistant_check_received(struct json_object *object, struct oam_error *err)
{
	if (!json_object_is_type(object, json_type_object))
		return error_set(err, INVALID_TYPE, "assistant", "assistant", "an object",
				 json_type_name(object));
	return shape_check(received, object, "", err);
}
