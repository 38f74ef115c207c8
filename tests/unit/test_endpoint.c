/* endpoint: what a plain CGI program answers when its handler, or its start, goes wrong. */
#include <fcntl.h>
#include <sys/wait.h>

#include "clock.h"
#include "endpoint.h"
#include "expect.h"
#include "temp_service.h"
#include "token.h"

#define SECRET "f3b1c9d27e6a48509b8e1d6f4c7a2e905d8b3f6a1c4e7092"

static struct temp_service *t;

/* ---- endpoints ---- */

static int fail_silently(struct service *service, const struct request *request,
			 struct json_writer *data, struct oam_error *err)
{
	(void)service;
	(void)request;
	(void)err;
	json_write_string(data, "half", "an answer");
	return -1;
}

static int fail_busy(struct service *service, const struct request *request,
		     struct json_writer *data, struct oam_error *err)
{
	(void)service;
	(void)request;
	(void)data;
	return error_set(err, STORE_BUSY, NULL);
}

static int run_out_of_memory(struct service *service, const struct request *request,
			     struct json_writer *data, struct oam_error *err)
{
	(void)service;
	(void)request;
	(void)err;
	data->failed = true;
	return 0;
}

static int succeed(struct service *service, const struct request *request,
		   struct json_writer *data, struct oam_error *err)
{
	(void)service;
	(void)request;
	(void)err;
	json_write_string(data, "whole", "answer");
	return 0;
}

static int open_silently(const struct settings *settings, struct service **service,
			 struct oam_error *err)
{
	(void)settings;
	(void)err;
	*service = NULL;
	return -1;
}

#define ENDPOINT(opener, handler) \
	.name = "status", .method = "GET", .message = "Done.", .open = (opener), \
	.handle = (handler)

static const struct endpoint good = { ENDPOINT(service_open_store, succeed) };
static const struct endpoint silent = { ENDPOINT(service_open_store, fail_silently) };
static const struct endpoint busy = { ENDPOINT(service_open_store, fail_busy) };
static const struct endpoint poor = { ENDPOINT(service_open_store, run_out_of_memory) };
static const struct endpoint closed = { ENDPOINT(open_silently, succeed) };
static const struct endpoint openai = { ENDPOINT(service_open_store, succeed),
					.path = "/v1/assistants",
					.dialect = &endpoint_openai_dialect };
static const struct endpoint silent_openai = {
	ENDPOINT(service_open_store, fail_silently),
	.path = "/v1/assistants",
	.dialect = &endpoint_openai_dialect,
};

/* ---- running them ---- */

static char *authorization(void)
{
	static char secret[] = SECRET, algorithm[] = "HS256";
	const struct settings settings = { .jwt_secret = secret, .jwt_alg = algorithm };
	struct oam_error err = { 0 };
	char claims[64], *token, *header;
	struct json_object *tree;

	snprintf(claims, sizeof(claims), "{\"exp\":%lld}",
		 (long long)clock_now() / CLOCK_SECOND + 3600);
	tree = parse(claims);
	assert_ok(token_sign(&settings, tree, &token, &err));
	assert_true(asprintf(&header, "Bearer %s", token) > 0);
	json_object_put(tree);
	free(token);
	return header;
}

static void set_variables(const char *method, const char *path)
{
	char *header = authorization();

	setenv("OAM_DB", t->temp.path, 1);
	setenv("OAM_ENV_FILE", t->env_file, 1);
	setenv("JWT_SECRET", SECRET, 1);
	setenv("REQUEST_METHOD", method, 1);
	setenv("SCRIPT_NAME", path, 1);
	setenv("HTTP_AUTHORIZATION", header, 1);
	free(header);
}

/* The answer of one request in *head and *body, the log in *said; the program's status. */
static struct {
	char text[4096], said[4096];
	const char *body;
} answer;

static void read_file(const char *name, char *text, size_t size)
{
	char path[TEMP_FOLDER_SIZE + 16];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t->temp.folder, name);
	fd = open(path, O_RDONLY);
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void redirect(const char *name, int to)
{
	char path[TEMP_FOLDER_SIZE + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", t->temp.folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, to);
	close(fd);
}

static int run(const struct endpoint *endpoint, const char *method, const char *path,
	       const char *setting, const char *value)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		set_variables(method, path);
		if (setting)
			setenv(setting, value, 1);
		redirect("out", STDOUT_FILENO);
		redirect("err", STDERR_FILENO);
		dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
		_exit(endpoint_main(endpoint));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_file("out", answer.text, sizeof(answer.text));
	read_file("err", answer.said, sizeof(answer.said));
	answer.body = strstr(answer.text, "\r\n\r\n");
	assert_non_null(answer.body);
	answer.body += 4;
	return WEXITSTATUS(status);
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no %s in %s", part, text);
}

/* The body begins with `begin`; what follows is the time of the answer. */
static void expect_body(const char *begin)
{
	size_t length = strlen(begin);

	assert_true(strlen(answer.body) > length);
	assert_memory_equal(answer.body, begin, length);
	assert_memory_equal(answer.body + length, ",\"timestamp\":\"", 14);
}

#define OWN_PATH    ENDPOINT_BASE "status"
#define OPENAI_PATH "/v1/assistants"

/* ---- the tests ---- */

static void test_a_success(void **state)
{
	(void)state;
	run(&good, "GET", OWN_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 200 ");
	expect_body("{\"success\":true,\"message\":\"Done.\",\"data\":"
		    "{\"whole\":\"answer\"}");
}

static void test_a_failure_without_an_error_is_internal(void **state)
{
	(void)state;
	run(&silent, "GET", OWN_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 500 ");
	expect_body("{\"success\":false,\"message\":\"Internal error.\",\"data\":"
		    "\"Internal error.\",\"error\":{\"code\":\"internal_error\","
		    "\"param\":null,\"details\":null}");
	expect_text(answer.said, "did not say why");
	run(&closed, "GET", OWN_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 500 ");
	expect_text(answer.said, "did not say why");
	run(&silent_openai, "GET", OPENAI_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 500 ");
	expect_text(answer.body, "{\"error\":{\"message\":\"Internal error.\"");
}

static void test_the_log_of_an_error_adds_nothing(void **state)
{
	(void)state;
	run(&busy, "GET", OWN_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 503 ");
	expect_text(answer.said, "code=store_busy");
	assert_null(strstr(answer.said, "did not say why"));
}

static void test_an_answer_without_memory_is_logged_as_that(void **state)
{
	(void)state;
	run(&poor, "GET", OWN_PATH, NULL, NULL);
	expect_text(answer.text, "Status: 500 ");
	expect_text(answer.body, "\"message\":\"Out of memory.\"");
	expect_text(answer.said, "code=internal_error");
	expect_text(answer.said, "Out of memory.");
}

static void test_who_cannot_start_speaks_as_the_path_does(void **state)
{
	(void)state;
	assert_int_equal(run(&good, "GET", OWN_PATH, "OAM_WORKERS", "many"), 1);
	expect_text(answer.text, "Status: 500 ");
	expect_body(
		"{\"success\":false,\"message\":\"The server is misconfigured. Its log "
		"says how.\",\"data\":\"The server is misconfigured. Its log says how.\","
		"\"error\":{\"code\":\"invalid_setting\",\"param\":null,"
		"\"details\":null}");
	expect_text(answer.said, "OAM_WORKERS");
	assert_int_equal(run(&openai, "POST", OPENAI_PATH, "OAM_WORKERS", "many"), 1);
	expect_text(answer.text, "Status: 500 ");
	assert_string_equal(answer.body,
			    "{\"error\":{\"message\":\"The server is misconfigured. Its "
			    "log says how.\",\"type\":\"server_error\",\"param\":null,"
			    "\"code\":\"invalid_setting\"}}");
}

static void test_who_cannot_start_answers_head_without_a_body(void **state)
{
	(void)state;
	run(&good, "HEAD", OWN_PATH, "OAM_WORKERS", "many");
	expect_text(answer.text, "Status: 500 ");
	expect_text(answer.text, "Content-Length: 2");
	assert_string_equal(answer.body, "");
}

/* ---- a renewal without a server ---- */

static void test_a_renewal_without_a_server_does_nothing(void **state)
{
	const struct service_renewal renewal = { .reason = REASON_EXPIRY, .force = true };
	struct service *service;
	struct oam_error err = { 0 };

	(void)state;
	assert_ok(service_open_store(&t->settings, &service, &err));
	assert_ok(service_renew(service, &renewal, &err));
	service_close(service);
}

static int set_up(void **state)
{
	char id[ASSISTANT_ID_SIZE];
	struct oam_error err = { 0 };

	(void)state;
	t = temp_service_open();
	close(open(t->env_file, O_WRONLY | O_CREAT, 0600));
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	temp_service_close(t);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_success),
		cmocka_unit_test(test_a_failure_without_an_error_is_internal),
		cmocka_unit_test(test_the_log_of_an_error_adds_nothing),
		cmocka_unit_test(test_an_answer_without_memory_is_logged_as_that),
		cmocka_unit_test(test_who_cannot_start_speaks_as_the_path_does),
		cmocka_unit_test(test_who_cannot_start_answers_head_without_a_body),
		cmocka_unit_test(test_a_renewal_without_a_server_does_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
