/* Rows of a backup into a schema of our own: each one is checked, nothing else is taken over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_check.h"
#include "store_migrate.h"
#include "store_query.h"

#define NAME_SIZE   64
#define COLUMNS_MAX 64

struct column {
	char name[NAME_SIZE];
	bool is_integer, is_needed;
};

/* A walk over the rows of our tables: `to` gets them, or is NULL when they are only checked. */
struct walk {
	sqlite3 *schema, *from, *to;
	const char *what; /* as the errors call it */
	char table[NAME_SIZE];
	struct column columns[COLUMNS_MAX];
	int count;
	int64_t row; /* its key, once it is read */
	sqlite3_stmt *read, *insert;
	struct oam_error *err;
};

/* `column` NULL: the row as a whole. */
static int damaged(const struct walk *walk, const char *column, const char *fault)
{
	char place[OAM_MESSAGE_MAX];

	if (sqlite3_errcode(walk->from) == SQLITE_NOMEM)
		return error_set(walk->err, NO_MEMORY, NULL);
	snprintf(place, sizeof(place), "%s, row %lld%s%s: %s", walk->table,
		 (long long)walk->row, column ? ", " : "", column ? column : "", fault);
	return error_set(walk->err, STORE_DAMAGED, NULL, walk->what, place);
}

/* What is read is at fault, unless SQLite says otherwise. */
static int cannot_read(const struct walk *walk)
{
	int code = sqlite3_errcode(walk->from) & 0xFF;

	if (code == SQLITE_INTERRUPT)
		damaged(walk, NULL, "to read it takes too long");
	else if (code == SQLITE_NOMEM || code == SQLITE_BUSY || code == SQLITE_LOCKED ||
		 code == SQLITE_IOERR || code == SQLITE_CANTOPEN)
		return store_fail(walk->from, walk->err);
	damaged(walk, NULL, "SQLite cannot read it");
	return error_detail(walk->err, "SQLite: %s", sqlite3_errmsg(walk->from));
}

/* ---- a table ---- */

static void copy_text(char to[NAME_SIZE], const char *text)
{
	snprintf(to, NAME_SIZE, "%s", text ? text : "");
}

static void copy_name(char to[NAME_SIZE], sqlite3_stmt *statement, int index)
{
	copy_text(to, (const char *)sqlite3_column_text(statement, index));
}

/* Our schema says which columns there are. */
static int find_columns(struct walk *walk)
{
	sqlite3_stmt *statement = NULL;

	walk->count = 0;
	walk->row = 0;
	if (sqlite3_prepare_v2(
		    walk->schema,
		    "SELECT name, type, \"notnull\" OR pk FROM pragma_table_info(?)", -1,
		    &statement, NULL) != SQLITE_OK)
		return store_fail(walk->schema, walk->err);
	sqlite3_bind_text(statement, 1, walk->table, -1, SQLITE_STATIC);
	while (walk->count < COLUMNS_MAX && sqlite3_step(statement) == SQLITE_ROW) {
		struct column *column = &walk->columns[walk->count++];
		char type[NAME_SIZE];

		copy_name(column->name, statement, 0);
		copy_name(type, statement, 1);
		column->is_integer = strcmp(type, "INTEGER") == 0;
		column->is_needed = sqlite3_column_int(statement, 2) != 0;
	}
	if (sqlite3_finalize(statement) != SQLITE_OK)
		return store_fail(walk->schema, walk->err);
	return 0;
}

/* A column that the other schema computes would run its expression on each row. */
static int refuse_generated(struct walk *walk)
{
	sqlite3_stmt *statement = NULL;
	char *sql = sqlite3_mprintf("PRAGMA main.table_xinfo(\"%w\")", walk->table);
	char name[NAME_SIZE];

	if (!sql)
		return error_set(walk->err, NO_MEMORY, NULL);
	if (sqlite3_prepare_v2(walk->from, sql, -1, &statement, NULL) != SQLITE_OK)
		cannot_read(walk);
	while (error_result(walk->err) == 0 && sqlite3_step(statement) == SQLITE_ROW) {
		copy_name(name, statement, 1);
		for (int i = 0; i < walk->count; i++)
			if (sqlite3_column_int(statement, 6) != 0 &&
			    sqlite3_stricmp(walk->columns[i].name, name) == 0)
				damaged(walk, walk->columns[i].name,
					"it is not a stored column");
	}
	if (sqlite3_finalize(statement) != SQLITE_OK)
		cannot_read(walk);
	sqlite3_free(sql);
	return error_result(walk->err);
}

/* Prepares head, the names each after `prefix`, tail. */
static int prepare(const struct walk *walk, sqlite3 *db, const char *head,
		   const char *prefix, const char *tail, sqlite3_stmt **statement)
{
	sqlite3_str *text = sqlite3_str_new(db);
	char *sql;
	int result = SQLITE_NOMEM;

	sqlite3_str_appendf(text, head, walk->table);
	for (int i = 0; i < walk->count; i++)
		sqlite3_str_appendf(text, "%s%s\"%w\"", i ? ", " : "", prefix,
				    walk->columns[i].name);
	sqlite3_str_appendf(text, tail, walk->table);
	for (int i = 0; i < walk->count && !prefix[0]; i++)
		sqlite3_str_appendf(text, i ? ", ?" : "?");
	sqlite3_str_appendall(text, prefix[0] ? "" : ")");
	sql = sqlite3_str_finish(text);
	if (sql)
		result = sqlite3_prepare_v2(db, sql, -1, statement, NULL);
	sqlite3_free(sql);
	return result;
}

/* Pages that are lost or used twice. What the table's checks say is not asked. */
static int check_pages(const struct walk *walk)
{
	sqlite3_stmt *statement = NULL;
	char *sql = sqlite3_mprintf("PRAGMA main.quick_check(\"%w\")", walk->table);

	if (!sql)
		return error_set(walk->err, NO_MEMORY, NULL);
	if (sqlite3_prepare_v2(walk->from, sql, -1, &statement, NULL) != SQLITE_OK ||
	    sqlite3_step(statement) != SQLITE_ROW) {
		cannot_read(walk);
	} else if (sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0),
				   "ok")) {
		damaged(walk, NULL, "SQLite finds the table damaged");
		error_detail(walk->err, "SQLite: %s", sqlite3_column_text(statement, 0));
	}
	sqlite3_finalize(statement);
	sqlite3_free(sql);
	return error_result(walk->err);
}

/* What the rules call a column. */
static const char *rule_name(const struct walk *walk, const struct column *column)
{
	bool is_profile = strcmp(walk->table, "profile") == 0 &&
			  strcmp(column->name, "name") == 0;

	return is_profile ? "profile" : column->name;
}

static int check_row(struct walk *walk)
{
	walk->row = sqlite3_column_type(walk->read, 0) == SQLITE_INTEGER
			    ? sqlite3_column_int64(walk->read, 0)
			    : walk->row + 1;
	for (int i = 0; i < walk->count; i++) {
		const struct column *column = &walk->columns[i];
		const char *fault = store_value_fault(
			walk->read, i, rule_name(walk, column), column->is_integer);

		if (column->is_needed &&
		    sqlite3_column_type(walk->read, i) == SQLITE_NULL)
			fault = "it is missing";
		if (fault)
			return damaged(walk, column->name, fault);
	}
	return 0;
}

static int insert_row(struct walk *walk)
{
	int result = SQLITE_OK;

	for (int i = 0; i < walk->count && result == SQLITE_OK; i++)
		result = sqlite3_bind_value(walk->insert, i + 1,
					    sqlite3_column_value(walk->read, i));
	if (result == SQLITE_OK)
		result = sqlite3_step(walk->insert);
	sqlite3_reset(walk->insert);
	if (result == SQLITE_DONE)
		return 0;
	if ((result & 0xFF) != SQLITE_CONSTRAINT)
		return store_fail(walk->to, walk->err);
	damaged(walk, NULL, "it is at odds with another row or with itself");
	return error_detail(walk->err, "SQLite: %s", sqlite3_errmsg(walk->to));
}

static int walk_rows(struct walk *walk)
{
	int result;

	while ((result = sqlite3_step(walk->read)) == SQLITE_ROW)
		if (check_row(walk) || (walk->to && insert_row(walk)))
			return -1;
	return result == SQLITE_DONE ? 0 : cannot_read(walk);
}

static int walk_table(struct walk *walk)
{
	if (find_columns(walk) || refuse_generated(walk) ||
	    (walk->to && check_pages(walk)))
		return -1;
	/* Only with the "t." a name that is not there is an error, and no text. */
	if (prepare(walk, walk->from, "SELECT ", "t.",
		    " FROM main.\"%w\" AS t NOT INDEXED", &walk->read) != SQLITE_OK)
		cannot_read(walk);
	else if (walk->to && prepare(walk, walk->to, "INSERT INTO main.\"%w\" (", "",
				     ") VALUES (", &walk->insert) != SQLITE_OK)
		store_fail(walk->to, walk->err);
	else
		walk_rows(walk);
	sqlite3_finalize(walk->read);
	sqlite3_finalize(walk->insert);
	walk->read = walk->insert = NULL;
	return error_result(walk->err);
}

/* All tables of our schema but `lease`: who refreshes now is not in an old file. */
static int walk_tables(struct walk *walk)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(walk->schema,
			       "SELECT name FROM sqlite_schema WHERE type = 'table' "
			       "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
			       "AND name <> 'lease' ORDER BY rowid",
			       -1, &statement, NULL) != SQLITE_OK)
		return store_fail(walk->schema, walk->err);
	while (error_result(walk->err) == 0 && sqlite3_step(statement) == SQLITE_ROW) {
		copy_name(walk->table, statement, 0);
		walk_table(walk);
	}
	if (sqlite3_finalize(statement) != SQLITE_OK)
		store_fail(walk->schema, walk->err);
	return error_result(walk->err);
}

/* ---- the schema ---- */

static int execute(sqlite3 *db, const char *sql, struct oam_error *err)
{
	if (error_result(err) || sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return error_result(err);
	return store_fail(db, err);
}

/* Our schema from one version to another. */
static int apply(sqlite3 *db, int from, int to, struct oam_error *err)
{
	for (int i = from; i < to; i++)
		execute(db, store_migrations[i], err);
	return error_result(err);
}

/* ---- looking at a store ---- */

/* A trigger that another hand put there acts in our name. */
static void find_trigger(const struct walk *walk, struct store_health *health)
{
	static const char all[] = "SELECT name, sql FROM sqlite_schema "
				  "WHERE type = 'trigger'";
	static const char ours[] = "SELECT 1 FROM sqlite_schema "
				   "WHERE type = 'trigger' AND (name, sql) = (?, ?)";
	sqlite3_stmt *there = NULL, *known = NULL;

	if (sqlite3_prepare_v2(walk->from, all, -1, &there, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(walk->schema, ours, -1, &known, NULL) != SQLITE_OK)
		store_fail(there ? walk->schema : walk->from, walk->err);
	while (known && !health->trigger[0] && sqlite3_step(there) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(there, 0);

		sqlite3_bind_value(known, 1, sqlite3_column_value(there, 0));
		sqlite3_bind_value(known, 2, sqlite3_column_value(there, 1));
		if (sqlite3_step(known) != SQLITE_ROW)
			error_copy(health->trigger, sizeof(health->trigger),
				   name ? name : "?");
		sqlite3_reset(known);
	}
	sqlite3_finalize(there);
	sqlite3_finalize(known);
}

int store_inspect(struct store *store, struct store_health *health, struct oam_error *err)
{
	struct walk walk = { .from = store->db, .what = "The store", .err = err };

	*health = (struct store_health){ .has_wal = store_has_wal(store->db),
					 .wal_is_safe = store_wal_is_safe(),
					 .sqlite = sqlite3_libversion() };
	if (sqlite3_open(":memory:", &walk.schema) != SQLITE_OK)
		error_set(err, NO_MEMORY, NULL);
	else if (apply(walk.schema, 0, store_migrations_count, err) == 0)
		find_trigger(&walk, health);
	if (error_result(err) == 0 && !store_is_whole(store->db))
		error_set(err, STORE_DAMAGED, NULL, "The store",
			  "SQLite finds it damaged");
	if (error_result(err) == 0)
		walk_tables(&walk);
	sqlite3_close(walk.schema);
	return error_result(err);
}

/* ---- copying ---- */

static int read_integer(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* Whose file it is, and its version. */
static int read_version(sqlite3 *from, int *version, struct oam_error *err)
{
	*version = read_integer(from, "PRAGMA user_version");
	if (read_integer(from, "PRAGMA application_id") != APPLICATION_ID ||
	    *version < 1) {
		int code = sqlite3_errcode(from) & 0xFF;

		if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT)
			return error_set(err, STORE_DAMAGED, NULL, "The backup",
					 "SQLite cannot read it");
		if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
			return store_fail(from, err);
		return error_set(err, FILE, NULL, "it is not a backup of this program");
	}
	if (*version > store_migrations_count)
		return error_set(err, STORE_SCHEMA, NULL, *version,
				 store_migrations_count);
	return 0;
}

/* What only the rows together can break. */
static int check_together(struct walk *walk)
{
	sqlite3_stmt *statement = NULL;
	int code;

	if (read_integer(walk->to, "SELECT count(*) FROM installation") != 1) {
		copy_text(walk->table, "installation");
		walk->row = 1;
		return damaged(walk, NULL, "it is missing");
	}
	if (sqlite3_prepare_v2(walk->to,
			       "SELECT \"table\", rowid FROM pragma_foreign_key_check",
			       -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW) {
		copy_text(walk->table, (const char *)sqlite3_column_text(statement, 0));
		walk->row = sqlite3_column_int64(statement, 1);
		damaged(walk, "profile_id", "there is no such profile");
	}
	code = sqlite3_finalize(statement);
	return code == SQLITE_OK ? error_result(walk->err)
				 : store_fail(walk->to, walk->err);
}

/* What we compute is computed, and not believed. */
static int finish(sqlite3 *to, int version, struct oam_error *err)
{
	char pragmas[96];

	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA user_version = %d; PRAGMA application_id = %d",
		 store_migrations_count, APPLICATION_ID);
	apply(to, version, store_migrations_count, err);
	execute(to,
		"UPDATE profile SET assistants = (SELECT count(*) FROM assistant a "
		"WHERE a.profile_id = profile.profile_id AND a.label <> 'deleted')",
		err);
	execute(to, pragmas, err);
	return execute(to, "COMMIT", err);
}

bool store_is_whole(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	const char *answer = NULL;
	bool whole;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		answer = (const char *)sqlite3_column_text(statement, 0);
	whole = answer && strcmp(answer, "ok") == 0;
	sqlite3_finalize(statement);
	return whole;
}

int store_copy(sqlite3 *from, sqlite3 *to, struct oam_error *err)
{
	struct walk walk = { to, from, to, "The backup", .err = err };
	int version;

	if (read_version(from, &version, err))
		return -1;
	/*
	 * Rows may then come before those that they refer to. All references are checked
	 * at the end.
	 */
	execute(to, "PRAGMA foreign_keys = OFF", err);
	execute(to, "BEGIN", err);
	apply(to, 0, version, err);
	/* The triggers would count assistants one by one; finish() counts them. */
	sqlite3_db_config(to, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	if (error_result(err) == 0 && walk_tables(&walk) == 0)
		check_together(&walk);
	sqlite3_db_config(to, SQLITE_DBCONFIG_ENABLE_TRIGGER, 1, NULL);
	if (finish(to, version, err) == 0 && !store_is_whole(to)) {
		error_set(err, STORE_FAILED, NULL);
		error_detail(err, "the new store is damaged: %s", sqlite3_errmsg(to));
	}
	if (!sqlite3_get_autocommit(to))
		sqlite3_exec(to, "ROLLBACK", NULL, NULL, NULL);
	return error_result(err);
}
