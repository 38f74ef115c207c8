/* log: one line an event, that hostile values cannot forge or break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cmocka wants the headers above first. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Standard error goes into a pipe between begin() and end(). */
struct capture {
	int saved, pipe[2];
	size_t length;
	char text[16384];
};

static void begin(struct capture *capture)
{
	fflush(stderr);
	capture->saved = dup(STDERR_FILENO);
	assert_true(capture->saved >= 0);
	assert_int_equal(pipe2(capture->pipe, O_CLOEXEC), 0);
	assert_int_equal(fcntl(capture->pipe[0], F_SETFL, O_NONBLOCK), 0);
	assert_true(dup2(capture->pipe[1], STDERR_FILENO) >= 0);
}

static const char *end(struct capture *capture)
{
	ssize_t n;

	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	close(capture->pipe[1]);
	capture->length = 0;
	while ((n = read(capture->pipe[0], capture->text + capture->length,
			 sizeof(capture->text) - 1 - capture->length)) > 0)
		capture->length += (size_t)n;
	close(capture->pipe[0]);
	capture->text[capture->length] = '\0';
	return capture->text;
}

/* Exactly one line, its newline the last byte, no control characters before that. */
static void is_one_line(const struct capture *capture)
{
	assert_true(capture->length > 0);
	assert_int_equal(strlen(capture->text), capture->length);
	assert_int_equal(capture->text[capture->length - 1], '\n');
	for (size_t i = 0; i + 1 < capture->length; i++) {
		unsigned char byte = (unsigned char)capture->text[i];

		assert_true(byte >= 0x20 && byte != 0x7F);
	}
}

/* The line behind " event=e", without the newline, when `value` is logged as "k". */
static const char *logged(struct capture *capture, const char *value)
{
	char *at;

	begin(capture);
	log_write(LOG_LEVEL_ERROR, "e", "k", value, NULL);
	end(capture);
	is_one_line(capture);
	capture->text[capture->length - 1] = '\0';
	at = strstr(capture->text, " event=e");
	assert_non_null(at);
	return at + strlen(" event=e");
}

static void matches(const char *text, const char *pattern)
{
	regex_t regex;
	int result;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	result = regexec(&regex, text, 0, NULL, 0);
	regfree(&regex);
	if (result)
		fail_msg("%s does not match %s", text, pattern);
}

/* Runs first: no log_start() was called yet. */
static void starts_at_info(void **state)
{
	struct capture capture;

	(void)state;
	begin(&capture);
	log_write(LOG_LEVEL_DEBUG, "hidden", NULL);
	assert_string_equal(end(&capture), "");
	begin(&capture);
	log_write(LOG_LEVEL_INFO, "shown", NULL);
	matches(end(&capture), " level=info program=oam pid=[0-9]+ event=shown\n$");
}

static void writes_the_line(void **state)
{
	struct capture capture;
	char pid[32];

	(void)state;
	log_start("test", LOG_LEVEL_DEBUG);
	begin(&capture);
	log_write(LOG_LEVEL_WARN, "it-happened", "a", "1", "b", "two words", "c", NULL,
		  "d", "", "e", "5", NULL);
	end(&capture);
	is_one_line(&capture);
	matches(capture.text, "^time=20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]"
			      "{2}[.][0-9]{3}Z "
			      "level=warn program=test pid=[0-9]+ event=it-happened a=1 "
			      "b=\"two words\" e=5\n$");
	snprintf(pid, sizeof(pid), " pid=%d ", (int)getpid());
	assert_non_null(strstr(capture.text, pid));
}

static void honours_levels(void **state)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	(void)state;
	for (int wanted = LOG_LEVEL_ERROR; wanted <= LOG_LEVEL_DEBUG; wanted++) {
		log_start("test", (enum log_level)wanted);
		for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
			struct capture capture;
			char field[32];

			begin(&capture);
			log_write((enum log_level)level, "e", NULL);
			end(&capture);
			if (level > wanted) {
				assert_int_equal(capture.length, 0);
				continue;
			}
			snprintf(field, sizeof(field), " level=%s ", names[level]);
			assert_non_null(strstr(capture.text, field));
		}
	}
	log_start("test", LOG_LEVEL_DEBUG);
}

static void quotes_values(void **state)
{
	static const struct {
		const char *value, *want;
	} cases[] = {
		{ NULL, "" },
		{ "", "" },
		{ "plain", " k=plain" },
		{ "/a/b-c_d.e:f,g;h", " k=/a/b-c_d.e:f,g;h" },
		{ "100%s%n", " k=100%s%n" },
		{ "'", " k='" },
		{ "two words", " k=\"two words\"" },
		{ " ", " k=\" \"" },
		{ "\"", " k=\"\\\"\"" },
		{ "\\", " k=\"\\\\\"" },
		{ "a=b", " k=\"a=b\"" },
		{ "say \"hi\" \\", " k=\"say \\\"hi\\\" \\\\\"" },
		{ "\n", " k=\"\\x0a\"" },
		{ "\r\n", " k=\"\\x0d\\x0a\"" },
		{ "\t", " k=\"\\x09\"" },
		{ "\x1B[31m", " k=\"\\x1b[31m\"" },
		{ "\x7F", " k=\"\\x7f\"" },
		{ "\xC3\xA9\xF0\x9F\x98\x80", " k=\xC3\xA9\xF0\x9F\x98\x80" },
		{ "x\ntime=2026-01-01T00:00:00.000Z level=error event=forged",
		  " k=\"x\\x0atime=2026-01-01T00:00:00.000Z level=error event=forged\"" },
		{ "x\" level=error event=\"forged",
		  " k=\"x\\\" level=error event=\\\"forged\"" },
	};
	struct capture capture;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(logged(&capture, cases[i].value), cases[i].want);
}

static void escapes_every_control_character(void **state)
{
	struct capture capture;

	(void)state;
	for (int byte = 1; byte < 0x80; byte++) {
		char value[] = { 'a', (char)byte, 'b', '\0' }, want[32];

		if (byte >= 0x20 && byte != 0x7F)
			continue;
		snprintf(want, sizeof(want), " k=\"a\\x%02xb\"", (unsigned)byte);
		assert_string_equal(logged(&capture, value), want);
	}
}

/* The event and the program are quoted like values. */
static void quotes_the_event(void **state)
{
	struct capture capture;

	(void)state;
	log_start("my \"program\"\n", LOG_LEVEL_DEBUG);
	begin(&capture);
	log_write(LOG_LEVEL_INFO, "an\nevent", NULL);
	end(&capture);
	log_start("test", LOG_LEVEL_DEBUG);
	is_one_line(&capture);
	assert_non_null(
		strstr(capture.text, " program=\"my \\\"program\\\"\\x0a\" pid="));
	assert_non_null(strstr(capture.text, " event=\"an\\x0aevent\"\n"));
}

/* What is too long is cut, whatever it is made of; the newline stays. */
static void cuts_long_values(void **state)
{
	static const char *const parts[] = { "x", "a b", "\n", "\"", "\\", "\xC3\xA9" };

	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++) {
		for (size_t shift = 0; shift < 5; shift++) {
			struct capture capture;
			char value[9000] = "";
			size_t at = shift;

			memset(value, 'y', shift);
			while (at + strlen(parts[i]) < sizeof(value)) {
				memcpy(value + at, parts[i], strlen(parts[i]));
				at += strlen(parts[i]);
			}
			begin(&capture);
			log_write(LOG_LEVEL_ERROR, "e", "k", value, "after", "z", NULL);
			end(&capture);
			is_one_line(&capture);
			assert_in_range(capture.length, 1000, 4096);
			assert_non_null(strstr(capture.text, " event=e k="));
		}
	}
}

/* Every length around the size of the line. */
static void cuts_at_the_edge(void **state)
{
	struct capture capture;
	char value[2200];

	(void)state;
	for (size_t length = 1900; length < 2100; length++) {
		memset(value, 'x', length);
		value[length] = '\0';
		logged(&capture, value);
		assert_in_range(capture.length, 1900, 2048);
	}
}

/* Lines of several processes do not mix, although each is longer than most writes. */
static void lines_do_not_mix(void **state)
{
	enum { WRITERS = 4, LINES = 50 };
	char path[] = "/tmp/oam-test-log-XXXXXX", line[4096];
	int file = mkostemp(path, O_APPEND), seen = 0;
	pid_t children[WRITERS];
	FILE *lines;

	(void)state;
	assert_true(file >= 0);
	for (int i = 0; i < WRITERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			char value[1000];

			memset(value, 'a' + i, sizeof(value));
			value[sizeof(value) - 1] = '\0';
			dup2(file, STDERR_FILENO);
			for (int n = 0; n < LINES; n++)
				log_write(LOG_LEVEL_INFO, "e", "k", value, NULL);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	lines = fdopen(file, "r");
	assert_non_null(lines);
	rewind(lines);
	while (fgets(line, sizeof(line), lines)) {
		const char *value = strstr(line, " k=");
		char same[2] = { 0 };

		assert_int_equal(strncmp(line, "time=", 5), 0);
		assert_non_null(value);
		same[0] = value[3];
		assert_int_equal(strspn(value + 3, same), 999);
		assert_string_equal(value + 3 + 999, "\n");
		seen++;
	}
	fclose(lines);
	unlink(path);
	assert_int_equal(seen, WRITERS * LINES);
}

/* Without standard error the program goes on. */
static void survives_a_closed_stderr(void **state)
{
	int saved = dup(STDERR_FILENO);

	(void)state;
	assert_true(saved >= 0);
	close(STDERR_FILENO);
	log_write(LOG_LEVEL_ERROR, "e", NULL);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_at_info),
		cmocka_unit_test(writes_the_line),
		cmocka_unit_test(honours_levels),
		cmocka_unit_test(quotes_values),
		cmocka_unit_test(escapes_every_control_character),
		cmocka_unit_test(quotes_the_event),
		cmocka_unit_test(cuts_long_values),
		cmocka_unit_test(cuts_at_the_edge),
		cmocka_unit_test(lines_do_not_mix),
		cmocka_unit_test(survives_a_closed_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
