#include "http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"

#define ANSWER_MAX      (64L * 1024 * 1024) /* a page of 100 with the longest instructions */
#define BODY_ROOM_MIN   ((size_t)4096)
#define CONNECT_TIMEOUT 5000L /* ms */

struct http_client {
	CURL *curl;
	struct curl_slist *headers;
	const struct settings *settings;
};

/* ---- headers of the answer ---- */

/* The value of `line` when its name is `name`, without white space around it. */
static bool header_value(const char *line, size_t length, const char *name, char *value,
			 size_t size)
{
	size_t n = strlen(name);

	if (length <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	length -= n + 1;
	while (length > 0 && isspace((unsigned char)*line))
		line++, length--;
	while (length > 0 && isspace((unsigned char)line[length - 1]))
		length--;
	snprintf(value, size, "%.*s", (int)length, line);
	return true;
}

/* Milliseconds from a decimal number; -1 when it is none or negative. */
static int64_t parse_number(const char *text, double unit)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (errno || end == text || *end != '\0' || !(value >= 0) || value > 86400000)
		return -1;
	return (int64_t)(value * unit);
}

/* Retry-After: seconds or an HTTP date (RFC 9110, 10.2.3). */
static int64_t parse_retry_after(const char *text)
{
	int64_t ms = parse_number(text, CLOCK_SECOND);
	time_t date;

	if (ms >= 0)
		return ms;
	date = curl_getdate(text, NULL);
	ms = (int64_t)date * CLOCK_SECOND - clock_now();
	return date < 0 ? -1 : ms < 0 ? 0 : ms;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct http_answer *answer = context;
	char value[128];

	if (header_value(line, size * count, "retry-after-ms", value, sizeof(value))) {
		int64_t ms = parse_number(value, 1);

		if (ms >= 0)
			answer->retry_after = ms;
	} else if (header_value(line, size * count, "retry-after", value,
				sizeof(value))) {
		if (answer->retry_after < 0)
			answer->retry_after = parse_retry_after(value);
	} else if (header_value(line, size * count, "x-should-retry", value,
				sizeof(value))) {
		if (strcmp(value, "true") == 0)
			answer->should_retry = 1;
		else if (strcmp(value, "false") == 0)
			answer->should_retry = 0;
	}
	return size * count;
}

/* The room that a body of this length has. It doubles, so that few are copied. */
static size_t body_room(size_t length)
{
	size_t room = BODY_ROOM_MIN;

	while (room <= length)
		room *= 2;
	return room;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_answer *answer = context;
	size_t more = size * count, length = answer->length + more;
	char *grown;

	if (length > ANSWER_MAX)
		return 0; /* curl ends with CURLE_WRITE_ERROR */
	if (!answer->body || body_room(length) > body_room(answer->length)) {
		grown = realloc(answer->body, body_room(length));
		if (!grown)
			return 0;
		answer->body = grown;
	}
	memcpy(answer->body + answer->length, bytes, more);
	answer->length = length;
	answer->body[length] = '\0';
	return more;
}

/* ---- opening ---- */

/* Adds "name: value". A value with a line end could smuggle a header in: refused. */
static int add_header(struct http_client *client, const char *name, const char *value,
		      struct oam_error *err)
{
	struct curl_slist *longer;
	char *line;

	if (!value)
		return 0;
	if (strpbrk(value, "\r\n"))
		return error_set(err, SETTING, NULL, "a key or id has a line end in it");
	if (asprintf(&line, "%s: %s", name, value) < 0)
		return error_set(err, NO_MEMORY, NULL);
	longer = curl_slist_append(client->headers, line);
	explicit_bzero(line, strlen(line));
	free(line);
	if (!longer)
		return error_set(err, NO_MEMORY, NULL);
	client->headers = longer;
	return 0;
}

static int add_headers(struct http_client *client, struct oam_error *err)
{
	const struct settings *s = client->settings;
	char *bearer = NULL;
	int result;

	if (s->api_version) {
		result = add_header(client, "api-key", s->api_key, err);
	} else {
		if (s->api_key && asprintf(&bearer, "Bearer %s", s->api_key) < 0)
			return error_set(err, NO_MEMORY, NULL);
		result = add_header(client, "Authorization", bearer, err);
		if (bearer)
			explicit_bzero(bearer, strlen(bearer));
		free(bearer);
	}
	if (result || add_header(client, "OpenAI-Organization", s->org_id, err) ||
	    add_header(client, "OpenAI-Project", s->project_id, err) ||
	    add_header(client, "OpenAI-Beta", "assistants=v2", err) ||
	    add_header(client, "Content-Type", "application/json", err) ||
	    add_header(client, "Accept", "application/json", err))
		return -1;
	return add_header(client, "User-Agent", "oam", err);
}

/* Notes the first option that curl refuses. */
#define SET(option, value) \
	do { \
		if (code == CURLE_OK) \
			code = curl_easy_setopt(curl, option, value); \
	} while (0)

/* What holds for every request. */
static CURLcode set_options(CURL *curl, const struct settings *settings)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT);
	/* "" is no proxy at all: curl would take one from the environment. */
	SET(CURLOPT_PROXY, settings->http_proxy ? settings->http_proxy : "");
	if (settings->ca_file)
		SET(CURLOPT_CAINFO, settings->ca_file);
	return code;
}

int http_client_open(const struct settings *settings, struct http_client **out,
		     struct oam_error *err)
{
	struct http_client *client = calloc(1, sizeof(*client));

	*out = NULL;
	if (!client)
		return error_set(err, NO_MEMORY, NULL);
	client->settings = settings;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		client->curl = curl_easy_init();
	if (!client->curl || set_options(client->curl, settings)) {
		error_set(err, INTERNAL, NULL);
		error_detail(err, "libcurl cannot be set up");
	} else {
		add_headers(client, err);
	}
	if (error_result(err)) {
		http_client_close(client);
		return -1;
	}
	*out = client;
	return 0;
}

void http_client_close(struct http_client *client)
{
	if (!client)
		return;
	curl_slist_free_all(client->headers);
	curl_easy_cleanup(client->curl);
	free(client);
	curl_global_cleanup();
}

/* ---- one request ---- */

/* base_url/path?query, with Azure's api-version where it is set. */
static char *make_url(const struct settings *settings, const char *path)
{
	const char *base = settings->base_url;
	size_t length = strlen(base);
	char *url;
	int n;

	while (length > 0 && base[length - 1] == '/')
		length--;
	if (settings->api_version)
		n = asprintf(&url, "%.*s%s%sapi-version=%s", (int)length, base, path,
			     strchr(path, '?') ? "&" : "?", settings->api_version);
	else
		n = asprintf(&url, "%.*s%s", (int)length, base, path);
	return n < 0 ? NULL : url;
}

/* True when the server may have seen the request before it failed. */
static bool was_sent(CURL *curl, CURLcode code)
{
	long size = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return false;
	default:
		curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &size);
		return size > 0;
	}
}

static void note_failure(CURL *curl, CURLcode code, struct http_answer *answer)
{
	answer->status = 0;
	answer->sent = was_sent(curl, code);
	answer->timed_out = code == CURLE_OPERATION_TIMEDOUT;
	snprintf(answer->reason, sizeof(answer->reason), "%s",
		 code == CURLE_WRITE_ERROR ? "the answer is too large"
					   : curl_easy_strerror(code));
	free(answer->body);
	answer->body = NULL;
	answer->length = 0;
}

/* Sets one request up on `curl`. *url must live as long as the request. */
static int prepare(const struct http_client *client, CURL *curl, const char *method,
		   const char *path, const char *body, int64_t timeout,
		   struct http_answer *answer, struct oam_error *err)
{
	char *url = make_url(client->settings, path);
	CURLcode code = CURLE_OK;

	*answer = (struct http_answer){ .retry_after = -1, .should_retry = -1 };
	if (!url)
		return error_set(err, NO_MEMORY, NULL);
	SET(CURLOPT_URL, url); /* curl keeps a copy */
	free(url);
	SET(CURLOPT_HTTPHEADER, client->headers);
	SET(CURLOPT_TIMEOUT_MS, (long)timeout);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, answer);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, answer);
	if (body) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
		SET(CURLOPT_POSTFIELDS, body);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, method);
	if (code == CURLE_OK)
		return 0;
	error_set(err, INTERNAL, NULL);
	return error_detail(err, "libcurl: %s", curl_easy_strerror(code));
}

/* What became of the request that `curl` made. */
static void conclude(CURL *curl, CURLcode code, struct http_answer *answer)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	answer->status = (int)status;
	answer->sent = true;
	if (code != CURLE_OK)
		note_failure(curl, code, answer);
}

int http_client_request(struct http_client *client, const char *method, const char *path,
			const char *body, int64_t timeout, struct http_answer *answer,
			struct oam_error *err)
{
	if (prepare(client, client->curl, method, path, body, timeout, answer, err))
		return -1;
	conclude(client->curl, curl_easy_perform(client->curl), answer);
	return 0;
}

/* ---- batches ---- */

struct slot {
	CURL *curl;
	bool busy;
	void *context;
	struct http_answer answer;
};

struct http_batch {
	const struct http_client *client;
	CURLM *multi;
	struct slot slots[HTTP_BATCH_MAX];
	size_t busy;
};

int http_batch_open(struct http_client *client, struct http_batch **out,
		    struct oam_error *err)
{
	struct http_batch *batch = calloc(1, sizeof(*batch));
	bool good;

	*out = batch;
	if (!batch)
		return error_set(err, NO_MEMORY, NULL);
	batch->client = client;
	batch->multi = curl_multi_init();
	good = batch->multi != NULL;
	for (size_t i = 0; good && i < HTTP_BATCH_MAX; i++) {
		batch->slots[i].curl = curl_easy_init();
		good = batch->slots[i].curl &&
		       set_options(batch->slots[i].curl, client->settings) == CURLE_OK;
	}
	if (good)
		return 0;
	http_batch_close(batch);
	*out = NULL;
	error_set(err, INTERNAL, NULL);
	return error_detail(err, "libcurl cannot be set up");
}

void http_batch_close(struct http_batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < HTTP_BATCH_MAX; i++) {
		struct slot *slot = &batch->slots[i];

		if (slot->busy)
			curl_multi_remove_handle(batch->multi, slot->curl);
		free(slot->busy ? slot->answer.body : NULL);
		curl_easy_cleanup(slot->curl);
	}
	curl_multi_cleanup(batch->multi);
	free(batch);
}

bool http_batch_room(const struct http_batch *batch)
{
	return batch->busy < HTTP_BATCH_MAX;
}

int http_batch_add(struct http_batch *batch, const char *method, const char *path,
		   int64_t timeout, void *context, struct oam_error *err)
{
	struct slot *slot = batch->slots;

	while (slot->busy)
		slot++;
	if (prepare(batch->client, slot->curl, method, path, NULL, timeout, &slot->answer,
		    err))
		return -1;
	if (curl_multi_add_handle(batch->multi, slot->curl) != CURLM_OK)
		return error_set(err, INTERNAL, NULL);
	slot->context = context;
	slot->busy = true;
	batch->busy++;
	return 0;
}

/* Takes one that has ended out of its slot. */
static bool take_ended(struct http_batch *batch, struct http_answer *answer,
		       void **context)
{
	int left;
	CURLMsg *message = curl_multi_info_read(batch->multi, &left);
	struct slot *slot = batch->slots;
	CURLcode code;

	if (!message || message->msg != CURLMSG_DONE)
		return false;
	code = message->data.result; /* the message dies with the removal */
	while (slot->curl != message->easy_handle)
		slot++;
	curl_multi_remove_handle(batch->multi, slot->curl);
	conclude(slot->curl, code, &slot->answer);
	*answer = slot->answer;
	*context = slot->context;
	slot->busy = false;
	batch->busy--;
	return true;
}

int http_batch_wait(struct http_batch *batch, int64_t timeout, struct http_answer *answer,
		    void **context, struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + timeout;
	int running;

	for (;;) {
		int64_t left = deadline - clock_monotonic();

		if (curl_multi_perform(batch->multi, &running) != CURLM_OK)
			return error_set(err, INTERNAL, NULL);
		if (take_ended(batch, answer, context))
			return 1;
		if (left <= 0)
			return 0;
		if (curl_multi_poll(batch->multi, NULL, 0, (int)left, NULL) != CURLM_OK)
			return error_set(err, INTERNAL, NULL);
	}
}
