#include "endpoint_workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint_channel.h"
#include "log.h"

#define WORKERS_MAX    64
#define CRASH_INTERVAL CLOCK_SECOND /* a worker that dies sooner is replaced slowly */
#define STOP_MAX       (35 * CLOCK_SECOND) /* longer than any request may take */

struct child {
	pid_t pid; /* 0: not running */
	int64_t started;
};

struct supervisor {
	const struct workers *workers;
	struct child children[WORKERS_MAX];
	pid_t renewer; /* 0: not running */
	bool stopping;
};

static void on_stop(int signal)
{
	(void)signal;
	channel_shut_down();
}

/* The signals that the supervisor waits for. They are blocked there, never handled. */
static void supervised_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

/* A child must not outlive its supervisor: the web server would start a second family. */
static void become_child(pid_t supervisor, void (*stop)(int))
{
	struct sigaction action = { .sa_handler = stop }; /* without SA_RESTART */
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor)
		exit(0);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	supervised_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static pid_t start(int (*run)(void *), void *context, void (*stop)(int))
{
	pid_t supervisor = getpid(), pid = fork();

	if (pid < 0)
		log_write(LOG_LEVEL_ERROR, "fork-failed", NULL);
	if (pid != 0)
		return pid < 0 ? 0 : pid;
	become_child(supervisor, stop);
	exit(run(context));
}

static void start_missing_workers(struct supervisor *s)
{
	for (int i = 0; i < s->workers->count; i++) {
		if (s->children[i].pid)
			continue;
		s->children[i].pid = start(s->workers->work, s->workers->context,
					   on_stop);
		s->children[i].started = clock_monotonic();
	}
}

static void start_renewer(struct supervisor *s)
{
	if (!s->renewer && !s->stopping)
		s->renewer = start(s->workers->renew, s->workers->context, SIG_DFL);
}

static void log_death(pid_t pid, int status)
{
	char id[16], cause[32];

	snprintf(id, sizeof(id), "%d", (int)pid);
	if (WIFSIGNALED(status))
		snprintf(cause, sizeof(cause), "signal %d", WTERMSIG(status));
	else
		snprintf(cause, sizeof(cause), "status %d", WEXITSTATUS(status));
	log_write(LOG_LEVEL_WARN, "worker-died", "worker", id, "cause", cause, NULL);
}

/* Collects the dead. True when one of them died soon after its start. */
static bool reap(struct supervisor *s)
{
	bool crashing = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->renewer) {
			s->renewer = 0;
			continue;
		}
		for (int i = 0; i < s->workers->count; i++) {
			struct child *child = &s->children[i];

			if (child->pid != pid)
				continue;
			child->pid = 0;
			crashing = crashing ||
				   clock_monotonic() - child->started < CRASH_INTERVAL;
			if (!s->stopping)
				log_death(pid, status);
		}
	}
	return crashing;
}

static bool anybody_left(const struct supervisor *s)
{
	for (int i = 0; i < s->workers->count; i++)
		if (s->children[i].pid)
			return true;
	return s->renewer != 0;
}

static void signal_everybody(const struct supervisor *s, int signal)
{
	for (int i = 0; i < s->workers->count; i++)
		if (s->children[i].pid)
			kill(s->children[i].pid, signal);
	if (s->renewer)
		kill(s->renewer, signal);
}

/*
 * A signal that reaches a worker just before it waits for a request is lost on it: so ask
 * again each second until all are gone.
 */
static void stop_everybody(struct supervisor *s, const sigset_t *set)
{
	struct timespec second = { .tv_sec = 1 };
	int64_t deadline = clock_monotonic() + STOP_MAX;

	s->stopping = true;
	while (anybody_left(s)) {
		signal_everybody(s, clock_monotonic() < deadline ? SIGTERM : SIGKILL);
		sigtimedwait(set, NULL, &second);
		reap(s);
	}
}

void workers_hold_signals(void)
{
	sigset_t set;

	supervised_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int workers_run(const struct workers *workers)
{
	struct supervisor s = { .workers = workers };
	sigset_t set;

	supervised_signals(&set);
	start_missing_workers(&s);
	for (;;) {
		switch (sigwaitinfo(&set, NULL)) {
		case SIGTERM:
		case SIGINT:
			stop_everybody(&s, &set);
			return 0;
		case SIGUSR1:
			start_renewer(&s);
			break;
		case SIGCHLD:
			if (reap(&s))
				clock_sleep(CRASH_INTERVAL);
			start_missing_workers(&s);
			break;
		default:
			break; /* interrupted: wait again */
		}
	}
}

void workers_ask_for_renewal(void)
{
	pid_t supervisor = getppid();

	if (supervisor > 1) /* when it died we are about to be told */
		kill(supervisor, SIGUSR1);
}
