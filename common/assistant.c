#include "assistant.h"

#include <string.h>

#include "clock.h"
#include "random.h"
#include "shape.h"

#define ID_PREFIX       "asst_"
#define ID_RANDOM       24
#define METADATA_MAX    16
#define RESERVED_PREFIX "oam_"
#define RESERVED_PAIRS  2

/* The fields that can be set, in the order of the object, and what an absent one is. */
static const struct {
	const char *name;
	const char *initial; /* JSON; NULL: absent stays absent */
} fields[] = {
	{ "name", "null" },
	{ "description", "null" },
	{ "model", "null" },
	{ "instructions", "null" },
	{ "tools", "[]" },
	{ "tool_resources", "{}" },
	{ "metadata", "{}" },
	{ "temperature", "1.0" },
	{ "top_p", "1.0" },
	{ "response_format", "\"auto\"" },
	{ "reasoning_effort", NULL },
};

static const char default_config[] =
	"{\"name\":\"Invoice Translation Assistant\","
	"\"description\":\"Translates invoices and finds mismatches between original and "
	"translated invoices and customs documents.\","
	"\"model\":\"gpt-4o-mini\","
	"\"instructions\":\"You are an expert in translating invoices.\\n\\n"
	"- Translate the text of invoice data and keep its structure as it is.\\n"
	"- Keep every number, date and reference exact; convert currencies only when "
	"asked to, and say which rate you used.\\n"
	"- Compare original invoices, translations and customs clearance documents, and "
	"list every mismatch with both values.\\n"
	"- Answer with valid JSON in the structure that was asked for.\","
	"\"tools\":[{\"type\":\"code_interpreter\"},{\"type\":\"file_search\"}],"
	"\"metadata\":{\"created_by\":\"estrella-backend\",\"created_at\":\"\","
	"\"version\":\"1.0.0\"}}";

bool assistant_id_is_valid(const char *id)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t prefix = strlen(ID_PREFIX), length = strlen(id);

	return strncmp(id, ID_PREFIX, prefix) == 0 && length > prefix &&
	       length < ASSISTANT_ID_SIZE &&
	       strspn(id + prefix, allowed) == length - prefix;
}

int assistant_id_make(char id[ASSISTANT_ID_SIZE], struct oam_error *err)
{
	memcpy(id, ID_PREFIX, strlen(ID_PREFIX));
	return random_base62(id + strlen(ID_PREFIX), ID_RANDOM, err);
}

struct json_object *assistant_default_config(struct oam_error *err)
{
	struct json_object *config;

	json_read(default_config, strlen(default_config), &config, err);
	return config;
}

/* An object without its members that are null; anything else as it is. */
static struct json_object *without_nulls(struct json_object *value, struct oam_error *err)
{
	struct json_object *kept;

	if (!json_object_is_type(value, json_type_object))
		return json_object_get(value);
	kept = json_new_object(err);
	json_object_object_foreach (value, name, member) {
		if (kept && member)
			json_put(kept, name, json_object_get(member), err);
	}
	return kept;
}

/*
 * The value of a field for another configuration, which shares it. Metadata is what the
 * manager changes, so it is copied. A null among tool_resources says nothing.
 */
static struct json_object *own_field(const char *name, struct json_object *value,
				     struct oam_error *err)
{
	if (strcmp(name, "metadata") == 0)
		return json_copy(value, err);
	if (strcmp(name, "tool_resources") == 0)
		return without_nulls(value, err);
	return json_object_get(value);
}

struct json_object *assistant_merge(struct json_object *base, struct json_object *changes,
				    struct oam_error *err)
{
	struct json_object *merged = json_new_object(err);

	if (!json_object_is_type(base, json_type_object))
		error_set(err, INTERNAL, NULL);
	if (error_result(err)) {
		json_object_put(merged);
		return NULL;
	}
	json_object_object_foreach (base, kept, present) {
		if (present)
			json_put(merged, kept, own_field(kept, present, err), err);
		else
			json_put_null(merged, kept, err);
	}
	if (changes) {
		json_object_object_foreach (changes, name, value) {
			if (value)
				json_put(merged, name, own_field(name, value, err), err);
			else
				json_object_object_del(merged, name);
		}
	}
	if (error_result(err) == 0)
		return merged;
	json_object_put(merged);
	return NULL;
}

/* The metadata, borrowed; NULL when it is not there, or what a server sent is no object. */
static struct json_object *metadata_of(struct json_object *object)
{
	struct json_object *metadata = json_member(object, "metadata");

	return json_object_is_type(metadata, json_type_object) ? metadata : NULL;
}

/* The metadata of `config`, borrowed; made when it is not there. */
static struct json_object *ensure_metadata(struct json_object *config,
					   struct oam_error *err)
{
	if (!metadata_of(config))
		json_put(config, "metadata", json_new_object(err), err);
	return metadata_of(config);
}

struct json_object *assistant_stamp(struct json_object *config, const char *tag,
				    const char *nonce, int64_t now, struct oam_error *err)
{
	struct json_object *stamped = assistant_merge(config, NULL, err), *metadata;
	char text[CLOCK_ISO8601_SIZE];

	if (!stamped)
		return NULL;
	metadata = ensure_metadata(stamped, err);
	if (metadata) { /* or they would be counted twice */
		json_object_object_del(metadata, ASSISTANT_META_TAG);
		json_object_object_del(metadata, ASSISTANT_META_NONCE);
	}
	clock_iso8601(now, text);
	if (metadata &&
	    (json_member(metadata, "created_at") ||
	     json_object_object_length(metadata) < METADATA_MAX - RESERVED_PAIRS))
		json_put_string(metadata, "created_at", text, err);
	json_put_string(metadata, ASSISTANT_META_TAG, tag, err);
	json_put_string(metadata, ASSISTANT_META_NONCE, nonce, err);
	if (error_result(err) == 0)
		return stamped;
	json_object_put(stamped);
	return NULL;
}

static bool is_reserved(const char *name)
{
	return strncmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0;
}

void assistant_drop_reserved(struct json_object *config)
{
	struct json_object *metadata = metadata_of(config);

	if (!metadata)
		return;
	json_object_object_foreach (metadata, name, value) {
		(void)value;
		if (is_reserved(name))
			json_object_object_del(metadata, name); /* foreach allows it */
	}
}

int assistant_keep_reserved(struct json_object *from, struct json_object *to,
			    struct oam_error *err)
{
	struct json_object *reserved = metadata_of(from);

	if (!reserved)
		return 0;
	json_object_object_foreach (reserved, name, value) {
		if (value && is_reserved(name))
			json_put(ensure_metadata(to, err), name, json_copy(value, err),
				 err);
	}
	return error_result(err);
}

struct json_object *assistant_object(const char *id, int64_t created_at,
				     struct json_object *config, struct oam_error *err)
{
	struct json_object *object = json_new_object(err);

	if (!object)
		return NULL;
	json_put_string(object, "id", id, err);
	json_put_string(object, "object", "assistant", err);
	json_put_integer(object, "created_at", created_at / CLOCK_SECOND, err);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct json_object *value = json_member(config, fields[i].name);

		if (value)
			json_put(object, fields[i].name, json_object_get(value), err);
		else if (fields[i].initial && strcmp(fields[i].initial, "null") == 0)
			json_put_null(object, fields[i].name, err);
		else if (fields[i].initial)
			json_put(object, fields[i].name,
				 json_tokener_parse(fields[i].initial), err);
	}
	if (error_result(err) == 0)
		return object;
	json_object_put(object);
	return NULL;
}

struct json_object *assistant_config_of(struct json_object *object, struct oam_error *err)
{
	struct json_object *config = json_new_object(err);

	for (size_t i = 0; config && i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct json_object *value = json_member(object, fields[i].name);

		if (value)
			json_put(config, fields[i].name,
				 own_field(fields[i].name, value, err), err);
	}
	if (error_result(err) == 0)
		return config;
	json_object_put(config);
	return NULL;
}

int assistant_check_managed(struct json_object *checked, const char *path,
			    struct oam_error *err)
{
	struct json_object *metadata = metadata_of(checked);
	size_t room = METADATA_MAX - RESERVED_PAIRS, count;
	char member[OAM_PARAM_MAX], pair[OAM_PARAM_MAX];

	if (json_check_again(checked, err))
		return -1;
	if (!metadata)
		return 0;
	shape_path(member, path, "metadata");
	json_object_object_foreach (metadata, name, value) {
		(void)value;
		shape_path(pair, member, name);
		if (is_reserved(name))
			return error_set(err, RESERVED_METADATA, pair, pair);
	}
	count = (size_t)json_object_object_length(metadata);
	if (count > room)
		return error_set(err, TOO_MANY_PROPERTIES, member, member, room, count);
	return 0;
}
