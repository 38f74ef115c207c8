/* error: the first one wins, its texts are valid UTF-8, its table is complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include "error.h"
#include "json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void first_error_wins(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(error_result(&err), 0);
	assert_int_equal(error_set(&err, PROFILE_NOT_FOUND, "profile", "x"), -1);
	assert_int_equal(error_result(&err), -1);
	assert_int_equal(error_set(&err, NO_MEMORY, NULL), -1);
	assert_int_equal(error_set(&err, UNKNOWN_PARAMETER, "y", "y"), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	assert_string_equal(err.param, "profile");
	assert_string_equal(err.message, "There is no profile 'x'.");
	assert_string_equal(err.detail, "");
	assert_int_equal(error_result(&err), -1);
}

static void first_detail_wins(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(error_detail(&err, "%s: %d", "a", 1), -1);
	assert_int_equal(error_detail(&err, "b"), -1);
	assert_string_equal(err.detail, "a: 1");
	assert_string_equal(err.message, "");
	assert_int_equal(error_result(&err), 0); /* a detail alone is no error */

	/* The detail of what came later must not stand beside the first error. */
	error_set(&err, CONFLICT, NULL, "100% sure %s");
	assert_string_equal(err.message, "100% sure %s.");
	assert_string_equal(err.detail, "a: 1");
}

static void no_param_is_empty(void **state)
{
	struct oam_error err = { 0 };

	(void)state;
	memset(err.param, 'x', sizeof(err.param));
	error_set(&err, NO_MEMORY, NULL);
	assert_string_equal(err.param, "");
}

static void formats_every_kind(void **state)
{
	struct oam_error err[5] = { 0 };

	(void)state;
	error_set(&err[0], STRING_TOO_LONG, "name", "name", (size_t)256, (size_t)300);
	assert_string_equal(err[0].message,
			    "Invalid 'name': string too long. Expected a string with "
			    "maximum length 256, but got a string with length 300 "
			    "instead.");
	error_set(&err[1], INTEGER_TOO_SMALL, "n", "n", -1LL, INT64_MIN + 0LL);
	assert_non_null(strstr(err[1].message, "-9223372036854775808"));
	error_set(&err[2], DECIMAL_TOO_BIG, "t", "t", 2.0, 2.5);
	assert_non_null(strstr(err[2].message, "<= 2, but got 2.5"));
	error_set(&err[3], INVALID_JSON, NULL, "bad number", (size_t)7);
	assert_string_equal(err[3].message, "Invalid JSON: bad number at byte 7.");
	error_set(&err[4], BODY_TOO_LARGE, NULL, (size_t)1024);
	assert_string_equal(err[4].message,
			    "The request body is larger than 1024 bytes.");
}

/* A text that is too long is cut between characters, wherever the cut would fall. */
static void cuts_between_characters(void **state)
{
	static const char *const characters[] = { "a", "\xC3\xA9", "\xE2\x82\xAC",
						  "\xF0\x9F\x98\x80" };

	(void)state;
	for (size_t i = 0; i < COUNT(characters); i++) {
		size_t size = strlen(characters[i]);

		for (size_t shift = 0; shift < 8; shift++) {
			struct oam_error err = { 0 };
			char text[1200] = "";
			size_t length;

			memset(text, 'x', shift);
			while (strlen(text) + size < sizeof(text))
				strcat(text, characters[i]);
			error_set(&err, CONFLICT, text, text);
			error_detail(&err, "%s", text);

			length = strlen(err.message);
			assert_true(json_is_utf8(err.message, length));
			assert_memory_equal(err.message, text, length);
			assert_in_range(length, OAM_MESSAGE_MAX - size,
					OAM_MESSAGE_MAX - 1);
			length = strlen(err.detail);
			assert_true(json_is_utf8(err.detail, length));
			assert_memory_equal(err.detail, text, length);
			assert_in_range(length, OAM_MESSAGE_MAX - size,
					OAM_MESSAGE_MAX - 1);
			length = strlen(err.param);
			assert_true(json_is_utf8(err.param, length));
			assert_memory_equal(err.param, text, length);
			assert_in_range(length, OAM_PARAM_MAX - size, OAM_PARAM_MAX - 1);
		}
	}
}

/* What just fits stays whole. */
static void keeps_what_fits(void **state)
{
	struct oam_error err = { 0 };
	char text[OAM_MESSAGE_MAX + 1] = "";

	(void)state;
	memset(text, 'x', OAM_MESSAGE_MAX - 6);
	strcat(text, "\xF0\x9F\x98\x80"); /* and the full stop of the row */
	error_set(&err, CONFLICT, NULL, text);
	assert_int_equal(strlen(err.message), OAM_MESSAGE_MAX - 1);
	assert_memory_equal(err.message, text, OAM_MESSAGE_MAX - 2);
	assert_string_equal(err.message + OAM_MESSAGE_MAX - 2, ".");
}

/* The message goes into JSON: it is valid UTF-8 whatever the arguments were. */
static void messages_are_utf8(void **state)
{
	static const char *const texts[] = {
		"\xFF",
		"a\x80",
		"\x80\x80\x80",
		"\xC3",
		"\xC3(",
		"\xC0\xAF",
		"\xED\xA0\x80",
		"\xF4\x90\x80\x80",
		"\xE2\x82 \xE2\x82\xAC \xE9t\xE9",
		"\xF0\x9F\x98",
		"\xE0\x80\xAF",
		"\xF8\x88\x80\x80\x80",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct oam_error err = { 0 };

		error_set(&err, CONFLICT, texts[i], texts[i]);
		if (!json_is_utf8(err.message, strlen(err.message)))
			fail_msg("case %zu: the message is not UTF-8", i);
		if (!json_is_utf8(err.param, strlen(err.param)))
			fail_msg("case %zu: the param is not UTF-8", i);
	}
}

/* The codes that callers may match on; more may come, these may not go. */
static void table_is_complete(void **state)
{
#define X(name, status, code, reason, text) \
	{ OAM_E_##name, #name, status, code, reason, text },
	static const struct {
		enum oam_code id;
		const char *name;
		int status;
		const char *code, *reason, *text;
	} rows[] = { OAM_ERRORS(X) };
#undef X

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *code = error_code(rows[i].id), *reason;

		if (rows[i].status < 400 || rows[i].status > 504)
			fail_msg("%s: status %d", rows[i].name, rows[i].status);
		assert_int_equal(rows[i].id, i + 1);
		assert_int_equal(error_status(rows[i].id), rows[i].status);
		assert_string_equal(code, rows[i].code);
		assert_true(*code != '\0');
		assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(code));
		assert_true(*rows[i].text != '\0');

		/* A bad parameter has a reason, and nothing else has one. */
		reason = error_reason(rows[i].id);
		if (strcmp(code, "invalid_parameter") == 0) {
			assert_int_equal(rows[i].status, 400);
			assert_non_null(reason);
			assert_string_equal(reason, rows[i].reason);
		} else {
			assert_null(reason);
		}
	}
	assert_int_equal(error_status(OAM_OK), 200);
	assert_string_equal(error_code(OAM_OK), "ok");
	assert_null(error_reason(OAM_OK));
}

static void knows_what_may_pass(void **state)
{
	static const struct {
		enum oam_code code;
		bool transient;
	} cases[] = {
		{ OAM_OK, false },
		{ OAM_E_INVALID_JSON, false },
		{ OAM_E_INVALID_PARAMETER, false },
		{ OAM_E_TOKEN_INVALID, false },
		{ OAM_E_FORBIDDEN, false },
		{ OAM_E_ASSISTANT_NOT_FOUND, false },
		{ OAM_E_BODY_TOO_LARGE, false },
		{ OAM_E_UPSTREAM_REFUSED, false },
		{ OAM_E_REFRESH_RUNNING, true },
		{ OAM_E_UPSTREAM_FAILED, true },
		{ OAM_E_UPSTREAM_RATE_LIMITED, true },
		{ OAM_E_STORE_BUSY, true },
		{ OAM_E_UPSTREAM_TIMEOUT, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(error_is_transient(cases[i].code), cases[i].transient);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(first_detail_wins),
		cmocka_unit_test(no_param_is_empty),
		cmocka_unit_test(formats_every_kind),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(keeps_what_fits),
		cmocka_unit_test(messages_are_utf8),
		cmocka_unit_test(table_is_complete),
		cmocka_unit_test(knows_what_may_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
