/* Opening, transactions and queries. What is asked lives in store_*.c beside this. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "random.h"
#include "store_check.h"
#include "store_migrate.h"
#include "store_query.h"

#define BUSY_TIMEOUT 5000 /* ms that a writer waits for another */

/* Before 3.51.3 WAL with several processes can lose commits (sqlite.org/wal.html). */
#define WAL_IS_SAFE_SINCE 3051003

int store_fail(sqlite3 *db, struct oam_error *err)
{
	int code = sqlite3_extended_errcode(db);

	switch (code & 0xFF) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		error_set(err, STORE_BUSY, NULL);
		break;
	case SQLITE_NOMEM:
		error_set(err, NO_MEMORY, NULL);
		break;
	case SQLITE_CONSTRAINT:
		/* What we write is JSON; without memory json_valid() denies it. */
		if (strstr(sqlite3_errmsg(db), "json_valid"))
			error_set(err, NO_MEMORY, NULL);
		else
			error_set(err, CONFLICT, NULL, "The store refuses this change");
		break;
	default:
		error_set(err, STORE_FAILED, NULL);
	}
	return error_detail(err, "SQLite: %s (%d)", sqlite3_errmsg(db), code);
}

/* ---- queries ---- */

static sqlite3_stmt *prepare(struct store *store, const char *sql, struct oam_error *err)
{
	sqlite3_stmt *statement = NULL;
	size_t i = 0;

	while (i < STATEMENTS_MAX - 1 && store->statements[i].sql &&
	       store->statements[i].sql != sql)
		i++;
	if (store->statements[i].sql == sql)
		return store->statements[i].statement;
	if (store->statements[i].sql) { /* only a new feature can meet this */
		error_set(err, INTERNAL, NULL);
		error_detail(err, "STATEMENTS_MAX is too small");
		return NULL;
	}
	if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
			       NULL) != SQLITE_OK) {
		store_fail(store->db, err);
		return NULL;
	}
	store->statements[i].sql = sql;
	store->statements[i].statement = statement;
	return statement;
}

void query_open(struct query *q, struct store *store, const char *sql,
		struct oam_error *err)
{
	*q = (struct query){ .store = store, .err = err };
	if (error_result(err) == 0)
		q->statement = prepare(store, sql, err);
}

static void check(struct query *q, int result)
{
	if (result != SQLITE_OK)
		store_fail(q->store->db, q->err);
}

void query_text(struct query *q, int index, const char *text)
{
	if (q->statement && text && text[0] != '\0')
		check(q, sqlite3_bind_text(q->statement, index, text, -1, SQLITE_STATIC));
}

void query_integer(struct query *q, int index, int64_t value)
{
	if (q->statement)
		check(q, sqlite3_bind_int64(q->statement, index, value));
}

void query_json(struct query *q, int index, struct json_object *tree)
{
	const char *text = json_text(tree);
	struct json_scan scan;

	if (!text)
		error_set(q->err, NO_MEMORY, NULL);
	else if (json_scan(text, strlen(text), &scan)) /* then nobody could read it */
		json_scan_error(&scan, q->err);
	query_text(q, index, text);
}

bool query_row(struct query *q)
{
	int result;

	if (!q->statement || error_result(q->err))
		return false;
	result = sqlite3_step(q->statement);
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		store_fail(q->store->db, q->err);
	return result == SQLITE_ROW;
}

/* Says which value is at fault: the first column tells the row. */
static void damaged(struct query *q, int column, const char *fault)
{
	const char *name = sqlite3_column_name(q->statement, column);
	const char *key = sqlite3_column_name(q->statement, 0);
	char place[OAM_MESSAGE_MAX];

	if (!name || !key) {
		error_set(q->err, NO_MEMORY, NULL);
		return;
	}
	if (column > 0 && sqlite3_column_type(q->statement, 0) == SQLITE_INTEGER)
		snprintf(place, sizeof(place), "%s where %s is %lld: %s", name, key,
			 (long long)sqlite3_column_int64(q->statement, 0), fault);
	else if (column > 0 && sqlite3_column_type(q->statement, 0) == SQLITE_TEXT)
		snprintf(place, sizeof(place), "%s where %s is '%.128s': %s", name, key,
			 sqlite3_column_text(q->statement, 0), fault);
	else
		snprintf(place, sizeof(place), "%s: %s", name, fault);
	error_set(q->err, STORE_DAMAGED, NULL, "The store", place);
	error_detail(q->err, "in: %s", sqlite3_sql(q->statement));
}

/* False, with the error, when the value is not one that the column may hold. */
static bool is_sound(struct query *q, int column, const char *name, bool is_integer)
{
	const char *fault = NULL;

	if (name)
		fault = store_value_fault(q->statement, column, name, is_integer);
	if (!name || (fault && sqlite3_errcode(q->store->db) == SQLITE_NOMEM))
		error_set(q->err, NO_MEMORY, NULL);
	else if (fault)
		damaged(q, column, fault);
	return name && !fault;
}

const char *query_get_text(struct query *q, int column)
{
	if (!is_sound(q, column, sqlite3_column_name(q->statement, column), false))
		return NULL;
	return (const char *)sqlite3_column_text(q->statement, column);
}

int64_t query_get_integer(struct query *q, int column)
{
	if (!is_sound(q, column, sqlite3_column_name(q->statement, column), true))
		return 0;
	return sqlite3_column_int64(q->statement, column);
}

size_t query_get_size(struct query *q, int column)
{
	return (size_t)sqlite3_column_bytes(q->statement, column);
}

void query_copy_text(struct query *q, int column, char *to, size_t size)
{
	const char *text = query_get_text(q, column);

	error_copy(to, size, text ? text : "");
}

struct json_object *query_get_json(struct query *q, int column)
{
	struct oam_error cause = { 0 };
	struct json_object *tree = NULL;
	const char *text;

	/* Not by the column's name: that would read the JSON twice. */
	if (!is_sound(q, column, "", false))
		return NULL;
	text = (const char *)sqlite3_column_text(q->statement, column);
	if (text)
		json_read(text, strlen(text), &tree, &cause);
	if (cause.code == OAM_E_NO_MEMORY)
		error_set(q->err, NO_MEMORY, NULL);
	if (json_object_is_type(tree, json_type_object))
		return tree;
	json_object_put(tree);
	damaged(q, column, "it is not a JSON object");
	error_detail(q->err, "%s", cause.message);
	return NULL;
}

int query_close(struct query *q)
{
	if (q->statement) {
		sqlite3_reset(q->statement);
		sqlite3_clear_bindings(q->statement);
	}
	return error_result(q->err);
}

int query_run(struct query *q)
{
	int changes;

	query_row(q);
	changes = sqlite3_changes(q->store->db);
	return query_close(q) ? -1 : changes;
}

/* ---- transactions ---- */

static int run(struct store *store, const char *sql, struct oam_error *err)
{
	struct query q;

	query_open(&q, store, sql, err);
	return query_run(&q) < 0 ? -1 : 0;
}

bool store_is_in_transaction(const struct store *store)
{
	return !sqlite3_get_autocommit(store->db);
}

int store_begin(struct store *store, struct oam_error *err)
{
	return run(store, "BEGIN IMMEDIATE", err);
}

int store_commit(struct store *store, struct oam_error *err)
{
	if (run(store, "COMMIT", err) == 0)
		return 0;
	store_rollback(store);
	return -1;
}

void store_rollback(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- opening ---- */

/* Runs SQL without results; for the pragmas and the migrations. */
static int execute(struct store *store, const char *sql, struct oam_error *err)
{
	if (error_result(err))
		return -1;
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return store_fail(store->db, err);
}

static int read_pragma(struct store *store, const char *sql, int *value,
		       struct oam_error *err)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW)
		store_fail(store->db, err);
	else
		*value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return error_result(err);
}

static int connect(const char *path, struct store **out, struct oam_error *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int result;

	*out = NULL;
	if (!store)
		return error_set(err, NO_MEMORY, NULL);
	if (store_file_remember(store, path, err)) {
		store_close(store);
		return -1;
	}
	result = sqlite3_open_v2(path, &store->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_EXRESCODE,
				 NULL);
	if (result != SQLITE_OK) {
		if (store->db)
			store_fail(store->db, err);
		error_set(err, NO_MEMORY, NULL);
		store_close(store);
		return -1;
	}
	store_harden(store->db);
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT);
	if (execute(store, "PRAGMA foreign_keys = ON", err) ||
	    execute(store, "PRAGMA synchronous = EXTRA", err)) {
		store_close(store);
		return -1;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < STATEMENTS_MAX && store->statements[i].sql; i++)
		sqlite3_finalize(store->statements[i].statement);
	sqlite3_close(store->db);
	free(store->path);
	free(store);
}

int store_open(const char *path, struct store **store, struct oam_error *err)
{
	int version = 0;

	*store = NULL;
	if (connect(path, store, err))
		return -1;
	if (read_pragma(*store, "PRAGMA user_version", &version, err) == 0 &&
	    version != store_migrations_count)
		error_set(err, STORE_SCHEMA, NULL, version, store_migrations_count);
	if (error_result(err) == 0) {
		store_distrust_schema((*store)->db);
		return 0;
	}
	store_close(*store);
	*store = NULL;
	return -1;
}

/* ---- migration ---- */

/* SQLite would make the file with the umask's mode; its journals take the file's mode. */
static int make_file(const char *path, struct oam_error *err)
{
	int fd;

	file_make_folder(path, 0700, NULL);
	fd = file_make(path, O_RDWR, 0600, NULL);
	if (fd < 0 && errno == EEXIST) /* or a link to one that is not there yet */
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	error_set(err, STORE_FAILED, NULL);
	return error_detail(err, "cannot make %s: %m", path);
}

static int refuse_foreign_file(struct store *store, int version, struct oam_error *err)
{
	int id = 0, tables = 0;

	if (read_pragma(store, "PRAGMA application_id", &id, err) ||
	    read_pragma(store, "SELECT count(*) FROM sqlite_schema", &tables, err))
		return -1;
	if (id == APPLICATION_ID || (version == 0 && tables == 0))
		return 0;
	error_set(err, STORE_FAILED, NULL);
	return error_detail(err, "the file is another program's database");
}

static int found_installation(struct store *store, struct oam_error *err)
{
	char tag[ASSISTANT_NONCE_SIZE];
	struct query q;

	if (random_base62(tag, ASSISTANT_NONCE_LENGTH, err))
		return -1;
	query_open(&q, store,
		   "INSERT INTO installation (only, tag, made_at) VALUES (1, ?, ?)", err);
	query_text(&q, 1, tag);
	query_integer(&q, 2, clock_now());
	return query_run(&q) < 0 ? -1 : 0;
}

/* Within a transaction, so that the version that is read is the one that is changed. */
static int apply_migrations(struct store *store, int *from, int *to,
			    struct oam_error *err)
{
	char pragma[64];

	*to = store_migrations_count;
	if (read_pragma(store, "PRAGMA user_version", from, err) ||
	    refuse_foreign_file(store, *from, err))
		return -1;
	if (*from > *to)
		return error_set(err, STORE_SCHEMA, NULL, *from, *to);
	if (*from == *to)
		return 0;
	for (int i = *from; i < *to; i++)
		if (execute(store, store_migrations[i], err))
			return -1;
	if (*from == 0 && found_installation(store, err))
		return -1;
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", *to);
	if (execute(store, pragma, err))
		return -1;
	snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", APPLICATION_ID);
	return execute(store, pragma, err);
}

bool store_wal_is_safe(void)
{
	return sqlite3_libversion_number() >= WAL_IS_SAFE_SINCE;
}

bool store_has_wal(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	const char *mode = NULL;
	bool has_wal;

	if (sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		mode = (const char *)sqlite3_column_text(statement, 0);
	has_wal = mode && strcmp(mode, "wal") == 0;
	sqlite3_finalize(statement);
	return has_wal;
}

/* A log where it is safe; away with one that is not, unless somebody uses it now. */
static void choose_journal(struct store *store, struct oam_error *err)
{
	if (store_wal_is_safe())
		execute(store, "PRAGMA journal_mode = WAL", err);
	else if (store_has_wal(store->db)) /* 'oam doctor' says so when it stays */
		sqlite3_exec(store->db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
}

int store_migrate(const char *path, int *from, int *to, struct oam_error *err)
{
	struct store *store;

	if (make_file(path, err) || connect(path, &store, err))
		return -1;
	choose_journal(store, err);
	if (store_begin(store, err) == 0) {
		if (apply_migrations(store, from, to, err) == 0)
			store_commit(store, err);
		else
			store_rollback(store);
	}
	store_close(store);
	return error_result(err);
}

int store_installation_tag(struct store *store, char tag[ASSISTANT_NONCE_SIZE],
			   struct oam_error *err)
{
	struct query q;

	query_open(&q, store, "SELECT tag FROM installation", err);
	if (query_row(&q))
		query_copy_text(&q, 0, tag, ASSISTANT_NONCE_SIZE);
	else
		error_set(err, STORE_DAMAGED, NULL, "The store",
			  "installation, row 1: it is missing");
	return query_close(&q);
}
