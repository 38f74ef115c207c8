/* http_client: what is said of a request when there is no answer, and how often it is sent. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "expect.h"
#include "http_client.h"

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

/*
 * Answers the first request of each connection with `first` and the others with `next`.
 * NULL, or an answer without a length, ends the connection.
 */
static struct server {
	int listener;
	pthread_t thread;
	const char *first, *next;
	bool is_hasty; /* closes a connection before anything is read */
	atomic_int requests;
} server;

/* Reads up to the end of a request without a body, or of a body of "{}". */
static bool read_request(int fd)
{
	char text[4096] = "";
	size_t length = 0;

	for (;;) {
		const char *body = strstr(text, "\r\n\r\n");
		ssize_t n;

		if (body && (!strstr(text, "Content-Length: 2") || strstr(body, "{}")))
			return true;
		n = read(fd, text + length, sizeof(text) - 1 - length);
		if (n <= 0)
			return false;
		length += (size_t)n;
		text[length] = '\0';
	}
}

static void *serve_connection(void *context)
{
	int fd = (int)(intptr_t)context;
	const char *answer = server.first;

	while (!server.is_hasty && read_request(fd)) {
		server.requests++;
		if (!answer || write(fd, answer, strlen(answer)) < 0 ||
		    strcmp(answer, GOOD) != 0)
			break;
		answer = server.next;
	}
	close(fd);
	return NULL;
}

static void *serve(void *unused)
{
	pthread_t threads[8];
	size_t count = 0;
	intptr_t fd;

	while (count < 8 && (fd = accept(server.listener, NULL, NULL)) >= 0)
		/* It is a number. NOLINTNEXTLINE(performance-no-int-to-ptr) */
		pthread_create(&threads[count++], NULL, serve_connection, (void *)fd);
	while (count > 0)
		pthread_join(threads[--count], NULL);
	return unused;
}

/* Listens on a free port, which it returns. */
static int start(const char *first, const char *next)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	server = (struct server){ .first = first, .next = next };
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server.listener, 8), 0);
	getsockname(server.listener, (struct sockaddr *)&address, &size);
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
	return ntohs(address.sin_port);
}

static void stop(void)
{
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
}

static struct http_client *open_client(const char *scheme, int port, char *proxy)
{
	static struct settings settings;
	static char url[64];
	struct http_client *client;
	struct oam_error err = { 0 };

	snprintf(url, sizeof(url), "%s://127.0.0.1:%d/v1", scheme, port);
	settings = (struct settings){ .base_url = url, .http_proxy = proxy };
	assert_int_equal(http_client_open(&settings, &client, &err), 0);
	return client;
}

static struct http_answer post(struct http_client *client, bool once, int64_t timeout)
{
	const struct http_request request = { .method = "POST",
					      .path = "/assistants",
					      .body = "{}",
					      .timeout = timeout,
					      .once = once };
	struct http_answer answer;
	struct oam_error err = { 0 };

	assert_int_equal(http_client_request(client, &request, &answer, &err), 0);
	free(answer.body);
	return answer;
}

static void expect_failure(const char *scheme, int port, char *proxy, bool sent)
{
	struct http_client *client = open_client(scheme, port, proxy);
	struct http_answer answer = post(client, true, 10000);

	http_client_close(client);
	assert_int_equal(answer.status, 0);
	assert_string_not_equal(answer.reason, "");
	assert_int_equal(answer.sent, sent);
	assert_false(answer.timed_out);
}

/* ---- whether it may have been sent ---- */

static void test_nobody_listens(void **state)
{
	int port = start(GOOD, GOOD);

	(void)state;
	stop();
	expect_failure("http", port, NULL, false);
}

static void test_no_tls(void **state)
{
	int port = start("no TLS\r\n", NULL);

	(void)state;
	server.is_hasty = true;
	expect_failure("https", port, NULL, false);
	stop();
}

static void test_a_proxy_that_refuses(void **state)
{
	int port = start("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", NULL);
	char proxy[64];

	(void)state;
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", port);
	expect_failure("https", 1, proxy, false);
	assert_int_equal(server.requests, 1); /* the CONNECT */
	stop();
}

static void test_no_answer_after_it_was_sent(void **state)
{
	static const char *const answers[] = {
		NULL,
		"",
		"it worked\n",
		"{\"id\":\"asst_1\"}",
		"HTTP",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		int port = start(answers[i], NULL);

		expect_failure("http", port, NULL, true);
		assert_int_equal(server.requests, 1);
		stop();
	}
}

static void test_the_reason_is_no_other_failures(void **state)
{
	struct http_client *client = open_client("http", start("it worked\n", NULL),
						 NULL);
	struct http_answer answer = post(client, true, 10000);

	(void)state;
	assert_string_equal(answer.reason, "its answer is not HTTP");
	http_client_close(client);
	stop();
}

/* ---- how often ---- */

static void test_once_is_once(void **state)
{
	struct http_client *client = open_client("http", start(GOOD, NULL), NULL);

	(void)state;
	assert_int_equal(post(client, false, 10000).status, 200);
	/* The connection is kept, and ends with the next request. */
	assert_int_equal(post(client, false, 10000).status, 200);
	assert_int_equal(server.requests, 3);
	/* What may be done only once gets a new one, whatever is kept. */
	server.first = NULL;
	assert_int_equal(post(client, true, 10000).status, 0);
	assert_int_equal(server.requests, 4);
	http_client_close(client);
	stop();
}

static void test_without_time_nothing_is_sent(void **state)
{
	static const int64_t times[] = { 0, -1, -5000, INT64_MIN };
	struct http_client *client = open_client("http", start(GOOD, GOOD), NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct http_answer answer = post(client, true, times[i]);

		assert_int_equal(answer.status, 0);
		assert_true(answer.timed_out);
		assert_false(answer.sent);
	}
	assert_int_equal(server.requests, 0);
	http_client_close(client);
	stop();
}

static void test_a_batch_without_time_ends(void **state)
{
	static const int64_t times[] = { 0, -1, INT64_MIN };
	struct http_client *client = open_client("http", 1, NULL);
	struct http_batch *batch;
	struct http_answer answer;
	struct oam_error err = { 0 };
	void *context;

	(void)state;
	assert_int_equal(http_batch_open(client, &batch, &err), 0);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_int_equal(http_batch_add(batch, "DELETE", "/assistants/asst_1",
						times[i], NULL, &err),
				 0);
		assert_int_equal(http_batch_wait(batch, 10000, &answer, &context, &err),
				 1);
		assert_int_equal(answer.status, 0);
		assert_false(answer.sent);
	}
	http_batch_close(batch);
	http_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_a_proxy_that_refuses),
		cmocka_unit_test(test_no_answer_after_it_was_sent),
		cmocka_unit_test(test_the_reason_is_no_other_failures),
		cmocka_unit_test(test_once_is_once),
		cmocka_unit_test(test_without_time_nothing_is_sent),
		cmocka_unit_test(test_a_batch_without_time_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
