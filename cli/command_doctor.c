/* oam doctor: is everything as it has to be? One line each; its exit status tells. */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "file.h"
#include "hooks.h"
#include "publish.h"
#include "token.h"

#define PATH_LENGTH 4096

/* Before this program was written: a clock that says so was never set. */
#define EARLIEST INT64_C(1763856000000) /* 2025-11-23, ms */

struct doctor {
	struct cli *cli;
	struct json_object *findings; /* for --json */
	int failed;
	struct oam_error *err;
};

/* `advice` NULL: it is as it should be. */
static void find(struct doctor *doctor, const char *what, const char *how,
		 const char *advice)
{
	struct json_object *entry;

	doctor->failed += advice != NULL;
	if (doctor->cli->json) {
		entry = json_new_object(doctor->err);
		if (!entry)
			return;
		json_put_string(entry, "check", what, doctor->err);
		json_put_boolean(entry, "ok", advice == NULL, doctor->err);
		json_put_string(entry, "finding", how, doctor->err);
		json_put_string(entry, "advice", advice, doctor->err);
		json_append(doctor->findings, entry, doctor->err);
		return;
	}
	printf("%s%-4s%s ", cli_colour(stdout, advice ? COLOUR_RED : COLOUR_GREEN),
	       advice ? "FAIL" : "ok", cli_colour(stdout, COLOUR_OFF));
	cli_print(stdout, "%-24s %s%s%s", what, how, advice ? ": " : "",
		  advice ? advice : "");
	putchar('\n');
}

/* ---- settings ---- */

static void show_setting(const char *name, const char *value, const char *source,
			 void *context)
{
	char text[OAM_MESSAGE_MAX];

	snprintf(text, sizeof(text), "%s%s(%s)", value, value[0] ? " " : "", source);
	find(context, name, text, NULL);
}

static void check_settings(struct doctor *doctor)
{
	const struct settings *settings = doctor->cli->settings;
	struct oam_error cause = { 0 };

	if (settings_describe(settings, show_setting, doctor, &cause))
		find(doctor, "settings", cause.message, "mend the .env");
}

static void check_key(struct doctor *doctor)
{
	const struct settings *settings = doctor->cli->settings;
	struct oam_error cause = { 0 };
	struct token_verifier *verifier;

	if (token_verifier_open(settings, &verifier, &cause)) {
		find(doctor, "token key", "cannot be used", cause.message);
		return;
	}
	token_verifier_close(verifier);
	find(doctor, "token key", "good enough for tokens", NULL);
}

static void check_clock(struct doctor *doctor)
{
	char text[CLOCK_ISO8601_SIZE];

	clock_iso8601(clock_now(), text);
	find(doctor, "clock", text,
	     clock_now() < EARLIEST ? "the clock is wrong: refreshes and tokens need it"
				    : NULL);
}

/* ---- files ---- */

/* The folder of a path. */
static void folder_of(const char *path, char folder[PATH_LENGTH])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(folder, PATH_LENGTH, ".");
	else
		snprintf(folder, PATH_LENGTH, "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
}

/* Who else may read or write it. */
static void check_mode(struct doctor *doctor, const char *what, const char *path,
		       bool is_secret)
{
	struct stat status;
	bool exists = stat(path, &status) == 0;

	if (exists && is_secret && status.st_mode & 077)
		find(doctor, what, path,
		     status.st_mode & 07 ? "everybody may read or write it: chmod 600"
					 : "its group may read or write it: chmod 600");
	else
		find(doctor, what, exists ? path : "will be made when needed", NULL);
}

/* SQLite writes it itself, and its journal beside it. */
static void check_store_file(struct doctor *doctor)
{
	const char *what = "store file", *path = doctor->cli->settings->db;
	char folder[PATH_LENGTH];
	struct stat status;
	bool exists = stat(path, &status) == 0;

	folder_of(path, folder);
	if (!exists && errno != ENOENT)
		find(doctor, what, strerror(errno), "mend its permissions");
	else if (access(folder, W_OK) && errno != ENOENT)
		find(doctor, what, path, "this user may not write into its folder");
	else if (exists && access(path, R_OK))
		find(doctor, what, path, "this user may not read it");
	else if (exists && geteuid() != 0 && status.st_uid != geteuid())
		find(doctor, what, path,
		     "it belongs to another user, so that this one "
		     "cannot replace it");
	else
		check_mode(doctor, what, path, true);
}

/* A file that is published into. */
static void check_published(struct doctor *doctor, const char *what, const char *path,
			    bool is_secret)
{
	const struct settings *settings = doctor->cli->settings;
	const struct publish_rules rules = { .store = settings->db,
					     .in_place = settings->write_in_place == 1 };
	struct oam_error cause = { 0 };

	if (publish_check(path, &rules, &cause))
		find(doctor, what, "cannot be written", cause.message);
	else
		check_mode(doctor, what, path, is_secret);
}

/*
 * Publishing kept them aside; what the application had added is only in there. Those of
 * `path` and of other profiles, which have their name before the extension.
 */
static void check_broken_files(struct doctor *doctor, const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
	int stem = dot ? (int)(dot - path) : (int)strlen(path);
	char pattern[PATH_LENGTH];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%.*s*Z.broken", stem, path);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		find(doctor, "JSON file", found.gl_pathv[i],
		     "the file was no JSON object, and was kept under this name: take "
		     "over what was added to it, and remove it");
	globfree(&found);
}

/* Beside the file, beside what a link leads to, and beside the store; each once. */
static void find_broken_files(struct doctor *doctor)
{
	const struct settings *settings = doctor->cli->settings;
	const char *slash = strrchr(settings->config_file, '/');
	const char *name = slash ? slash + 1 : settings->config_file;
	char folder[PATH_LENGTH];
	char *beside = file_beside(settings->db, name, doctor->err);
	char *real = realpath(settings->config_file, NULL);
	struct stat of_file, of_store;

	check_broken_files(doctor, settings->config_file);
	if (real && lstat(settings->config_file, &of_file) == 0 &&
	    S_ISLNK(of_file.st_mode))
		check_broken_files(doctor, real);
	folder_of(settings->config_file, folder);
	if (stat(folder, &of_file))
		of_file = (struct stat){ 0 };
	folder_of(settings->db, folder);
	if (beside && stat(folder, &of_store) == 0 &&
	    (of_file.st_dev != of_store.st_dev || of_file.st_ino != of_store.st_ino))
		check_broken_files(doctor, beside);
	free(beside);
	free(real);
}

static void check_files(struct doctor *doctor)
{
	const struct settings *settings = doctor->cli->settings;

	check_published(doctor, ".env", settings->env_file, true);
	check_published(doctor, "JSON file", settings->config_file, false);
	find_broken_files(doctor);
	check_store_file(doctor);
}

/* What the hooks of all stages come to. */
struct hooks_seen {
	struct doctor *doctor;
	int good, bad;
	char ignored[OAM_MESSAGE_MAX]; /* their names */
};

static void see_hook(const char *name, const char *problem, bool ignored, void *context)
{
	struct hooks_seen *seen = context;
	size_t length = strlen(seen->ignored);

	if (problem) {
		seen->bad++;
		find(seen->doctor, "hook", name, problem);
	} else if (ignored) {
		snprintf(seen->ignored + length, sizeof(seen->ignored) - length, "%s%s",
			 length ? ", " : "; ignored: ", name);
	} else {
		seen->good++;
	}
}

static void check_hooks(struct doctor *doctor)
{
	const char *folder = doctor->cli->settings->hooks_dir;
	struct hooks_seen seen = { .doctor = doctor };
	char text[2 * OAM_MESSAGE_MAX];

	if (!folder)
		return;
	hooks_inspect(folder, see_hook, &seen);
	snprintf(text, sizeof(text), "%s: %d can run%s", folder, seen.good, seen.ignored);
	if (seen.bad == 0 || seen.good > 0 || seen.ignored[0])
		find(doctor, "hooks", text, NULL);
}

/*
 * A web server that serves the endpoints has a socket for `current`, whatever its folder:
 * lighttpd adds -0, systemd's units .sock. Who only uses the command line needs none.
 */
static void check_socket(struct doctor *doctor)
{
	FILE *sockets = fopen("/proc/net/unix", "re");
	char line[PATH_LENGTH], path[PATH_LENGTH] = "";

	while (sockets && !path[0] && fgets(line, sizeof(line), sockets)) {
		char *name = strrchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (name && (strcmp(name, "/current-0") == 0 ||
			     strcmp(name, "/current.sock") == 0))
			snprintf(path, sizeof(path), "%s", strchr(line, '/'));
	}
	if (sockets)
		fclose(sockets);
	find(doctor, "web server socket",
	     path[0] ? path : "none: no web server serves the endpoints now", NULL);
}

/* ---- store, rotation, upstream ---- */

static void check_profile(struct doctor *doctor, struct service *service)
{
	struct oam_error cause = { 0 };
	struct service_status status;
	const struct profile *profile = &status.profile;
	char text[OAM_MESSAGE_MAX];

	if (service_status(service, doctor->cli->profile, &status, &cause)) {
		find(doctor, "profile", cause.message, "oam profile list shows them");
		return;
	}
	snprintf(text, sizeof(text), "%s uses %s", profile->name,
		 profile->current[0] ? profile->current : "no assistant yet");
	find(doctor, "profile", text,
	     profile->current[0] ? NULL : "'oam initialize' makes one");
	if (profile->failures > 0)
		find(doctor, "refresh", profile->last_error,
		     "mend that; oam-refresh tries again");
	if (profile->publish_failures > 0)
		find(doctor, "published", profile->publish_error,
		     "mend that; oam-refresh tries again");
	if (profile->hooks_failed > 0)
		find(doctor, "hooks that ran", profile->hook_error,
		     profile->hook_at > 0 ? "mend that; oam-refresh runs it again"
					  : "mend that before the next refresh");
}

/* One is enough. */
static int see_one(struct json_object *assistant, void *context, struct oam_error *err)
{
	(void)assistant;
	(void)context;
	(void)err;
	return 1;
}

static void check_upstream(struct doctor *doctor, struct service *service)
{
	const struct upstream_page one = { .limit = 1 };
	const char *url = doctor->cli->settings->base_url;
	struct oam_error cause = { 0 };

	if (service_each(service, &one, see_one, NULL, &cause)) {
		find(doctor, "upstream", url ? url : UPSTREAM_EMBEDDED, cause.message);
		return;
	}
	find(doctor, "upstream", url ? url : UPSTREAM_EMBEDDED, NULL);
}

/* What service_open() said. */
static const char *remedy(const struct oam_error *cause)
{
	if (cause->code == OAM_E_STORE_SCHEMA)
		return "run 'oam migrate', or 'oam restore FILE' to bring a backup back";
	if (cause->code == OAM_E_STORE_FAILED || cause->code == OAM_E_STORE_DAMAGED)
		return "'oam restore FILE' brings a backup back";
	return cause->message;
}

/* Every page and row: what others wrote there is input. */
static void check_store_contents(struct doctor *doctor)
{
	struct store_health health = { 0 };
	struct oam_error cause = { 0 };
	struct store *store = NULL;
	char text[OAM_MESSAGE_MAX];

	if (store_open(doctor->cli->settings->db, &store, &cause) == 0)
		store_inspect(store, &health, &cause);
	store_close(store);
	find(doctor, "store contents",
	     error_result(&cause) ? cause.message : "every page and row is sound",
	     error_result(&cause) ? remedy(&cause) : NULL);
	if (health.trigger[0])
		find(doctor, "store trigger", health.trigger,
		     "it is not this program's: drop it, if you did not make it");
	if (health.has_wal && !health.wal_is_safe) {
		snprintf(text, sizeof(text),
			 "WAL, in which SQLite %s may lose changes when several "
			 "processes write",
			 health.sqlite);
		find(doctor, "store journal", text,
		     "stop all programs that use it and run 'oam migrate'");
	}
}

static void check_store(struct doctor *doctor)
{
	struct oam_error cause = { 0 };
	struct service *service;

	if (service_open(doctor->cli->settings, &service, &cause)) {
		find(doctor, "store", cause.detail[0] ? cause.detail : cause.message,
		     remedy(&cause));
		return;
	}
	find(doctor, "store", "its schema is this version's", NULL);
	check_store_contents(doctor);
	check_profile(doctor, service);
	check_upstream(doctor, service);
	service_close(service);
}

int command_doctor(struct cli *cli, struct oam_error *err)
{
	struct doctor doctor = { .cli = cli, .err = err };

	doctor.findings = json_new_array(err);
	check_settings(&doctor);
	check_key(&doctor);
	check_clock(&doctor);
	check_files(&doctor);
	check_hooks(&doctor);
	check_socket(&doctor);
	check_store(&doctor);
	if (cli->json && error_result(err) == 0)
		cli_print_json(doctor.findings, err);
	json_object_put(doctor.findings);
	if (doctor.failed)
		return error_set(err, UNHEALTHY, NULL, doctor.failed);
	return error_result(err);
}
