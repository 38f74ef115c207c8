/*
 * assistant: what passes the checks can be merged, stamped and shown without loss, and
 * still passes them.
 */
#include "assistant.h"
#include "fuzz.h"

#define ID    "asst_1s1BYw3v9kXh5o8i0cTVPmGg"
#define TAG   "1eDvEdyq1KtwK8vIRKhoHO"
#define NONCE "0CFM2WqfQGSq5lvrIDuAg0"
#define NOW   INT64_C(1800000000000)

static bool passes(struct json_object *fields, enum assistant_use use)
{
	struct oam_error err = { 0 };

	if (assistant_check(fields, use, "config", &err) == 0) {
		claim(err.code == OAM_OK);
		return true;
	}
	check_error(&err);
	claim(error_status(err.code) == 400);
	claim(err.param[0]);
	return false;
}

static void check_equal(struct json_object *a, struct json_object *b)
{
	claim(a && b);
	claim(strcmp(json_text(a), json_text(b)) == 0);
}

/* To the protocol's object and back: nothing is lost, and what is absent is filled in. */
static void check_object(struct json_object *config)
{
	struct oam_error err = { 0 };
	struct json_object *object = assistant_object(ID, NOW, config, &err);
	struct json_object *back = assistant_config_of(object, &err);
	struct json_object *again = assistant_object(ID, NOW, back, &err);

	check_equal(object, again);
	claim(strcmp(json_member_string(object, "id"), ID) == 0);
	json_object_object_foreach (config, name, value) {
		struct json_object *shown = json_member(object, name);

		if (value && json_object_object_get_ex(object, name, NULL))
			claim(json_object_equal(shown, value));
	}
	json_object_put(object);
	json_object_put(back);
	json_object_put(again);
}

static void check_merge(struct json_object *changes, bool is_override)
{
	struct oam_error err = { 0 };
	struct json_object *base = assistant_default_config(&err);
	struct json_object *merged = assistant_merge(base, changes, &err);
	struct json_object *twice = assistant_merge(merged, changes, &err);

	check_equal(merged, twice);
	if (is_override)
		claim(passes(merged, ASSISTANT_CREATE));
	json_object_put(base);
	json_object_put(merged);
	json_object_put(twice);
}

static void check_stamp(struct json_object *config, bool is_managed)
{
	struct oam_error err = { 0 };
	struct json_object *stamped = assistant_stamp(config, TAG, NONCE, NOW, &err);
	struct json_object *metadata = json_member(stamped, "metadata"), *kept;

	claim(stamped && error_result(&err) == 0);
	claim(strcmp(json_member_string(metadata, ASSISTANT_META_TAG), TAG) == 0);
	claim(strcmp(json_member_string(metadata, ASSISTANT_META_NONCE), NONCE) == 0);
	if (is_managed)
		claim(passes(stamped, ASSISTANT_CREATE));

	kept = json_new_object(&err);
	claim(assistant_keep_reserved(stamped, kept, &err) == 0);
	claim(json_member_string(json_member(kept, "metadata"), ASSISTANT_META_NONCE));
	assistant_drop_reserved(stamped);
	claim(!json_member(json_member(stamped, "metadata"), ASSISTANT_META_NONCE));
	if (is_managed)
		claim(assistant_check_managed(stamped, "config", &err) == 0);
	json_object_put(kept);
	json_object_put(stamped);
}

static void check_all(struct json_object *fields)
{
	bool creates = passes(fields, ASSISTANT_CREATE);
	bool overrides = passes(fields, ASSISTANT_OVERRIDE);
	bool modifies = passes(fields, ASSISTANT_MODIFY);
	struct oam_error err = { 0 };
	bool is_managed = assistant_check_managed(fields, "config", &err) == 0;

	if (!is_managed)
		check_error(&err);
	claim(!creates || overrides);
	claim(!modifies || overrides);
	claim(!overrides || creates || !json_member(fields, "model"));
	if (overrides) /* only then the service goes on */
		check_merge(fields, overrides);
	if (creates) {
		check_object(fields);
		check_stamp(fields, is_managed);
	}
}

/* What is done to an answer of a server, which has no limits. */
static void take_unchecked(struct json_object *object)
{
	struct oam_error err = { 0 };
	struct json_object *to = json_new_object(&err);
	struct json_object *config = assistant_config_of(object, &err);

	claim(config && assistant_keep_reserved(object, to, &err) == 0);
	assistant_drop_reserved(config);
	json_object_put(config);
	json_object_put(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_text(data, size);
	struct oam_error err = { 0 };
	struct json_object *tree;

	if (json_read(text, size, &tree, &err) == 0 &&
	    json_object_is_type(tree, json_type_object)) {
		check_all(tree);
		take_unchecked(tree);
	}
	json_object_put(tree);
	free(text);
	return 0;
}
