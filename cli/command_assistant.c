/* Single assistants: listing, showing, changing, deleting. */
#include <string.h>

#include "cli.h"

#define ROWS_AT_ONCE 100

/* ---- list ---- */

static const struct column columns[] = {
	{ "ID", "id" },
	{ "LABEL", "label" },
	{ "NAME", "name", .widest = 32 },
	{ "MODEL", "model", .widest = 24 },
	{ "CREATED", "created_at", COLUMN_SECONDS },
	{ 0 },
};

/* A list while it is printed: some rows at a time, so that its length does not matter. */
struct printing {
	const struct cli *cli;
	struct json_object *profiles; /* for the labels */
	struct json_object *rows;     /* that are not printed yet */
	int widths[COLUMNS_MAX];
	size_t count;
};

/* Whether the assistant is some profile's current or previous one; NULL when it is not. */
static const char *label_of(struct json_object *profiles, const char *id)
{
	for (size_t p = 0; p < json_object_array_length(profiles); p++) {
		struct json_object *profile = json_object_array_get_idx(profiles, p);
		const char *now = json_member_string(profile, "assistantId");
		const char *before = json_member_string(profile, "previousAssistantId");

		if (now && strcmp(now, id) == 0)
			return "current";
		if (before && strcmp(before, id) == 0)
			return "previous";
	}
	return NULL;
}

static int print_rows(struct printing *printing, struct oam_error *err)
{
	cli_print_part(printing->rows, columns, printing->widths);
	json_object_put(printing->rows);
	printing->rows = json_new_array(err);
	return error_result(err);
}

/* Only what the columns show is kept. */
static int add_row(struct printing *printing, struct json_object *assistant,
		   struct oam_error *err)
{
	struct json_object *row = json_new_object(err);
	const char *id = json_member_string(assistant, "id");

	if (!row)
		return -1;
	json_put_string(row, "id", id, err);
	json_put_string(row, "label", label_of(printing->profiles, id), err);
	json_put_string(row, "name", json_member_string(assistant, "name"), err);
	json_put_string(row, "model", json_member_string(assistant, "model"), err);
	json_put(row, "created_at", json_object_get(json_member(assistant, "created_at")),
		 err);
	return json_append(printing->rows, row, err);
}

static int print_one(struct json_object *assistant, void *context, struct oam_error *err)
{
	struct printing *printing = context;

	if (printing->cli->json)
		return cli_print_element(assistant, printing->count++, err);
	if (add_row(printing, assistant, err))
		return -1;
	if (++printing->count % ROWS_AT_ONCE == 0)
		return print_rows(printing, err);
	return 0;
}

static int list(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct printing printing = { .cli = cli, .rows = json_new_array(err) };
	struct upstream_page page = { 0 };

	if (cli->limit && cli_number(cli->limit, "--limit", 1, 100, &page.limit, err))
		goto out;
	if (!printing.rows || service_profiles(service, &printing.profiles, err) ||
	    service_each(service, &page, print_one, &printing, err))
		goto out;
	if (cli->json)
		cli_print_array_end(printing.count);
	else
		print_rows(&printing, err);
	cli_say(cli, "%zu assistants.", printing.count);
out:
	json_object_put(printing.profiles);
	json_object_put(printing.rows);
	return error_result(err);
}

int command_list(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, list, err);
}

/* ---- one ---- */

static int print_assistant(struct cli *cli, struct json_object *assistant,
			   struct oam_error *err)
{
	if (cli->json)
		return cli_print_json(assistant, err);
	cli_print_members(assistant);
	return 0;
}

static int get(struct cli *cli, struct service *service, struct oam_error *err)
{
	const char *id = cli->count > 0 ? cli->arguments[0] : NULL;
	struct json_object *assistant;

	if (service_details(service, cli->profile, id, &assistant, err))
		return -1;
	print_assistant(cli, assistant, err);
	json_object_put(assistant);
	return error_result(err);
}

int command_get(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, get, err);
}

static int update(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct json_object *updates, *assistant = NULL;

	if (cli_config(cli, &updates, err))
		return -1;
	if (!updates)
		return cli_misuse(err,
				  "say what to change: --set name=… or --config FILE");
	if (service_update(service, cli->arguments[0], updates, "updates", &assistant,
			   err) == 0)
		print_assistant(cli, assistant, err);
	json_object_put(assistant);
	json_object_put(updates);
	return error_result(err);
}

int command_update(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, update, err);
}

static int delete (struct cli *cli, struct service *service, struct oam_error *err)
{
	if (!cli_confirm(cli, "Delete %s for good?", cli->arguments[0])) {
		cli_say(cli, "Nothing was deleted.");
		return 0;
	}
	if (service_delete(service, cli->arguments[0], err))
		return -1;
	if (cli->json)
		printf("{ \"id\": \"%s\", \"deleted\": true }\n", cli->arguments[0]);
	else
		puts(cli->arguments[0]);
	return 0;
}

int command_delete(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, delete, err);
}
