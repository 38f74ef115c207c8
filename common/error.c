#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static const struct {
	int status;
	const char *code, *reason, *name;
} rows[] = {
#define X(name, status, code, reason, text) \
	[OAM_E_##name] = { status, code, reason, #name },
	OAM_ERRORS(X)
#undef X
};

/* snprintf may cut a UTF-8 sequence in two; drop the part that is left of it. */
static void drop_cut_sequence(char *text)
{
	size_t end = strlen(text), start = end;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start == 0)
		return;

	unsigned char lead = (unsigned char)text[start - 1];
	size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;

	if (end - (start - 1) < need)
		text[start - 1] = '\0';
}

/*
 * The arguments may not be UTF-8: bytes from outside, or a name that a caller of ours cut
 * in two. What is not valid becomes '?'.
 */
static void mend_sequences(char *text)
{
	while (*text) {
		size_t n = 1;

		while (n <= 4 && !json_is_utf8(text, n)) /* never looks beyond the '\0' */
			n++;
		if (n > 4) {
			*text = '?';
			n = 1;
		}
		text += n;
	}
}

void error_copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
	drop_cut_sequence(to);
	mend_sequences(to);
}

int error_fill(struct oam_error *err, enum oam_code code, const char *param,
	       const char *format, ...)
{
	va_list args;

	if (err->code != OAM_OK)
		return -1;
	err->code = code;
	error_copy(err->param, sizeof(err->param), param ? param : "");
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	drop_cut_sequence(err->message);
	mend_sequences(err->message);
	return -1;
}

int error_detail(struct oam_error *err, const char *format, ...)
{
	va_list args;

	if (err->detail[0] != '\0')
		return -1;
	va_start(args, format);
	vsnprintf(err->detail, sizeof(err->detail), format, args);
	va_end(args);
	drop_cut_sequence(err->detail);
	return -1;
}

int error_result(const struct oam_error *err)
{
	return err->code == OAM_OK ? 0 : -1;
}

int error_status(enum oam_code code)
{
	return code == OAM_OK ? 200 : rows[code].status;
}

const char *error_name(enum oam_code code)
{
	return code == OAM_OK ? NULL : rows[code].name;
}

int error_again(struct oam_error *err, const char *name, const char *message)
{
	enum oam_code code = OAM_E_UPSTREAM_FAILED;

	for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (name && strcmp(rows[i].name, name) == 0)
			code = (enum oam_code)i;
	return error_fill(err, code, NULL, "%s", message);
}

const char *error_code(enum oam_code code)
{
	return code == OAM_OK ? "ok" : rows[code].code;
}

const char *error_reason(enum oam_code code)
{
	return code == OAM_OK ? NULL : rows[code].reason;
}

bool error_is_transient(enum oam_code code)
{
	int status = error_status(code);

	if (status == 502) /* the others of these are for people to mend */
		return code == OAM_E_UPSTREAM_FAILED || code == OAM_E_UPSTREAM_AMBIGUOUS;
	if (code == OAM_E_STORE_SCHEMA || code == OAM_E_STORE_FAILED ||
	    code == OAM_E_STORE_DAMAGED)
		return false;
	return code == OAM_E_REFRESH_RUNNING || status == 503 || status == 504;
}
