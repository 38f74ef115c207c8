#include "endpoint_channel.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEPT_SILENCE_MAX 2000 /* milliseconds */

/* What a socket takes without anybody reading it; Linux gives it 208 KiB. */
#define SOCKET_TAKES ((size_t)64 * 1024)

struct channel {
	bool is_cgi;
	FCGX_Request fcgi;
	sigset_t waiting; /* the signal mask between two requests */
};

static volatile sig_atomic_t shut_down;

static void hold_all_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, before);
}

bool channel_is_cgi(void)
{
	return FCGX_IsCGI() != 0;
}

struct channel *channel_open(void)
{
	static struct channel cgi = { .is_cgi = true }; /* nothing ever changes it */
	struct channel *channel;

	if (channel_is_cgi())
		return &cgi;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	/* Without a socket to listen on: see next_connection(). */
	if (FCGX_Init() == 0 && FCGX_InitRequest(&channel->fcgi, -1, 0) == 0) {
		hold_all_signals(&channel->waiting);
		return channel;
	}
	free(channel);
	return NULL;
}

void channel_close(struct channel *channel)
{
	if (!channel || channel->is_cgi)
		return;
	FCGX_Free(&channel->fcgi, 1);
	sigprocmask(SIG_SETMASK, &channel->waiting, NULL);
	free(channel);
}

static void limit(int fd, int option)
{
	const struct timeval time = { .tv_sec = CHANNEL_SILENCE_MAX };

	setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time));
}

/* The connection that the web server keeps open, if it has more to ask; else it is closed. */
static int kept_connection(struct channel *channel)
{
	struct pollfd kept = { .fd = channel->fcgi.ipcFd, .events = POLLIN };

	if (kept.fd >= 0 && (shut_down || poll(&kept, 1, KEPT_SILENCE_MAX) <= 0)) {
		close(kept.fd);
		channel->fcgi.ipcFd = -1;
	}
	return channel->fcgi.ipcFd;
}

/*
 * libfcgi reads and writes without a limit of time, and what a signal interrupts it gives
 * up. So connections are accepted here: signals come through only meanwhile, and each
 * connection gets its limit. -1 when the process should end.
 */
static int next_connection(struct channel *channel)
{
	int kept, fd;

	sigprocmask(SIG_SETMASK, &channel->waiting, NULL);
	fd = kept = kept_connection(channel);
	while (fd < 0 && !shut_down) {
		fd = accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			break;
	}
	hold_all_signals(NULL);
	if (fd >= 0 && fd != kept)
		limit(fd, SO_RCVTIMEO);
	return fd;
}

int channel_accept(struct channel *channel)
{
	FCGX_Request *fcgi = &channel->fcgi;

	while ((fcgi->ipcFd = next_connection(channel)) >= 0) {
		fcgi->keepConnection = 1; /* else it is closed first */
		if (FCGX_Accept_r(fcgi) != 0)
			continue;
		if (fcgi->keepConnection) /* then many small answers add up */
			limit(fcgi->ipcFd, SO_SNDTIMEO);
		return 0;
	}
	return -1;
}

/*
 * To close, libfcgi says that it will write no more, and waits until the web server closes,
 * too: what that one still sent would undo the answer otherwise. Where the request has been
 * read to its end nothing is on the way, and it can be closed at once.
 */
void channel_finish(struct channel *channel)
{
	FCGX_Request *fcgi = &channel->fcgi;
	bool at_once;

	if (channel->is_cgi)
		return;
	at_once = !fcgi->keepConnection && FCGX_GetChar(fcgi->in) == EOF &&
		  !FCGX_GetError(fcgi->in);
	if (at_once)
		fcgi->keepConnection = 1;
	FCGX_Finish_r(fcgi);
	if (at_once && fcgi->ipcFd >= 0) {
		close(fcgi->ipcFd);
		fcgi->ipcFd = -1;
	}
}

void channel_shut_down(void)
{
	shut_down = 1;
}

const char *channel_param(const struct channel *channel, const char *name)
{
	if (channel->is_cgi)
		return getenv(name);
	return FCGX_GetParam(name, channel->fcgi.envp);
}

static ssize_t read_stdin(char *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(STDIN_FILENO, bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t channel_read(struct channel *channel, char *bytes, size_t size)
{
	int n;

	if (channel->is_cgi)
		return read_stdin(bytes, size);
	if (size > INT_MAX)
		return -1;
	n = FCGX_GetStr(bytes, (int)size, channel->fcgi.in);
	return FCGX_GetError(channel->fcgi.in) ? -1 : n;
}

bool channel_has_end(const struct channel *channel)
{
	const char *coding = getenv("HTTP_TRANSFER_ENCODING");

	/* Apache's mod_cgi and mod_cgid hand on a chunked body, and close its pipe behind it. */
	return !channel->is_cgi || (coding && coding[0]);
}

static int write_stdout(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

int channel_write(struct channel *channel, const char *bytes, size_t size)
{
	if (channel->is_cgi)
		return write_stdout(bytes, size);
	if (size > SOCKET_TAKES)
		limit(channel->fcgi.ipcFd, SO_SNDTIMEO);
	while (size > 0) {
		int part = size > INT_MAX ? INT_MAX : (int)size;

		if (FCGX_PutStr(bytes, part, channel->fcgi.out) != part) {
			/* Else the rest that libfcgi holds has its time to wait, too. */
			shutdown(channel->fcgi.ipcFd, SHUT_RDWR);
			return -1;
		}
		bytes += part;
		size -= (size_t)part;
	}
	return 0;
}
