/* Changing and deleting assistants. */
#include <string.h>

#include "clock.h"
#include "service_private.h"

/*
 * Callers may send back the metadata that they were shown: reserved pairs that say what
 * is there already are no change, and are taken out of `updates`.
 */
static void drop_unchanged_reserved(struct json_object *updates,
				    struct json_object *assistant)
{
	static const char *const reserved[] = { ASSISTANT_META_TAG,
						ASSISTANT_META_NONCE };
	struct json_object *metadata = json_member(updates, "metadata");
	struct json_object *present = json_member(assistant, "metadata");

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		const char *ours = json_member_string(present, reserved[i]);
		const char *theirs = json_member_string(metadata, reserved[i]);

		if (ours && theirs && strcmp(ours, theirs) == 0)
			json_object_object_del(metadata, reserved[i]);
	}
}

int service_create(struct service *service, struct json_object *config,
		   struct json_object **assistant, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;

	*assistant = NULL;
	if (assistant_check(config, ASSISTANT_CREATE, "", err) ||
	    json_check_again(config, err) ||
	    upstream->create(upstream, config, assistant, err))
		return -1;
	log_write(LOG_LEVEL_INFO, "created", "request", service->request_id, "id",
		  json_member_string(*assistant, "id"), NULL);
	return 0;
}

/*
 * Within a transaction, after a change upstream: what the store says of it, and of later
 * refreshes. *profile: whose current one it is, or 0.
 */
static int remember_update(struct service *service, const char *id,
			   struct json_object *updates, struct json_object *assistant,
			   int64_t *profile, struct oam_error *err)
{
	struct store *store = service->store;
	struct json_object *config = assistant_config_of(assistant, err);
	struct json_object *base = NULL, *merged = NULL;
	struct assistant row = { 0 };
	int found = config ? store_assistant_find(store, id, &row, err) : -1;

	*profile = found > 0 && row.label == LABEL_CURRENT ? row.profile : 0;
	assistant_release(&row); /* large ones shall not be in memory together */
	/* The embedded upstream is the store, and has it already. */
	if (found > 0 && service->settings->base_url)
		store_assistant_set_config(store, id, config, clock_now(), err);
	if (*profile && store_profile_config(store, *profile, &base, err) == 0) {
		merged = assistant_merge(base, updates, err);
		if (merged)
			store_profile_set_config(store, *profile, merged, err);
		store_profile_publish_at(store, *profile, clock_now(), err);
	}
	json_object_put(merged);
	json_object_put(base);
	json_object_put(config);
	return error_result(err);
}

/* 1 when the assistant is a profile's. */
static int is_owned(struct service *service, const char *id, struct oam_error *err)
{
	struct assistant row;
	int found = store_assistant_find(service->store, id, &row, err);
	bool owned = found > 0 && row.profile != 0;

	if (found > 0)
		assistant_release(&row);
	return found < 0 ? -1 : owned;
}

/*
 * Checks the updates and makes *changes of them, what is sent. The manager's own pairs of
 * a profile's assistant stay as they are; one that is only hosted has none, and its owner,
 * who may be another manager, sets what he wants.
 */
static int make_changes(struct service *service, const char *id,
			struct json_object *present, struct json_object *updates,
			const char *path, struct json_object **changes,
			struct oam_error *err)
{
	int owned = is_owned(service, id, err);

	*changes = NULL;
	if (owned < 0)
		return -1;
	if (owned)
		drop_unchanged_reserved(updates, present);
	if (assistant_check(updates, ASSISTANT_MODIFY, path, err) ||
	    (owned && assistant_check_managed(updates, path, err)))
		return -1;
	*changes = assistant_merge(updates, NULL, err);
	if (owned && *changes && json_object_object_get_ex(*changes, "metadata", NULL))
		assistant_keep_reserved(present, *changes, err);
	return error_result(err);
}

/* Changes that are good each by itself may be too much together: then nobody could read it. */
static int check_changed(struct json_object *present, struct json_object *changes,
			 struct oam_error *err)
{
	struct json_object *changed = assistant_merge(present, changes, err);

	if (changed)
		json_check_again(changed, err);
	json_object_put(changed);
	return error_result(err);
}

static int change(struct service *service, const char *id, struct json_object *updates,
		  const char *path, struct json_object **assistant, struct oam_error *err)
{
	struct upstream *upstream = service->upstream;
	struct json_object *present, *changes = NULL;

	if (service_details(service, NULL, id, &present, err))
		return -1;
	if (make_changes(service, id, present, updates, path, &changes, err) == 0)
		check_changed(present, changes, err);
	json_object_put(present);
	if (error_result(err) == 0)
		upstream->modify(upstream, id, changes, assistant, err);
	json_object_put(changes);
	return error_result(err);
}

int service_update(struct service *service, const char *id, struct json_object *updates,
		   const char *path, struct json_object **assistant,
		   struct oam_error *err)
{
	/* What is hosted here changes in one transaction with its profile. */
	bool hosted = !service->settings->base_url;
	struct store *store = service->store;
	int64_t profile = 0;

	*assistant = NULL;
	if (hosted && store_begin(store, err))
		return -1;
	if (change(service, id, updates, path, assistant, err) == 0 &&
	    (hosted || store_begin(store, err) == 0) &&
	    remember_update(service, id, updates, *assistant, &profile, err) == 0)
		store_commit(store, err);
	store_rollback(store);
	if (error_result(err) == 0) {
		if (profile)
			service_deliver_soon(service, profile);
		return 0;
	}
	json_object_put(*assistant);
	*assistant = NULL;
	return -1;
}

/*
 * Removes it upstream, and from the store what is there no more, whoever did it: the store
 * must not offer it any longer.
 */
static int delete_claimed(struct service *service, const char *id, struct oam_error *err)
{
	struct oam_error result = { 0 };

	service->upstream->remove(service->upstream, id, &result);
	if (service->settings->base_url &&
	    (!error_result(&result) || result.code == OAM_E_ASSISTANT_NOT_FOUND) &&
	    store_assistant_gone(service->store, id, service->upstream->name, clock_now(),
				 err) < 0)
		return -1;
	if (error_result(&result)) {
		*err = result;
		return -1;
	}
	log_write(LOG_LEVEL_INFO, "deleted", "request", service->request_id, "id", id,
		  NULL);
	return 0;
}

int service_delete(struct service *service, const char *id, struct oam_error *err)
{
	int claim = -1;

	if (!assistant_id_is_valid(id))
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
	if (service->settings->base_url && service_claim_wait(service, id, &claim, err))
		return -1;
	delete_claimed(service, id, err);
	service_claim_release(&claim);
	return error_result(err);
}
