/*
 * assistant: the assistant object of the Assistants v2 protocol and its limits.
 *
 * A "configuration" is what an assistant is made from: the object's fields without id,
 * object and created_at. Limits are those of OpenAI's published description; lengths
 * count characters (Unicode code points). Thread safe.
 *
 * Configurations share the values of their fields with what they were made from, but for
 * metadata: so nobody changes anything in them but fields as a whole, and metadata.
 */
#ifndef OAM_ASSISTANT_H
#define OAM_ASSISTANT_H

#include <stdint.h>

#include "json.h"

/* Ids are opaque: this is the longest that we keep, with its '\0'. */
#define ASSISTANT_ID_SIZE 128

/* Metadata pairs that the manager writes into every assistant that it owns. */
#define ASSISTANT_META_TAG   "oam_installation" /* which store owns it */
#define ASSISTANT_META_NONCE "oam_nonce"        /* which rotation made it */

/* A nonce or an installation tag: 22 characters of base62 are 131 bits. */
#define ASSISTANT_NONCE_LENGTH 22
#define ASSISTANT_NONCE_SIZE   (ASSISTANT_NONCE_LENGTH + 1)

enum assistant_use {
	ASSISTANT_CREATE,   /* `model` is required */
	ASSISTANT_OVERRIDE, /* fields for a later create: none is required */
	ASSISTANT_MODIFY,   /* none is required; vector_stores is not allowed */
};

/* ^asst_[A-Za-z0-9_-]+$ and shorter than ASSISTANT_ID_SIZE. */
bool assistant_id_is_valid(const char *id);

/* Makes a new id: asst_ and 24 random characters. */
int assistant_id_make(char id[ASSISTANT_ID_SIZE], struct oam_error *err);

/*
 * Checks `fields` (an object) against every limit of the protocol. Errors name the field
 * below `path` ("" at the top), for example config.tools[0].type.
 */
int assistant_check(struct json_object *fields, enum assistant_use use, const char *path,
		    struct oam_error *err);

/*
 * And for the configurations of profiles: their metadata has no names that start with
 * oam_, and two pairs less to give, which the manager needs; and what an upstream makes of
 * them can be read again.
 */
int assistant_check_managed(struct json_object *fields, const char *path,
			    struct oam_error *err);

/* A string that we and others use as a C string: refused when it holds a NUL character. */
int assistant_check_no_nul(struct json_object *text, const char *path,
			   struct oam_error *err);

/* The member `metadata` of any object of the protocol, which stands at `path`. */
int assistant_check_metadata(struct json_object *metadata, const char *path,
			     struct oam_error *err);

/*
 * Seconds since 1970, or the milliseconds that some servers count: created_at is not more.
 */
#define ASSISTANT_TIME_MAX INT64_C(100000000000000)

/*
 * Checks an assistant object from another server, before any of it is kept or shown: id,
 * created_at and model are there, and each field that we know has its type and is within
 * its limits. Members and tools that we do not know pass. Errors as of assistant_check().
 */
int assistant_check_received(struct json_object *object, struct oam_error *err);

/* The configuration that the default profile starts with. The caller releases it. */
struct json_object *assistant_default_config(struct oam_error *err);

/*
 * A new configuration: `base` with each member of `changes` in its place. A null clears
 * the member, in tool_resources, too. `changes` may be NULL.
 */
struct json_object *assistant_merge(struct json_object *base, struct json_object *changes,
				    struct oam_error *err);

/*
 * A copy of `config` as the manager sends it: metadata has the two reserved pairs, and
 * created_at = `now` as ISO 8601 unless other pairs take all the room.
 */
struct json_object *assistant_stamp(struct json_object *config, const char *tag,
				    const char *nonce, int64_t now,
				    struct oam_error *err);

/* Copies the oam_ metadata pairs of `from` into `to`, which gets metadata if needed. */
int assistant_keep_reserved(struct json_object *from, struct json_object *to,
			    struct oam_error *err);

/* Takes the oam_ metadata pairs out of a configuration. */
void assistant_drop_reserved(struct json_object *config);

/* The object as the protocol shows it, defaults filled in. `created_at` is in ms. */
struct json_object *assistant_object(const char *id, int64_t created_at,
				     struct json_object *config, struct oam_error *err);

/* The configuration inside an assistant object: the fields that can be set. */
struct json_object *assistant_config_of(struct json_object *object,
					struct oam_error *err);

#endif
