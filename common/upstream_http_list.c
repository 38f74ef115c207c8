/*
 * Lists of a server over HTTP, page by page. One page is in memory at a time; a server
 * whose pages are too large is asked for smaller ones, and one that repeats itself or
 * never comes to an end is given up.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "id_set.h"
#include "log.h"
#include "upstream_http_private.h"

#define PAGE_SIZE      100
#define PAGE_SHRINK    4                  /* a page that is too large: a quarter of it */
#define WALK_MAX       (2 * CLOCK_MINUTE) /* all pages, when nobody waits */
#define WALK_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define WALK_IDS_MAX   1000000
#define PATH_SIZE      (64 + 2 * ASSISTANT_ID_SIZE)

static void make_path(char path[PATH_SIZE], int64_t limit,
		      const struct upstream_page *page, const char *after)
{
	snprintf(path, PATH_SIZE, "/assistants?limit=%lld&order=%s%s%s%s%s",
		 (long long)limit, page->ascending ? "asc" : "desc",
		 after ? "&after=" : "", after ? after : "",
		 page->before ? "&before=" : "", page->before ? page->before : "");
}

/*
 * *list is the envelope of one page, its *data checked to be an array; of assistants,
 * unless page->invalid hears of the others. So nothing is visited of a page that has to be
 * refused.
 */
static int get_page(struct http_upstream *u, struct call *call,
		    const struct upstream_page *page, struct json_object **list,
		    struct json_object **data, struct oam_error *err)
{
	if (upstream_http_call(u, call, list, err))
		return -1;
	*data = json_member(*list, "data");
	if (!json_object_is_type(*data, json_type_array))
		error_set(err, UPSTREAM_FAILED, NULL, "its list has no data");
	for (size_t i = 0;
	     !page->invalid && !error_result(err) && i < json_object_array_length(*data);
	     i++)
		upstream_http_check(json_object_array_get_idx(*data, i), err);
	if (error_result(err) == 0)
		return 0;
	json_object_put(*list);
	*list = NULL;
	return -1;
}

/* ---- all pages ---- */

struct walk {
	struct http_upstream *u;
	const struct upstream_page *page;
	upstream_visit *visit;
	void *context;
	int64_t limit; /* of one page */
	char cursor[ASSISTANT_ID_SIZE];
	struct id_set seen; /* a server may repeat itself */
	size_t received;    /* bytes; a server may never end */
};

/* Some servers send words for booleans. */
static bool has_more(struct json_object *list)
{
	struct json_object *value = json_member(list, "has_more");

	if (json_object_is_type(value, json_type_string))
		return strcasecmp(json_object_get_string(value), "true") == 0;
	return json_object_get_boolean(value);
}

/* Visits what is not valid. Its id, if it has one, is a cursor all the same. */
static int visit_invalid(struct walk *walk, struct json_object *assistant,
			 const struct oam_error *wrong, struct oam_error *err)
{
	const char *id = json_member_string(assistant, "id");

	if (wrong->code == OAM_E_NO_MEMORY) {
		*err = *wrong;
		return -1;
	}
	log_write(LOG_LEVEL_WARN, "upstream", "error", wrong->message, NULL);
	if (id && assistant_id_is_valid(id)) {
		snprintf(walk->cursor, sizeof(walk->cursor), "%s", id);
		if (id_set_add(&walk->seen, id, err) < 0)
			return -1;
	}
	return walk->page->invalid(assistant, walk->context, err);
}

static int visit_valid(struct walk *walk, struct json_object *assistant,
		       struct oam_error *err)
{
	const char *id = json_member_string(assistant, "id");
	int is_new = id_set_add(&walk->seen, id, err);

	snprintf(walk->cursor, sizeof(walk->cursor), "%s", id);
	return is_new > 0 ? walk->visit(assistant, walk->context, err) : is_new;
}

/* Visits what is new of a page. 1: that was the last one. */
static int visit_page(struct walk *walk, struct json_object *list,
		      struct json_object *data, struct oam_error *err)
{
	size_t before = walk->seen.count;

	for (size_t i = 0; i < json_object_array_length(data); i++) {
		struct json_object *assistant = json_object_array_get_idx(data, i);
		struct oam_error wrong = { 0 };
		int over = walk->page->invalid && upstream_http_check(assistant, &wrong)
				   ? visit_invalid(walk, assistant, &wrong, err)
				   : visit_valid(walk, assistant, err);

		if (over)
			return over;
	}
	if (!has_more(list))
		return 1;
	if (walk->seen.count == before)
		return error_set(err, UPSTREAM_FAILED, NULL,
				 "its list repeats itself without an end");
	if (walk->seen.count > WALK_IDS_MAX || walk->received > WALK_BYTES_MAX)
		return error_set(err, UPSTREAM_FAILED, NULL, "its list is too long");
	return 0;
}

/* 1: it was the last page, 0: another one follows, or this one again with fewer. */
static int walk_on(struct walk *walk, struct oam_error *err)
{
	const char *after = walk->cursor[0] ? walk->cursor : walk->page->after;
	char path[PATH_SIZE];
	struct call call = { .method = "GET",
			     .path = path,
			     .repeatable = true,
			     .items = (size_t)walk->limit };
	struct oam_error cause = { 0 };
	struct json_object *list, *data;
	int over;

	make_path(path, walk->limit, walk->page, after);
	if (get_page(walk->u, &call, walk->page, &list, &data, &cause)) {
		if (!call.too_large || walk->limit == 1) {
			*err = cause;
			return -1;
		}
		walk->limit = walk->limit > PAGE_SHRINK ? walk->limit / PAGE_SHRINK : 1;
		return 0;
	}
	walk->received += call.received;
	over = visit_page(walk, list, data, err);
	json_object_put(list);
	return over;
}

static int walk_all(struct walk *walk, struct oam_error *err)
{
	int64_t deadline = upstream_http_deadline(walk->u, WALK_MAX);
	int over = 0;

	while (over == 0) {
		if (clock_monotonic() > deadline)
			over = error_set(err, UPSTREAM_TIMEOUT, NULL);
		else
			over = walk_on(walk, err);
	}
	id_set_free(&walk->seen);
	return error_result(err);
}

/* ---- one page ---- */

static int visit_one_page(struct http_upstream *u, const struct upstream_page *page,
			  upstream_visit *visit, void *context, struct oam_error *err)
{
	char path[PATH_SIZE];
	struct call call = { .method = "GET",
			     .path = path,
			     .repeatable = true,
			     .items = (size_t)page->limit };
	struct oam_error cause = { 0 };
	struct json_object *list, *data;
	int over = 0;

	make_path(path, page->limit, page, page->after);
	if (get_page(u, &call, page, &list, &data, &cause)) {
		if (call.too_large && page->limit > 1)
			return error_set(err, LIST_TOO_LONG, "limit", HTTP_ANSWER_MAX);
		*err = cause;
		return -1;
	}
	for (size_t i = 0; over == 0 && i < json_object_array_length(data); i++)
		over = visit(json_object_array_get_idx(data, i), context, err);
	json_object_put(list);
	return error_result(err);
}

int upstream_http_each(struct upstream *upstream, const struct upstream_page *page,
		       upstream_visit *visit, void *context, struct oam_error *err)
{
	struct walk walk = { .u = (struct http_upstream *)upstream,
			     .page = page,
			     .visit = visit,
			     .context = context,
			     .limit = PAGE_SIZE };

	if (page->after && !assistant_id_is_valid(page->after))
		return error_set(err, ASSISTANT_NOT_FOUND, "after", page->after);
	if (page->before && !assistant_id_is_valid(page->before))
		return error_set(err, ASSISTANT_NOT_FOUND, "before", page->before);
	if (page->limit)
		return visit_one_page(walk.u, page, visit, context, err);
	return walk_all(&walk, err);
}
