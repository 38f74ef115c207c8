/* Single assistants: listing, showing, changing, deleting. */
#include <string.h>

#include "cli.h"

/* ---- list ---- */

/* Tells which of the assistants are some profile's current or previous one. */
static int put_labels(struct service *service, struct json_object *assistants,
		      struct oam_error *err)
{
	struct json_object *profiles;

	if (service_profiles(service, &profiles, err))
		return -1;
	for (size_t i = 0; i < json_object_array_length(assistants); i++) {
		struct json_object *assistant = json_object_array_get_idx(assistants, i);
		const char *id = json_member_string(assistant, "id");

		for (size_t p = 0; p < json_object_array_length(profiles); p++) {
			struct json_object *profile = json_object_array_get_idx(profiles,
										p);
			const char *now = json_member_string(profile, "assistantId");
			const char *before = json_member_string(profile,
								"previousAssistantId");

			if (now && strcmp(now, id) == 0)
				json_put_string(assistant, "label", "current", err);
			else if (before && strcmp(before, id) == 0)
				json_put_string(assistant, "label", "previous", err);
		}
	}
	json_object_put(profiles);
	return error_result(err);
}

static int print_list(struct cli *cli, struct service *service,
		      struct json_object *assistants, struct oam_error *err)
{
	static const struct column columns[] = {
		{ "ID", "id" },
		{ "LABEL", "label" },
		{ "NAME", "name", .widest = 32 },
		{ "MODEL", "model", .widest = 24 },
		{ "CREATED", "created_at", COLUMN_SECONDS },
		{ 0 },
	};

	if (cli->json)
		return cli_print_json(assistants, err);
	if (put_labels(service, assistants, err))
		return -1;
	cli_print_table(assistants, columns);
	cli_say(cli, "%zu assistants.", json_object_array_length(assistants));
	return 0;
}

static int list(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct upstream_page page = { 0 };
	struct json_object *assistants;

	if (cli->limit && cli_number(cli->limit, "--limit", 1, 100, &page.limit, err))
		return -1;
	if (service_list(service, &page, &assistants, err))
		return -1;
	print_list(cli, service, assistants, err);
	json_object_put(assistants);
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
