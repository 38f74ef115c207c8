/* json_read: what it accepts, json-c holds unchanged; what it refuses, it names. */
#include "fuzz.h"
#include "json_writer.h"

static void check_round_trip(struct json_object *tree)
{
	char *text = strdup(json_text(tree));
	struct oam_error err = { 0 };
	struct json_object *again, *copy;

	claim(text);
	claim(json_read(text, strlen(text), &again, &err) == 0);
	claim(strcmp(json_text(again), text) == 0);
	claim(json_object_equal(tree, again));
	copy = json_copy(tree, &err);
	claim(!copy == !tree);
	claim(strcmp(json_text(copy), text) == 0);
	json_object_put(copy);
	json_object_put(again);
	free(text);
}

static bool has_long_number(const char *text)
{
	while (*text) {
		size_t digits = strspn(text, "0123456789");

		if (digits >= 19)
			return true;
		text += digits ? digits : 1;
	}
	return false;
}

/*
 * json-c's own parser, which takes more texts than we, makes the same tree of ours. But for
 * escaped pairs of surrogates: it takes U+1D800 to U+1DBFF and the like for half of one;
 * and for integers beyond 64 bits: it takes the next one that fits.
 */
static void check_like_json_c(struct json_object *tree, const char *text, size_t size)
{
	struct json_tokener *tokener;
	struct json_object *theirs;

	if (strcasestr(text, "\\ud") || has_long_number(text))
		return;
	tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
	claim(tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	theirs = json_tokener_parse_ex(tokener, text, (int)size + 1);
	claim(json_tokener_get_error(tokener) == json_tokener_success);
	claim(json_object_equal(tree, theirs));
	json_object_put(theirs);
	json_tokener_free(tokener);
}

/* What is written as a string is read as the same one. */
static void check_writer(const char *text)
{
	struct json_writer writer = { 0 };
	struct oam_error err = { 0 };
	struct json_object *tree;

	json_write_begin(&writer, NULL);
	json_write_string(&writer, "a", text);
	json_write_string(&writer, "b", text);
	json_write_end(&writer);
	claim(json_writer_result(&writer, &err) == 0);
	claim(strlen(writer.text) == writer.length);
	claim(json_read(writer.text, writer.length, &tree, &err) == 0);
	claim(strcmp(json_member_string(tree, "a"), text) == 0);
	claim(strcmp(json_member_string(tree, "b"), text) == 0);
	claim(strcmp(json_text(tree), writer.text) == 0);
	json_object_put(tree);
	json_writer_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_text(data, size);
	struct oam_error err = { 0 };
	struct json_object *tree;
	struct json_scan scan;
	int scanned = json_scan(text, size, &scan);

	if (is_utf8(text))
		check_writer(text);
	claim(scan.offset <= size);
	claim((scanned == 0) == !scan.fault);
	if (json_read(text, size, &tree, &err) == 0) {
		claim(scanned == 0);
		claim(json_is_utf8(text, size));
		check_round_trip(tree);
		check_like_json_c(tree, text, size);
	} else {
		claim(!tree);
		claim(err.code == OAM_E_INVALID_JSON ||
		      err.code == OAM_E_UNSUPPORTED_JSON);
		check_error(&err);
	}
	json_object_put(tree);
	free(text);
	return 0;
}
