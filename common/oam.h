/*
 * oam.h: the assistant manager as a library.
 *
 *	cc program.c $(pkg-config --cflags --libs oam)
 *
 * It does what the command line does, by the same rules and with the same store, so that
 * programs, the HTTP API and cron can work side by side. Settings come from the
 * environment and the `.env` file, as oam.env(5) tells; `oam migrate` has made the store.
 *
 * Functions give 0, or -1 with the reason in the handle: oam_error_message() for people,
 * oam_error_code() for programs. `profile` NULL is "default". A handle belongs to one
 * thread and one process; open it after fork(2).
 *
 * The library keeps no pointer to what is the caller's: strings are read while the call
 * lasts, and oam_open() copies the environment. A later setenv(3) changes nothing here; one in
 * another thread must not happen during oam_open(), as for any reader of the environment.
 */
#ifndef OAM_H
#define OAM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OAM_PUBLIC __attribute__((visibility("default")))

/* Bytes for an assistant's id, with its '\0'. */
#define OAM_ID_SIZE 128

struct oam;

/*
 * Opens the store that the settings name. `env_file` NULL: OAM_ENV_FILE, else ./.env.
 * *oam is a handle also on failure, for its error; NULL only when memory ran out. Close it
 * in any case.
 */
OAM_PUBLIC int oam_open(const char *env_file, struct oam **oam);
OAM_PUBLIC void oam_close(struct oam *oam);

/* Of the last call that failed: valid until the next call with this handle. */
OAM_PUBLIC const char *oam_error_message(const struct oam *oam);

/* The code as the HTTP API has it, like "upstream_timeout"; "ok" when none failed. */
OAM_PUBLIC const char *oam_error_code(const struct oam *oam);

/* 1 when the same call may succeed later without any change. */
OAM_PUBLIC int oam_error_is_transient(const struct oam *oam);

/* Makes sure that there is an assistant, confirmed by the server of assistants. */
OAM_PUBLIC int oam_initialize(struct oam *oam, const char *profile, char id[OAM_ID_SIZE]);

/*
 * The id to use now, from the store. Only when there is none does it create one, or wait
 * for who does. oam_renew(), or cron, replaces it when it is time.
 */
OAM_PUBLIC int oam_current(struct oam *oam, const char *profile, char id[OAM_ID_SIZE]);

/*
 * Replaces the current assistant and publishes the new id. `config` (may be NULL) is a
 * JSON object that changes the configuration for this and later refreshes. `previous` (may
 * be NULL) gets the id before, or "".
 */
OAM_PUBLIC int oam_refresh(struct oam *oam, const char *profile, const char *config,
			   char id[OAM_ID_SIZE], char previous[OAM_ID_SIZE]);

/* The same, and keeps all older ones. */
OAM_PUBLIC int oam_create(struct oam *oam, const char *profile, const char *config,
			  char id[OAM_ID_SIZE]);

/* Saves the configuration of later refreshes; the current assistant stays as it is. */
OAM_PUBLIC int oam_save_config(struct oam *oam, const char *profile, const char *config);

/* Writes the current id of every profile into `.env` and JSON file, where it is not yet. */
OAM_PUBLIC int oam_update_env(struct oam *oam);

/* One pass over all profiles, as oam-refresh(8): refreshes what is due, publishes. */
OAM_PUBLIC int oam_renew(struct oam *oam);

/* The status as the JSON text of GET status. The caller frees *json with free(3). */
OAM_PUBLIC int oam_status(struct oam *oam, const char *profile, char **json);

#ifdef __cplusplus
}
#endif

#endif
