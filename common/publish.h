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

/*
 * Makes `key` stand for `value` ([A-Za-z0-9_-] only) in the `.env` at `path`, as npm's
 * dotenv reads it. Every other byte stays; the quotes and what is around the value too. A
 * key that is not there is added at the end; a file that is not there is made, with mode
 * 0600. FILE when the text is such that another entry would change.
 */
int publish_env(const char *path, const char *key, const char *value,
		struct oam_error *err);

/*
 * Where the JSON file of a profile is: `path` itself for NULL, else with the name before
 * the extension. malloc; NULL with NO_MEMORY.
 */
char *publish_config_path(const char *path, const char *profile, struct oam_error *err);

/*
 * Writes the JSON file: assistantId, name, model, description, instructions, tools,
 * metadata, createdAt (of the assistant, in seconds since 1970; `created_at` is in ms) and
 * updatedAt (now, ISO 8601). Members that the application added stay. The version before is kept as a backup. The folder is made when
 * it is missing. A new file has mode 0640.
 */
int publish_config(const char *path, const char *id, struct json_object *config,
		   int64_t created_at, struct oam_error *err);

/*
 * The backups of the JSON file at `path`, newest first: an array of {file (its path),
 * time, assistantId}. The caller releases it.
 */
int publish_backups(const char *path, struct json_object **backups,
		    struct oam_error *err);

#endif
