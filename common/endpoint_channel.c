#include "endpoint_channel.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_WORD_MAX 2000 /* milliseconds */

struct channel {
	bool is_cgi;
	bool served; /* plain CGI: the one request is done */
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
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->is_cgi = channel_is_cgi();
	if (channel->is_cgi)
		return channel;
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
	if (!channel)
		return;
	if (!channel->is_cgi) {
		FCGX_Free(&channel->fcgi, 1);
		sigprocmask(SIG_SETMASK, &channel->waiting, NULL);
	}
	free(channel);
}

/*
 * libfcgi reads and writes without a limit of time, and what a signal interrupts it gives
 * up. So connections are accepted here: signals come through only meanwhile, and each
 * connection gets its limit. -1 when the process should end.
 */
static int next_connection(const struct channel *channel)
{
	const struct timeval limit = { .tv_sec = CHANNEL_SILENCE_MAX };
	int kept = channel->fcgi.ipcFd; /* the web server may have more to ask */
	int fd = -1;

	sigprocmask(SIG_SETMASK, &channel->waiting, NULL);
	while (fd < 0 && !shut_down) {
		fd = kept >= 0 ? kept : accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			break;
	}
	hold_all_signals(NULL);
	if (fd < 0 || fd == kept)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

/* As libfcgi's own accepting does: a web server that connects has something to say. */
static bool speaks(int fd)
{
	struct pollfd silent = { .fd = fd, .events = POLLIN };

	return poll(&silent, 1, FIRST_WORD_MAX) > 0;
}

int channel_accept(struct channel *channel)
{
	int fd;

	if (channel->is_cgi)
		return channel->served ? -1 : 0;
	while ((fd = next_connection(channel)) >= 0) {
		channel->fcgi.ipcFd = -1;
		if (!speaks(fd)) {
			close(fd);
			continue;
		}
		channel->fcgi.ipcFd = fd;
		channel->fcgi.keepConnection = 1; /* else it closes it first */
		if (FCGX_Accept_r(&channel->fcgi) == 0)
			return 0;
	}
	return -1;
}

void channel_finish(struct channel *channel)
{
	channel->served = true;
	if (!channel->is_cgi)
		FCGX_Finish_r(&channel->fcgi);
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
