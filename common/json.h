/*
 * json: strict reading and checked building over json-c.
 *
 * json-c 0.16 accepts much that RFC 8259 forbids, changes what it cannot hold, and may crash
 * when memory runs out. So every text passes json_scan(), our own grammar check, and
 * json_build(); json-c only holds the tree, and writes it.
 *
 * Ownership follows json-c: a tree that is handed out belongs to the caller, who releases
 * it with json_object_put(). A tree that is put into another belongs to that one.
 */
#ifndef OAM_JSON_H
#define OAM_JSON_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Nesting beyond this is refused; function schemas of real assistants stay below 20. */
#define JSON_DEPTH_MAX 64

/*
 * A tree may take JSON_MEMORY_MIN bytes, and JSON_MEMORY_RATIO for each byte that
 * json_text() would write of it. The densest schemas of functions take 14 of
 * these.
 */
#define JSON_MEMORY_MIN   ((size_t)1024 * 1024)
#define JSON_MEMORY_RATIO ((size_t)16)

/* What a text may need, where these limits do not fit. */
struct json_limits {
	int depth;
	size_t memory_min; /* bytes, instead of JSON_MEMORY_MIN */
};

/* What json_scan() found at fault, and where. */
struct json_scan {
	const char *fault; /* static text, or NULL */
	bool unsupported;  /* RFC 8259 allows it all the same */
	size_t offset;     /* of the fault, in bytes */
};

/*
 * Checks that text[0..length) is one JSON text by RFC 8259 in valid UTF-8 (RFC 3629).
 * Not supported, although the RFC allows them: lone surrogates and NUL in names (json-c
 * would change them), numbers beyond double, nesting beyond JSON_DEPTH_MAX, and more
 * memory than said above. text[length] must be readable and '\0'. 0, or -1 with the fault
 * in *scan.
 */
int json_scan(const char *text, size_t length, struct json_scan *scan);

/* The same with other limits. */
int json_scan_within(const char *text, size_t length, const struct json_limits *limits,
		     struct json_scan *scan);

/* Says in *err what json_scan() found at fault. Always -1. */
int json_scan_error(const struct json_scan *scan, struct oam_error *err);

/*
 * Builds the tree of a text that json_scan() found good. *tree is NULL for `null`, and for
 * an error: out of memory, or equal names in one object.
 */
int json_build(const char *text, struct json_object **tree, struct oam_error *err);

/*
 * Reads one JSON text as json_scan() describes it; equal names in one object are not
 * supported either. An integer beyond 64 bits becomes a decimal that keeps its digits.
 * *out is NULL for the text `null`. INVALID_JSON, UNSUPPORTED_JSON or NO_MEMORY.
 */
int json_read(const char *text, size_t length, struct json_object **out,
	      struct oam_error *err);

/*
 * The same of a list with at most so many texts that json_read() reads each by itself: as
 * data of an object, and with a little added to each.
 */
int json_read_list(const char *text, size_t length, size_t items,
		   struct json_object **out, struct oam_error *err);

/*
 * Whether what json_text() writes can be read again, also with a little added to it, as
 * servers do: UNSUPPORTED_JSON.
 */
int json_check_again(struct json_object *tree, struct oam_error *err);

/* The tree as compact JSON text. It belongs to the tree; NULL when memory ran out. */
const char *json_text(struct json_object *tree);

/* The same for people: a line for each member, and spaces. */
const char *json_pretty_text(struct json_object *tree);

/*
 * A copy whose objects and arrays are its own; it shares all else, which nobody changes.
 * NULL with NO_MEMORY. NULL in gives NULL out, without an error.
 */
struct json_object *json_copy(struct json_object *tree, struct oam_error *err);

/* Gives back the room that an object or array keeps for more than it holds. */
void json_fit(struct json_object *container);

/* The entries that json-c's table needs for so many members: at least 1. */
size_t json_object_room(size_t members);

/* True when the number of JSON at digits[0..length) is an integer of 64 bits. */
bool json_is_integer(const char *digits, size_t length);

/* The member `name` of an object, borrowed; NULL when absent, null, or not an object. */
struct json_object *json_member(struct json_object *object, const char *name);

/*
 * The string member `name`, borrowed; NULL when absent, not a string, or with U+0000 in it,
 * where C would end it.
 */
const char *json_member_string(struct json_object *object, const char *name);

/* "a string", "an integer", "a decimal", "an object", "an array", "a boolean", "null". */
const char *json_type_name(struct json_object *value);

/* Length of a JSON string in characters (Unicode code points). */
size_t json_string_characters(struct json_object *string);

/* True when bytes[0..length) is valid UTF-8 by RFC 3629. */
bool json_is_utf8(const char *bytes, size_t length);

/*
 * Building. Each call adds one member; it does nothing when `err` is filled already, so
 * that a run of calls needs one check at its end. NULL text is written as null.
 * 0 or -1 (NO_MEMORY).
 */
struct json_object *json_new_object(struct oam_error *err);
struct json_object *json_new_array(struct oam_error *err);
int json_put_string(struct json_object *object, const char *name, const char *text,
		    struct oam_error *err);
int json_put_integer(struct json_object *object, const char *name, int64_t value,
		     struct oam_error *err);
int json_put_boolean(struct json_object *object, const char *name, bool value,
		     struct oam_error *err);
int json_put_null(struct json_object *object, const char *name, struct oam_error *err);

/* Takes `value` over, also on failure. NULL is a failure here, not null. */
int json_put(struct json_object *object, const char *name, struct json_object *value,
	     struct oam_error *err);

/* Adds to the end of an array; takes `value` over, also on failure. */
int json_append(struct json_object *array, struct json_object *value,
		struct oam_error *err);
int json_append_string(struct json_object *array, const char *text,
		       struct oam_error *err);

#endif
