/* Copies of the whole store: SQLite's backup API reads and writes it while it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "random.h"
#include "store_check.h"
#include "store_query.h"

#define PAGES_AT_ONCE 1024
#define BUSY_PAUSE    INT64_C(50) /* ms */
#define BUSY_MAX      (10 * CLOCK_SECOND)
#define YIELD_MAX     (2 * CLOCK_SECOND)

static int fail(sqlite3 *db, const char *path, struct oam_error *err)
{
	int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;

	if ((code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED)
		error_set(err, STORE_BUSY, NULL);
	error_set(err, STORE_FAILED, NULL);
	return error_detail(err, "%s: %s", path, db ? sqlite3_errmsg(db) : "no memory");
}

static int open_file(const char *path, int flags, sqlite3 **db, struct oam_error *err)
{
	if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_EXRESCODE, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(*db, BUSY_MAX);
		return 0;
	}
	return fail(*db, path, err);
}

/* One step; what is in use is waited for. */
static int copy_step(sqlite3_backup *backup, int pages)
{
	int64_t deadline = clock_monotonic() + BUSY_MAX;
	int code;

	while ((code = sqlite3_backup_step(backup, pages)) == SQLITE_BUSY ||
	       code == SQLITE_LOCKED) {
		if (clock_monotonic() > deadline)
			break;
		clock_sleep(BUSY_PAUSE);
	}
	return code;
}

/*
 * Ends the copy, with all pages that are left. Between two steps others may write, and then
 * SQLite begins the copy again. If that goes on, they have to wait until it is done.
 */
static int copy_rest(sqlite3_backup *backup, sqlite3 *from, sqlite3 *to, const char *path,
		     struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + YIELD_MAX;
	bool holds = false;
	int code;

	while ((code = copy_step(backup, PAGES_AT_ONCE)) == SQLITE_OK)
		if (!holds && clock_monotonic() > deadline)
			holds = sqlite3_exec(from,
					     "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1",
					     NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_backup_finish(backup);
	if (code != SQLITE_DONE)
		fail(to, path, err);
	if (!sqlite3_get_autocommit(from))
		sqlite3_exec(from, "ROLLBACK", NULL, NULL, NULL);
	return error_result(err);
}

static int copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct oam_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");

	return backup ? copy_rest(backup, from, to, path, err) : fail(to, path, err);
}

/* Makes the new file, so that nobody else can ever read it; `like` as in file_make(). */
static int make_file(const char *path, const char *like, struct oam_error *err)
{
	int fd = file_make(path, O_WRONLY, 0600, like);

	if (fd >= 0)
		return close(fd);
	if (errno == EEXIST)
		return error_set(err, CONFLICT, NULL, "The file is there already");
	error_set(err, FILE, NULL, strerror(errno));
	return error_detail(err, "%s", path);
}

/* Copies the open store to the new file `to`. */
static int save(sqlite3 *source, const char *to, const char *like, struct oam_error *err)
{
	sqlite3 *target = NULL;

	if (make_file(to, like, err))
		return -1;
	if (open_file(to, SQLITE_OPEN_READWRITE, &target, err) == 0)
		copy_pages(source, target, to, err);
	if (sqlite3_close(target) != SQLITE_OK)
		fail(NULL, to, err);
	if (error_result(err))
		unlink(to);
	return error_result(err);
}

/* The same of the store at `path`. */
static int save_file(const char *path, const char *to, const char *like,
		     struct oam_error *err)
{
	sqlite3 *source = NULL;

	if (open_file(path, SQLITE_OPEN_READONLY, &source, err) == 0)
		save(source, to, like, err);
	sqlite3_close(source);
	return error_result(err);
}

int store_backup(const char *path, const char *to, struct oam_error *err)
{
	return save_file(path, to, NULL, err);
}

/* ---- restoring: reading the backup ---- */

/* How long a backup may take to be read: enough for a slow disk. */
#define READ_TIME  CLOCK_MINUTE
#define READ_SPEED 1024 /* bytes each ms */

/* The versions of the format for writing and reading; 2: with a write-ahead log. */
#define HEADER_VERSIONS 18
#define HEADER_SIZE     20

/*
 * True when the file was left in WAL mode without a log. SQLite would make a log beside it
 * to read it, which a folder that may not be written does not allow.
 */
static bool is_closed_wal(const char *path)
{
	char head[HEADER_SIZE] = "", *log;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_closed = false;

	if (fd < 0)
		return false;
	if (read(fd, head, sizeof(head)) == HEADER_SIZE && head[HEADER_VERSIONS] == 2 &&
	    asprintf(&log, "%s-wal", path) >= 0) {
		is_closed = access(log, F_OK) != 0;
		free(log);
	}
	close(fd);
	return is_closed;
}

/* Opens a file that nobody changes as a URI. malloc; NULL without memory. */
static char *immutable_uri(const char *path)
{
	char *uri = malloc(3 * strlen(path) + sizeof("file:?immutable=1")), *end = uri;

	if (!uri)
		return NULL;
	end = stpcpy(end, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			end += sprintf(end, "%%%02X", (unsigned)*path);
		else
			*end++ = *path;
	}
	strcpy(end, "?immutable=1");
	return uri;
}

static int open_backup(const char *path, int64_t *deadline, sqlite3 **db,
		       struct oam_error *err)
{
	char *uri = NULL;
	int result;

	if (is_closed_wal(path)) {
		uri = immutable_uri(path);
		if (!uri)
			return error_set(err, NO_MEMORY, NULL);
	}
	result = open_file(uri ? uri : path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, db,
			   err);
	free(uri);
	if (result == 0 && store_harden_backup(*db, deadline))
		return fail(*db, path, err);
	return result;
}

/* Makes the new store `path`, which nobody uses yet, from the backup. */
static int make_store(const char *path, const char *from, struct oam_error *err)
{
	sqlite3 *source = NULL, *target = NULL;
	int64_t deadline = clock_monotonic() + READ_TIME;
	struct stat status;

	if (stat(from, &status) == 0)
		deadline += status.st_size / READ_SPEED;
	if (open_backup(from, &deadline, &source, err) == 0 &&
	    open_file(path, SQLITE_OPEN_READWRITE, &target, err) == 0)
		store_copy(source, target, err);
	if (error_result(err))
		error_detail(err, "%s", from);
	sqlite3_close(source);
	if (sqlite3_close(target) != SQLITE_OK)
		fail(NULL, path, err);
	return error_result(err);
}

/* ---- restoring: putting the new store in its place ---- */

#define LEFT_AFTER 3600 /* seconds without a write */

static int file_error(const char *path, struct oam_error *err)
{
	error_set(err, FILE, NULL, strerror(errno));
	return error_detail(err, "%s", path);
}

/* Writes the folder to disk: a name in it has changed. */
static int sync_folder(const char *path, struct oam_error *err)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int result = fd < 0 || (fsync(fd) && errno != EINVAL) ? file_error(path, err) : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return result;
}

/*
 * Renames what is left of a store and its journals. A journal that stayed would be played
 * back into the new store.
 */
static int set_aside(const char *path, const char *saved, bool *kept,
		     struct oam_error *err)
{
	static const char *const suffixes[] = { "-journal", "-wal", "-shm", "" };
	char *old, *new;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (asprintf(&old, "%s%s", path, suffixes[i]) < 0)
			return error_set(err, NO_MEMORY, NULL);
		if (asprintf(&new, "%s%s", saved, suffixes[i]) < 0) {
			free(old);
			return error_set(err, NO_MEMORY, NULL);
		}
		if (rename(old, new) == 0)
			*kept = true;
		else if (errno != ENOENT)
			file_error(old, err);
		free(old);
		free(new);
		if (error_result(err))
			return -1;
	}
	return 0;
}

/*
 * Saves the store and overwrites it under one lock: what a program writes before is in the
 * copy, and what it writes afterwards is in the new store. A log lets others read on, and
 * so the copy is made by another connection. Without a log, a reader would hold the lock
 * up: so the one that has it makes the copy.
 */
static int save_and_overwrite(sqlite3 *target, sqlite3 *source, const char *path,
			      const char *saved, struct oam_error *err)
{
	sqlite3_backup *backup;

	if (store_has_wal(target)) {
		backup = sqlite3_backup_init(target, "main", source, "main");
		if (!backup)
			return fail(target, path, err);
		if (copy_step(backup, 0) == SQLITE_OK && /* takes the lock */
		    save_file(path, saved, path, err) == 0)
			return copy_rest(backup, source, target, path, err);
		sqlite3_backup_finish(backup);
		return fail(target, path, err);
	}
	if (sqlite3_exec(target,
			 "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT", NULL,
			 NULL, NULL) != SQLITE_OK)
		return fail(target, path, err);
	if (save(target, saved, path, err))
		return -1;
	/* It keeps the lock until the end of the next transaction. */
	sqlite3_exec(target, "PRAGMA locking_mode = NORMAL", NULL, NULL, NULL);
	return copy_pages(source, target, path, err);
}

/* Into the file that is there, so that the programs that have it open see it. */
static int overwrite(const char *path, const char *new, const char *saved, bool *kept,
		     struct oam_error *err)
{
	sqlite3 *source = NULL, *target = NULL;

	if (open_file(new, SQLITE_OPEN_READONLY, &source, err) == 0 &&
	    open_file(path, SQLITE_OPEN_READWRITE, &target, err) == 0)
		save_and_overwrite(target, source, path, saved, err);
	sqlite3_close(source);
	sqlite3_close(target);
	*kept = access(saved, F_OK) == 0;
	return error_result(err);
}

/*
 * True when SQLite cannot even open it; an error when that is for now only. It may write:
 * a journal that a killed process left is played back first.
 */
static bool is_beyond_repair(const char *path, struct oam_error *err)
{
	sqlite3 *db = NULL;
	int code = SQLITE_OK;

	if (open_file(path, SQLITE_OPEN_READWRITE, &db, err) == 0)
		code = sqlite3_exec(db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL,
				    NULL) &
		       0xFF;
	if (code != SQLITE_OK && code != SQLITE_NOTADB && code != SQLITE_CORRUPT)
		fail(db, path, err);
	sqlite3_close(db);
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
}

static int put_in_place(const char *path, const char *new, const char *saved, bool *kept,
			struct oam_error *err)
{
	bool is_there = access(path, F_OK) == 0;

	if (is_there && !is_beyond_repair(path, err)) {
		return error_result(err) ? -1 : overwrite(path, new, saved, kept, err);
	}
	if (set_aside(path, saved, kept, err))
		return -1;
	if (rename(new, path))
		return file_error(path, err);
	return sync_folder(path, err);
}

/* The file that a symbolic link stands for. malloc; NULL with the error. */
static char *resolve(const char *path, struct oam_error *err)
{
	char *real = realpath(path, NULL);
	struct stat status;

	if (real)
		return real;
	if (lstat(path, &status) == 0) { /* a link to nothing, say */
		file_error(path, err);
		return NULL;
	}
	real = strdup(path);
	if (!real)
		error_set(err, NO_MEMORY, NULL);
	return real;
}

/* Names of files beside the store: what is new, and what was there. */
static int name_files(const char *path, char **new, char **saved, struct oam_error *err)
{
	char tag[9], time[CLOCK_ISO8601_SIZE];

	clock_iso8601(clock_now(), time);
	if (random_base62(tag, sizeof(tag) - 1, err))
		return -1;
	if (asprintf(new, "%s.restore-%s", path, tag) < 0)
		*new = NULL;
	if (asprintf(saved, "%s.%s.bak", path, time) < 0)
		*saved = NULL;
	return *new &&*saved ? 0 : error_set(err, NO_MEMORY, NULL);
}

/* What killed restores left behind. One that still runs has just written to its own. */
static void remove_leftovers(const char *path)
{
	char *pattern;
	struct stat status;
	glob_t found;

	if (asprintf(&pattern, "%s.restore-*", path) < 0)
		return;
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (lstat(found.gl_pathv[i], &status) == 0 &&
			    clock_now() / CLOCK_SECOND - status.st_mtime > LEFT_AFTER)
				unlink(found.gl_pathv[i]);
		globfree(&found);
	}
	free(pattern);
}

int store_restore(const char *path, const char *from, char **saved, struct oam_error *err)
{
	char *real = resolve(path, err), *new = NULL;
	bool kept = false;

	*saved = NULL;
	if (real) {
		file_make_folder(real, 0700, NULL);
		remove_leftovers(real);
	}
	if (real && name_files(real, &new, saved, err) == 0 &&
	    make_file(new, real, err) == 0) {
		if (make_store(new, from, err) == 0)
			put_in_place(real, new, *saved, &kept, err);
		unlink(new); /* not there any more when it is the store now */
	}
	if (!kept) {
		free(*saved);
		*saved = NULL;
	}
	free(new);
	free(real);
	return error_result(err);
}

bool store_is_database(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)] = "";
	struct stat status;
	int fd;
	bool is_database;

	/* What is read of a pipe is gone for the next reader. */
	if (stat(path, &status) || !S_ISREG(status.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	is_database = fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
		      memcmp(head, magic, sizeof(magic)) == 0;
	if (fd >= 0)
		close(fd);
	return is_database;
}
