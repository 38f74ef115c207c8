/* json_read: what it accepts, json-c holds unchanged; what it refuses, it names. */
#include "fuzz.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_text(data, size);
	struct oam_error err = { 0 };
	struct json_object *tree;
	struct json_scan scan;
	int scanned = json_scan(text, size, &scan);

	claim(scan.offset <= size);
	claim((scanned == 0) == !scan.fault);
	if (json_read(text, size, &tree, &err) == 0) {
		claim(scanned == 0);
		claim(json_is_utf8(text, size));
		check_round_trip(tree);
	} else {
		claim(!tree);
		claim(err.code == OAM_E_INVALID_JSON);
		check_error(&err);
	}
	json_object_put(tree);
	free(text);
	return 0;
}
