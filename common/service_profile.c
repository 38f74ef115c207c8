/* Profiles: finding, making, changing and removing them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "service_private.h"

#define DEFAULT_KEY "OPENAI_ASSISTANT_ID"

/* After a CONFLICT: names the profile that has the key. Always -1. */
static int say_who_has_it(struct service *service, const char *key, const char *name,
			  struct oam_error *err)
{
	struct oam_error ignored = { 0 };
	char owner[PROFILE_NAME_SIZE];

	if (err->code != OAM_E_CONFLICT ||
	    store_profile_key_owner(service->store, key, name, owner, &ignored) <= 0)
		return -1;
	*err = (struct oam_error){ 0 };
	return error_set(err, KEY_TAKEN, "env_key", owner, key, owner);
}

int service_profile(struct service *service, const char *name, struct profile *profile,
		    struct oam_error *err)
{
	int found = store_profile_find(service->store, name, profile, err);

	if (found == 0 && strcmp(name, PROFILE_DEFAULT) == 0) {
		struct json_object *config = assistant_default_config(err);

		if (config)
			store_profile_add(service->store, name, config, DEFAULT_KEY,
					  clock_now(), err);
		json_object_put(config);
		if (error_result(err))
			return say_who_has_it(service, DEFAULT_KEY, name, err);
		found = store_profile_find(service->store, name, profile, err);
	}
	if (found < 0)
		return -1;
	return found ? 0 : error_set(err, PROFILE_NOT_FOUND, "profile", name);
}

int service_profile_again(struct service *service, struct profile *profile,
			  struct oam_error *err)
{
	char name[PROFILE_NAME_SIZE];

	memcpy(name, profile->name, sizeof(name));
	return service_profile(service, name, profile, err);
}

/* ---- showing ---- */

int service_profiles(struct service *service, struct json_object **profiles,
		     struct oam_error *err)
{
	struct oam_error no_default = { 0 };
	struct json_object *status;
	struct profile profile;
	int64_t after = 0;

	*profiles = NULL;
	/* Where another profile has the default one's key, this list is what shows it. */
	if (service_profile(service, PROFILE_DEFAULT, &profile, &no_default) &&
	    no_default.code != OAM_E_KEY_TAKEN) {
		*err = no_default;
		return -1;
	}
	*profiles = json_new_array(err);
	while (*profiles &&
	       store_profile_next(service->store, after, &profile, err) > 0) {
		after = profile.id;
		if (service_status_tree(service, profile.name, &status, err) ||
		    json_append(*profiles, status, err))
			break;
	}
	if (error_result(err) == 0)
		return 0;
	json_object_put(*profiles);
	*profiles = NULL;
	return -1;
}

int service_profile_show(struct service *service, const char *name,
			 struct json_object **object, struct oam_error *err)
{
	struct json_object *config;
	struct profile profile;

	if (service_status_tree(service, name, object, err) == 0 &&
	    service_profile(service, name, &profile, err) == 0 &&
	    store_profile_config(service->store, profile.id, &config, err) == 0)
		json_put(*object, "config", config, err);
	if (error_result(err) == 0)
		return 0;
	json_object_put(*object);
	*object = NULL;
	return -1;
}

/* ---- changing ---- */

static int check_key(const char *name, const char *key, struct oam_error *err)
{
	const char *fault = profile_key_fault(key);
	char upper[PROFILE_KEY_SIZE] = "";

	/* Where the case of letters makes no difference, these would be the same. */
	for (size_t i = 0; !fault && i <= strlen(key); i++)
		upper[i] = (char)toupper((unsigned char)key[i]);
	if (!fault)
		fault = profile_key_fault(upper);
	if (!fault && strcmp(upper, DEFAULT_KEY) == 0 &&
	    strcmp(name, PROFILE_DEFAULT) != 0)
		fault = "the name is kept for the default profile";
	return fault ? error_set(err, INVALID_PARAMETER, "env_key", "env_key", fault) : 0;
}

static int check_change(const char *name, const struct service_profile_change *change,
			struct oam_error *err)
{
	if (!profile_name_is_valid(name))
		return error_set(err, INVALID_PARAMETER, "profile", "profile",
				 "a name has 1 to 64 characters of a-z, 0-9, _ and -");
	if (change->env_key && check_key(name, change->env_key, err))
		return -1;
	if (change->has_interval && service_check_interval(change->interval, err))
		return -1;
	if (change->has_keep_count &&
	    (change->keep_count < -1 || change->keep_count > CLEANUP_KEEP_MAX))
		return error_set(err, INVALID_PARAMETER, "keep", "keep",
				 "must be a whole number from 0 to 1000000");
	return 0;
}

/* OPENAI_ASSISTANT_ID_NAME. */
static void make_key(const char *name, char key[PROFILE_KEY_SIZE])
{
	int length = snprintf(key, PROFILE_KEY_SIZE, DEFAULT_KEY "_%s", name);

	for (int i = 0; i < length; i++)
		key[i] = key[i] == '-' ? '_' : (char)toupper((unsigned char)key[i]);
}

/* Within the transaction: a key is one profile's own. */
static int check_owner(struct service *service, const char *name, const char *key,
		       struct oam_error *err)
{
	char owner[PROFILE_NAME_SIZE];
	int taken = store_profile_key_owner(service->store, key, name, owner, err);

	if (taken > 0)
		return error_set(err, KEY_TAKEN, "env_key", owner, key, name);
	return taken;
}

/* Finds the profile or makes it, within the transaction. */
static int find_or_add(struct service *service, const char *name,
		       const struct service_profile_change *change,
		       struct profile *profile, struct oam_error *err)
{
	int found = store_profile_find(service->store, name, profile, err);
	struct json_object *config;
	char made[PROFILE_KEY_SIZE];
	const char *key = change->env_key ? change->env_key : made;

	if (found)
		return found < 0 ? -1 : 0;
	make_key(name, made);
	if (check_owner(service, name, key, err))
		return -1;
	config = assistant_default_config(err);
	if (config &&
	    store_profile_add(service->store, name, config, key, clock_now(), err) == 0)
		found = store_profile_find(service->store, name, profile, err);
	json_object_put(config);
	return found > 0 ? 0 : -1;
}

static int change_config(struct service *service, const struct profile *profile,
			 const struct service_profile_change *change,
			 struct oam_error *err)
{
	struct json_object *base = json_object_get(change->config), *config = NULL;

	if (!base && store_profile_config(service->store, profile->id, &base, err))
		return -1;
	config = assistant_merge(base, change->overrides, err);
	if (config && assistant_check(config, ASSISTANT_CREATE, "config", err) == 0 &&
	    assistant_check_managed(config, "config", err) == 0)
		store_profile_set_config(service->store, profile->id, config, err);
	json_object_put(config);
	json_object_put(base);
	return error_result(err);
}

static int apply(struct service *service, const struct profile *profile,
		 const struct service_profile_change *change, struct oam_error *err)
{
	struct store *store = service->store;

	if ((change->config || change->overrides) &&
	    change_config(service, profile, change, err))
		return -1;
	if (change->has_interval &&
	    store_profile_set_interval(store, profile->id, change->interval, err))
		return -1;
	if (change->has_keep_count &&
	    store_profile_set_keep_count(store, profile->id, change->keep_count, err))
		return -1;
	if (!change->env_key || strcmp(change->env_key, profile->env_key) == 0)
		return 0;
	if (check_owner(service, profile->name, change->env_key, err) ||
	    store_profile_set_key(store, profile->id, change->env_key, err))
		return -1;
	return store_profile_publish_at(store, profile->id, clock_now(), err);
}

int service_profile_set(struct service *service, const char *name,
			const struct service_profile_change *change,
			struct oam_error *err)
{
	struct profile profile;

	if (check_change(name, change, err))
		return -1;
	if (strcmp(name, PROFILE_DEFAULT) == 0 &&
	    service_profile(service, name, &profile, err)) /* with its own key */
		return -1;
	if (store_begin(service->store, err))
		return -1;
	if (find_or_add(service, name, change, &profile, err) == 0 &&
	    apply(service, &profile, change, err) == 0)
		store_commit(service->store, err);
	store_rollback(service->store);
	return error_result(err);
}

int service_profile_remove(struct service *service, const char *name,
			   struct oam_error *err)
{
	struct profile profile;
	struct lease lease;
	int held;

	if (service_profile(service, name, &profile, err))
		return -1;
	if (strcmp(name, PROFILE_DEFAULT) == 0)
		return error_set(err, INVALID_PARAMETER, "profile", "profile",
				 "the default profile cannot be removed");
	held = service_lease_try(service, &profile, &lease, err);
	if (held < 0)
		return -1;
	if (held == 0)
		return error_set(err, REFRESH_RUNNING, NULL, name);
	if (store_begin(service->store, err) == 0) {
		store_profile_remove(service->store, profile.id, clock_now(), err);
		if (error_result(err) == 0)
			store_commit(service->store, err);
		store_rollback(service->store);
	}
	service_lease_release(service, &lease);
	return error_result(err);
}
