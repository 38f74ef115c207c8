/*
 * store: the SQLite file, the record of truth. The only module that knows SQL.
 *
 * A handle belongs to one process and one thread; open it after fork(2) and never carry
 * it over one. Writers take SQLite's lock at once (BEGIN IMMEDIATE) and wait a bounded
 * time; a store that stays busy is STORE_BUSY. Every write is all or nothing.
 *
 * Functions that look something up return 1 when it is there, 0 when it is not, -1 on
 * error. Times are ms since 1970 UTC.
 */
#ifndef OAM_STORE_H
#define OAM_STORE_H

#include <stdint.h>

#include "assistant.h"

struct store;

/* Opens the file at `path`. STORE_SCHEMA when it is not there or has another schema. */
int store_open(const char *path, struct store **store, struct oam_error *err);
void store_close(struct store *store);

/* True when another file, or none, stands at the path now: after a restore, say. */
bool store_was_replaced(const struct store *store);

/* False when this user may not write the file, or its journal into the folder. */
bool store_is_writable(const struct store *store);

/*
 * Makes the file (mode 0600, its folder 0700) when it is not there, and applies the
 * migrations that it lacks, all or none. *from and *to are the versions before and after.
 * Safe to run by several processes at once. STORE_SCHEMA when the file is newer than us.
 */
int store_migrate(const char *path, int *from, int *to, struct oam_error *err);

/*
 * Writes a consistent copy of the store at `path` to the new file `to` (mode 0600), while
 * it is in use. CONFLICT when `to` is there already.
 */
int store_backup(const char *path, const char *to, struct oam_error *err);

/*
 * Puts the rows of the backup `from` in the place of those at `path`, all or nothing, in
 * this version's schema; while the store is in use, or when it is damaged or gone. Only a
 * backup whose every value is sound is taken: nobody needs to trust it. *saved is where
 * what was there is kept, beside the store: a copy, or the file itself with its journal
 * when it cannot be read; NULL when there was nothing. The caller frees it, also after an
 * error. FILE when `from` is no backup of ours, STORE_DAMAGED when it is damaged,
 * STORE_SCHEMA when it is newer than we.
 */
int store_restore(const char *path, const char *from, char **saved,
		  struct oam_error *err);

/* What `oam doctor` asks of a store. */
struct store_health {
	bool has_wal;       /* its journal mode is WAL (sqlite.org/wal.html), */
	bool wal_is_safe;   /* in which this version of SQLite loses nothing */
	const char *sqlite; /* that version; static */
	char trigger[64];   /* one that is not ours, or "" */
};

/*
 * Looks at every page and every row of the store. STORE_DAMAGED names the first fault;
 * *health is filled then, too.
 */
int store_inspect(struct store *store, struct store_health *health,
		  struct oam_error *err);

/* True when the regular file at `path` begins as an SQLite database does. */
bool store_is_database(const char *path);

/* Transactions do not nest. store_rollback() is harmless outside of one. */
bool store_is_in_transaction(const struct store *store);
int store_begin(struct store *store, struct oam_error *err);
int store_commit(struct store *store, struct oam_error *err);
void store_rollback(struct store *store);

/* The tag that marks the assistants of this store. */
int store_installation_tag(struct store *store, char tag[ASSISTANT_NONCE_SIZE],
			   struct oam_error *err);

/* ---- profiles ---- */

#define PROFILE_NAME_SIZE 65
#define PROFILE_KEY_SIZE  129
#define PROFILE_DEFAULT   "default"

/* A profile with what everybody asks about it. Ids are "" when there is none. */
struct profile {
	int64_t id;
	char name[PROFILE_NAME_SIZE];
	char env_key[PROFILE_KEY_SIZE];
	int64_t interval;     /* ms; 0: no automatic refresh */
	int64_t keep_count;   /* -1: OAM_KEEP_COUNT */
	int64_t refreshed_at; /* 0: never */
	int64_t retry_at;     /* no automatic refresh before this */
	int64_t verified_at;  /* when the upstream was last asked about `current` */
	int64_t failures;
	int64_t failed_at; /* 0: not since the last good refresh */
	char last_error[OAM_MESSAGE_MAX];
	char current[ASSISTANT_ID_SIZE];
	bool current_is_hosted; /* it lives in this store, not on another server */
	char previous[ASSISTANT_ID_SIZE];
	int64_t lease_until; /* 0: nobody refreshes it */
	bool unfinished;     /* a rotation began and did not end */
	int64_t publish_at;  /* publish at this time or later; 0: it is published */
	int64_t publish_failures;
	int64_t assistants; /* that it owns and that are not deleted */
	char publish_error[OAM_MESSAGE_MAX];
	char published[ASSISTANT_ID_SIZE]; /* what the files got last */
	int64_t hook_at; /* run the deploy hooks at this time or later; 0: they ran */
	char hooked[ASSISTANT_ID_SIZE]; /* what all deploy hooks were run for last */
	int64_t hook_failures;  /* runs in a row after which a deploy hook had failed */
	int64_t hooks_failed;   /* hooks whose last run failed, of all stages */
	int64_t hook_failed_at; /* 0: none did */
	char hook_error[OAM_MESSAGE_MAX]; /* which, how, and what helps */
};

/* ^[a-z0-9_-]{1,64}$ */
bool profile_name_is_valid(const char *name);

/* Why the key may not be a profile's name in `.env`, as static text; NULL: it may. */
const char *profile_key_fault(const char *key);

int store_profile_find(struct store *store, const char *name, struct profile *profile,
		       struct oam_error *err);

int store_profile_get(struct store *store, int64_t id, struct profile *profile,
		      struct oam_error *err);

/* The profile with the smallest id above `after`: call with 0, then with each id. */
int store_profile_next(struct store *store, int64_t after, struct profile *profile,
		       struct oam_error *err);

/* Adds a profile unless the name is there already. CONFLICT: the key is taken. */
int store_profile_add(struct store *store, const char *name, struct json_object *config,
		      const char *env_key, int64_t now, struct oam_error *err);

/* *config: the caller releases it. */
int store_profile_config(struct store *store, int64_t profile,
			 struct json_object **config, struct oam_error *err);
int store_profile_set_config(struct store *store, int64_t profile,
			     struct json_object *config, struct oam_error *err);
int store_profile_set_interval(struct store *store, int64_t profile, int64_t interval,
			       struct oam_error *err);

/* `keep_count` -1: OAM_KEEP_COUNT. */
int store_profile_set_keep_count(struct store *store, int64_t profile, int64_t keep_count,
				 struct oam_error *err);

/*
 * The name of a profile other than `but` whose key is `env_key`, whatever the case of its
 * letters: some systems tell no difference.
 */
int store_profile_key_owner(struct store *store, const char *env_key, const char *but,
			    char name[PROFILE_NAME_SIZE], struct oam_error *err);

/* The name in `.env`. CONFLICT when another profile has it. */
int store_profile_set_key(struct store *store, int64_t profile, const char *env_key,
			  struct oam_error *err);

/*
 * Within a transaction: removes the profile and its history. Its assistants stay, and
 * nobody owns them any more.
 */
int store_profile_remove(struct store *store, int64_t profile, int64_t now,
			 struct oam_error *err);

/* The files have to be written, at `at` (ms) or later. */
int store_profile_publish_at(struct store *store, int64_t profile, int64_t at,
			     struct oam_error *err);

/*
 * They were written, and name profile->current. They stay due when somebody asked for that
 * again since *profile was read. `with_hooks`: the deploy hooks are due if the id is new.
 */
int store_profile_published(struct store *store, const struct profile *profile,
			    bool with_hooks, int64_t now, struct oam_error *err);

/* They could not be: counts it, and notes why and when to try again. */
int store_profile_publish_failed(struct store *store, int64_t profile,
				 const char *message, int64_t retry_at,
				 struct oam_error *err);

/* ---- hooks ---- */

/*
 * Within a transaction: what came of the hooks of a stage. `failed`, an array of {name,
 * error}, takes the place of what failed before.
 */
int store_hook_results(struct store *store, int64_t profile, const char *stage,
		       struct json_object *failed, int64_t now, struct oam_error *err);

/* *names: an array of the names of those that failed; the caller releases it. */
int store_hook_failed(struct store *store, int64_t profile, const char *stage,
		      struct json_object **names, struct oam_error *err);

/* The deploy hooks have to run, at `at` (ms) or later. */
int store_profile_hook_at(struct store *store, int64_t profile, int64_t at,
			  struct oam_error *err);

/* The deploy hooks ran for `id`; `retry_at`: a hook has to run again then, or 0. */
int store_profile_hooked(struct store *store, int64_t profile, const char *id,
			 int64_t retry_at, struct oam_error *err);

/* ---- outcomes ---- */

/* A refresh went well at `now`: the interval starts again, failures are forgotten. */
int store_profile_refreshed(struct store *store, int64_t profile, int64_t now,
			    struct oam_error *err);

/* The upstream was asked about the current assistant at `now`. */
int store_profile_verified(struct store *store, int64_t profile, int64_t now,
			   struct oam_error *err);

/* A refresh failed: counts it and notes why and when to try again. */
int store_profile_failed(struct store *store, int64_t profile, const char *message,
			 int64_t now, int64_t retry_at, struct oam_error *err);

/*
 * How many rows there are of each kind, by `visit`: assistants that are not deleted by
 * label, or rotations by outcome ("running" when there is none).
 */
typedef void store_count(const char *kind, int64_t count, void *context);
int store_count_assistants(struct store *store, int64_t profile, store_count *visit,
			   void *context, struct oam_error *err);
int store_count_rotations(struct store *store, int64_t profile, store_count *visit,
			  void *context, struct oam_error *err);

/* ---- assistants ---- */

enum assistant_label {
	LABEL_UNMANAGED,
	LABEL_PENDING,
	LABEL_CURRENT,
	LABEL_PREVIOUS,
	LABEL_RETIRED,
	LABEL_DELETED,
};

struct assistant {
	char id[ASSISTANT_ID_SIZE];
	int64_t profile; /* 0: not owned */
	enum assistant_label label;
	int64_t created_at, updated_at;
	size_t size;                /* bytes of the configuration's text in the store */
	char *upstream;             /* where it lives; owned by this struct */
	struct json_object *config; /* likewise */
};

void assistant_release(struct assistant *assistant);

/* Adds an assistant that nobody owns. CONFLICT when the id is there already. */
int store_assistant_add(struct store *store, const char *id, const char *upstream,
			struct json_object *config, int64_t created_at,
			struct oam_error *err);

/*
 * Adds an assistant that nobody owns, as it is in another store; one that was deleted here
 * comes back. 1 when it was added, 0 when the id is in use already.
 */
int store_assistant_import(struct store *store, const char *id, const char *upstream,
			   struct json_object *config, int64_t created_at, int64_t now,
			   struct oam_error *err);

/* Also finds deleted ones. Release *assistant when 1. */
int store_assistant_find(struct store *store, const char *id, struct assistant *assistant,
			 struct oam_error *err);

/* The one that is not deleted and has metadata oam_nonce = `nonce`. */
int store_assistant_find_nonce(struct store *store, const char *upstream,
			       const char *nonce, struct assistant *assistant,
			       struct oam_error *err);

/* 1 when a row changed, 0 when there is none that is not deleted. */
int store_assistant_set_config(struct store *store, const char *id,
			       struct json_object *config, int64_t now,
			       struct oam_error *err);
int store_assistant_delete(struct store *store, const char *id, int64_t now,
			   struct oam_error *err);

/*
 * The server `upstream` has no such assistant, or not any longer: marks it deleted. But
 * what is hosted here says nothing of a server over HTTP, nor the other way round: then it
 * stays, and a profile that has it retires it. 1 when a row changed, else 0.
 */
int store_assistant_gone(struct store *store, const char *id, const char *upstream,
			 int64_t now, struct oam_error *err);

/*
 * Makes the assistant the profile's, under `label`; records it first when it is not in
 * the store. CONFLICT when another profile owns it.
 */
int store_assistant_own(struct store *store, const char *id, const char *upstream,
			struct json_object *config, int64_t created_at, int64_t profile,
			enum assistant_label label, int64_t now, struct oam_error *err);

/*
 * Within a transaction: makes `id`, which the profile owns, its current one. The one that
 * was current becomes previous, and what was previous is retired.
 */
int store_assistant_promote(struct store *store, int64_t profile, const char *id,
			    int64_t now, struct oam_error *err);

/* Part of a list, in the order of creation. */
struct store_page {
	const char *upstream;
	bool ascending;
	const char *after;  /* id, or NULL; may be deleted by now */
	const char *before; /* id, or NULL; likewise */
	int64_t limit;      /* rows at most; 0: all */
};

/*
 * Calls `visit` for each row of the page. ASSISTANT_NOT_FOUND when a cursor was never in
 * the store. A visit that returns 1 ends the page; so does -1, and its error stands.
 */
int store_assistant_page(struct store *store, const struct store_page *page,
			 int (*visit)(const struct assistant *, void *context,
				      struct oam_error *),
			 void *context, struct oam_error *err);

/* Which assistants a cleanup of a profile is about. */
struct store_surplus {
	int64_t profile;
	const char
		*upstream; /* hosted here, or on a server over HTTP: never the others */
	int64_t keep;      /* so many of the newest stay */
	int64_t spare_previous_since; /* the previous one stays if it was labelled at or
					 after that time; 0: no such favour */
};

/*
 * Those that cleanup may delete: not current, not pending, not what the files name, not
 * among the newest. *ids is a JSON array of ids, newest first.
 */
int store_assistant_surplus(struct store *store, const struct store_surplus *surplus,
			    struct json_object **ids, struct oam_error *err);

/* How many assistants store_assistant_surplus() would give. */
int store_assistant_count_surplus(struct store *store,
				  const struct store_surplus *surplus, int64_t *count,
				  struct oam_error *err);

/*
 * 1 when a cleanup may delete the assistant, as far as the store knows: no profile uses
 * it, its files do not name it, and no rotation is making it; 0 when one of that is so.
 * `nonce` is what its metadata says, or NULL.
 */
int store_assistant_may_go(struct store *store, const char *id, const char *nonce,
			   struct oam_error *err);

/* ---- rotations and leases ---- */

#define REASON_SIZE 16

struct rotation {
	int64_t id;
	char nonce[ASSISTANT_NONCE_SIZE];
	char new_id[ASSISTANT_ID_SIZE]; /* "" until something was created */
	int64_t started_at;
	struct json_object *overrides; /* owned by this struct; NULL: nothing */
};

void rotation_release(struct rotation *rotation);

/*
 * Writes the intent: an assistant with `nonce` will be made, and the profile takes over
 * `overrides` (may be NULL) when it is there. *rotation gets its row id.
 */
int store_rotation_start(struct store *store, int64_t profile, const char *reason,
			 const char *nonce, struct json_object *overrides,
			 const char *old_id, int64_t now, int64_t *rotation,
			 struct oam_error *err);
int store_rotation_created(struct store *store, int64_t rotation, const char *new_id,
			   struct oam_error *err);
/* `cause`: why it failed, or NULL. The overrides are forgotten. */
int store_rotation_end(struct store *store, int64_t rotation, const char *outcome,
		       const struct oam_error *cause, int64_t now, struct oam_error *err);

/* Forgets the one right before it of the same profile, if that failed and made nothing. */
int store_rotation_forget(struct store *store, int64_t rotation, struct oam_error *err);

/* The oldest rotation of the profile that did not end. Release *rotation when 1. */
int store_rotation_open(struct store *store, int64_t profile, struct rotation *rotation,
			struct oam_error *err);

/* 1 when the rotation with this nonce did not end yet. */
int store_rotation_is_open(struct store *store, const char *nonce, struct oam_error *err);

/* What asked for the rotation that made `new_id`: 1, or 0 when none did. */
int store_rotation_reason(struct store *store, int64_t profile, const char *new_id,
			  char reason[REASON_SIZE], struct oam_error *err);

/*
 * The newest `limit` rotations (0: all) of a profile (0: of all), newest first, each as an
 * object with profile, reason, startedAt, endedAt, outcome, previousAssistantId,
 * newAssistantId and error; times in ms, null when there is none.
 */
int store_rotation_history(struct store *store, int64_t profile, int64_t limit,
			   struct json_object **history, struct oam_error *err);

/*
 * How the last rotation of the profile that ended after `since` went: 1 when it failed,
 * with its error in *cause; 0 when it did not, or there is none.
 */
int store_rotation_failed(struct store *store, int64_t profile, int64_t since,
			  struct oam_error *cause, struct oam_error *err);

/*
 * Removes at most `limit` rotations that ended before `before`, and as many assistants that
 * were deleted before it. Each profile keeps its last rotation, and those that made its
 * current and its previous assistant. 1 when there may be more.
 */
int store_history_prune(struct store *store, int64_t before, int64_t limit,
			struct oam_error *err);

/* The row that tells people who refreshes. The lock file is what excludes. */
int store_lease_take(struct store *store, int64_t profile, const char *holder,
		     int64_t now, int64_t until, struct oam_error *err);
int store_lease_drop(struct store *store, int64_t profile, struct oam_error *err);

#endif
