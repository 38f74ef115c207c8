/* Lists of assistants, which are never in memory whole but as the text of an answer. */
#include <stdio.h>
#include <string.h>

#include "service_private.h"

int service_each(struct service *service, const struct upstream_page *page,
		 upstream_visit *visit, void *context, struct oam_error *err)
{
	return service->upstream->each(service->upstream, page, visit, context, err);
}

/* A list while it is written. */
struct listing {
	struct json_writer *writer;
	struct service_listed *listed;
	size_t start;  /* where in the text it begins */
	int64_t limit; /* one more sets has_more; 0: all are written */
};

static int write_assistant(struct json_object *assistant, void *context,
			   struct oam_error *err)
{
	struct listing *listing = context;
	struct service_listed *listed = listing->listed;
	struct json_writer *writer = listing->writer;
	const char *id = json_member_string(assistant, "id");

	if (listing->limit && listed->count == listing->limit) {
		listed->has_more = true;
		return 1;
	}
	error_copy(listed->last, sizeof(listed->last), id ? id : "");
	if (listed->count++ == 0)
		memcpy(listed->first, listed->last, sizeof(listed->first));
	json_write_value(writer, NULL, assistant);
	if (json_writer_result(writer, err))
		return -1;
	if (writer->length - listing->start > LIST_BYTES_MAX)
		return error_set(err, LIST_TOO_LONG, "limit", LIST_BYTES_MAX);
	return 0;
}

static int write_list(struct service *service, const struct upstream_page *page,
		      const char *name, struct listing *listing, struct oam_error *err)
{
	*listing->listed = (struct service_listed){ 0 };
	json_write_array_begin(listing->writer, name);
	listing->start = listing->writer->length;
	service_each(service, page, write_assistant, listing, err);
	json_write_array_end(listing->writer);
	return error_result(err);
}

int service_write_list(struct service *service, const struct upstream_page *page,
		       const char *name, struct json_writer *writer,
		       struct service_listed *listed, struct oam_error *err)
{
	struct listing listing = { .writer = writer, .listed = listed };

	return write_list(service, page, name, &listing, err);
}

static int see_more(struct json_object *assistant, void *context, struct oam_error *err)
{
	(void)assistant;
	(void)err;
	*(bool *)context = true;
	return 1;
}

/* Backwards what follows comes before the page: it is looked for afterwards. */
static int look_back(struct service *service, const struct upstream_page *page,
		     struct service_listed *listed, struct oam_error *err)
{
	const struct upstream_page one = { .limit = 1,
					   .ascending = page->ascending,
					   .before = listed->first };

	if (listed->count < page->limit)
		return 0;
	return service_each(service, &one, see_more, &listed->has_more, err);
}

int service_write_page(struct service *service, const struct upstream_page *page,
		       const char *name, struct json_writer *writer,
		       struct service_listed *listed, struct oam_error *err)
{
	struct listing listing = { .writer = writer,
				   .listed = listed,
				   .limit = page->limit };
	bool backwards = page->before && !page->after;
	struct upstream_page wider = *page;

	if (!backwards)
		wider.limit++; /* one more than is written tells whether there is one */
	if (write_list(service, &wider, name, &listing, err))
		return -1;
	return backwards ? look_back(service, page, listed, err) : 0;
}
