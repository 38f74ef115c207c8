/* Copies of the whole store: SQLite's backup API reads and writes it while it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "store_migrate.h"
#include "store_query.h"

#define PAGES_AT_ONCE 1024
#define BUSY_PAUSE    INT64_C(50) /* ms */
#define BUSY_MAX      (10 * CLOCK_SECOND)

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

/* Copies all pages; a destination that is in use is waited for. */
static int copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct oam_error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int64_t deadline = clock_monotonic() + BUSY_MAX;
	int code = SQLITE_OK;

	if (!backup)
		return fail(to, path, err);
	while (code != SQLITE_DONE) {
		code = sqlite3_backup_step(backup, PAGES_AT_ONCE);
		if (code == SQLITE_OK || code == SQLITE_DONE)
			continue;
		if ((code != SQLITE_BUSY && code != SQLITE_LOCKED) ||
		    clock_monotonic() > deadline)
			break;
		clock_sleep(BUSY_PAUSE);
	}
	sqlite3_backup_finish(backup);
	return code == SQLITE_DONE ? 0 : fail(to, path, err);
}

/* Makes the new file, so that nobody else can ever read it. */
static int make_file(const char *path, struct oam_error *err)
{
	int fd = file_make(path, O_WRONLY, 0600, NULL);

	if (fd >= 0)
		return close(fd);
	if (errno == EEXIST)
		return error_set(err, CONFLICT, NULL, "The file is there already");
	error_set(err, FILE, NULL, strerror(errno));
	return error_detail(err, "%s", path);
}

int store_backup(const char *path, const char *to, struct oam_error *err)
{
	sqlite3 *source = NULL, *target = NULL;

	if (make_file(to, err))
		return -1;
	if (open_file(path, SQLITE_OPEN_READONLY, &source, err) == 0 &&
	    open_file(to, SQLITE_OPEN_READWRITE, &target, err) == 0)
		copy_pages(source, target, to, err);
	sqlite3_close(source);
	if (sqlite3_close(target) != SQLITE_OK)
		fail(NULL, to, err);
	if (error_result(err))
		unlink(to);
	return error_result(err);
}

static int read_number(sqlite3 *db, const char *sql, int *value)
{
	sqlite3_stmt *statement = NULL;
	bool found = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
		     sqlite3_step(statement) == SQLITE_ROW;

	if (found)
		*value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return found ? 0 : -1;
}

/* True when SQLite finds the file whole. */
static bool is_whole(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	bool whole = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement,
					NULL) == SQLITE_OK &&
		     sqlite3_step(statement) == SQLITE_ROW &&
		     strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;

	sqlite3_finalize(statement);
	return whole;
}

static int check_backup(sqlite3 *db, const char *path, struct oam_error *err)
{
	int id = 0, version = 0;

	if (read_number(db, "PRAGMA application_id", &id) ||
	    read_number(db, "PRAGMA user_version", &version) || id != APPLICATION_ID ||
	    version == 0) {
		error_set(err, STORE_FAILED, NULL);
		return error_detail(err, "%s is not a backup of this program", path);
	}
	if (version > store_migrations_count)
		return error_set(err, STORE_SCHEMA, NULL, version,
				 store_migrations_count);
	if (is_whole(db))
		return 0;
	error_set(err, STORE_FAILED, NULL);
	return error_detail(err, "%s is damaged", path);
}

int store_restore(const char *path, const char *from, struct oam_error *err)
{
	sqlite3 *source = NULL, *target = NULL;

	if (open_file(from, SQLITE_OPEN_READONLY, &source, err) == 0 &&
	    check_backup(source, from, err) == 0 &&
	    open_file(path, SQLITE_OPEN_READWRITE, &target, err) == 0)
		copy_pages(source, target, path, err);
	sqlite3_close(source);
	sqlite3_close(target);
	return error_result(err);
}

bool store_is_database(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is_database = fd >= 0 &&
			   read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
			   memcmp(head, magic, sizeof(magic)) == 0;

	if (fd >= 0)
		close(fd);
	return is_database;
}
