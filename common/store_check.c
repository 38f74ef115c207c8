#include "store_check.h"

#include <limits.h>
#include <string.h>

#include "clock.h"
#include "store.h"

#define TIME_MAX     INT64_C(253402300799999)  /* ms: the end of the year 9999 */
#define NUMBER_MAX   INT64_C(9007199254740991) /* 2^53 - 1: exact as a JSON number, too */
#define ADDRESS_MAX  2048
#define INTERVAL_MIN INT64_C(60000) /* ms */

/* Operations of SQLite's virtual machine between two looks at the clock. */
#define LOOK_EACH 100000

#define LETTERS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS    "0123456789"

static bool is_nonce(const char *text)
{
	size_t length = strspn(text, LETTERS DIGITS);

	return length > 0 && length < ASSISTANT_NONCE_SIZE && text[length] == '\0';
}

static bool is_among(const char *const *words, const char *text)
{
	while (*words && strcmp(*words, text) != 0)
		words++;
	return *words != NULL;
}

static bool is_label(const char *text)
{
	static const char *const words[] = { "unmanaged", "pending", "current",
					     "previous",  "retired", "deleted",
					     NULL };

	return is_among(words, text);
}

static bool is_reason(const char *text)
{
	static const char *const words[] = { "initialize", "api",    "cli",
					     "cron",       "expiry", NULL };

	return is_among(words, text);
}

static bool is_outcome(const char *text)
{
	static const char *const words[] = { "done", "recovered", "failed", "abandoned",
					     NULL };

	return is_among(words, text);
}

/* "embedded" or a URL: it only has to be one word. */
static bool is_address(const char *text)
{
	size_t length = 0;

	while ((unsigned char)text[length] > ' ' && text[length] != '\x7f')
		length++;
	return length > 0 && length <= ADDRESS_MAX && text[length] == '\0';
}

static bool is_message(const char *text)
{
	return strlen(text) < OAM_MESSAGE_MAX;
}

static bool is_object(const char *text)
{
	struct oam_error ignored = { 0 };
	struct json_object *tree = NULL;
	bool is_one = json_read(text, strlen(text), &tree, &ignored) == 0 &&
		      json_object_is_type(tree, json_type_object);

	json_object_put(tree);
	return is_one;
}

/* Of a hook. */
static bool is_file_name(const char *text)
{
	return strlen(text) <= NAME_MAX && !strchr(text, '/') && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

static bool is_key(const char *text)
{
	return !profile_key_fault(text);
}

#define TOO_LONG "it is too long"

/* `is_needed`: no query of ours may find NULL there. */
static const struct rule {
	const char *column;
	bool (*is_valid)(const char *text);
	const char *fault;
	bool is_needed;
} rules[] = {
	{ "profile", profile_name_is_valid, "it is not a profile's name", true },
	{ "name", is_file_name, "it is not a file's name" },
	{ "env_key", is_key, "it may not be a name in .env", true },
	{ "tag", is_nonce, "it is not 1 to 22 letters and digits", true },
	{ "nonce", is_nonce, "it is not 1 to 22 letters and digits", true },
	{ "label", is_label, "there is no such label", true },
	{ "reason", is_reason, "there is no such reason", true },
	{ "outcome", is_outcome, "there is no such outcome" },
	{ "upstream", is_address, "it is not an address", true },
	{ "config", is_object, "it is not a JSON object" },
	{ "overrides", is_object, "it is not a JSON object" },
	{ "last_error", is_message, TOO_LONG },
	{ "publish_error", is_message, TOO_LONG },
	{ "error", is_message, TOO_LONG },
	{ "error_name", is_message, TOO_LONG },
	{ "holder", is_message, TOO_LONG },
};

static const struct rule id_rule = { "id", assistant_id_is_valid,
				     "it is not an assistant's id", false };

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static const struct rule *find_rule(const char *column)
{
	if (strcmp(column, "id") == 0 || ends_with(column, "_id"))
		return &id_rule;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].column, column) == 0)
			return &rules[i];
	return NULL;
}

static const char *text_fault(const struct rule *rule, const char *text, size_t length)
{
	if (length > STORE_VALUE_MAX)
		return TOO_LONG;
	if (memchr(text, '\0', length))
		return "it has a NUL character";
	if (!json_is_utf8(text, length))
		return "it is not UTF-8";
	return rule && !rule->is_valid(text) ? rule->fault : NULL;
}

static const char *integer_fault(const char *column, int64_t value)
{
	/* An expression, as in coalesce(keep_count, -1), may have -1 for "none". */
	bool is_plain = column[strspn(column, LETTERS DIGITS "_")] == '\0';

	if (ends_with(column, "_at"))
		return value >= 0 && value <= TIME_MAX ? NULL : "it is not a time";
	if (strcmp(column, "interval_ms") == 0)
		return value == 0 || (value >= INTERVAL_MIN && value <= TIME_MAX)
			       ? NULL
			       : "it is not an interval";
	if (value > NUMBER_MAX)
		return "it is too big";
	if (ends_with(column, "_id") || strcmp(column, "seq") == 0)
		return value > 0 ? NULL : "it is not above 0";
	return value >= (is_plain ? 0 : -1) ? NULL : "it is below 0";
}

const char *store_value_fault(sqlite3_stmt *statement, int index, const char *column,
			      bool is_integer)
{
	const struct rule *rule = find_rule(column);
	const char *text;

	switch (sqlite3_column_type(statement, index)) {
	case SQLITE_NULL:
		return rule && rule->is_needed ? "it is missing" : NULL;
	case SQLITE_INTEGER:
		if (!is_integer)
			return "it is a number, not a text";
		return integer_fault(column, sqlite3_column_int64(statement, index));
	case SQLITE_TEXT:
		if (is_integer)
			return "it is a text, not a number";
		text = (const char *)sqlite3_column_text(statement, index);
		if (!text)
			return "there is not enough memory to read it";
		return text_fault(rule, text,
				  (size_t)sqlite3_column_bytes(statement, index));
	case SQLITE_FLOAT:
		return "it is a fraction";
	default:
		return "it is a blob";
	}
}

/* ---- distrust ---- */

void store_harden(sqlite3 *db)
{
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL); /* people's */
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, STORE_VALUE_MAX);
}

void store_distrust_schema(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;

	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (sqlite3_prepare_v2(db, "UPDATE profile SET config = ''", -1, &statement,
			       NULL) != SQLITE_OK &&
	    strstr(sqlite3_errmsg(db), "unsafe use of json_"))
		sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, NULL);
	sqlite3_finalize(statement);
}

/* `view`: whose definition wants it. */
static int allow_tables(void *context, int action, const char *a, const char *b,
			const char *database, const char *view)
{
	(void)context;
	(void)a;
	(void)b;
	(void)database;
	if (!view &&
	    (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_PRAGMA))
		return SQLITE_OK;
	return SQLITE_DENY;
}

/* Our schema names them, and SQLite wants them to be there; nothing calls them. */
static void no_function(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	(void)values;
	sqlite3_result_null(context);
}

static int is_too_late(void *deadline)
{
	return clock_monotonic() > *(const int64_t *)deadline;
}

int store_harden_backup(sqlite3 *db, int64_t *deadline)
{
	static const struct {
		int id, value;
	} limits[] = {
		{ SQLITE_LIMIT_SQL_LENGTH, 1024 * 1024 },
		{ SQLITE_LIMIT_COLUMN, 128 },
		{ SQLITE_LIMIT_EXPR_DEPTH, 100 },
		{ SQLITE_LIMIT_COMPOUND_SELECT, 10 },
		{ SQLITE_LIMIT_VDBE_OP, 100000 },
		{ SQLITE_LIMIT_FUNCTION_ARG, 10 },
		{ SQLITE_LIMIT_ATTACHED, 0 },
		{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50 },
		{ SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
	};

	static const struct {
		const char *name;
		int arguments;
	} functions[] = { { "json_valid", 1 }, { "json_extract", -1 } };

	store_harden(db);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		sqlite3_create_function(db, functions[i].name, functions[i].arguments,
					SQLITE_UTF8 | SQLITE_DETERMINISTIC |
						SQLITE_INNOCUOUS,
					NULL, no_function, NULL, NULL);
	sqlite3_drop_modules(db, NULL); /* no virtual tables */
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		sqlite3_limit(db, limits[i].id, limits[i].value);
	sqlite3_progress_handler(db, LOOK_EACH, is_too_late, deadline);
	sqlite3_exec(db, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
	sqlite3_exec(db, "PRAGMA ignore_check_constraints = ON", NULL, NULL, NULL);
	return sqlite3_set_authorizer(db, allow_tables, NULL) == SQLITE_OK ? 0 : -1;
}
