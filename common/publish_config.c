/* The JSON file that applications read, and its earlier versions. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "file_edit.h"
#include "publish.h"

#define CONFIG_MAX (4UL * 1024 * 1024)

/* NAME.2026-11-23T17-32-49.370Z.bak */
#define STAMP_SHAPE "0000-00-00T00-00-00.000Z.bak"
#define STAMP_SIZE  sizeof("." STAMP_SHAPE)

struct content {
	const char *id;
	struct json_object *config;
	int64_t created_at, now; /* ms */
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

/* The old file's object, for the members that the application added; else a new one. */
static struct json_object *read_base(const char *old, size_t length,
				     struct oam_error *err)
{
	struct oam_error ignored = { 0 };
	struct json_object *tree = NULL;

	if (old)
		json_read(old, length, &tree, &ignored);
	if (json_object_is_type(tree, json_type_object))
		return tree;
	json_object_put(tree);
	return json_new_object(err);
}

/* A file that says all of this already keeps its updatedAt, and so is not written. */
static int make_text(const char *old, size_t old_length, char **text, size_t *length,
		     void *context, struct oam_error *err)
{
	const struct content *content = context;
	struct json_object *tree = read_base(old, old_length, err);
	struct json_object *before = tree ? json_copy(tree, err) : NULL;
	const char *written;

	if (!before || put_content(tree, content, err))
		goto out;
	if (!json_object_equal(before, tree) || !json_member(tree, "updatedAt"))
		put_time(tree, "updatedAt", content->now, err);
	else if (old && (*text = strndup(old, old_length))) {
		*length = old_length;
		goto out;
	}
	written = json_pretty_text(tree);
	if (!written || asprintf(text, "%s\n", written) < 0)
		error_set(err, NO_MEMORY, NULL);
	else
		*length = strlen(*text);
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

static void drop_old_backups(const char *path)
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

static int append_backup(struct json_object *backups, const char *path, const char *name,
			 struct oam_error *err)
{
	struct json_object *entry = json_new_object(err), *tree = NULL;
	const char *stamp = name + strlen(name) - (STAMP_SIZE - 2);
	char *full = file_beside(path, name, err), *text = NULL, time[CLOCK_ISO8601_SIZE];
	struct oam_error ignored = { 0 };
	size_t length;

	if (full && file_read(full, CONFIG_MAX, &text, &length, &ignored) == 0 && text)
		json_read(text, length, &tree, &ignored);
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

/* Only the last part; when that fails, the edit says why. */
static void make_folder(const char *path)
{
	char *folder = strndup(path, (size_t)(base_name(path) - path));

	if (folder && folder[0] != '\0')
		mkdir(folder, 0755);
	free(folder);
}

/* A backup's name that is free: versions may follow each other within a millisecond. */
static void free_name(const char *path, int64_t now, char *name, size_t size)
{
	struct oam_error ignored = { 0 };

	for (int64_t ms = now; ms < now + PUBLISH_BACKUPS; ms++) {
		char *full;
		bool taken;

		backup_name(path, ms, name, size);
		full = file_beside(path, name, &ignored);
		taken = full && access(full, F_OK) == 0;
		free(full);
		if (!taken)
			return;
	}
}

int publish_config(const char *given, const char *id, struct json_object *config,
		   int64_t created_at, struct oam_error *err)
{
	char *path = resolve(given, err);
	struct content content = {
		.id = id, .config = config, .created_at = created_at, .now = clock_now()
	};
	char name[512];
	const struct file_edit edit = { .path = path,
					.limit = CONFIG_MAX,
					.mode = 0640,
					.keep_as = name,
					.make = make_text,
					.context = &content };
	int written;

	if (!path)
		return -1;
	make_folder(path);
	free_name(path, content.now, name, sizeof(name));
	written = file_edit(&edit, err);
	if (written > 0)
		drop_old_backups(path);
	free(path);
	return written < 0 ? -1 : 0;
}
