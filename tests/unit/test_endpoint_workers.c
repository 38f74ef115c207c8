/* The supervisor, with a fork(2) that fails at first. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "expect.h"

#include "endpoint_workers.h"
#include "log.h"

static int failures_left;

/* In the place of the C library's. */
pid_t fork(void)
{
	union {
		void *address;
		pid_t (*call)(void);
	} real = { .address = dlsym(RTLD_NEXT, "fork") };

	if (failures_left-- <= 0)
		return real.call();
	errno = EAGAIN;
	return -1;
}

/* A worker that runs is all that is wanted: it ends the whole. */
static int work(void *context)
{
	(void)context;
	kill(getppid(), SIGTERM);
	pause();
	return 0;
}

static void test_a_failed_fork_is_tried_again(void **state)
{
	struct workers workers = { .count = 2, .work = work };

	(void)state;
	log_start("test", LOG_LEVEL_ERROR);
	workers_hold_signals();
	failures_left = 2;
	alarm(20);
	assert_int_equal(workers_run(&workers), 0);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failed_fork_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
