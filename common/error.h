/*
 * error: what went wrong, in one struct that travels up the floors.
 *
 * Every fallible function returns 0 or -1 and takes a `struct oam_error *`. The first
 * error wins: once the struct is filled, later calls leave it alone, so that the cause
 * is reported and not what it led to.
 *
 * Every error that exists is one row of OAM_ERRORS: its HTTP status, the code that
 * callers match on, the finer reason (OpenAI's own code for a bad parameter), and the
 * text. The text is a printf format that the compiler checks against each use.
 */
#ifndef OAM_ERROR_H
#define OAM_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
/*  name                 status code                    reason  text */
#define OAM_ERRORS(X) \
X(NO_MEMORY,             500, "internal_error",         NULL, "Out of memory.") \
X(INTERNAL,              500, "internal_error",         NULL, "Internal error.") \
X(SETTING,               500, "invalid_setting",        NULL, "%s") \
X(USAGE,                 400, "usage",                  NULL, "%s") \
X(UNHEALTHY,             500, "unhealthy",              NULL, "%d of the checks failed.") \
X(FILE,                  500, "file_error",             NULL, "A file could not be used: %s.") \
X(INVALID_JSON,          400, "invalid_json",           NULL, "Invalid JSON: %s at byte %zu.") \
X(UNSUPPORTED_JSON,      400, "unsupported_json",       NULL, "This JSON cannot be used: %s at byte %zu.") \
X(INVALID_PARAMETER,     400, "invalid_parameter",      "invalid_value", "Invalid '%s': %s.") \
X(MISSING_BODY,          400, "invalid_parameter",      "missing_required_parameter", "The request has no body. It needs one with '%s'.") \
X(MISSING_PARAMETER,     400, "invalid_parameter",      "missing_required_parameter", "Missing required parameter: '%s'.") \
X(UNKNOWN_PARAMETER,     400, "invalid_parameter",      "unknown_parameter", "Unknown parameter: '%s'.") \
X(INVALID_TYPE,          400, "invalid_parameter",      "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.") \
X(INVALID_VALUE,         400, "invalid_parameter",      "invalid_value", "Invalid value: '%s'. Supported values are: %s.") \
X(STRING_TOO_LONG,       400, "invalid_parameter",      "string_above_max_length", "Invalid '%s': string too long. Expected a string with maximum length %zu, but got a string with length %zu instead.") \
X(STRING_TOO_SHORT,      400, "invalid_parameter",      "string_below_min_length", "Invalid '%s': string too short. Expected a string with minimum length %zu, but got a string with length %zu instead.") \
X(ARRAY_TOO_LONG,        400, "invalid_parameter",      "array_above_max_length", "Invalid '%s': array too long. Expected an array with maximum length %zu, but got an array with length %zu instead.") \
X(INTEGER_TOO_BIG,       400, "invalid_parameter",      "integer_above_max_value", "Invalid '%s': integer above maximum value. Expected a value <= %lld, but got %lld instead.") \
X(INTEGER_TOO_SMALL,     400, "invalid_parameter",      "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= %lld, but got %lld instead.") \
X(DECIMAL_TOO_BIG,       400, "invalid_parameter",      "decimal_above_max_value", "Invalid '%s': decimal above maximum value. Expected a value <= %g, but got %g instead.") \
X(DECIMAL_TOO_SMALL,     400, "invalid_parameter",      "decimal_below_min_value", "Invalid '%s': decimal below minimum value. Expected a value >= %g, but got %g instead.") \
X(TOO_MANY_PROPERTIES,   400, "invalid_parameter",      "object_above_max_properties", "Invalid '%s': too many properties. Expected an object with at most %zu properties, but got an object with %zu properties instead.") \
X(PROPERTY_NAME_TOO_LONG, 400, "invalid_parameter",     "property_name_above_max_length", "Invalid '%s': property name too long. Expected a name with maximum length %zu, but got a name with length %zu instead.") \
X(RESERVED_METADATA,     400, "invalid_parameter",      "reserved_metadata", "Invalid '%s': names that start with 'oam_' are reserved for the assistant manager.") \
X(BETA_REFUSED,          400, "invalid_parameter",      "invalid_beta", "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header 'OpenAI-Beta: assistants=v2'.") \
X(TOKEN_MISSING,         401, "missing_token",          NULL, "An 'Authorization: Bearer <JWT>' header is required.") \
X(TOKEN_INVALID,         401, "invalid_token",          NULL, "The bearer token is not valid: %s.") \
X(FORBIDDEN,             403, "forbidden",              NULL, "This token may read but not manage: the claim that management needs is missing.") \
X(PATH_NOT_FOUND,        404, "not_found",              NULL, "There is nothing at this path.") \
X(NOT_HOSTED,            404, "not_hosted_here",        NULL, "The assistants are not hosted here. They are at %s, where OPENAI_BASE_URL points to: send this request there.") \
X(ASSISTANT_NOT_FOUND,   404, "assistant_not_found",    NULL, "No assistant found with id '%s'.") \
X(NO_CURRENT,            404, "no_current_assistant",   NULL, "Profile '%s' has no current assistant. GET current or POST initialize makes one.") \
X(PROFILE_NOT_FOUND,     404, "profile_not_found",      NULL, "There is no profile '%s'.") \
X(METHOD_NOT_ALLOWED,    405, "method_not_allowed",     NULL, "The method is not allowed here. Allowed: %s.") \
X(REFRESH_RUNNING,       409, "refresh_in_progress",    NULL, "A refresh of profile '%s' is already running.") \
X(CONFLICT,              409, "conflict",               NULL, "%s.") \
X(LIST_TOO_LONG,         400, "list_too_long",          NULL, "The list is longer than %zu bytes. Ask for it in parts, with 'limit' and 'after'.") \
X(KEY_TAKEN,             409, "conflict",               NULL, "Profile '%s' has the name '%s' in the .env already. Give one of them another: oam profile set %s --env-key NAME.") \
X(BODY_TOO_LARGE,        413, "body_too_large",         NULL, "The request body is larger than %zu bytes.") \
X(NOT_JSON,              415, "unsupported_media_type", NULL, "The request body must be 'application/json' in UTF-8.") \
X(UPSTREAM_REFUSED,      400, "upstream_refused",       NULL, "The assistants server refuses the request (HTTP status %d).") \
X(UPSTREAM_UNAUTHORIZED, 502, "upstream_unauthorized",  NULL, "API Key not configured, or not accepted by the assistants server: check OPENAI_API_KEY.") \
X(UPSTREAM_FORBIDDEN,    502, "upstream_forbidden",     NULL, "Permission denied by the assistants server: the key may not manage assistants.") \
X(UPSTREAM_SWITCHED_OFF, 502, "upstream_switched_off",  NULL, "OpenAI switched its Assistants API off on 2026-08-26. Unset OPENAI_BASE_URL to host the assistants here, or set it to a server that still speaks the protocol.") \
X(UPSTREAM_NO_PROTOCOL,  502, "upstream_failed",        NULL, "There is no Assistants API at OPENAI_BASE_URL: it answers 404. The address usually ends in /v1.") \
X(UPSTREAM_RATE_LIMITED, 503, "upstream_rate_limited",  NULL, "Rate limit exceeded at the assistants server. Try again later.") \
X(UPSTREAM_FAILED,       502, "upstream_failed",        NULL, "The assistants server failed: %s.") \
X(UPSTREAM_AMBIGUOUS,    502, "upstream_failed",        NULL, "The assistants server may or may not have done it: %s.") \
X(FILE_BUSY,             503, "file_busy",              NULL, "%s: another program keeps changing it, or the lock of the store is held; it is tried again.") \
X(NOT_PUBLISHED,         503, "not_published",          NULL, "The new id is in the store, but not in the application's files yet: %s") \
X(HOOK,                  503, "hook_failed",            NULL, "Hook %s%s%s %s.") \
X(HOOK_FAILED,           503, "hook_failed",            NULL, "The new id is in use, but not all hooks did their work: %s") \
X(STORE_BUSY,            503, "store_busy",             NULL, "The store is busy. Try again.") \
X(STORE_SCHEMA,          503, "store_not_migrated",     NULL, "The store has schema version %d, this program needs %d. Run 'oam migrate'.") \
X(STORE_FAILED,          503, "store_failed",           NULL, "The store cannot be used now.") \
X(STORE_DAMAGED,         503, "store_damaged",          NULL, "%s is damaged: %s.") \
X(INTERRUPTED,           503, "refresh_interrupted",    NULL, "The refresh was interrupted before anything was created.") \
X(WAIT_TIMED_OUT,        503, "refresh_in_progress",    NULL, "Another process is still creating the assistant of profile '%s'.") \
X(UPSTREAM_TIMEOUT,      504, "upstream_timeout",       NULL, "The assistants server did not answer in time.")
/* clang-format on */

enum oam_code {
	OAM_OK = 0,
#define X(name, status, code, reason, text) OAM_E_##name,
	OAM_ERRORS(X)
#undef X
};

#define X(name, status, code, reason, text) \
	static const char OAM_TEXT_##name[] __attribute__((unused)) = text;
OAM_ERRORS(X)
#undef X

#define OAM_PARAM_MAX   128
#define OAM_MESSAGE_MAX 640

struct oam_error {
	enum oam_code code;            /* OAM_OK: nothing went wrong */
	char param[OAM_PARAM_MAX];     /* the field at fault, or "" */
	char message[OAM_MESSAGE_MAX]; /* for the caller: valid UTF-8, no secrets */
	char detail[OAM_MESSAGE_MAX];  /* for the log and the console only, or "" */

	/* What an assistants server said of it; status 0: none was asked. */
	struct {
		int status;
		char type[64], code[64], param[OAM_PARAM_MAX], message[256];
	} upstream;
};

/*
 * Fills `err` with the row `name` of OAM_ERRORS. `param` (may be NULL) is the field at
 * fault; the rest are the arguments of the row's text. Does nothing when `err` is filled
 * already. Always -1, so that a function can end with `return error_set(…)`.
 */
#define error_set(err, name, param, ...) \
	({ \
		error_fill((err), OAM_E_##name, (param), OAM_TEXT_##name, \
			   ##__VA_ARGS__); \
		-1; /* said here, where compilers and analysers see it */ \
	})

int error_fill(struct oam_error *err, enum oam_code code, const char *param,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds what only the log and the console may see. The first call wins. Always -1. */
int error_detail(struct oam_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Copies text from outside into a field of `size` bytes: cut to it, always valid UTF-8
 * (RFC 3629); what is not becomes '?'.
 */
void error_copy(char *to, size_t size, const char *text);

/* 0 when nothing went wrong so far, else -1: the last line of a run of calls. */
int error_result(const struct oam_error *err);

/*
 * The row's name, by which an error can be kept, and the same error again from it and its
 * message. An unknown name, as of another version, is UPSTREAM_FAILED.
 */
const char *error_name(enum oam_code code);
int error_again(struct oam_error *err, const char *name, const char *message);

/* The row's columns. The reason is NULL where the row has none. */
int error_status(enum oam_code code);
const char *error_code(enum oam_code code);
const char *error_reason(enum oam_code code);

/* True when the same call may succeed later without any change: busy, a timeout, 5xx of a server. */
bool error_is_transient(enum oam_code code);

#endif
