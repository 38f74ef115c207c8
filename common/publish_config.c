/* The JSON file that applications read, and its earlier versions. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "file_edit.h"
#include "log.h"
#include "publish.h"

/* NAME.2026-11-23T17-32-49.370Z.bak */
#define STAMP_SHAPE     "0000-00-00T00-00-00.000Z.bak"
#define STAMP_SIZE      sizeof("." STAMP_SHAPE)
#define BROKEN          ".broken" /* instead of .bak */

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

struct content {
	const char *id;
	struct json_object *config;
	int64_t created_at, now; /* ms */
	char *keep_as;           /* the old version's name; ends in .bak or BROKEN */
	struct oam_error broken; /* why the old version is no JSON object; or nothing */
};

/* ---- the text ---- */

static void put_time(struct json_object *tree, const char *name, int64_t ms,
		     struct oam_error *err)
{
	char text[CLOCK_ISO8601_SIZE];

	clock_iso8601(ms, text);
	json_put_string(tree, name, text, err);
}

static int put_content(struct json_object *tree, const struct content *content,
		       struct oam_error *err)
{
	static const char *const members[] = { "name",         "model", "description",
					       "instructions", "tools", "metadata" };

	json_put_string(tree, "assistantId", content->id, err);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct json_object *value = json_member(content->config, members[i]);

		if (value)
			json_put(tree, members[i], json_object_get(value), err);
		else
			json_put_null(tree, members[i], err);
	}
	json_put_integer(tree, "createdAt", content->created_at / CLOCK_SECOND, err);
	return error_result(err);
}

int publish_read(const char *text, size_t length, struct json_object **tree,
		 struct oam_error *err)
{
	const size_t mark = strlen(BYTE_ORDER_MARK);

	if (length >= mark && memcmp(text, BYTE_ORDER_MARK, mark) == 0)
		return json_read(text + mark, length - mark, tree, err);
	return json_read(text, length, tree, err);
}

static bool is_blank(const char *text, size_t length)
{
	while (length > 0 && strchr(" \t\r\n", text[length - 1]) && text[length - 1])
		length--;
	return length == 0;
}

/*
 * The old file's object, for the members that the application added; else a new one. What
 * is no object is kept under a name of its own.
 */
static struct json_object *read_base(const char *old, size_t length,
				     struct content *content, struct oam_error *err)
{
	struct json_object *tree = NULL;

	content->broken = (struct oam_error){ 0 };
	strcpy(strrchr(content->keep_as, '.'), ".bak");
	if (!old || is_blank(old, length))
		return json_new_object(err);
	if (publish_read(old, length, &tree, &content->broken) == 0 &&
	    json_object_is_type(tree, json_type_object))
		return tree;
	json_object_put(tree);
	if (content->broken.code == OAM_E_NO_MEMORY) {
		*err = content->broken;
		return NULL;
	}
	error_set(&content->broken, INVALID_JSON, NULL, "it is no object", (size_t)0);
	strcpy(strrchr(content->keep_as, '.'), BROKEN);
	return json_new_object(err);
}

/* How long json_pretty_text() would be: a line each, indented by two a level. */
static size_t pretty_length(const char *compact)
{
	size_t length = 0, depth = 0;
	bool quoted = false;

	for (const char *at = compact; *at; at++) {
		length++;
		if (quoted && *at == '\\' && at[1] != '\0') {
			length++;
			at++;
		} else if (*at == '"') {
			quoted = !quoted;
		} else if (!quoted && (*at == '{' || *at == '[')) {
			length += 1 + 2 * ++depth;
		} else if (!quoted && (*at == '}' || *at == ']')) {
			length += 1 + 2 * --depth;
		} else if (!quoted && (*at == ',' || *at == ':')) {
			length += 1 + 2 * depth;
		}
	}
	return length;
}

/* The text to write, one that can be read again. */
static int write_tree(struct json_object *tree, char **text, size_t *length,
		      struct oam_error *err)
{
	struct oam_error unfit = { 0 };
	struct json_scan scan;
	const char *written = json_text(tree);

	if (written && pretty_length(written) < PUBLISH_CONFIG_MAX)
		written = json_pretty_text(tree);
	if (!written || asprintf(text, "%s\n", written) < 0)
		return error_set(err, NO_MEMORY, NULL);
	*length = strlen(*text);
	if (*length <= PUBLISH_CONFIG_MAX && /* else the edit refuses it */
	    json_scan(*text, *length, &scan)) {
		json_scan_error(&scan, &unfit);
		error_set(err, FILE, NULL,
			  "the JSON file could not be read again: shorten the "
			  "configuration, or what was added to the file");
		error_detail(err, "%s", unfit.message);
		free(*text);
		*text = NULL;
	}
	return error_result(err);
}

/* A copy that shares the members: they are replaced as a whole. */
static struct json_object *copy_members(struct json_object *tree, struct oam_error *err)
{
	struct json_object *copy = json_new_object(err);

	json_object_object_foreach (tree, name, value) {
		if (copy && value)
			json_put(copy, name, json_object_get(value), err);
		else if (copy)
			json_put_null(copy, name, err);
	}
	return copy;
}

/* A file that says all of this already keeps its updatedAt, and so is not written. */
static int make_text(const char *old, size_t old_length, char **text, size_t *length,
		     void *context, struct oam_error *err)
{
	struct content *content = context;
	struct json_object *tree = read_base(old, old_length, content, err);
	struct json_object *before = tree ? copy_members(tree, err) : NULL;

	if (error_result(err) || put_content(tree, content, err))
		goto out;
	if (!json_object_equal(before, tree) || !json_member(tree, "updatedAt"))
		put_time(tree, "updatedAt", content->now, err);
	else if (old && (*text = strndup(old, old_length))) {
		*length = old_length;
		goto out;
	}
	json_object_put(before); /* or both would be in memory while it is written */
	before = NULL;
	if (error_result(err) == 0)
		write_tree(tree, text, length, err);
out:
	json_object_put(before);
	json_object_put(tree);
	return error_result(err);
}

/* ---- backups ---- */

/* Backups are beside the file itself, not beside a link to it. malloc. */
static char *resolve(const char *path, struct oam_error *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		real = strdup(path);
	if (!real)
		error_set(err, NO_MEMORY, NULL);
	return real;
}

static bool is_stamp(const char *text)
{
	const char *shape = STAMP_SHAPE;

	for (; *shape; shape++, text++)
		if (*shape == '0' ? *text < '0' || *text > '9' : *text != *shape)
			return false;
	return *text == '\0';
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The backup's name for a version that ends at `ms`. */
static void backup_name(const char *path, int64_t ms, char *name, size_t size)
{
	char time[CLOCK_ISO8601_SIZE];

	clock_iso8601(ms, time);
	time[13] = time[16] = '-'; /* some file systems take no colon */
	snprintf(name, size, "%s.%s.bak", base_name(path), time);
}

/* Backups of the file at `path`, for scandir(3); it has no context to give. */
static __thread const char *wanted;

static int is_wanted(const struct dirent *entry)
{
	size_t length = strlen(wanted);

	return strncmp(entry->d_name, wanted, length) == 0 &&
	       entry->d_name[length] == '.' && is_stamp(entry->d_name + length + 1);
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

/* *names (malloc, each too) of the backups, newest first. */
static int find_backups(const char *path, struct dirent ***names, struct oam_error *err)
{
	char *folder = file_beside(path, ".", err);
	int count;

	if (!folder)
		return -1;
	wanted = base_name(path);
	count = scandir(folder, names, is_wanted, newest_first);
	if (count < 0 && errno != ENOENT) {
		error_set(err, FILE, NULL, strerror(errno));
		error_detail(err, "read the folder %s", folder);
	}
	free(folder);
	return count < 0 ? (error_result(err) ? -1 : 0) : count;
}

/* Of the versions beside `path`. */
static void drop_old_backups_at(const char *path)
{
	struct oam_error ignored = { 0 };
	struct dirent **names = NULL;
	int count = find_backups(path, &names, &ignored);

	for (int i = 0; i < count; i++) {
		char *old = i >= PUBLISH_BACKUPS
				    ? file_beside(path, names[i]->d_name, &ignored)
				    : NULL;

		if (old)
			unlink(old);
		free(old);
		free(names[i]);
	}
	free(names);
}

/* What is written in place has its old versions beside the store. */
static void drop_old_backups(const char *path, const struct publish_rules *rules)
{
	struct oam_error ignored = { 0 };
	char *there = rules->in_place && rules->store
			      ? file_beside(rules->store, base_name(path), &ignored)
			      : NULL;

	drop_old_backups_at(path);
	if (there)
		drop_old_backups_at(there);
	free(there);
}

static int append_backup(struct json_object *backups, const char *path, const char *name,
			 struct oam_error *err)
{
	struct json_object *entry = json_new_object(err), *tree = NULL;
	const char *stamp = name + strlen(name) - (STAMP_SIZE - 2);
	char *full = file_beside(path, name, err), *text = NULL, time[CLOCK_ISO8601_SIZE];
	struct oam_error ignored = { 0 };
	size_t length;

	if (full && file_read(full, PUBLISH_CONFIG_MAX, &text, &length, &ignored) == 0 &&
	    text)
		publish_read(text, length, &tree, &ignored);
	snprintf(time, sizeof(time), "%.24s", stamp);
	time[13] = time[16] = ':';
	if (entry) {
		json_put_string(entry, "file", full, err);
		json_put_string(entry, "time", time, err);
		json_put_string(entry, "assistantId",
				json_member_string(tree, "assistantId"), err);
		json_append(backups, entry, err);
	}
	json_object_put(tree);
	free(text);
	free(full);
	return error_result(err);
}

int publish_backups(const char *given, struct json_object **backups,
		    struct oam_error *err)
{
	char *path = resolve(given, err);
	struct dirent **names = NULL;
	int count;

	*backups = json_new_array(err);
	count = path && *backups ? find_backups(path, &names, err) : -1;
	for (int i = 0; i < count; i++) {
		if (!error_result(err))
			append_backup(*backups, path, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	free(path);
	if (error_result(err) == 0)
		return 0;
	json_object_put(*backups);
	*backups = NULL;
	return -1;
}

/* ---- writing ---- */

char *publish_config_path(const char *path, const char *profile, struct oam_error *err)
{
	const char *dot = strrchr(base_name(path), '.');
	size_t stem = dot ? (size_t)(dot - path) : strlen(path);
	char *full;

	if (asprintf(&full, "%.*s%s%s%s", (int)stem, path, profile ? "." : "",
		     profile ? profile : "", path + stem) >= 0)
		return full;
	error_set(err, NO_MEMORY, NULL);
	return NULL;
}

/* ms of a backup's name. */
static int64_t time_of(const char *name)
{
	struct tm time = { 0 };
	const char *rest = strptime(name + strlen(name) - (STAMP_SIZE - 2),
				    "%Y-%m-%dT%H-%M-%S.", &time);

	return rest ? (int64_t)timegm(&time) * CLOCK_SECOND + strtol(rest, NULL, 10) : 0;
}

/*
 * A backup's name that is free and the newest: versions may follow each other within a
 * millisecond, and the clock may have been set back since the last one. The oldest names
 * go, so a version must never get an old one.
 */
static void free_name(const char *path, int64_t now, char *name, size_t size)
{
	struct oam_error ignored = { 0 };
	struct dirent **names = NULL;
	int count = find_backups(path, &names, &ignored);

	backup_name(path, now, name, size);
	if (count > 0 && strcmp(names[0]->d_name, name) >= 0)
		backup_name(path, time_of(names[0]->d_name) + 1, name, size);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* What is said of an old version that was no JSON object. */
static void tell_broken(const char *path, const struct content *content)
{
	log_write(LOG_LEVEL_ERROR, "broken-file", "file", path, "error",
		  content->broken.message, "kept-as", content->keep_as, NULL);
}

int publish_config(const char *given, const char *id, struct json_object *config,
		   int64_t created_at, const struct publish_rules *rules,
		   struct oam_error *err)
{
	char *path = resolve(given, err);
	char name[512];
	struct content content = { .id = id,
				   .config = config,
				   .created_at = created_at,
				   .now = clock_now(),
				   .keep_as = name };
	const struct file_edit edit = { .path = given, /* its links are looked at */
					.limit = PUBLISH_CONFIG_MAX,
					.mode = 0640,
					.store = rules->store,
					.in_place = rules->in_place,
					.keep_as = name,
					.make = make_text,
					.context = &content };
	int written;

	if (!path)
		return -1;
	file_make_folder(path, 0755, rules->store);
	free_name(path, content.now, name, sizeof(name));
	written = file_edit(&edit, err);
	if (written > 0) {
		if (error_result(&content.broken))
			tell_broken(path, &content);
		drop_old_backups(path, rules);
	}
	free(path);
	return written < 0 ? -1 : 0;
}
