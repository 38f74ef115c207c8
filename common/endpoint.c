#include "endpoint.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "endpoint_answer.h"
#include "endpoint_channel.h"
#include "endpoint_request.h"
#include "endpoint_workers.h"

#define SPARE_PAGES 512 /* 2 MiB that a process may keep for its next requests */

/* What all processes of the program share, read before the first fork. */
struct program {
	const struct endpoint *endpoint;
	struct settings settings;
	struct token_verifier *verifier;
};

int endpoint_data(struct json_writer *data, struct json_object *object)
{
	json_write_members(data, object);
	json_object_put(object);
	return 0;
}

static void log_request(const struct incoming *incoming, int sent,
			const struct oam_error *err)
{
	bool ours = sent >= 500;
	char status[8];

	if (!ours && !log_is_wanted(LOG_LEVEL_DEBUG))
		return;
	snprintf(status, sizeof(status), "%d", sent);
	log_write(ours ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG, "request", "request",
		  incoming->request_id, "status", status, "code", error_code(err->code),
		  "param", err->param, "message", ours ? err->message : NULL, "detail",
		  err->detail, NULL);
}

/* ---- one request ---- */

/* What one process serves its requests with, one after the other. */
struct session {
	struct channel *channel;
	struct service *service; /* NULL: not opened yet */
	struct json_writer body; /* of the answer */
	struct request_names names;
	int statm;      /* /proc/self/statm; -1: not there */
	long kept_size; /* pages in memory after some were given back the last time */
};

/* 0, or -1 without memory. */
static int open_session(struct session *session)
{
	*session = (struct session){
		.channel = channel_open(),
		.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
	};
	request_names_draw(&session->names);
	return session->channel ? 0 : -1;
}

static void close_session(struct session *session)
{
	service_close(session->service);
	channel_close(session->channel);
	json_writer_free(&session->body);
	if (session->statm >= 0)
		close(session->statm);
}

/* How many pages of this process are in memory; 0 when nobody tells. */
static long resident_pages(const struct session *session)
{
	char text[128] = "", *second;

	if (pread(session->statm, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	second = strchr(text, ' ');
	return second ? strtol(second, NULL, 10) : 0;
}

/*
 * malloc(3) keeps what a large request needed. It goes back to the system, so that each
 * worker does not stay as large as its largest request made it.
 */
static void give_memory_back(struct session *session)
{
	if (resident_pages(session) <= session->kept_size + SPARE_PAGES)
		return;
	malloc_trim(0);
	session->kept_size = resident_pages(session);
}

/*
 * The service is opened with the first request that needs it, and kept until somebody
 * puts another database in its place.
 */
static int open_service(const struct program *program, struct service **service,
			struct oam_error *err)
{
	if (*service && !service_was_replaced(*service))
		return 0;
	service_close(*service);
	*service = NULL;
	return program->endpoint->open(&program->settings, service, err);
}

/* The handler writes a success into the session's body, or fails. */
static int handle(struct session *session, const struct incoming *incoming,
		  struct oam_error *err)
{
	int result;

	service_begin_request(session->service, incoming->request_id);
	answer_begin(incoming, &session->body);
	result = incoming->endpoint->handle(session->service, &incoming->view,
					    &session->body, err);
	answer_end(incoming, &session->body);
	service_end_request(session->service);
	return result ? result : json_writer_result(&session->body, err);
}

/* A failure without an error is a fault of ours, and no success. */
static void blame_ourselves(struct oam_error *err)
{
	if (error_result(err))
		return;
	error_set(err, INTERNAL, NULL);
	error_detail(err, "it failed and did not say why");
}

static void serve(const struct program *program, struct session *session)
{
	struct incoming incoming = { .endpoint = program->endpoint };
	struct oam_error err = { 0 };
	int status;

	request_begin(session->channel, &session->names, &incoming);
	if (request_read(program->verifier, session->channel, &incoming, &err) ||
	    open_service(program, &session->service, &err) ||
	    handle(session, &incoming, &err))
		blame_ourselves(&err);
	status = answer_send(session->channel, &incoming, &err, &session->body);
	channel_finish(session->channel);
	json_writer_clear(&session->body); /* a long one is given back now */
	log_request(&incoming, status, &err);
	request_release(&incoming);
	give_memory_back(session);
}

/* ---- FastCGI ---- */

static int work(void *context)
{
	const struct program *program = context;
	struct session session;

	if (open_session(&session))
		return 1;
	while (channel_accept(session.channel) == 0) {
		serve(program, &session);
		if (session.service && service_renewal_wanted(session.service))
			workers_ask_for_renewal();
	}
	close_session(&session);
	return 0;
}

static int renew(void *context)
{
	const struct service_renewal renewal = { .reason = REASON_EXPIRY };
	const struct program *program = context;
	struct service *service = NULL;
	struct oam_error err = { 0 };

	close(STDIN_FILENO); /* the listening socket is the workers' */
	if (open_service(program, &service, &err) == 0)
		service_renew(service, &renewal, &err);
	service_close(service);
	return error_result(&err) ? 1 : 0;
}

/* ---- plain CGI ---- */

/* The answer when there is no memory for a better one. */
static void say_plainly(const struct endpoint *endpoint)
{
	const struct dialect *dialect = endpoint_dialect(endpoint);
	char body[ANSWER_PLAIN_SIZE];

	dialect->plain_failure(OAM_E_NO_MEMORY, OAM_TEXT_NO_MEMORY, body, sizeof(body));
	dprintf(STDOUT_FILENO,
		"Status: 500 Internal Server Error\r\nContent-Type: "
		"application/json\r\n%s\r\n%s",
		dialect->header, body);
}

/*
 * A web server shows nothing of our standard error: answer, in the words that the path's
 * clients know, and keep the reason there.
 */
static void say_why(const struct program *program, const struct oam_error *err)
{
	struct incoming incoming = { .endpoint = program->endpoint };
	struct oam_error told = { 0 };
	struct session session;

	if (err->code == OAM_E_NO_MEMORY)
		error_set(&told, NO_MEMORY, NULL);
	else
		error_set(&told, SETTING, NULL,
			  "The server is misconfigured. Its log says how.");
	if (open_session(&session)) {
		say_plainly(program->endpoint);
		return;
	}
	request_begin(session.channel, &session.names, &incoming);
	request_drain(session.channel);
	answer_send(session.channel, &incoming, &told, &session.body);
	close_session(&session);
}

static int serve_cgi(struct program *program)
{
	struct session session;
	bool wanted;

	workers_release_signals(); /* the web server may end us, and people the renewal */
	if (open_session(&session)) {
		say_plainly(program->endpoint);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	serve(program, &session);
	wanted = session.service && service_renewal_wanted(session.service);
	close_session(&session);
	if (wanted)
		service_renew_in_background(&program->settings, program->endpoint->open);
	return 0;
}

/* ---- start ---- */

static int load(struct program *program, struct oam_error *err)
{
	if (settings_load(&program->settings, environ, err))
		return -1;
	log_start(program->endpoint->name, program->settings.log_level);
	return token_verifier_open(&program->settings, &program->verifier, err);
}

/*
 * A FastCGI server may leave all descriptors but 0 closed (FastCGI 1.0, 2.2). What is
 * opened next would take their numbers, and the log's lines with them.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int endpoint_main(const struct endpoint *endpoint)
{
	struct program program = { .endpoint = endpoint };
	struct oam_error err = { 0 };
	bool is_cgi;
	int status = 1;

	fill_standard_descriptors();
	workers_hold_signals();
	is_cgi = channel_is_cgi();
	log_start(endpoint->name, LOG_LEVEL_INFO);
	if (is_cgi && !getenv("REQUEST_METHOD")) {
		fprintf(stderr,
			"%s is a FastCGI and CGI program; a web server starts it.\n",
			endpoint->name);
		return 2;
	}
	if (load(&program, &err)) {
		log_write(LOG_LEVEL_ERROR, "cannot-start", "error", err.message, "detail",
			  err.detail, NULL);
		if (is_cgi)
			say_why(&program, &err);
	} else if (is_cgi) {
		status = serve_cgi(&program);
	} else {
		struct workers workers = { .count = (int)program.settings.workers,
					   .work = work,
					   .renew = renew,
					   .context = &program };

		status = workers_run(&workers);
	}
	token_verifier_close(program.verifier);
	settings_free(&program.settings);
	return status;
}
