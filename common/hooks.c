/* Which hooks run, and what is kept of those that fail. */
#include "hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook_process.h"
#include "log.h"

/* ---- what came of it ---- */

#define SHOWN_SIZE 256

/*
 * Names may have any bytes; terminals and logs must not obey them, and the store, which is
 * checked when it is read, must not have them.
 */
static void show(const char *name, char shown[SHOWN_SIZE])
{
	error_copy(shown, SHOWN_SIZE, name);
	for (; *shown; shown++)
		if ((unsigned char)*shown < 0x20 || *shown == 0x7F)
			*shown = '?';
}

/* Keeps that a hook, or with "" the folder of the stage, failed. Always 1. */
static int fail(const struct hooks_stage *stage, const char *name, const char *how,
		struct oam_error *err)
{
	bool is_command = strcmp(stage->name, HOOKS_COMMAND) == 0;
	struct json_object *entry = stage->failed ? json_new_object(err) : NULL;
	struct oam_error text = { 0 };
	char shown[SHOWN_SIZE];

	show(name, shown);
	error_set(&text, HOOK, NULL, is_command ? "" : stage->name,
		  is_command || !name[0] ? "" : "/", shown, how);
	if (!entry)
		return 1;
	json_put_string(entry, "name", shown, err); /* the store wants UTF-8 */
	json_put_string(entry, "error", text.message, err);
	json_append(stage->failed, entry, err);
	return 1;
}

/* Logs and keeps why a hook was not run at all. Always 1. */
static int refuse(const struct hooks_stage *stage, const char *name, const char *why,
		  struct oam_error *err)
{
	char shown[SHOWN_SIZE];

	show(name, shown);
	log_write(LOG_LEVEL_ERROR, "hook", "stage", stage->name, "name", shown, "outcome",
		  "refused", "error", why, NULL);
	return fail(stage, name, why, err);
}

static int run(const struct hooks_stage *stage, char *const arguments[], const char *name,
	       const struct hook *hook, struct oam_error *err)
{
	struct hook_result result;
	bool failed = hook_process_run(arguments, hook, stage->limit, &result) != 0;
	char shown[SHOWN_SIZE];

	show(name, shown);
	log_write(failed ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "hook", "stage", stage->name,
		  "name", shown, "outcome", failed ? result.how : "done", "output",
		  result.output, NULL);
	return failed ? fail(stage, name, result.how, err) : 0;
}

int hooks_run_command(const char *command, const struct hooks_stage *stage,
		      const struct hook *hook, struct oam_error *err)
{
	char shell[] = "/bin/sh", option[] = "-c";
	char *arguments[] = { shell, option, strdupa(command), NULL };

	return run(stage, arguments, "--deploy-hook", hook, err);
}

/* ---- folders ---- */

static bool is_ignored(const char *name)
{
	static const char *const patterns[] = { ".*",        "*~",      "#*#",
						"*.bak",     "*.orig",  "*.swp",
						"*.dpkg-*",  "*.ucf-*", "*.rpmnew",
						"*.rpmsave", "README",  "README.*" };

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

static const char *ownership_problem(const struct stat *status)
{
	if (status->st_mode & S_IWOTH)
		return "may be changed by everybody: chmod o-w it";
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "belongs to a foreign user: chown it to root, or to the user that "
		       "runs this";
	return NULL;
}

/* Why the file cannot run, or NULL. */
static const char *problem_of(const char *path, bool *ignored)
{
	struct stat status;

	*ignored = false;
	if (stat(path, &status))
		return "cannot be reached: mend the link or the permissions, or remove it";
	*ignored = !S_ISREG(status.st_mode);
	if (*ignored)
		return NULL;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return "is not executable: chmod +x it, or remove it";
	return ownership_problem(&status);
}

/* Why the folder of all hooks, or of a stage, cannot be used, or NULL. */
static const char *folder_problem(const char *path, bool may_be_missing)
{
	struct stat status;

	if (stat(path, &status))
		return may_be_missing && errno == ENOENT
			       ? NULL
			       : "cannot be reached: make the folder OAM_HOOKS_DIR, mend its "
				 "permissions, or unset it";
	if (!S_ISDIR(status.st_mode))
		return "is no folder";
	if (faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS))
		return "cannot be read: mend the permissions of the folder";
	return ownership_problem(&status);
}

static int is_any(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* `only` has the names as fail() keeps them. */
static bool is_wanted(struct json_object *only, const char *name)
{
	char shown[SHOWN_SIZE];

	show(name, shown);
	for (size_t i = 0; only && i < json_object_array_length(only); i++) {
		const char *one = json_object_get_string(
			json_object_array_get_idx(only, i));

		if (one[0] == '\0' || strcmp(one, shown) == 0)
			return true;
	}
	return !only;
}

static int run_file(const struct hooks_stage *stage, const char *name,
		    const struct hook *hook, struct oam_error *err)
{
	const char *problem;
	bool ignored;
	int failed = 0;
	char *path;

	if (is_ignored(name) || !is_wanted(stage->only, name))
		return 0;
	if (asprintf(&path, "%s/%s/%s", stage->folder, stage->name, name) < 0) {
		error_set(err, NO_MEMORY, NULL);
		return 1;
	}
	problem = problem_of(path, &ignored);
	if (problem) {
		failed = refuse(stage, name, problem, err);
	} else if (!ignored) {
		char *arguments[] = { path, NULL };

		failed = run(stage, arguments, name, hook, err);
	}
	free(path);
	return failed;
}

/* The names in the folder of a stage, or why there are none. Release with free_names(). */
static const char *read_folder(const char *hooks, const char *stage,
			       struct dirent ***names, int *count)
{
	const char *problem = folder_problem(hooks, false);
	char *folder = NULL;

	*names = NULL;
	*count = 0;
	if (!problem && asprintf(&folder, "%s/%s", hooks, stage) < 0)
		return "could not be read: no memory is left";
	if (!problem)
		problem = folder_problem(folder, true);
	if (!problem)
		*count = scandir(folder, names, is_any, by_bytes);
	if (*count < 0 && errno != ENOENT)
		problem = "could not be read";
	free(folder);
	return problem;
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

int hooks_run(const struct hooks_stage *stage, const struct hook *hook,
	      struct oam_error *err)
{
	struct dirent **names;
	int count, failed = 0;
	const char *problem = read_folder(stage->folder, stage->name, &names, &count);

	if (problem)
		failed = refuse(stage, "", problem, err);
	for (int i = 0; !problem && i < count; i++)
		failed += run_file(stage, names[i]->d_name, hook, err);
	free_names(names, count);
	return failed;
}

/* ---- looking ---- */

static void inspect_file(const char *hooks, const char *stage, const char *name,
			 void (*visit)(const char *, const char *, bool, void *),
			 void *context)
{
	const char *problem;
	char shown[SHOWN_SIZE];
	bool ignored;
	char *path;

	if (asprintf(&path, "%s/%s/%s", hooks, stage, name) < 0)
		return;
	problem = problem_of(path, &ignored);
	ignored = ignored || is_ignored(name);
	show(path + strlen(hooks) + 1, shown);
	visit(shown, ignored ? NULL : problem, ignored, context);
	free(path);
}

void hooks_inspect(const char *hooks,
		   void (*visit)(const char *name, const char *problem, bool ignored,
				 void *context),
		   void *context)
{
	static const char *const stages[] = { HOOKS_PRE, HOOKS_DEPLOY, HOOKS_POST };

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		struct dirent **names;
		int count;
		const char *problem = read_folder(hooks, stages[i], &names, &count);

		if (problem)
			visit(stages[i], problem, false, context);
		for (int k = 0; !problem && k < count; k++)
			inspect_file(hooks, stages[i], names[k]->d_name, visit, context);
		free_names(names, count);
	}
}
