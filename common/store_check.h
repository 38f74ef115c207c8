/*
 * store_check: what the columns of the store may hold.
 *
 * The store is a file, and a backup may come from anywhere: what is read from them is
 * checked like any other input. The rules go by the names of the columns, whichever table
 * they are in, so that a query need not name them; a profile's name is `profile` in
 * queries. Thread safe.
 */
#ifndef OAM_STORE_CHECK_H
#define OAM_STORE_CHECK_H

#include <sqlite3.h>
#include <stdint.h>

#include "error.h"

/* A value is at most this long, in bytes; a row, too. */
#define STORE_VALUE_MAX 67108864 /* 64 MiB */

/*
 * What is wrong with the value at `index` of the row that `statement` stands at, if it is
 * of a column with the name `column` that holds integers or texts: static text that can
 * follow a colon; NULL when nothing is. A text is valid UTF-8 without NUL.
 */
const char *store_value_fault(sqlite3_stmt *statement, int index, const char *column,
			      bool is_integer);

/*
 * Makes a store of this version in the empty database `to` from the rows of the backup
 * `from`: checked, all or none. Nothing but rows of our tables is taken over: no index,
 * trigger or view. FILE when `from` is no backup of ours, STORE_SCHEMA when it is
 * newer than we, STORE_DAMAGED when a row is not one that this program writes.
 */
int store_copy(sqlite3 *from, sqlite3 *to, struct oam_error *err);

/* For each connection: no views, no values beyond all measure, no damage by SQL. */
void store_harden(sqlite3 *db);

/*
 * For a connection to a store of this version: its schema may call only harmless
 * functions (sqlite.org/c3ref/c_dbconfig_defensive.html, TRUSTED_SCHEMA). Some versions
 * of SQLite, 3.40 among them, take their JSON functions for harmful. Our schema calls
 * these, so with such a version it stays trusted.
 */
void store_distrust_schema(sqlite3 *db);

/*
 * For a connection to a backup: its statements may only read tables, within bounds, and
 * end with SQLITE_INTERRUPT after *deadline (clock_monotonic()), which must outlive them.
 */
int store_harden_backup(sqlite3 *db, int64_t *deadline);

#endif
