#include "endpoint_workers.h"

#include <errno.h>
#include <fcntl.h>
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
	int heritage[2];  /* a pipe with one byte: the orphan that reads it is the heir */
	pid_t web_server; /* for an heir to watch; 0: there is none to watch */
	bool is_heir;
};

/* How an heir learns of the web server: set before exec, removed right after it. */
#define HEIR_VARIABLE "ENDPOINT_HEIR_UNDER"

/* Set, by a web server's configuration: whoever starts the program also ends it. */
#define PARENT_VARIABLE "ENDPOINT_END_WITH_PARENT"

static volatile sig_atomic_t orphaned;
static pid_t supervisor; /* set once, before the first fork */

static void on_stop(int signal)
{
	(void)signal;
	channel_shut_down();
}

/* The supervisor is dead: finish the request in hand first. */
static void on_orphaned(int signal)
{
	(void)signal;
	orphaned = 1;
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

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler }; /* without SA_RESTART */

	sigaction(signal, &action, NULL);
}

static void release_signals(void)
{
	sigset_t set;

	supervised_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* In an orphan: takes the supervisor's place, unless another orphan does. */
static void inherit(const struct supervisor *s)
{
	char *const arguments[] = { program_invocation_name, NULL };
	char pid[16], byte;

	if (read(s->heritage[0], &byte, 1) != 1)
		return;
	snprintf(pid, sizeof(pid), "%d", (int)s->web_server);
	prctl(PR_SET_PDEATHSIG, 0); /* it would survive execv(2) */
	if (setenv(HEIR_VARIABLE, pid, 1) == 0)
		execv("/proc/self/exe", arguments);
	log_write(LOG_LEVEL_ERROR, "cannot-inherit", NULL);
}

static int run_worker(struct supervisor *s)
{
	int status;

	handle(SIGTERM, on_stop);
	handle(SIGINT, on_stop);
	handle(SIGUSR2, on_orphaned);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	if (getppid() != supervisor) /* it died before we asked to be told */
		on_orphaned(SIGUSR2);
	release_signals();
	status = s->workers->work(s->workers->context);
	if (orphaned)
		inherit(s);
	return status;
}

static int run_renewer(struct supervisor *s)
{
	handle(SIGTERM, SIG_DFL);
	handle(SIGINT, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	release_signals();
	return s->workers->renew(s->workers->context);
}

static pid_t start(struct supervisor *s, int (*run)(struct supervisor *))
{
	pid_t pid = fork();

	if (pid < 0)
		log_write(LOG_LEVEL_ERROR, "fork-failed", NULL);
	if (pid != 0)
		return pid < 0 ? 0 : pid;
	handle(SIGPIPE, SIG_IGN);
	handle(SIGUSR1, SIG_DFL);
	exit(run(s));
}

static void start_missing_workers(struct supervisor *s)
{
	for (int i = 0; i < s->workers->count; i++) {
		if (s->children[i].pid)
			continue;
		s->children[i].pid = start(s, run_worker);
		s->children[i].started = clock_monotonic();
	}
}

static void start_renewer(struct supervisor *s)
{
	if (!s->renewer && !s->stopping)
		s->renewer = start(s, run_renewer);
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

void workers_release_signals(void)
{
	handle(SIGTERM, SIG_DFL);
	handle(SIGUSR1, SIG_DFL);
	release_signals();
}

/*
 * Asks for SIGTERM when the web server ends in whatever way: one that is killed ends none
 * of its programs. It may have ended before we could ask. Then our parent is another
 * process, or process 1 in another session than ours.
 */
static void end_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || (parent == 1 && getsid(parent) != getsid(0)))
		raise(SIGTERM); /* held back until somebody waits for it */
}

/*
 * Who started us, or, for an heir, who started the one before. Spawners, which end at once,
 * and systemd make a session for us: they are no web server to watch.
 */
static void learn_heritage(struct supervisor *s)
{
	const char *text = getenv(HEIR_VARIABLE);
	pid_t parent = getppid();

	s->is_heir = text != NULL;
	if (text)
		s->web_server = (pid_t)strtol(text, NULL, 10);
	else if (getsid(parent) == getsid(0))
		s->web_server = parent;
	if (!s->is_heir && getenv(PARENT_VARIABLE))
		end_with_parent(parent);
	unsetenv(HEIR_VARIABLE);
	if (pipe2(s->heritage, O_CLOEXEC | O_NONBLOCK) ||
	    write(s->heritage[1], "", 1) != 1) /* then nobody will inherit */
		log_write(LOG_LEVEL_ERROR, "no-heritage", NULL);
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) && errno == ESRCH;
}

/* True when fork(2) failed the last time: no SIGCHLD will come to try again. */
static bool somebody_missing(const struct supervisor *s)
{
	for (int i = 0; i < s->workers->count; i++)
		if (!s->children[i].pid)
			return true;
	return false;
}

/* The next signal; for an heir SIGTERM as well once the web server is gone. */
static int next_signal(const struct supervisor *s, const sigset_t *set)
{
	const struct timespec second = { .tv_sec = 1 };
	bool watches = s->is_heir && s->web_server;
	int signal;

	if (!watches && !somebody_missing(s))
		return sigwaitinfo(set, NULL);
	signal = sigtimedwait(set, NULL, &second);
	return signal < 0 && watches && is_gone(s->web_server) ? SIGTERM : signal;
}

int workers_run(const struct workers *workers)
{
	struct supervisor s = { .workers = workers, .heritage = { -1, -1 } };
	sigset_t set;

	supervisor = getpid();
	supervised_signals(&set);
	learn_heritage(&s);
	start_missing_workers(&s);
	for (;;) {
		switch (next_signal(&s, &set)) {
		case SIGTERM:
		case SIGINT:
			stop_everybody(&s, &set);
			close(s.heritage[0]);
			close(s.heritage[1]);
			return 0;
		case SIGUSR1:
			start_renewer(&s);
			break;
		case SIGCHLD:
			if (reap(&s))
				clock_sleep(CRASH_INTERVAL);
			start_missing_workers(&s);
			break;
		default: /* interrupted, or a second has passed */
			start_missing_workers(&s);
			break;
		}
	}
}

void workers_ask_for_renewal(void)
{
	if (getppid() == supervisor) /* else we are about to be told that it died */
		kill(supervisor, SIGUSR1);
}
