/* Assistants from elsewhere: out of a dump, or from another server. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

#define BASE_MAX 32 /* "[12345]" */

static int note(struct json_object *array, const char *id, const char *from,
		struct oam_error *err)
{
	struct json_object *entry = json_new_object(err);

	if (!entry)
		return -1;
	json_put_string(entry, "id", id, err);
	json_put_string(entry, "from", from, err);
	return json_append(array, entry, err);
}

static void tell(const struct service *service, size_t done, size_t total)
{
	if (service->progress)
		service->progress(done, total, service->progress_context);
}

/* Checks one object; its id and created_at (ms), and its *config, which is the caller's. */
static int read_object(struct json_object *object, size_t index, const char **id,
		       int64_t *created_at, struct json_object **config,
		       struct oam_error *err)
{
	struct json_object *created = json_member(object, "created_at");
	char path[BASE_MAX], field[BASE_MAX + 16];

	*config = NULL;
	snprintf(path, sizeof(path), "[%zu]", index);
	if (!json_object_is_type(object, json_type_object))
		return error_set(err, INVALID_TYPE, path, path, "an object",
				 json_type_name(object));
	*id = json_member_string(object, "id");
	snprintf(field, sizeof(field), "%s.id", path);
	if (!*id || !assistant_id_is_valid(*id))
		return error_set(err, INVALID_PARAMETER, field, field,
				 "it must be like asst_…");
	snprintf(field, sizeof(field), "%s.created_at", path);
	if (created && (!json_object_is_type(created, json_type_int) ||
			json_object_get_int64(created) < 0 ||
			json_object_get_int64(created) > INT64_C(100000000000)))
		return error_set(err, INVALID_PARAMETER, field, field,
				 "it must be in seconds since 1970");
	*created_at = created ? json_object_get_int64(created) * CLOCK_SECOND
			      : clock_now();
	*config = assistant_config_of(object, err);
	return *config ? assistant_check(*config, ASSISTANT_CREATE, path, err) : -1;
}

/* ---- the embedded upstream: same ids, one transaction ---- */

static int import_row(struct service *service, struct json_object *object, size_t index,
		      struct service_import *import, struct oam_error *err)
{
	struct json_object *config;
	int64_t created_at;
	const char *id;
	int added = -1;

	if (read_object(object, index, &id, &created_at, &config, err) == 0)
		added = store_assistant_import(service->store, id,
					       service->upstream->name, config,
					       created_at, clock_now(), err);
	json_object_put(config);
	if (added < 0)
		return -1;
	return added ? note(import->imported, id, id, err)
		     : json_append_string(import->skipped, id, err);
}

static int import_rows(struct service *service, struct json_object *assistants,
		       struct service_import *import, struct oam_error *err)
{
	size_t count = json_object_array_length(assistants);

	if (store_begin(service->store, err))
		return -1;
	for (size_t i = 0; !error_result(err) && i < count; i++) {
		import_row(service, json_object_array_get_idx(assistants, i), i, import,
			   err);
		tell(service, i + 1, count);
	}
	if (error_result(err) == 0)
		store_commit(service->store, err);
	store_rollback(service->store);
	return error_result(err);
}

/* ---- a server over HTTP: new ids, one by one ---- */

static int send_one(struct service *service, struct json_object *object, size_t index,
		    struct service_import *import, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct json_object *config, *made = NULL, *entry;
	struct oam_error cause = { 0 };
	int64_t created_at;
	const char *id = NULL;

	if (read_object(object, index, &id, &created_at, &config, err)) {
		json_object_put(config);
		return -1;
	}
	if (upstream->create(upstream, config, &made, &cause) == 0) {
		note(import->imported, json_member_string(made, "id"), id, err);
	} else {
		entry = json_new_object(err);
		if (entry) {
			json_put_string(entry, "id", id, err);
			json_put_string(entry, "code", error_code(cause.code), err);
			json_put_string(entry, "message", cause.message, err);
			json_append(import->failed, entry, err);
		}
	}
	json_object_put(made);
	json_object_put(config);
	return error_result(err);
}

static int check_all(struct json_object *assistants, struct oam_error *err)
{
	for (size_t i = 0; i < json_object_array_length(assistants); i++) {
		struct json_object *config;
		int64_t created_at;
		const char *id;

		read_object(json_object_array_get_idx(assistants, i), i, &id, &created_at,
			    &config, err);
		json_object_put(config);
		if (error_result(err))
			return -1;
	}
	return 0;
}

static int send_all(struct service *service, struct json_object *assistants,
		    struct service_import *import, struct oam_error *err)
{
	size_t count = json_object_array_length(assistants);

	if (check_all(assistants, err)) /* before the first one is made */
		return -1;
	for (size_t i = 0; !error_result(err) && i < count; i++) {
		send_one(service, json_object_array_get_idx(assistants, i), i, import,
			 err);
		tell(service, i + 1, count);
	}
	return error_result(err);
}

int service_import(struct service *service, struct json_object *assistants,
		   struct service_import *import, struct oam_error *err)
{
	import->imported = json_new_array(err);
	import->skipped = json_new_array(err);
	import->failed = json_new_array(err);
	if (error_result(err))
		return -1;
	if (service->settings->base_url)
		return send_all(service, assistants, import, err);
	return import_rows(service, assistants, import, err);
}

/* What was fetched. */
struct fetched {
	struct json_object *assistants;
	size_t bytes; /* of their texts */
};

static int keep_fetched(struct json_object *assistant, void *context,
			struct oam_error *err)
{
	struct fetched *fetched = context;
	const char *text = json_text(assistant);

	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	fetched->bytes += strlen(text);
	if (fetched->bytes > LIST_BYTES_MAX) {
		error_set(err, LIST_TOO_LONG, NULL, LIST_BYTES_MAX);
		return error_detail(err, "export it there, and import it in parts");
	}
	return json_append(fetched->assistants, json_copy(assistant, err), err);
}

int service_fetch(const struct settings *settings, const char *base_url,
		  struct json_object **assistants, struct oam_error *err)
{
	const struct upstream_page everything = { .ascending = true };
	struct settings there = *settings; /* borrows all strings */
	struct fetched fetched = { .assistants = json_new_array(err) };
	struct upstream *upstream;

	*assistants = NULL;
	/* It is only read. NOLINTNEXTLINE(performance-no-int-to-ptr) */
	there.base_url = (char *)(uintptr_t)base_url;
	if (fetched.assistants && upstream_http_open(&there, &upstream, err) == 0) {
		upstream->each(upstream, &everything, keep_fetched, &fetched, err);
		upstream->close(upstream);
	}
	if (error_result(err)) {
		json_object_put(fetched.assistants);
		return -1;
	}
	*assistants = fetched.assistants;
	return 0;
}
