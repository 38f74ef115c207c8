/* One hook: its process, from the clean start to the end, which may be by force. */
#include "hook_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define TERM_GRACE (2 * CLOCK_SECOND)
#define CHUNK      4096
#define PIPE_MAX   65536 /* what a pipe holds: pipe(7) */
#define PATH       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* One hook while it runs. */
struct running {
	pid_t pid;
	int pidfd, output;
	char kept[HOOK_OUTPUT_KEPT + 1]; /* the end of its output */
	size_t length;
	bool timed_out;
};

/* ---- starting ---- */

#define VARIABLES 9 /* with the NULL at the end */

static void free_environment(char *environment[])
{
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
}

/* What it made is the caller's to free, also on failure. */
static int make_environment(const struct hook *hook, char *environment[VARIABLES])
{
	const char *home = getenv("HOME");
	const char *const pairs[][2] = {
		{ "PATH", PATH },
		{ "HOME", home ? home : "/" },
		{ "LANG", "C.UTF-8" },
		{ "OAM_PROFILE", hook->profile },
		{ "OAM_ASSISTANT_ID", hook->assistant_id },
		{ "OAM_PREVIOUS_ASSISTANT_ID", hook->previous_id },
		{ "OAM_REASON", hook->reason },
		{ "OAM_ERROR", hook->error ? hook->error : "" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (asprintf(&environment[i], "%s=%s", pairs[i][0], pairs[i][1]) >= 0)
			continue;
		environment[i] = NULL;
		return -1;
	}
	return 0;
}

/* In the child: only what may be called after fork(2). */
static void become(char *const arguments[], char *const environment[], int output)
{
	int nothing = open("/dev/null", O_RDONLY);
	sigset_t none;

	setsid();
	for (int signal = 1; signal < SIGRTMIN; signal++)
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (nothing >= 0 && dup2(nothing, 0) == 0 && dup2(output, 1) == 1 &&
	    dup2(output, 2) == 2 && close_range(3, ~0U, 0) == 0)
		execve(arguments[0], arguments, environment);
	_exit(127);
}

static int start(char *const arguments[], char *const environment[],
		 struct running *running)
{
	int pipe_ends[2];

	if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	/* The hook's own end must block, as programs expect. */
	fcntl(pipe_ends[1], F_SETFL, 0);
	running->pid = fork();
	if (running->pid == 0)
		become(arguments, environment, pipe_ends[1]);
	close(pipe_ends[1]);
	running->output = pipe_ends[0];
	running->pidfd = running->pid < 0 ? -1 : pidfd_open(running->pid, 0);
	if (running->pidfd >= 0)
		return 0;
	if (running->pid > 0) {
		kill(running->pid, SIGKILL);
		waitpid(running->pid, NULL, 0);
	}
	close(running->output);
	return -1;
}

/* ---- waiting ---- */

/* Reads what is there now; only the end of it is kept. False at its end. */
static bool read_output(struct running *running)
{
	char chunk[CHUNK];
	ssize_t n = read(running->output, chunk, sizeof(chunk));
	size_t more, spare;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	more = (size_t)n < HOOK_OUTPUT_KEPT ? (size_t)n : HOOK_OUTPUT_KEPT;
	spare = HOOK_OUTPUT_KEPT - more;
	if (running->length > spare) {
		memmove(running->kept, running->kept + running->length - spare, spare);
		running->length = spare;
	}
	memcpy(running->kept + running->length, chunk + n - more, more);
	running->length += more;
	return true;
}

/* Until it ended, or `deadline`: true when it ended. */
static bool wait_until(struct running *running, int64_t deadline)
{
	struct pollfd polled[2] = { { .fd = running->pidfd, .events = POLLIN },
				    { .fd = running->output, .events = POLLIN } };

	for (;;) {
		int64_t left = deadline - clock_monotonic();

		if (left <= 0)
			return false;
		if (poll(polled, 2, (int)left) < 0 && errno != EINTR)
			return false;
		if (polled[1].revents && !read_output(running))
			polled[1].fd = -1; /* it closed its output, and goes on */
		if (polled[0].revents)
			return true;
	}
}

/* Its wait status; -1 when that got lost. */
static int finish(struct running *running, int64_t limit)
{
	int status = -1;

	if (!wait_until(running, clock_monotonic() + limit)) {
		running->timed_out = true;
		kill(-running->pid, SIGTERM);
		wait_until(running, clock_monotonic() + TERM_GRACE);
		kill(-running->pid, SIGKILL); /* also what it left behind */
	}
	while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
		;
	/* What it left in the pipe; a process that it left behind may go on writing. */
	for (size_t read = 0; read < PIPE_MAX; read += CHUNK)
		if (!read_output(running))
			break;
	close(running->pidfd);
	close(running->output);
	return status;
}

/* The last line that it printed. */
static const char *last_line(struct running *running)
{
	char *text = running->kept, *newline;

	text[running->length] = '\0';
	while (running->length > 0 && text[running->length - 1] == '\n')
		text[--running->length] = '\0';
	newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

/* In `how`, of `size` bytes, how a hook failed. False when it did not. */
static bool tell(const struct running *running, int status, int64_t limit, char *how,
		 size_t size)
{
	int code = WEXITSTATUS(status);

	if (running->timed_out)
		snprintf(how, size, "took longer than %lld s and was ended",
			 (long long)((limit + CLOCK_SECOND - 1) / CLOCK_SECOND));
	else if (WIFSIGNALED(status))
		snprintf(how, size, "was ended by signal %d", WTERMSIG(status));
	else if (code == 127)
		snprintf(how, size,
			 "ended with exit status 127: its interpreter, or a command in "
			 "it, was not found");
	else if (code)
		snprintf(how, size,
			 "ended with exit status %d: the log has the last line that it "
			 "printed",
			 code);
	else
		return false;
	return true;
}

/* Whoever ignores SIGCHLD could not learn how a child ended. */
int hook_process_run(char *const arguments[], const struct hook *hook, int64_t limit,
		     struct hook_result *result)
{
	struct sigaction before, plain = { .sa_handler = SIG_DFL };
	char *environment[VARIABLES] = { 0 };
	struct running running = { 0 };
	bool failed = true;

	*result = (struct hook_result){ .how = "could not be started: no memory, or no "
					       "process, is left" };
	sigaction(SIGCHLD, &plain, &before);
	if (make_environment(hook, environment) == 0 &&
	    start(arguments, environment, &running) == 0) {
		int status = finish(&running, limit);

		strcpy(result->output, last_line(&running)); /* of the same size */
		failed = tell(&running, status, limit, result->how, sizeof(result->how));
	}
	sigaction(SIGCHLD, &before, NULL);
	free_environment(environment);
	return failed ? -1 : 0;
}
