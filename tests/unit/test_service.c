/*
 * service: the rules when the upstream fails. A real store, and the embedded upstream
 * behind functions that can be told to fail before or after they did their work.
 */
#include "clock.h"
#include "collect.h"
#include "service_private.h"
#include "temp_store.h"

/* Which call fails, how, and whether it was done all the same. */
struct fault {
	enum oam_code code; /* OAM_OK: none */
	bool after;         /* the upstream did it, and lost the answer */
	int calls;          /* how often it was called */
};

static struct {
	struct upstream real;
	struct fault create, retrieve, remove, find;
} fake;

static int raise_fault(enum oam_code code, struct oam_error *err)
{
	if (code == OAM_E_UPSTREAM_AMBIGUOUS)
		return error_set(err, UPSTREAM_AMBIGUOUS, NULL, "injected");
	if (code == OAM_E_UPSTREAM_TIMEOUT)
		return error_set(err, UPSTREAM_TIMEOUT, NULL);
	if (code == OAM_E_ASSISTANT_NOT_FOUND)
		return error_set(err, ASSISTANT_NOT_FOUND, NULL, "injected");
	return error_set(err, UPSTREAM_FAILED, NULL, "injected");
}

static int fake_create(struct upstream *u, struct json_object *config,
		       struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	fake.create.calls++;
	*assistant = NULL;
	if (fake.create.code == OAM_OK)
		return fake.real.create(&fake.real, config, assistant, err);
	if (fake.create.after) {
		fake.real.create(&fake.real, config, assistant, err);
		json_object_put(*assistant);
		*assistant = NULL;
	}
	return raise_fault(fake.create.code, err);
}

static int fake_retrieve(struct upstream *u, const char *id,
			 struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	fake.retrieve.calls++;
	*assistant = NULL;
	if (fake.retrieve.code)
		return raise_fault(fake.retrieve.code, err);
	return fake.real.retrieve(&fake.real, id, assistant, err);
}

static int fake_remove(struct upstream *u, const char *id, struct oam_error *err)
{
	(void)u;
	fake.remove.calls++;
	if (fake.remove.code)
		return raise_fault(fake.remove.code, err);
	return fake.real.remove(&fake.real, id, err);
}

static int fake_remove_all(struct upstream *u, struct json_object *ids,
			   const struct upstream_remover *remover, struct oam_error *err)
{
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(ids, i));
		struct oam_error result = { 0 };

		if (remover->may(id, remover->context, err) <= 0)
			continue;
		fake_remove(u, id, &result);
		remover->done(id, &result, remover->context);
	}
	return error_result(err);
}

static int fake_find(struct upstream *u, const char *nonce, int64_t since,
		     struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	fake.find.calls++;
	*assistant = NULL;
	if (fake.find.code)
		return raise_fault(fake.find.code, err);
	return fake.real.find_nonce(&fake.real, nonce, since, assistant, err);
}

struct fixture {
	struct temp_store temp;
	struct settings settings;
	struct service *service;
	char env_file[96], config_file[96];
};

static int setup(void **state)
{
	static char *environment[] = { NULL };
	struct fixture *f = calloc(1, sizeof(*f));
	struct oam_error err = { 0 };

	temp_store_open(&f->temp);
	snprintf(f->env_file, sizeof(f->env_file), "%s/.env", f->temp.folder);
	snprintf(f->config_file, sizeof(f->config_file), "%s/none.json", f->temp.folder);
	f->settings = (struct settings){ .environment = environment,
					 .env_file = f->env_file,
					 .db = f->temp.path,
					 .config_file = f->config_file,
					 .keep_count = 5 };
	assert_ok(service_open(&f->settings, &f->service, &err));
	memset(&fake, 0, sizeof(fake));
	fake.real = *f->service->upstream;
	f->service->upstream->create = fake_create;
	f->service->upstream->retrieve = fake_retrieve;
	f->service->upstream->remove = fake_remove;
	f->service->upstream->remove_all = fake_remove_all;
	f->service->upstream->find_nonce = fake_find;
	log_start("test", LOG_LEVEL_ERROR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	service_close(f->service);
	temp_store_close(&f->temp);
	free(f);
	return 0;
}

static struct service *service_of(void **state)
{
	return ((struct fixture *)*state)->service;
}

static struct service_status status_of(struct service *service)
{
	struct service_status status;
	struct oam_error err = { 0 };

	assert_ok(service_status(service, PROFILE_DEFAULT, &status, &err));
	return status;
}

/* How many assistants the upstream has, whoever knows of them. */
static size_t count_upstream(void)
{
	struct upstream_page everything = { 0 };
	struct json_object *all = collect(&fake.real, &everything);
	size_t count = json_object_array_length(all);

	json_object_put(all);
	return count;
}

static void current(struct service *service, char id[ASSISTANT_ID_SIZE])
{
	struct oam_error err = { 0 };

	assert_ok(service_current(service, PROFILE_DEFAULT, id, &err));
}

static const struct service_renewal by_cron = { .reason = REASON_CRON };

static enum oam_code refresh(struct service *service)
{
	struct service_refresh refresh = { .reason = REASON_API };
	struct oam_error err = { 0 };

	service_refresh(service, PROFILE_DEFAULT, &refresh, &err);
	return err.code;
}

static void test_a_failed_refresh_keeps_the_old_id(void **state)
{
	struct service *service = service_of(state);
	char id[ASSISTANT_ID_SIZE], now[ASSISTANT_ID_SIZE];
	struct service_status status;

	current(service, id);
	fake.create.code = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_FAILED);
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_FAILED);
	current(service, now);
	assert_string_equal(id, now);
	status = status_of(service);
	assert_true(status.stale);
	assert_int_equal(status.profile.failures, 2);
	assert_non_null(strstr(status.profile.last_error, "injected"));
	assert_true(status.profile.retry_at > clock_now() + CLOCK_MINUTE);
	assert_false(status.profile.unfinished);
	fake.create.code = OAM_OK;
	assert_int_equal(refresh(service), OAM_OK);
	status = status_of(service);
	assert_false(status.stale);
	assert_int_equal(status.profile.failures, 0);
	assert_int_equal(count_upstream(), 2);
}

static void test_a_due_refresh_waits_for_its_retry(void **state)
{
	struct fixture *f = *state;
	struct service *service = f->service;
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	current(service, id);
	assert_ok(store_profile_refreshed(f->temp.store, 1, 1, &err));
	fake.create.code = OAM_E_UPSTREAM_TIMEOUT;
	assert_int_equal(service_renew(service, &by_cron, &err), -1);
	assert_int_equal(err.code, OAM_E_UPSTREAM_TIMEOUT);
	err = (struct oam_error){ 0 };
	fake.create.calls = 0;
	assert_ok(service_renew(service, &by_cron, &err));
	assert_int_equal(fake.create.calls, 0);
	current(service, id);
	assert_false(service_renewal_wanted(service));
	assert_true(status_of(service).needs_refresh);
}

static void test_current_notes_what_is_due_once(void **state)
{
	struct fixture *f = *state;
	struct service *service = f->service;
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE], again[ASSISTANT_ID_SIZE];

	current(service, id);
	assert_false(service_renewal_wanted(service));
	assert_ok(store_profile_refreshed(f->temp.store, 1, 1, &err));
	fake.create.calls = 0;
	current(service, again);
	assert_string_equal(id, again);
	assert_int_equal(fake.create.calls, 0);
	assert_true(service_renewal_wanted(service));
	assert_false(service_renewal_wanted(service));
	assert_ok(service_renew(service, &by_cron, &err));
	current(service, again);
	assert_string_not_equal(id, again);
	assert_false(service_renewal_wanted(service));
}

static void test_a_lost_answer_is_found_by_its_nonce(void **state)
{
	struct service *service = service_of(state);
	char id[ASSISTANT_ID_SIZE];

	fake.create = (struct fault){ .code = OAM_E_UPSTREAM_AMBIGUOUS, .after = true };
	current(service, id);
	assert_int_equal(fake.create.calls, 1);
	assert_int_equal(count_upstream(), 1);
	assert_false(status_of(service).profile.unfinished);
}

static void test_an_ambiguous_failure_that_did_nothing(void **state)
{
	struct service *service = service_of(state);

	fake.create.code = OAM_E_UPSTREAM_AMBIGUOUS;
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_AMBIGUOUS);
	/* It may still be on its way in the server: the next refresh looks again. */
	assert_true(status_of(service).profile.unfinished);
	assert_int_equal(count_upstream(), 0);
	fake.create.code = OAM_OK;
	assert_int_equal(refresh(service), OAM_OK);
	assert_false(status_of(service).profile.unfinished);
	assert_int_equal(count_upstream(), 1);
}

static void test_nobody_knows_until_later(void **state)
{
	struct service *service = service_of(state);
	struct service_status status;

	fake.create = (struct fault){ .code = OAM_E_UPSTREAM_AMBIGUOUS, .after = true };
	fake.find.code = OAM_E_UPSTREAM_TIMEOUT;
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_AMBIGUOUS);
	assert_true(status_of(service).profile.unfinished);
	/* While nobody knows, nothing else is created. */
	fake.create.code = OAM_OK;
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_TIMEOUT);
	assert_int_equal(count_upstream(), 1);
	fake.find.code = OAM_OK;
	assert_int_equal(refresh(service), OAM_OK);
	status = status_of(service);
	assert_int_equal(count_upstream(), 2);
	assert_int_equal(status.profile.assistants, 2);
	assert_string_not_equal(status.profile.previous, "");
}

static void test_an_unconfirmed_creation_is_taken_up_again(void **state)
{
	struct service *service = service_of(state);
	struct service_status status;
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	fake.retrieve.code = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(refresh(service), OAM_E_UPSTREAM_FAILED);
	assert_true(status_of(service).profile.unfinished);
	assert_string_equal(status_of(service).profile.current, "");
	fake.retrieve.code = OAM_OK;
	assert_ok(service_initialize(service, PROFILE_DEFAULT, id, &err));
	status = status_of(service);
	assert_string_equal(status.profile.current, id);
	assert_int_equal(count_upstream(), 1);
}

static void test_only_a_confirmed_404_makes_an_id_invalid(void **state)
{
	struct service *service = service_of(state);
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE], now[ASSISTANT_ID_SIZE];

	current(service, id);
	fake.retrieve.code = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(service_initialize(service, PROFILE_DEFAULT, now, &err), -1);
	fake.retrieve.code = OAM_OK;
	current(service, now);
	assert_string_equal(id, now);
	err = (struct oam_error){ 0 };
	assert_ok(fake.real.remove(&fake.real, id, &err));
	assert_ok(service_initialize(service, PROFILE_DEFAULT, now, &err));
	assert_string_not_equal(id, now);
}

static void test_without_any_id_a_failure_is_shown(void **state)
{
	struct service *service = service_of(state);
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	fake.create.code = OAM_E_UPSTREAM_FAILED;
	assert_int_equal(service_current(service, PROFILE_DEFAULT, id, &err), -1);
	assert_int_equal(err.code, OAM_E_UPSTREAM_FAILED);
}

static size_t count_history(struct service *service)
{
	struct oam_error err = { 0 };
	struct json_object *history;
	size_t count;

	assert_ok(service_history(service, PROFILE_DEFAULT, 100, &history, &err));
	count = json_object_array_length(history);
	json_object_put(history);
	return count;
}

/* What somebody asked for, while there is an id, stays on record. */
static void test_requests_do_not_fill_the_history(void **state)
{
	struct service *service = service_of(state);
	char id[ASSISTANT_ID_SIZE];

	fake.create.code = OAM_E_UPSTREAM_FAILED;
	for (int i = 0; i < 5; i++) {
		struct oam_error err = { 0 };

		assert_int_equal(service_current(service, PROFILE_DEFAULT, id, &err), -1);
		assert_int_equal(err.code, OAM_E_UPSTREAM_FAILED);
	}
	assert_int_equal(count_history(service), 1);
	fake.create.code = OAM_OK;
	current(service, id);
	assert_int_equal(count_history(service), 2);
	fake.create.code = OAM_E_UPSTREAM_FAILED;
	for (int i = 0; i < 2; i++)
		assert_int_equal(refresh(service), OAM_E_UPSTREAM_FAILED);
	assert_int_equal(count_history(service), 4);
}

static void test_bad_overrides_start_nothing(void **state)
{
	struct service *service = service_of(state);
	struct json_object *overrides = parse("{\"name\":5}");
	struct service_refresh refresh = { .reason = REASON_API, .overrides = overrides };
	struct oam_error err = { 0 };

	assert_int_equal(service_refresh(service, PROFILE_DEFAULT, &refresh, &err), -1);
	assert_int_equal(err.code, OAM_E_INVALID_TYPE);
	assert_string_equal(err.param, "config.name");
	assert_int_equal(fake.create.calls, 0);
	assert_int_equal(status_of(service).profile.failures, 0);
	json_object_put(overrides);
}

static void cleanup(struct service *service, struct service_cleanup *options)
{
	struct oam_error err = { 0 };

	assert_ok(service_cleanup(service, PROFILE_DEFAULT, options, &err));
}

static void cleanup_release(struct service_cleanup *options)
{
	json_object_put(options->deleted);
	json_object_put(options->failed);
}

static void test_cleanup_reports_each_failure_and_tries_again(void **state)
{
	struct service *service = service_of(state);
	struct service_cleanup first = { .keep_count = 1 }, second = { .keep_count = 1 };
	struct json_object *entry;

	for (int i = 0; i < 3; i++)
		assert_int_equal(refresh(service), OAM_OK);
	fake.remove.code = OAM_E_UPSTREAM_TIMEOUT;
	cleanup(service, &first);
	assert_int_equal(json_object_array_length(first.deleted), 0);
	assert_int_equal(json_object_array_length(first.failed), 2);
	entry = json_object_array_get_idx(first.failed, 0);
	assert_string_equal(json_member_string(entry, "code"), "upstream_timeout");
	assert_non_null(json_member_string(entry, "id"));
	cleanup_release(&first);
	fake.remove.code = OAM_OK;
	cleanup(service, &second);
	assert_int_equal(json_object_array_length(second.deleted), 2);
	cleanup_release(&second);
	assert_int_equal(count_upstream(), 1);
}

static void test_cleanup_counts_what_is_gone_as_deleted(void **state)
{
	struct service *service = service_of(state);
	struct service_cleanup options = { .keep_count = 1 };

	for (int i = 0; i < 2; i++)
		assert_int_equal(refresh(service), OAM_OK);
	fake.remove.code = OAM_E_ASSISTANT_NOT_FOUND;
	cleanup(service, &options);
	assert_int_equal(json_object_array_length(options.deleted), 1);
	assert_int_equal(json_object_array_length(options.failed), 0);
	cleanup_release(&options);
	assert_int_equal(status_of(service).profile.assistants, 1);
}

static void test_the_lease_excludes_a_second_holder(void **state)
{
	struct fixture *f = *state;
	struct profile profile;
	struct lease lease;
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	current(f->service, id);
	assert_ok(service_profile(f->service, PROFILE_DEFAULT, &profile, &err));
	assert_int_equal(service_lease_try(f->service, &profile, &lease, &err), 1);
	assert_true(status_of(f->service).refreshing);
	assert_int_equal(refresh(f->service), OAM_E_REFRESH_RUNNING);
	service_lease_release(f->service, &lease);
	assert_false(status_of(f->service).refreshing);
	assert_int_equal(refresh(f->service), OAM_OK);
}

static void test_an_unknown_profile(void **state)
{
	struct service_status status;
	struct oam_error err = { 0 };

	assert_int_equal(service_status(service_of(state), "nobody", &status, &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	assert_string_equal(err.param, "profile");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_failed_refresh_keeps_the_old_id),
		TEST(test_a_due_refresh_waits_for_its_retry),
		TEST(test_current_notes_what_is_due_once),
		TEST(test_a_lost_answer_is_found_by_its_nonce),
		TEST(test_an_ambiguous_failure_that_did_nothing),
		TEST(test_nobody_knows_until_later),
		TEST(test_an_unconfirmed_creation_is_taken_up_again),
		TEST(test_only_a_confirmed_404_makes_an_id_invalid),
		TEST(test_without_any_id_a_failure_is_shown),
		TEST(test_requests_do_not_fill_the_history),
		TEST(test_bad_overrides_start_nothing),
		TEST(test_cleanup_reports_each_failure_and_tries_again),
		TEST(test_cleanup_counts_what_is_gone_as_deleted),
		TEST(test_the_lease_excludes_a_second_holder),
		TEST(test_an_unknown_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
