/*
 * json_writer: JSON text (RFC 8259) written straight into memory, without a tree between:
 * for answers, whose members are known one by one.
 *
 *	struct json_writer writer = { 0 };
 *
 *	json_write_begin(&writer, NULL);
 *	json_write_string(&writer, "name", "Poet");
 *	json_write_end(&writer);
 *	if (json_writer_result(&writer, err) == 0)
 *		… writer.text …
 *	json_writer_free(&writer);
 *
 * When memory runs out the calls go on and do nothing: one look at the end is enough.
 * Names are written as they are, and must not need to be escaped. Texts must be UTF-8.
 */
#ifndef OAM_JSON_WRITER_H
#define OAM_JSON_WRITER_H

#include "json.h"

/* All zero: nothing is written yet. */
struct json_writer {
	char *text;    /* '\0' behind it; NULL before the first write */
	size_t length; /* bytes */
	size_t size;   /* bytes of memory */
	bool failed;   /* memory ran out: the text is worth nothing */
};

/* An object, to be ended. `name` is that of the member which it is; NULL: of none. */
void json_write_begin(struct json_writer *writer, const char *name);
void json_write_end(struct json_writer *writer);

/* An array, to be ended. Its elements are written with NULL for a name. */
void json_write_array_begin(struct json_writer *writer, const char *name);
void json_write_array_end(struct json_writer *writer);

/* A member of the object that was begun last. NULL text is null. */
void json_write_string(struct json_writer *writer, const char *name, const char *text);
void json_write_filled(struct json_writer *writer, const char *name,
		       const char *text); /* "" is null */
void json_write_integer(struct json_writer *writer, const char *name, int64_t value);
void json_write_decimal(struct json_writer *writer, const char *name, double value);
void json_write_boolean(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);

/* The same of a tree, which stays the caller's; NULL is null. */
void json_write_value(struct json_writer *writer, const char *name,
		      struct json_object *value);

/* All members of an object, one after the other. */
void json_write_members(struct json_writer *writer, struct json_object *object);

/* Text as it is. */
void json_write_raw(struct json_writer *writer, const char *text);

/* 0, or -1 with NO_MEMORY. */
int json_writer_result(const struct json_writer *writer, struct oam_error *err);

/* Begins anew. It keeps some memory for the next text. */
void json_writer_clear(struct json_writer *writer);
void json_writer_free(struct json_writer *writer);

#endif
