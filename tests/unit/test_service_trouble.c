/* service: when locks, files, time or the upstream stand in the way. */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "clock.h"
#include "hooks.h"
#include "temp_service.h"

static struct temp_service *t;

/* Take the place of libc's: nobody waits, the time only seems to pass. */
static int64_t skipped;         /* ms */
static void (*meanwhile)(void); /* what happens in the next pause */

int clock_gettime(clockid_t id, struct timespec *now)
{
	int64_t rest;

	if (syscall(SYS_clock_gettime, id, now))
		return -1;
	rest = skipped % CLOCK_SECOND + now->tv_nsec / 1000000;
	now->tv_sec += skipped / CLOCK_SECOND + rest / CLOCK_SECOND;
	now->tv_nsec = rest % CLOCK_SECOND * 1000000;
	return 0;
}

int nanosleep(const struct timespec *pause, struct timespec *left)
{
	void (*now)(void) = meanwhile;

	(void)left;
	meanwhile = NULL;
	if (now)
		now();
	skipped += pause->tv_sec * CLOCK_SECOND + pause->tv_nsec / 1000000;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	skipped = 0;
	meanwhile = NULL;
	t = temp_service_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	temp_service_close(t);
	return 0;
}

/* ---- an upstream that fails ---- */

static int creations;

/* A server that answered 5xx, and has nothing to show. */
static int create_503(struct upstream *u, struct json_object *config,
		      struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	(void)config;
	creations++;
	*assistant = NULL;
	error_set(err, UPSTREAM_AMBIGUOUS, NULL, "injected");
	err->upstream.status = 503;
	return -1;
}

static int create_slowly(struct upstream *u, struct json_object *config,
			 struct json_object **assistant, struct oam_error *err)
{
	skipped += 13 * CLOCK_SECOND;
	return create_503(u, config, assistant, err);
}

static int create_refused(struct upstream *u, struct json_object *config,
			  struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	(void)config;
	*assistant = NULL;
	return error_set(err, UPSTREAM_REFUSED, NULL, 400);
}

static int retrieve_nothing(struct upstream *u, const char *id,
			    struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	(void)id;
	*assistant = NULL;
	return error_set(err, UPSTREAM_FAILED, NULL, "injected");
}

static int find_nothing(struct upstream *u, const char *nonce, int64_t since,
			struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	(void)nonce;
	(void)since;
	*assistant = NULL;
	return error_set(err, UPSTREAM_TIMEOUT, NULL);
}

static void mend_upstream(void)
{
	*t->service->upstream = t->real;
}

/* ---- what is asked of the service ---- */

static struct profile profile_of(const char *name)
{
	struct oam_error err = { 0 };
	struct profile profile;

	assert_ok(service_profile(t->service, name, &profile, &err));
	return profile;
}

static enum oam_code refresh_with(struct json_object *overrides)
{
	struct service_refresh refresh = { .reason = REASON_API, .overrides = overrides };
	struct oam_error err = { 0 };

	service_refresh(t->service, PROFILE_DEFAULT, &refresh, &err);
	return err.code;
}

static enum oam_code refresh(void)
{
	return refresh_with(NULL);
}

static enum oam_code renew(const char *profile)
{
	struct service_renewal renewal = { .reason = REASON_CRON, .profile = profile };
	struct oam_error err = { 0 };

	service_renew(t->service, &renewal, &err);
	return err.code;
}

static enum oam_code current(char id[ASSISTANT_ID_SIZE])
{
	struct oam_error err = { 0 };

	service_current(t->service, PROFILE_DEFAULT, id, &err);
	return err.code;
}

static enum oam_code adopt(const char *id)
{
	struct oam_error err = { 0 };

	service_adopt(t->service, PROFILE_DEFAULT, id, &err);
	return err.code;
}

static enum oam_code remove_profile(const char *name)
{
	struct oam_error err = { 0 };

	service_profile_remove(t->service, name, &err);
	return err.code;
}

static void add_profile(const char *name)
{
	struct oam_error err = { 0 };

	assert_ok(service_profile_set(t->service, name,
				      &(struct service_profile_change){ 0 }, &err));
}

static void make_due(const char *profile)
{
	struct oam_error err = { 0 };

	assert_ok(
		store_profile_refreshed(t->temp.store, profile_of(profile).id, 1, &err));
}

static void write_env(const char *text)
{
	FILE *file = fopen(t->env_file, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* ---- locks ---- */

static void test_a_lock_that_cannot_be_had(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	add_profile("x");
	assert_int_equal(mkdir(t->lock_file, 0700), 0);
	assert_int_equal(refresh(), OAM_E_STORE_FAILED);
	assert_int_equal(current(id), OAM_E_STORE_FAILED);
	assert_int_equal(adopt("asst_x"), OAM_E_STORE_FAILED);
	assert_int_equal(remove_profile("x"), OAM_E_STORE_FAILED);
	make_due(PROFILE_DEFAULT);
	assert_int_equal(renew(NULL), OAM_E_STORE_FAILED);
}

static void test_while_another_has_the_lease(void **state)
{
	char id[ASSISTANT_ID_SIZE];
	struct oam_error err = { 0 };
	struct profile profile = profile_of(PROFILE_DEFAULT);
	struct lease lease;

	(void)state;
	assert_int_equal(service_lease_try(t->service, &profile, &lease, &err), 1);
	assert_int_equal(adopt("asst_x"), OAM_E_REFRESH_RUNNING);
	service_begin_request(t->service, "r");
	t->service->upstream->deadline = clock_monotonic() + 50;
	assert_int_equal(current(id), OAM_E_WAIT_TIMED_OUT);
	service_end_request(t->service);
	make_due(PROFILE_DEFAULT);
	assert_int_equal(renew(NULL), OAM_OK); /* it is being done */
	service_deliver_soon(t->service, profile.id);
	assert_true(service_renewal_wanted(t->service));
	service_lease_release(t->service, &lease);
	assert_string_equal(profile_of(PROFILE_DEFAULT).current, "");
	assert_int_equal(renew(NULL), OAM_OK);
	assert_string_not_equal(profile_of(PROFILE_DEFAULT).current, "");
}

/* What another process does, once, while this one waits. */
static void renew_meanwhile(void)
{
	const struct service_renewal renewal = { .reason = REASON_CRON };
	struct oam_error err = { 0 };
	struct service *other;

	assert_ok(service_open_hosted(&t->settings, &other, &err));
	assert_ok(service_renew(other, &renewal, &err));
	service_close(other);
}

static void promote_meanwhile(void)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	assert_ok(store_assistant_own(t->temp.store, "asst_theirs", UPSTREAM_EMBEDDED,
				      config, 1, 1, LABEL_PENDING, 1, &err));
	assert_ok(store_assistant_promote(t->temp.store, 1, "asst_theirs", 1, &err));
	json_object_put(config);
}

static void fail_meanwhile(void)
{
	struct oam_error err = { 0 }, cause = { 0 };
	int64_t rotation;

	error_set(&cause, UPSTREAM_FAILED, NULL, "theirs");
	assert_ok(store_rotation_start(t->temp.store, 1, REASON_API, "n", NULL, "",
				       clock_now(), &rotation, &err));
	assert_ok(store_rotation_end(t->temp.store, rotation, "failed", &cause,
				     clock_now(), &err));
}

/* Between the look and the lease, another process did all that there was to do. */
static void test_another_was_faster(void **state)
{
	struct service_renewal renewal = { .reason = REASON_CRON, .pause = 10 };
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	make_due(PROFILE_DEFAULT);
	meanwhile = renew_meanwhile;
	assert_ok(service_renew(t->service, &renewal, &err));
	assert_null(meanwhile);
	assert_int_equal(profile_of(PROFILE_DEFAULT).assistants, 2);
	assert_string_equal(profile_of(PROFILE_DEFAULT).previous, id);
}

/* Who waits for another's assistant gets it, or shares its failure. */
static void test_another_made_it(void **state)
{
	struct profile profile = profile_of(PROFILE_DEFAULT);
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];
	struct lease lease;

	(void)state;
	assert_int_equal(service_lease_try(t->service, &profile, &lease, &err), 1);
	meanwhile = promote_meanwhile;
	assert_int_equal(current(id), OAM_OK);
	assert_string_equal(id, "asst_theirs");
	service_lease_release(t->service, &lease);
}

static void test_another_failed(void **state)
{
	struct profile profile = profile_of(PROFILE_DEFAULT);
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];
	struct lease lease;

	(void)state;
	assert_int_equal(service_lease_try(t->service, &profile, &lease, &err), 1);
	meanwhile = fail_meanwhile;
	assert_int_equal(service_current(t->service, PROFILE_DEFAULT, id, &err), -1);
	assert_int_equal(err.code, OAM_E_UPSTREAM_FAILED);
	assert_non_null(strstr(err.message, "theirs"));
	service_lease_release(t->service, &lease);
}

/* A lease without a refresh is waited for, and one with a refresh is not. */
static void test_another_is_at_it(void **state)
{
	struct profile profile = profile_of(PROFILE_DEFAULT);
	struct oam_error err = { 0 };
	int64_t rotation, start;
	struct lease lease;

	(void)state;
	assert_int_equal(service_lease_try(t->service, &profile, &lease, &err), 1);
	start = skipped;
	assert_int_equal(refresh(), OAM_E_REFRESH_RUNNING);
	assert_true(skipped > start);
	assert_ok(store_rotation_start(t->temp.store, 1, REASON_API, "n", NULL, "",
				       clock_now(), &rotation, &err));
	start = skipped;
	assert_int_equal(refresh(), OAM_E_REFRESH_RUNNING);
	assert_int_equal(skipped, start);
	service_lease_release(t->service, &lease);
}

/* ---- files ---- */

static void test_an_env_file_that_cannot_be_read(void **state)
{
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(mkdir(t->env_file, 0700), 0);
	assert_int_equal(service_initialize(t->service, PROFILE_DEFAULT, id, &err), -1);
	assert_int_equal(err.code, OAM_E_SETTING);
}

static void test_no_file_can_be_written(void **state)
{
	char id[ASSISTANT_ID_SIZE];
	struct profile profile;

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	unlink(t->env_file);
	unlink(t->config_file);
	assert_int_equal(mkdir(t->env_file, 0700), 0);
	assert_int_equal(mkdir(t->config_file, 0700), 0);
	assert_int_equal(refresh(), OAM_OK);
	profile = profile_of(PROFILE_DEFAULT);
	assert_string_not_equal(profile.current, id);
	assert_string_equal(profile.published, id);
	assert_int_equal(profile.publish_failures, 1);
	assert_true(profile.publish_at > clock_now());
	/* It is not time yet. */
	service_deliver(t->service, PROFILE_DEFAULT, NULL);
	assert_int_equal(profile_of(PROFILE_DEFAULT).publish_failures, 1);
}

static void test_nothing_is_published_of_nothing(void **state)
{
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	assert_ok(service_delete(t->service, id, &err));
	unlink(t->env_file);
	assert_ok(store_profile_publish_at(t->temp.store, 1, 1, &err));
	service_deliver(t->service, PROFILE_DEFAULT, NULL);
	assert_int_equal(access(t->env_file, F_OK), -1);
}

/* Ids in the .env that the store knows to be another's, or to be over. */
static void test_ids_that_are_not_for_this_profile(void **state)
{
	char first[ASSISTANT_ID_SIZE], second[ASSISTANT_ID_SIZE], id[ASSISTANT_ID_SIZE];
	char text[ASSISTANT_ID_SIZE + 32];
	struct oam_error err = { 0 };

	(void)state;
	add_profile("x");
	assert_int_equal(current(first), OAM_OK);
	assert_ok(service_initialize(t->service, "x", second, &err));
	snprintf(text, sizeof(text), "OPENAI_ASSISTANT_ID=%s\n", second);
	write_env(text);
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_string_equal(id, first);
	assert_int_equal(refresh(), OAM_OK);
	snprintf(text, sizeof(text), "OPENAI_ASSISTANT_ID=%s\n", first);
	write_env(text);
	assert_ok(service_initialize(t->service, PROFILE_DEFAULT, id, &err));
	assert_string_not_equal(id, first);
	assert_string_equal(id, profile_of(PROFILE_DEFAULT).current);
}

/* ---- an upstream that fails ---- */

static void test_the_id_of_the_file_cannot_be_confirmed(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	write_env("OPENAI_ASSISTANT_ID=asst_elsewhere\n");
	t->service->upstream->retrieve = retrieve_nothing;
	assert_int_equal(current(id), OAM_E_UPSTREAM_FAILED);
	mend_upstream();
	assert_int_equal(current(id), OAM_OK); /* it is not there, so another is made */
	assert_string_not_equal(id, "asst_elsewhere");
}

static void test_adoption(void **state)
{
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(adopt("nonsense"), OAM_E_ASSISTANT_NOT_FOUND);
	assert_int_equal(adopt("asst_nowhere"), OAM_E_ASSISTANT_NOT_FOUND);
	assert_int_equal(service_adopt(t->service, "nobody", "asst_x", &err), -1);
	assert_int_equal(err.code, OAM_E_PROFILE_NOT_FOUND);
	assert_int_equal(current(id), OAM_OK);
	assert_int_equal(adopt(id), OAM_OK); /* it is the current one already */
	assert_string_equal(profile_of(PROFILE_DEFAULT).previous, "");
}

/* While nobody knows what became of the last one, nothing else is begun. */
static void test_nothing_goes_on_without_recovery(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	t->service->upstream->create = create_503;
	t->service->upstream->find_nonce = find_nothing;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_AMBIGUOUS);
	assert_true(profile_of(PROFILE_DEFAULT).unfinished);
	t->service->upstream->create = t->real.create;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_TIMEOUT);
	assert_int_equal(current(id), OAM_E_UPSTREAM_TIMEOUT);
	assert_int_equal(adopt("asst_x"), OAM_E_UPSTREAM_TIMEOUT);
	skipped = 2 * CLOCK_HOUR; /* the pause after a failure is over */
	assert_int_equal(renew(NULL), OAM_E_UPSTREAM_TIMEOUT);
	assert_true(profile_of(PROFILE_DEFAULT).unfinished);
	mend_upstream();
	skipped = 4 * CLOCK_HOUR;
	assert_int_equal(renew(NULL), OAM_OK);
	assert_false(profile_of(PROFILE_DEFAULT).unfinished);
}

static void test_what_was_made_cannot_be_seen_for_long(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	t->service->upstream->retrieve = retrieve_nothing;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_FAILED);
	assert_int_equal(refresh(), OAM_E_UPSTREAM_FAILED);
	assert_true(profile_of(PROFILE_DEFAULT).unfinished);
	assert_int_equal(profile_of(PROFILE_DEFAULT).assistants, 1);
	mend_upstream();
	assert_int_equal(current(id), OAM_OK);
	assert_int_equal(profile_of(PROFILE_DEFAULT).assistants, 1);
}

static int retrieve_gone(struct upstream *u, const char *id,
			 struct json_object **assistant, struct oam_error *err)
{
	(void)u;
	*assistant = NULL;
	return error_set(err, ASSISTANT_NOT_FOUND, NULL, id);
}

/* A server that denies what it has just made has failed; nobody named that id. */
static void test_what_was_made_is_not_there(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	t->service->upstream->retrieve = retrieve_gone;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_FAILED);
	assert_true(profile_of(PROFILE_DEFAULT).unfinished);
	t->service->upstream->create = create_refused;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_REFUSED);
	assert_false(profile_of(PROFILE_DEFAULT).unfinished); /* it was abandoned */
	assert_int_equal(profile_of(PROFILE_DEFAULT).assistants, 0);
	mend_upstream();
	assert_int_equal(current(id), OAM_OK);
	assert_int_equal(profile_of(PROFILE_DEFAULT).assistants, 1);
}

/* A server that has nothing to show is asked again, unless that took long already. */
static void test_another_attempt_to_create(void **state)
{
	(void)state;
	t->service->upstream->create = create_slowly;
	creations = 0;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_AMBIGUOUS);
	assert_int_equal(creations, 1);
	t->service->upstream->create = create_503;
	creations = 0;
	assert_int_equal(refresh(), OAM_E_UPSTREAM_AMBIGUOUS);
	assert_int_equal(creations, 4);
	assert_false(profile_of(PROFILE_DEFAULT).unfinished);
}

/* What somebody asked for and the server refuses is no failure of the rotation. */
static void test_overrides_that_the_server_refuses(void **state)
{
	struct json_object *overrides = parse("{\"model\":\"none-such\"}");

	(void)state;
	t->service->upstream->create = create_refused;
	assert_int_equal(refresh_with(overrides), OAM_E_UPSTREAM_REFUSED);
	assert_int_equal(profile_of(PROFILE_DEFAULT).failures, 0);
	assert_int_equal(refresh(), OAM_E_UPSTREAM_REFUSED);
	assert_int_equal(profile_of(PROFILE_DEFAULT).failures, 1);
	t->service->upstream->create = create_slowly; /* and this is one, too */
	assert_int_equal(refresh_with(overrides), OAM_E_UPSTREAM_AMBIGUOUS);
	assert_int_equal(profile_of(PROFILE_DEFAULT).failures, 2);
	json_object_put(overrides);
}

#define PAIRS \
	"\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\"," \
	"\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\",\"13\":\"\",\"14\":\"\",\"15\":\"\""

/* The store may hold what another version allowed. */
static void test_a_configuration_that_is_none(void **state)
{
	static const struct {
		const char *config;
		enum oam_code code;
	} cases[] = {
		{ "{\"model\":5}", OAM_E_INVALID_TYPE },
		{ "{\"model\":\"m\",\"metadata\":{" PAIRS "}}",
		  OAM_E_TOO_MANY_PROPERTIES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_object *config = parse(cases[i].config);
		struct oam_error err = { 0 };

		profile_of(PROFILE_DEFAULT);
		assert_ok(store_profile_set_config(t->temp.store, 1, config, &err));
		assert_int_equal(refresh(), cases[i].code);
		json_object_put(config);
	}
}

static void set_config(const char *text)
{
	struct json_object *config = parse(text);
	struct oam_error err = { 0 };

	assert_ok(store_profile_set_config(t->temp.store, profile_of(PROFILE_DEFAULT).id,
					   config, &err));
	json_object_put(config);
}

static size_t count_failed(void)
{
	struct json_object *rows;
	struct oam_error err = { 0 };
	size_t failed = 0;

	assert_ok(service_history(t->service, PROFILE_DEFAULT, 0, &rows, &err));
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		failed += strcmp(json_member_string(json_object_array_get_idx(rows, i),
						    "outcome"),
				 "failed") == 0;
	json_object_put(rows);
	return failed;
}

/* It is a failure as any other: it is seen, and not tried again at once. */
static void test_a_refresh_that_cannot_start(void **state)
{
	struct json_object *overrides = parse("{\"metadata\":{" PAIRS "}}");
	char id[ASSISTANT_ID_SIZE];
	struct profile profile;

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	set_config("{\"model\":5}");
	make_due(PROFILE_DEFAULT);
	for (int64_t n = 1; n <= 8; n++) {
		int64_t pause = (n < 7 ? INT64_C(1) << (n - 1) : 60) * CLOCK_MINUTE;

		t->service->asked_at = 0;
		assert_int_equal(current(id), OAM_OK);
		assert_true(service_renewal_wanted(t->service));
		assert_int_equal(renew(NULL), OAM_E_INVALID_TYPE);
		profile = profile_of(PROFILE_DEFAULT);
		assert_int_equal(profile.failures, n);
		assert_int_equal(count_failed(), n);
		assert_non_null(strstr(profile.last_error, "'config.model'"));
		assert_true(profile.retry_at <= clock_now() + pause &&
			    profile.retry_at > clock_now() + pause - CLOCK_MINUTE / 2);
		t->service->asked_at = 0;
		assert_int_equal(current(id), OAM_OK);
		assert_false(service_renewal_wanted(t->service));
		assert_int_equal(renew(NULL), OAM_OK);
		/* Who asks for it meanwhile hears it, and adds no line for it. */
		assert_int_equal(refresh(), OAM_E_INVALID_TYPE);
		assert_int_equal(count_failed(), n);
		skipped += pause;
	}
	set_config("{\"model\":\"m\"}");
	assert_int_equal(refresh_with(overrides), OAM_E_TOO_MANY_PROPERTIES);
	assert_int_equal(count_failed(), 8);
	assert_int_equal(renew(NULL), OAM_OK);
	profile = profile_of(PROFILE_DEFAULT);
	assert_int_equal(profile.failures, 0);
	assert_string_equal(profile.last_error, "");
	json_object_put(overrides);
}

/* Nor whatever else keeps a renewal from its work. */
static void test_a_renewal_that_cannot_start(void **state)
{
	char id[ASSISTANT_ID_SIZE];
	struct oam_error err = { 0 };

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	make_due(PROFILE_DEFAULT);
	assert_ok(store_profile_publish_at(t->temp.store, 1, 1, &err));
	assert_ok(store_profile_hook_at(t->temp.store, 1, 1, &err));
	unlink(t->lock_file);
	assert_int_equal(mkdir(t->lock_file, 0700), 0);
	assert_int_equal(renew(NULL), OAM_E_STORE_FAILED);
	assert_int_equal(profile_of(PROFILE_DEFAULT).failures, 1);
	assert_int_equal(profile_of(PROFILE_DEFAULT).publish_failures, 1);
	assert_int_equal(current(id), OAM_OK);
	assert_false(service_renewal_wanted(t->service));
	assert_int_equal(renew(NULL), OAM_OK); /* nothing is due now */
	assert_int_equal(rmdir(t->lock_file), 0);
	skipped += 2 * CLOCK_MINUTE;
	assert_int_equal(renew(NULL), OAM_OK);
	assert_int_equal(profile_of(PROFILE_DEFAULT).failures, 0);
	assert_int_equal(profile_of(PROFILE_DEFAULT).publish_at, 0);
}

/* A safety net: requests do not start one renewal after the other. */
static void test_requests_ask_now_and_then(void **state)
{
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	assert_int_equal(current(id), OAM_OK);
	make_due(PROFILE_DEFAULT);
	assert_int_equal(current(id), OAM_OK);
	assert_true(service_renewal_wanted(t->service));
	assert_int_equal(current(id), OAM_OK);
	assert_false(service_renewal_wanted(t->service));
	skipped += 6 * CLOCK_SECOND;
	assert_int_equal(current(id), OAM_OK);
	assert_true(service_renewal_wanted(t->service));
}

/* Another profile takes it between our look and our transaction. */
static int retrieve_taken(struct upstream *u, const char *id,
			  struct json_object **assistant, struct oam_error *result)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };

	t->service->upstream->retrieve = t->real.retrieve;
	t->real.retrieve(u, id, assistant, result);
	assert_ok(store_assistant_own(t->temp.store, id, UPSTREAM_EMBEDDED, config, 1,
				      profile_of("x").id, LABEL_PENDING, 1, &err));
	assert_ok(
		store_assistant_promote(t->temp.store, profile_of("x").id, id, 1, &err));
	json_object_put(config);
	return error_result(result);
}

static void test_another_profile_adopts_it_first(void **state)
{
	struct json_object *config = parse("{\"model\":\"m\"}");
	struct oam_error err = { 0 };
	char id[ASSISTANT_ID_SIZE];

	(void)state;
	profile_of(PROFILE_DEFAULT);
	add_profile("x");
	assert_ok(store_assistant_add(t->temp.store, "asst_both", UPSTREAM_EMBEDDED,
				      config, 1, &err));
	write_env("OPENAI_ASSISTANT_ID=asst_both\n");
	t->service->upstream->retrieve = retrieve_taken;
	assert_int_equal(current(id), OAM_OK);
	assert_string_not_equal(id, "asst_both");
	assert_string_equal(profile_of("x").current, "asst_both");
	t->service->upstream->retrieve = retrieve_taken;
	assert_int_equal(adopt("asst_both"), OAM_E_CONFLICT);
	json_object_put(config);
}

/* ---- a pass over all profiles ---- */

/* What does not go away by itself is told, whichever profile comes first. */
static void test_the_graver_failure_is_told(void **state)
{
	struct json_object *broken = parse("{\"model\":5}");
	struct oam_error err = { 0 };

	(void)state;
	make_due(PROFILE_DEFAULT); /* it is the first one */
	add_profile("x");
	make_due("x");
	assert_true(profile_of(PROFILE_DEFAULT).id < profile_of("x").id);
	assert_ok(store_profile_set_config(t->temp.store, profile_of("x").id, broken,
					   &err));
	t->service->upstream->create = create_refused;
	assert_int_equal(renew(PROFILE_DEFAULT), OAM_E_UPSTREAM_REFUSED);
	t->service->upstream->create = create_slowly; /* may go away */
	skipped += 2 * CLOCK_HOUR;
	assert_int_equal(renew(NULL), OAM_E_INVALID_TYPE);
	skipped += 2 * CLOCK_HOUR;
	assert_int_equal(renew(NULL), OAM_E_INVALID_TYPE);
	json_object_put(broken);
}

static void test_the_first_failure_is_told(void **state)
{
	struct json_object *broken = parse("{\"model\":5}");
	struct oam_error err = { 0 };

	(void)state;
	make_due(PROFILE_DEFAULT);
	add_profile("x");
	make_due("x");
	assert_ok(store_profile_set_config(t->temp.store, 1, broken, &err));
	t->service->upstream->create = create_slowly;
	assert_int_equal(renew(NULL), OAM_E_INVALID_TYPE);
	json_object_put(broken);
	broken = parse("{\"model\":\"m\"}");
	assert_ok(store_profile_set_config(t->temp.store, 1, broken, &err));
	skipped += 2 * CLOCK_HOUR;
	assert_int_equal(renew(NULL), OAM_E_UPSTREAM_AMBIGUOUS);
	json_object_put(broken);
}

static void test_pauses_between_attempts(void **state)
{
	(void)state;
	assert_int_equal(service_retry_delay(0), CLOCK_MINUTE);
	assert_int_equal(service_retry_delay(1), 2 * CLOCK_MINUTE);
	assert_int_equal(service_retry_delay(6), CLOCK_HOUR);
	assert_int_equal(service_retry_delay(INT64_MAX), CLOCK_HOUR);
}

/* What there is to do, of a profile that has or has not what the columns say. */
static void test_what_is_due(void **state)
{
	static const struct {
		bool has_current;
		int64_t refreshed_at, interval, retry_at;
		int work;
	} cases[] = {
		{ true, 1000, 500, 0, WORK_REFRESH },
		{ true, 1000, 5000, 0, 0 },
		{ true, 1000, 0, 0, 0 },
		{ true, 1000, 500, 9000, 0 },
		{ false, 1000, 5000, 0, WORK_REFRESH }, /* it was deleted */
		{ false, 1000, 0, 0, 0 },               /* and nobody wants another */
		{ false, 0, 500, 0, 0 },                /* there never was one */
		{ false, 0, 5000, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile profile = { .current_is_hosted = true,
					   .refreshed_at = cases[i].refreshed_at,
					   .interval = cases[i].interval,
					   .retry_at = cases[i].retry_at };

		if (cases[i].has_current)
			strcpy(profile.current, "asst_x");
		assert_int_equal(service_work(t->service, &profile, 2000), cases[i].work);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_lock_that_cannot_be_had),
		TEST(test_while_another_has_the_lease),
		TEST(test_another_was_faster),
		TEST(test_another_made_it),
		TEST(test_another_failed),
		TEST(test_another_is_at_it),
		TEST(test_an_env_file_that_cannot_be_read),
		TEST(test_no_file_can_be_written),
		TEST(test_nothing_is_published_of_nothing),
		TEST(test_ids_that_are_not_for_this_profile),
		TEST(test_the_id_of_the_file_cannot_be_confirmed),
		TEST(test_adoption),
		TEST(test_nothing_goes_on_without_recovery),
		TEST(test_what_was_made_cannot_be_seen_for_long),
		TEST(test_what_was_made_is_not_there),
		TEST(test_another_attempt_to_create),
		TEST(test_overrides_that_the_server_refuses),
		TEST(test_a_configuration_that_is_none),
		TEST(test_a_refresh_that_cannot_start),
		TEST(test_a_renewal_that_cannot_start),
		TEST(test_requests_ask_now_and_then),
		TEST(test_another_profile_adopts_it_first),
		TEST(test_the_graver_failure_is_told),
		TEST(test_the_first_failure_is_told),
		TEST(test_pauses_between_attempts),
		TEST(test_what_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
