/*
 * The rows of a backup into a store of ours, and the readers of a store that somebody has
 * changed. The first byte of the input says what is made of it, the second one the schema
 * version of the backup that is changed:
 *
 *	0  bytes of a backup: three bytes of an offset, one of a length, as many new bytes
 *	1  values of one: a byte each for table, column, row and type, then the value, into
 *	   tables that have no types and no constraints
 *	2  the rest is the file itself
 */
#include <sqlite3.h>

#include "clock.h"
#include "fuzz.h"
#include "store_check.h"
#include "store_migrate.h"
#include "store_query.h"

#define VERSIONS_MAX 32
#define TEXT_MAX     255

struct image {
	unsigned char *bytes;
	size_t size;
};

static struct image backups[VERSIONS_MAX], loose[VERSIONS_MAX];
static const char *const tables[] = { "installation", "profile", "assistant",
				      "rotation" };

/* What is left of the input. */
static const uint8_t *rest, *rest_end;

static uint8_t next_byte(void)
{
	return rest < rest_end ? *rest++ : 0;
}

/* ---- what is changed ---- */

static const char rows[] =
	"INSERT INTO installation VALUES (1, 'tag', 1);"
	"INSERT INTO profile (name, config, env_key, made_at) VALUES"
	" ('default', '{\"model\":\"m\"}', 'OPENAI_ASSISTANT_ID', 1),"
	" ('two', '{\"model\":\"n\",\"tools\":[]}', 'TWO', 2);"
	"INSERT INTO assistant (id, upstream, profile_id, label, config, created_at,"
	" updated_at, deleted_at) VALUES"
	" ('asst_d', 'embedded', 1, 'deleted', '{\"model\":\"m\"}', 1, 2, 2),"
	" ('asst_c', 'embedded', 1, 'current', '{\"metadata\":{\"oam_nonce\":\"n\"}}', 4, 5,"
	"  NULL),"
	" ('asst_h', 'http://localhost/v1', NULL, 'unmanaged', '{}', 6, 7, NULL);"
	"INSERT INTO rotation (profile_id, reason, nonce, config, started_at, ended_at,"
	" outcome, old_id, new_id, error) VALUES"
	" (1, 'cron', 'n1', '{\"model\":\"m\"}', 1, 2, 'done', 'asst_d', 'asst_c', NULL),"
	" (1, 'api', 'n2', '{\"model\":\"m\"}', 2, 3, 'failed', 'asst_c', NULL, 'no'),"
	" (2, 'cli', 'n3', '{\"model\":\"m\"}', 3, NULL, NULL, NULL, NULL, NULL);";

static void run(sqlite3 *db, const char *sql)
{
	claim(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3 *open_memory(void)
{
	sqlite3 *db;

	claim(sqlite3_open(":memory:", &db) == SQLITE_OK);
	return db;
}

/* A database that is a copy of these bytes. */
static sqlite3 *open_image(const void *bytes, size_t size)
{
	sqlite3 *db = open_memory();
	unsigned char *copy = sqlite3_malloc64(size ? size : 1);

	claim(copy);
	memcpy(copy, bytes, size);
	claim(sqlite3_deserialize(db, "main", copy, (sqlite3_int64)size,
				  (sqlite3_int64)size,
				  SQLITE_DESERIALIZE_FREEONCLOSE |
					  SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK);
	return db;
}

static void set_version(sqlite3 *db, int version)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; PRAGMA application_id = %d",
		 version, APPLICATION_ID);
	run(db, sql);
}

static void keep(sqlite3 *db, struct image *image)
{
	sqlite3_int64 size;

	image->bytes = sqlite3_serialize(db, "main", &size, 0);
	claim(image->bytes);
	image->size = (size_t)size;
	sqlite3_close(db);
}

/* The tables of `from` without types and constraints. */
static sqlite3 *loosen(const struct image *image)
{
	sqlite3 *db = open_memory();
	sqlite3 *from = open_image(image->bytes, image->size);
	sqlite3_stmt *names = NULL;

	run(db, "PRAGMA page_size = 512");
	claim(sqlite3_prepare_v2(from,
				 "SELECT name FROM sqlite_schema WHERE type = 'table' "
				 "AND name NOT LIKE 'sqlite%'",
				 -1, &names, NULL) == SQLITE_OK);
	while (sqlite3_step(names) == SQLITE_ROW) {
		const char *table = (const char *)sqlite3_column_text(names, 0);
		sqlite3_stmt *read = NULL, *write = NULL;
		char *sql = sqlite3_mprintf("SELECT * FROM %s", table), *make;
		int count;

		claim(sqlite3_prepare_v2(from, sql, -1, &read, NULL) == SQLITE_OK);
		sqlite3_free(sql);
		count = sqlite3_column_count(read);
		make = sqlite3_mprintf("CREATE TABLE %s (", table);
		sql = sqlite3_mprintf("INSERT INTO %s VALUES (", table);
		for (int c = 0; c < count; c++) {
			const char *end = c + 1 < count ? "," : ")";

			make = sqlite3_mprintf("%z%s%s", make,
					       sqlite3_column_name(read, c), end);
			sql = sqlite3_mprintf("%z?%s", sql, end);
		}
		run(db, make);
		claim(sqlite3_prepare_v2(db, sql, -1, &write, NULL) == SQLITE_OK);
		while (sqlite3_step(read) == SQLITE_ROW) {
			for (int c = 0; c < count; c++)
				sqlite3_bind_value(write, c + 1,
						   sqlite3_column_value(read, c));
			claim(sqlite3_step(write) == SQLITE_DONE);
			sqlite3_reset(write);
		}
		sqlite3_finalize(read);
		sqlite3_finalize(write);
		sqlite3_free(make);
		sqlite3_free(sql);
	}
	sqlite3_finalize(names);
	sqlite3_close(from);
	return db;
}

/* ---- SQLite's memory: not the sanitizer's, which would take most of the time ---- */

#define HEAD 16

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): glibc's */
void *__libc_malloc(size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static void *take(int size)
{
	char *block = __libc_malloc((size_t)size + HEAD);

	if (!block)
		return NULL;
	*(int *)(void *)block = size;
	return block + HEAD;
}

static void give(void *block)
{
	if (block)
		__libc_free((char *)block - HEAD);
}

static void *retake(void *block, int size)
{
	char *grown = __libc_realloc((char *)block - HEAD, (size_t)size + HEAD);

	if (!grown)
		return NULL;
	*(int *)(void *)grown = size;
	return grown + HEAD;
}

static int size_of(void *block)
{
	return block ? *(int *)(void *)((char *)block - HEAD) : 0;
}

static int round_up(int size)
{
	return (size + 7) & ~7;
}

static int begin_memory(void *context)
{
	(void)context;
	return SQLITE_OK;
}

static void end_memory(void *context)
{
	(void)context;
}

static const sqlite3_mem_methods memory = { take,     give,         retake,     size_of,
					    round_up, begin_memory, end_memory, NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	claim(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
	claim(store_migrations_count <= VERSIONS_MAX);
	for (int version = 1; version <= store_migrations_count; version++) {
		sqlite3 *db = open_memory();

		run(db, "PRAGMA page_size = 512");
		for (int i = 0; i < version; i++) {
			run(db, store_migrations[i]);
			if (i == 0)
				run(db, rows);
		}
		set_version(db, version);
		keep(db, &backups[version - 1]);
		db = loosen(&backups[version - 1]);
		set_version(db, version);
		keep(db, &loose[version - 1]);
	}
	return 0;
}

/* ---- changing it ---- */

static sqlite3 *change_bytes(const struct image *image)
{
	struct image changed = { (unsigned char *)copy_text(image->bytes, image->size),
				 image->size };
	sqlite3 *db;

	while (rest < rest_end) {
		size_t at = next_byte();

		at = at << 8 | next_byte();
		at = at << 8 | next_byte();
		for (size_t count = next_byte() % 16 + 1; count > 0; count--)
			changed.bytes[at++ % image->size] = next_byte();
	}
	db = open_image(changed.bytes, changed.size);
	free(changed.bytes);
	return db;
}

static void bind(sqlite3_stmt *statement, uint8_t type)
{
	char text[TEXT_MAX * 4 + 1];
	uint64_t number = 0;
	int length = next_byte();

	switch (type % 8) {
	case 0:
		break; /* NULL */
	case 1:
		sqlite3_bind_int64(statement, 1, length);
		break;
	case 2:
		for (int i = 0; i < 8; i++)
			number = number << 8 | next_byte();
		sqlite3_bind_int64(statement, 1, (int64_t)number);
		break;
	case 3:
		sqlite3_bind_double(statement, 1, length / 8.0);
		break;
	case 4:
		memset(text, 'a', sizeof(text));
		sqlite3_bind_text(statement, 1, text, length * 4, SQLITE_TRANSIENT);
		break;
	default:
		for (int i = 0; i < length; i++)
			text[i] = (char)next_byte();
		if (type % 8 == 5)
			sqlite3_bind_blob(statement, 1, text, length, SQLITE_TRANSIENT);
		else
			sqlite3_bind_text(statement, 1, text, length, SQLITE_TRANSIENT);
	}
}

static sqlite3 *change_values(const struct image *image)
{
	sqlite3 *db = open_image(image->bytes, image->size);

	while (rest < rest_end) {
		const char *table = tables[next_byte() % 4];
		int column = next_byte(), row = next_byte();
		uint8_t type = next_byte();
		sqlite3_stmt *statement = NULL;
		char *sql = sqlite3_mprintf("SELECT * FROM %s", table);

		claim(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
		sqlite3_free(sql);
		if (row == 255) /* once more all that is there */
			sql = sqlite3_mprintf("INSERT INTO %s SELECT * FROM %s "
					      "WHERE ?1 IS NULL LIMIT 8",
					      table, table);
		else if (row == 254)
			sql = sqlite3_mprintf("DELETE FROM %s WHERE rowid = ?1", table);
		else
			sql = sqlite3_mprintf(
				"UPDATE %s SET \"%w\" = ?1 WHERE rowid = %d", table,
				sqlite3_column_name(
					statement,
					column % sqlite3_column_count(statement)),
				row % 4 + 1);
		sqlite3_finalize(statement);
		claim(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
		bind(statement, type);
		claim(sqlite3_step(statement) == SQLITE_DONE);
		sqlite3_finalize(statement);
		sqlite3_free(sql);
	}
	return db;
}

/* ---- reading ---- */

static int visit(const struct assistant *assistant, void *context, struct oam_error *err)
{
	(void)context;
	claim(error_result(err) == 0);
	claim(assistant_id_is_valid(assistant->id) || assistant->id[0] == '\0');
	claim(is_utf8(assistant->upstream));
	claim(json_object_is_type(assistant->config, json_type_object));
	claim(assistant->created_at >= 0 && assistant->updated_at >= 0);
	return 0;
}

static void count(const char *kind, int64_t number, void *context)
{
	(void)context;
	claim(is_utf8(kind) && number >= 0);
}

static void read_profile(struct store *store, const struct profile *profile,
			 struct oam_error *err)
{
	struct json_object *config = NULL;
	struct rotation rotation = { 0 };
	char reason[REASON_SIZE] = "";
	struct oam_error cause = { 0 };

	claim(profile_name_is_valid(profile->name));
	claim(!profile_key_fault(profile->env_key));
	claim(!profile->current[0] || assistant_id_is_valid(profile->current));
	claim(!profile->previous[0] || assistant_id_is_valid(profile->previous));
	claim(!profile->published[0] || assistant_id_is_valid(profile->published));
	claim(is_utf8(profile->last_error) && is_utf8(profile->publish_error));
	claim(profile->interval >= 0 && profile->keep_count >= -1);
	claim(profile->refreshed_at >= 0 && profile->failures >= 0);
	if (store_profile_config(store, profile->id, &config, err) == 0)
		claim(json_object_is_type(config, json_type_object));
	json_object_put(config);
	if (store_rotation_open(store, profile->id, &rotation, err) > 0)
		claim(rotation.nonce[0] != '\0' && rotation.started_at >= 0);
	rotation_release(&rotation);
	if (store_rotation_reason(store, profile->id, "asst_c", reason, err) > 0)
		claim(reason[0] != '\0');
	if (store_rotation_failed(store, profile->id, 0, &cause, err) > 0)
		claim(cause.code != OAM_OK && is_utf8(cause.message));
	store_count_assistants(store, profile->id, count, NULL, err);
	store_count_rotations(store, profile->id, count, NULL, err);
}

/* Reads all of it; closes it. False when something is not as it should be. */
static bool read_store(sqlite3 *db, bool thoroughly)
{
	const struct store_page page = { .upstream = "embedded" };
	struct store *store = calloc(1, sizeof(*store));
	struct oam_error err = { 0 };
	struct json_object *history = NULL;
	struct store_health health;
	char tag[ASSISTANT_NONCE_SIZE];
	struct profile profile;
	int64_t after = 0;
	bool sound;

	claim(store);
	store->db = db;
	store_harden(db);
	store_distrust_schema(db);
	if (store_installation_tag(store, tag, &err) == 0)
		claim(tag[0] != '\0' && is_utf8(tag));
	while (store_profile_next(store, after, &profile, &err) > 0) {
		claim(profile.id > after);
		after = profile.id;
		read_profile(store, &profile, &err);
	}
	store_assistant_page(store, &page, visit, NULL, &err);
	store_rotation_history(store, 0, 0, &history, &err);
	json_object_put(history);
	sound = error_result(&err) == 0;
	if (!sound)
		check_error(&err);
	err = (struct oam_error){ 0 };
	if (thoroughly && store_inspect(store, &health, &err))
		check_error(&err);
	else if (thoroughly)
		claim(is_utf8(health.trigger));
	store_close(store);
	return sound;
}

/* ---- the copy ---- */

static int count_schema(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int found;

	claim(sqlite3_prepare_v2(db, "SELECT count(*) FROM sqlite_schema", -1, &statement,
				 NULL) == SQLITE_OK);
	claim(sqlite3_step(statement) == SQLITE_ROW);
	found = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return found;
}

/* All that a store of this version has, and nothing else. */
static int count_ours(void)
{
	static int ours;
	sqlite3 *db;

	if (ours)
		return ours;
	db = open_memory();
	for (int i = 0; i < store_migrations_count; i++)
		run(db, store_migrations[i]);
	ours = count_schema(db);
	sqlite3_close(db);
	return ours;
}

static void copy(sqlite3 *from)
{
	int64_t deadline = clock_monotonic() + 5 * CLOCK_SECOND;
	struct oam_error err = { 0 };
	sqlite3 *to = open_memory();

	claim(store_harden_backup(from, &deadline) == 0);
	if (store_copy(from, to, &err) == 0) {
		claim(count_schema(to) == count_ours());
		claim(read_store(to, false));
	} else {
		check_error(&err);
		claim(count_schema(to) == 0);
		sqlite3_close(to);
	}
	sqlite3_close(from);
}

static sqlite3 *make(const uint8_t *data, size_t size)
{
	unsigned version;

	rest = data;
	rest_end = data + size;
	switch (next_byte() % 3) {
	case 0:
		version = next_byte() % (unsigned)store_migrations_count;
		return change_bytes(&backups[version]);
	case 1:
		version = next_byte() % (unsigned)store_migrations_count;
		return change_values(&loose[version]);
	default:
		return open_image(rest, (size_t)(rest_end - rest));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	copy(make(data, size));
	/* To make the schema that it is compared with takes longer than all else. */
	read_store(make(data, size), size % 16 == 0);
	return 0;
}
