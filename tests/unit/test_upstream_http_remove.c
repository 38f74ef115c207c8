/* Removing many assistants over HTTP: the server is a function here. */
#include <time.h>

#include "expect.h"
#include "upstream_http_private.h"

/* ---- the server ---- */

struct http_client {
	int unused;
};

struct http_batch {
	void *contexts[HTTP_BATCH_MAX];
	const char *ids[HTTP_BATCH_MAX];
	size_t count;
};

static struct http_client client;
static struct http_batch batch;
static struct {
	size_t requests;
	size_t fail_each; /* of so many requests one fails; 0: none */
} server;

int http_client_open(const struct settings *settings, struct http_client **out,
		     struct oam_error *err)
{
	(void)settings;
	(void)err;
	*out = &client;
	return 0;
}

void http_client_close(struct http_client *c)
{
	(void)c;
}

int http_client_request(struct http_client *c, const struct http_request *request,
			struct http_answer *answer, struct oam_error *err)
{
	(void)c, (void)request, (void)answer;
	return error_set(err, INTERNAL, NULL); /* removals are batches */
}

int http_batch_open(struct http_client *c, struct http_batch **out, struct oam_error *err)
{
	(void)c;
	(void)err;
	batch.count = 0;
	*out = &batch;
	return 0;
}

void http_batch_close(struct http_batch *b)
{
	(void)b;
}

bool http_batch_room(const struct http_batch *b)
{
	return b->count < HTTP_BATCH_MAX;
}

int http_batch_add(struct http_batch *b, const char *method, const char *path,
		   int64_t timeout, void *context, struct oam_error *err)
{
	(void)err;
	assert_true(http_batch_room(b) && timeout > 0);
	assert_string_equal(method, "DELETE");
	assert_true(strncmp(path, "/assistants/asst_", 17) == 0);
	b->ids[b->count] = path + 12;
	b->contexts[b->count++] = context;
	return 0;
}

int http_batch_wait(struct http_batch *b, int64_t timeout, struct http_answer *answer,
		    void **context, struct oam_error *err)
{
	(void)err;
	assert_true(b->count > 0 || timeout > 0); /* or it would spin */
	if (b->count == 0)
		return 0;
	*context = b->contexts[--b->count];
	*answer = (struct http_answer){ .status = 200, .sent = true, .should_retry = -1 };
	if (server.fail_each && ++server.requests % server.fail_each == 0) {
		answer->status = 500; /* and try again at once */
	} else {
		answer->length = (size_t)asprintf(
			&answer->body,
			"{\"id\":\"%s\",\"object\":\"assistant.deleted\",\"deleted\":true}",
			b->ids[b->count]);
	}
	return 1;
}

/* ---- who wants them removed ---- */

struct wanted {
	size_t on_their_way, most, deleted, failed;
};

static int may_remove(const char *id, void *context, struct oam_error *err)
{
	struct wanted *wanted = context;

	(void)id;
	(void)err;
	if (++wanted->on_their_way > wanted->most)
		wanted->most = wanted->on_their_way;
	return 1;
}

static void removed(const char *id, const struct oam_error *result, void *context)
{
	struct wanted *wanted = context;

	(void)id;
	wanted->on_their_way--;
	if (error_result(result))
		wanted->failed++;
	else
		wanted->deleted++;
}

static struct wanted remove_many(size_t count)
{
	static char url[] = "https://assistants.example/v1";
	const struct settings settings = { .base_url = url };
	struct wanted wanted = { 0 };
	const struct upstream_remover remover = { .may = may_remove,
						  .done = removed,
						  .context = &wanted };
	struct json_object *ids = json_object_new_array();
	struct oam_error err = { 0 };
	struct upstream *upstream;
	char id[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "asst_%zu", i);
		json_append_string(ids, id, &err);
	}
	server.requests = 0;
	assert_ok(upstream_http_open(&settings, &upstream, &err));
	assert_ok(upstream->remove_all(upstream, ids, &remover, &err));
	upstream->close(upstream);
	json_object_put(ids);
	assert_int_equal(wanted.on_their_way, 0);
	assert_int_equal(wanted.deleted + wanted.failed, count);
	assert_true(wanted.most <= UPSTREAM_REMOVALS_MAX);
	return wanted;
}

/* ---- tests ---- */

static double time_of(size_t count)
{
	clock_t start = clock(); /* of this process alone */

	server.fail_each = 0;
	assert_int_equal(remove_many(count).deleted, count);
	return (double)(clock() - start);
}

static void test_work_grows_with_the_count(void **state)
{
	double few = time_of(5000), many = time_of(50000);

	(void)state;
	if (many > 30 * few)
		fail_msg("10 times as many take %.0f times as long", many / few);
}

static void test_failures_are_tried_again(void **state)
{
	(void)state;
	server.fail_each = 3;
	assert_int_equal(remove_many(1000).deleted, 1000);
	assert_true(server.requests < 1600);
}

/* The first ones are tried six times, and all others once. */
static void test_a_server_that_fails_always(void **state)
{
	(void)state;
	server.fail_each = 1;
	assert_int_equal(remove_many(1000).failed, 1000);
	assert_int_equal(server.requests, 992 + HTTP_BATCH_MAX * ATTEMPTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_grows_with_the_count),
		cmocka_unit_test(test_failures_are_tried_again),
		cmocka_unit_test(test_a_server_that_fails_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
