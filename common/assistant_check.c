/* The limits of the protocol, as tables. Source: OpenAI's OpenAPI description 2.3.0. */
#include <string.h>

#include "assistant.h"
#include "shape.h"

#define METADATA_MAX       16
#define METADATA_NAME_MAX  64
#define METADATA_VALUE_MAX 512

int assistant_check_no_nul(struct json_object *text, const char *path,
			   struct oam_error *err)
{
	if (strlen(json_object_get_string(text)) ==
	    (size_t)json_object_get_string_len(text))
		return 0;
	return error_set(err, INVALID_PARAMETER, path, path, "it holds a NUL character");
}

int assistant_check_metadata(struct json_object *metadata, const char *path,
			     struct oam_error *err)
{
	static const struct shape text = { .kind = SHAPE_STRING,
					   .max = METADATA_VALUE_MAX };
	static const struct shape word = { .kind = SHAPE_STRING,
					   .max = METADATA_VALUE_MAX,
					   .check = assistant_check_no_nul };
	size_t count = (size_t)json_object_object_length(metadata);
	char pair[OAM_PARAM_MAX];

	if (count > METADATA_MAX)
		return error_set(err, TOO_MANY_PROPERTIES, path, path,
				 (size_t)METADATA_MAX, count);
	json_object_object_foreach (metadata, name, value) {
		bool is_ours = strcmp(name, ASSISTANT_META_TAG) == 0 ||
			       strcmp(name, ASSISTANT_META_NONCE) == 0;
		size_t length = 0;

		for (const char *p = name; *p; p++)
			length += ((unsigned char)*p & 0xC0) != 0x80;
		if (length > METADATA_NAME_MAX)
			return error_set(err, PROPERTY_NAME_TOO_LONG, path, path,
					 (size_t)METADATA_NAME_MAX, length);
		shape_path(pair, path, name);
		if (shape_check_value(is_ours ? &word : &text, value, pair, err))
			return -1;
	}
	return 0;
}

/* Names of functions and schemas: [A-Za-z0-9_-]{1,64}; the length is in the table. */
static int check_name(struct json_object *name, const char *path, struct oam_error *err)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t length = (size_t)json_object_get_string_len(name);

	if (strspn(json_object_get_string(name), allowed) == length)
		return 0;
	return error_set(err, INVALID_PARAMETER, path, path,
			 "expected only letters, digits, '_' and '-'");
}

static const char *const rankers[] = { "auto", "default_2024_08_21", NULL };

static const struct shape ranking_options[] = {
	{ "score_threshold", SHAPE_DECIMAL, .required = true, .max = 1 },
	{ "ranker", SHAPE_STRING, .values = rankers },
	{ 0 },
};

static const struct shape file_search_options[] = {
	{ "max_num_results", SHAPE_INTEGER, .min = 1, .max = 50 },
	{ "ranking_options", SHAPE_OBJECT, .members = ranking_options },
	{ 0 },
};

static const struct shape function_definition[] = {
	{ "name", SHAPE_STRING, .required = true, .min = 1, .max = 64,
	  .check = check_name },
	{ "description", SHAPE_STRING, .max = 1024 },
	{ "parameters", SHAPE_OBJECT },
	{ "strict", SHAPE_BOOLEAN, .nullable = true },
	{ 0 },
};

static const struct shape code_interpreter_tool[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ 0 },
};

static const struct shape file_search_tool[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ "file_search", SHAPE_OBJECT, .members = file_search_options },
	{ 0 },
};

static const struct shape function_tool[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ "function", SHAPE_OBJECT, .required = true, .members = function_definition },
	{ 0 },
};

static const struct shape plain_format[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ 0 },
};

static const struct shape json_schema[] = {
	{ "name", SHAPE_STRING, .required = true, .min = 1, .max = 64,
	  .check = check_name },
	{ "description", SHAPE_STRING },
	{ "schema", SHAPE_OBJECT },
	{ "strict", SHAPE_BOOLEAN, .nullable = true },
	{ 0 },
};

static const struct shape schema_format[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ "json_schema", SHAPE_OBJECT, .required = true, .members = json_schema },
	{ 0 },
};

/* An object whose `type` decides which members it has. */
struct variant {
	const char *type;
	const struct shape *members;
};

static int check_variant(const struct variant *variants, struct json_object *value,
			 const char *path, struct oam_error *err)
{
	const char *names[8] = { NULL };
	struct shape type = { .kind = SHAPE_STRING, .values = names };
	char member[OAM_PARAM_MAX];
	struct json_object *given;
	size_t count = 0;

	shape_path(member, path, "type");
	if (!json_object_object_get_ex(value, "type", &given))
		return error_set(err, MISSING_PARAMETER, member, member);
	for (; variants[count].type; count++)
		names[count] = variants[count].type;
	if (shape_check_value(&type, given, member, err))
		return -1;
	/* It is one of them. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	for (; strcmp(variants->type, json_object_get_string(given)) != 0; variants++)
		;
	return shape_check(variants->members, value, path, err);
}

static int check_tool(struct json_object *tool, const char *path, struct oam_error *err)
{
	static const struct variant variants[] = {
		{ "code_interpreter", code_interpreter_tool },
		{ "file_search", file_search_tool },
		{ "function", function_tool },
		{ 0 },
	};

	return check_variant(variants, tool, path, err);
}

/* "auto" or one of the format objects. */
static int check_response_format(struct json_object *format, const char *path,
				 struct oam_error *err)
{
	static const char *const words[] = { "auto", NULL };
	static const struct shape word = { .kind = SHAPE_STRING, .values = words };
	static const struct variant variants[] = {
		{ "text", plain_format },
		{ "json_object", plain_format },
		{ "json_schema", schema_format },
		{ 0 },
	};

	if (json_object_is_type(format, json_type_string))
		return shape_check_value(&word, format, path, err);
	if (json_object_is_type(format, json_type_object))
		return check_variant(variants, format, path, err);
	return error_set(err, INVALID_TYPE, path, path, "'auto' or an object",
			 json_type_name(format));
}

static const struct shape id_text = {
	.kind = SHAPE_STRING, .min = 1, .max = 256, .check = assistant_check_no_nul
};

static const struct shape static_chunking[] = {
	{ "max_chunk_size_tokens", SHAPE_INTEGER, .required = true, .min = 100,
	  .max = 4096 },
	{ "chunk_overlap_tokens", SHAPE_INTEGER, .required = true, .max = 2048 },
	{ 0 },
};

static int check_overlap(struct json_object *chunking, const char *path,
			 struct oam_error *err)
{
	int64_t size = json_object_get_int64(
		json_member(chunking, "max_chunk_size_tokens"));
	int64_t overlap = json_object_get_int64(
		json_member(chunking, "chunk_overlap_tokens"));
	char member[OAM_PARAM_MAX];

	if (overlap * 2 <= size)
		return 0;
	shape_path(member, path, "chunk_overlap_tokens");
	return error_set(err, INVALID_PARAMETER, member, member,
			 "expected at most half of max_chunk_size_tokens");
}

static const struct shape static_strategy[] = {
	{ "type", SHAPE_STRING, .required = true },
	{ "static", SHAPE_OBJECT, .required = true, .members = static_chunking,
	  .check = check_overlap },
	{ 0 },
};

static int check_chunking(struct json_object *strategy, const char *path,
			  struct oam_error *err)
{
	static const struct variant variants[] = {
		{ "auto", plain_format },
		{ "static", static_strategy },
		{ 0 },
	};

	return check_variant(variants, strategy, path, err);
}

static const struct shape vector_store[] = {
	{ "file_ids", SHAPE_ARRAY, .max = 10000, .items = &id_text },
	{ "chunking_strategy", SHAPE_OBJECT, .check = check_chunking },
	{ "metadata", SHAPE_OBJECT, .nullable = true, .check = assistant_check_metadata },
	{ 0 },
};

static const struct shape vector_store_item = { .kind = SHAPE_OBJECT,
						.members = vector_store };

static int check_one_kind_of_store(struct json_object *search, const char *path,
				   struct oam_error *err)
{
	char member[OAM_PARAM_MAX];

	if (!json_member(search, "vector_stores") ||
	    !json_member(search, "vector_store_ids"))
		return 0;
	shape_path(member, path, "vector_stores");
	return error_set(err, INVALID_PARAMETER, member, member,
			 "it cannot stand beside vector_store_ids");
}

static const struct shape code_interpreter_resources[] = {
	{ "file_ids", SHAPE_ARRAY, .max = 20, .items = &id_text },
	{ 0 },
};

static const struct shape search_resources_on_create[] = {
	{ "vector_store_ids", SHAPE_ARRAY, .max = 1, .items = &id_text },
	{ "vector_stores", SHAPE_ARRAY, .max = 1, .items = &vector_store_item },
	{ 0 },
};

static const struct shape search_resources_on_modify[] = {
	{ "vector_store_ids", SHAPE_ARRAY, .max = 1, .items = &id_text },
	{ 0 },
};

static const struct shape resources_on_create[] = {
	{ "code_interpreter", SHAPE_OBJECT, .nullable = true,
	  .members = code_interpreter_resources },
	{ "file_search", SHAPE_OBJECT, .nullable = true,
	  .members = search_resources_on_create, .check = check_one_kind_of_store },
	{ 0 },
};

static const struct shape resources_on_modify[] = {
	{ "code_interpreter", SHAPE_OBJECT, .nullable = true,
	  .members = code_interpreter_resources },
	{ "file_search", SHAPE_OBJECT, .nullable = true,
	  .members = search_resources_on_modify },
	{ 0 },
};

static const struct shape tool_item = { .kind = SHAPE_OBJECT, .check = check_tool };

static const char *const efforts[] = { "none", "minimal", "low", "medium",
				       "high", "xhigh",   "max", NULL };

/* The rows that creating and modifying share. */
#define COMMON_FIELDS \
	{ "name", SHAPE_STRING, .nullable = true, .max = 256 }, \
		{ "description", SHAPE_STRING, .nullable = true, .max = 512 }, \
		{ "instructions", SHAPE_STRING, .nullable = true, .max = 256000 }, \
		{ "tools", SHAPE_ARRAY, .max = 128, .items = &tool_item }, \
		{ "metadata", SHAPE_OBJECT, .nullable = true, \
		  .check = assistant_check_metadata }, \
		{ "temperature", SHAPE_DECIMAL, .nullable = true, .max = 2 }, \
		{ "top_p", SHAPE_DECIMAL, .nullable = true, .max = 1 }, \
		{ "response_format", SHAPE_ANY, .nullable = true, \
		  .check = check_response_format }, \
	{ \
		"reasoning_effort", SHAPE_STRING, .nullable = true, .values = efforts \
	}

static const struct shape on_create[] = {
	{ "model", SHAPE_STRING, .required = true, .min = 1, .max = 256,
	  .check = assistant_check_no_nul },
	{ "tool_resources", SHAPE_OBJECT, .nullable = true,
	  .members = resources_on_create },
	COMMON_FIELDS,
	{ 0 },
};

static const struct shape on_override[] = {
	{ "model", SHAPE_STRING, .min = 1, .max = 256, .check = assistant_check_no_nul },
	{ "tool_resources", SHAPE_OBJECT, .nullable = true,
	  .members = resources_on_create },
	COMMON_FIELDS,
	{ 0 },
};

static const struct shape on_modify[] = {
	{ "model", SHAPE_STRING, .min = 1, .max = 256, .check = assistant_check_no_nul },
	{ "tool_resources", SHAPE_OBJECT, .nullable = true,
	  .members = resources_on_modify },
	COMMON_FIELDS,
	{ 0 },
};

int assistant_check(struct json_object *fields, enum assistant_use use, const char *path,
		    struct oam_error *err)
{
	static const struct shape *const tables[] = {
		[ASSISTANT_CREATE] = on_create,
		[ASSISTANT_OVERRIDE] = on_override,
		[ASSISTANT_MODIFY] = on_modify,
	};

	return shape_check(tables[use], fields, path, err);
}
