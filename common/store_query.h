/*
 * store_query: the inside of the store, shared by store*.c alone.
 *
 * A statement is prepared on its first use and kept. A query binds, steps and reads it:
 *
 *	struct query q;
 *
 *	query_open(&q, store, "SELECT …", err);
 *	query_text(&q, 1, name);
 *	while (query_row(&q))
 *		… query_get_text(&q, 0) …
 *	return query_close(&q);
 */
#ifndef OAM_STORE_QUERY_H
#define OAM_STORE_QUERY_H

#include <sqlite3.h>
#include <stdint.h>
#include <sys/types.h>

#include "store.h"

#define APPLICATION_ID 0x6f616d31 /* "oam1": tells our file from other databases */
#define STATEMENTS_MAX 96

struct store {
	sqlite3 *db;
	char *path;
	dev_t device; /* which file it was at the time of opening */
	ino_t inode;
	/* The profile that was found last, as of that counter of the file; id 0: none. */
	struct profile kept;
	uint32_t kept_at;
	/* Keyed by the address of the SQL text, a string literal. */
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} statements[STATEMENTS_MAX];
};

/* Before SQLite opens the file, so that it is noticed when another comes in between. */
int store_file_remember(struct store *store, const char *path, struct oam_error *err);

/*
 * Reads the file's change counter, which each transaction of any process raises before it
 * commits. That takes no lock: a counter that is still the same says that nothing has been
 * committed since; another one, that the store has to be asked. It is what the store was
 * read at only while a query has a row. False when it says nothing: on an error, within a
 * transaction of our own, which the file does not show yet, and with a write-ahead log,
 * which leaves it alone.
 */
bool store_file_counter(const struct store *store, uint32_t *counter);

struct query {
	struct store *store;
	sqlite3_stmt *statement; /* NULL when something went wrong */
	struct oam_error *err;
};

/* Errors are kept in `err`: the calls in between do nothing then. */
void query_open(struct query *q, struct store *store, const char *sql,
		struct oam_error *err);
void query_text(struct query *q, int index, const char *text); /* NULL and "": NULL */
void query_integer(struct query *q, int index, int64_t value);
void query_json(struct query *q, int index, struct json_object *tree);

/* True while there is a row to read. */
bool query_row(struct query *q);

/*
 * Values are checked by the rules of store_check.h for the column's name. STORE_DAMAGED,
 * and the value for NULL, when one is not sound.
 */
const char *query_get_text(struct query *q, int column); /* NULL stays NULL */
int64_t query_get_integer(struct query *q, int column);  /* NULL is 0 */
size_t query_get_size(struct query *q, int column);      /* bytes of a text */
void query_copy_text(struct query *q, int column, char *to, size_t size); /* NULL is "" */
struct json_object *query_get_json(struct query *q, int column);          /* an object */

/* Makes the statement ready for its next use. 0 or -1. */
int query_close(struct query *q);

/* For statements without rows: steps and closes. The rows changed, or -1. */
int query_run(struct query *q);

/* Turns SQLite's error into ours; its own words go to the detail. -1. */
int store_fail(sqlite3 *db, struct oam_error *err);

/* Its journal mode is WAL; and whether the linked SQLite may be trusted with that. */
bool store_has_wal(sqlite3 *db);
bool store_wal_is_safe(void);

/* True when SQLite finds the file whole. */
bool store_is_whole(sqlite3 *db);

#endif
