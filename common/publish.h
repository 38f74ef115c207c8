/*
 * publish: copies of the store for applications: their `.env` and a JSON file.
 *
 * Both are replaced as a whole, as file_edit.h tells; what is there already is not
 * written again. The store stays the record of truth: a copy that could not be written
 * loses nothing.
 */
#ifndef OAM_PUBLISH_H
#define OAM_PUBLISH_H

#include <stdint.h>

#include "json.h"

#define PUBLISH_BACKUPS 20 /* of the JSON file; older ones are deleted */
#define PUBLISH_CONFIG_MAX \
	(4UL * 1024 * 1024) /* bytes of the JSON file, read or written */

/* How the files are written: see the members of the same names in file_edit.h. */
struct publish_rules {
	const char *store;
	bool in_place;
};

/*
 * Makes `key` stand for `value` ([A-Za-z0-9_-] only) in the `.env` at `path`, as npm's
 * dotenv reads it, and `sh` and the dotenv of Python, Ruby and PHP, when they agree about
 * the old text. Every other byte stays; the quotes and what is around the value too, but
 * that a comment which touches it gets a blank. A key that is not there is added at the end;
 * a file that is not there is made, with mode 0600. FILE when the text is such that another
 * entry would change, or is no text: UTF-16, or with NUL bytes.
 */
int publish_env(const char *path, const char *key, const char *value,
		const struct publish_rules *rules, struct oam_error *err);

/*
 * Where the JSON file of a profile is: `path` itself for NULL, else with the name before
 * the extension. malloc; NULL with NO_MEMORY.
 */
char *publish_config_path(const char *path, const char *profile, struct oam_error *err);

/*
 * Writes the JSON file: assistantId, name, model, description, instructions, tools,
 * metadata, createdAt (of the assistant, in seconds since 1970; `created_at` is in ms) and
 * updatedAt (now, ISO 8601). Members that the application added stay. The version before is kept as a backup; one that is no JSON
 * object as NAME.TIME.broken, which stays until somebody removes it, and the log says so.
 * Both are beside the file, or beside the store when the file is written in place.
 * The folder is made when it is missing. A new file has mode 0640. The text is for people,
 * a line for each member, or compact when that would be longer than PUBLISH_CONFIG_MAX.
 * FILE also when it could not be read again.
 */
int publish_config(const char *path, const char *id, struct json_object *config,
		   int64_t created_at, const struct publish_rules *rules,
		   struct oam_error *err);

/*
 * Whether the `.env` or the JSON file at `path` could be written: all steps but the last are
 * tried. FILE with the words that publishing would use.
 */
int publish_check(const char *path, const struct publish_rules *rules,
		  struct oam_error *err);

/* Reads such a text as json_read() does, also behind a byte order mark (RFC 8259, 8.1). */
int publish_read(const char *text, size_t length, struct json_object **tree,
		 struct oam_error *err);

/*
 * The backups of the JSON file at `path`, newest first: an array of {file (its path),
 * time, assistantId}. The caller releases it.
 */
int publish_backups(const char *path, struct json_object **backups,
		    struct oam_error *err);

#endif
