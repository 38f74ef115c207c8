#include "endpoint_channel.h"

#include <errno.h>
#include <fcgiapp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct channel {
	bool is_cgi;
	bool served; /* plain CGI: the one request is done */
	FCGX_Request fcgi;
};

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
	if (FCGX_Init() == 0 &&
	    FCGX_InitRequest(&channel->fcgi, STDIN_FILENO, FCGI_FAIL_ACCEPT_ON_INTR) == 0)
		return channel;
	free(channel);
	return NULL;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	if (!channel->is_cgi)
		FCGX_Free(&channel->fcgi, 1);
	free(channel);
}

int channel_accept(struct channel *channel)
{
	if (channel->is_cgi)
		return channel->served ? -1 : 0;
	return FCGX_Accept_r(&channel->fcgi) == 0 ? 0 : -1;
}

void channel_finish(struct channel *channel)
{
	channel->served = true;
	if (!channel->is_cgi)
		FCGX_Finish_r(&channel->fcgi);
}

void channel_shut_down(void)
{
	FCGX_ShutdownPending();
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

		if (FCGX_PutStr(bytes, part, channel->fcgi.out) != part)
			return -1;
		bytes += part;
		size -= (size_t)part;
	}
	return 0;
}
