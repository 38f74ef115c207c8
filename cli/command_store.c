/* The store as a file: making it, copying it, bringing it back. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "publish.h"

int command_migrate(struct cli *cli, struct oam_error *err)
{
	const char *db = cli->settings->db;
	int from = 0, to = 0;

	if (store_migrate(db, &from, &to, err))
		return -1;
	if (cli->json)
		printf("{ \"from\": %d, \"to\": %d }\n", from, to);
	else if (from == to)
		cli_say(cli, "%s: schema %d, up to date", db, to);
	else
		cli_say(cli, "%s: schema %d -> %d", db, from, to);
	return 0;
}

int command_backup(struct cli *cli, struct oam_error *err)
{
	if (store_backup(cli->settings->db, cli->arguments[0], err))
		return error_detail(err, "%s", cli->arguments[0]);
	cli_say(cli, "%s is a copy of %s. 'oam restore %s' brings it back.",
		cli->arguments[0], cli->settings->db, cli->arguments[0]);
	return 0;
}

/* ---- restore ---- */

/* The application's files name what was current before the restore. */
static int publish_all(struct cli *cli, struct service *service, struct oam_error *err)
{
	(void)cli;
	return service_publish_again(service, err);
}

/* What is there now is kept beside it, in case that the backup was the wrong one. */
static int restore_database(struct cli *cli, const char *from, struct oam_error *err)
{
	const char *db = cli->settings->db;
	char *saved;
	int old, new;

	if (access(db, F_OK) == 0 && !cli_confirm(cli, "Replace everything in %s?", db)) {
		cli_say(cli, "Nothing was restored.");
		return 0;
	}
	if (store_restore(db, from, &saved, err) == 0 &&
	    store_migrate(db, &old, &new, err) == 0)
		cli_say(cli, "%s is restored.%s%s%s", db,
			saved ? " What was there before is in " : "", saved ? saved : "",
			saved ? "." : "");
	free(saved);
	return error_result(err) ? -1 : cli_with_service(cli, publish_all, err);
}

static int list_backups(struct cli *cli, struct oam_error *err)
{
	static const struct column columns[] = {
		{ "FILE", "file" },
		{ "TIME", "time", COLUMN_ISO },
		{ "ASSISTANT", "assistantId" },
		{ 0 },
	};
	struct json_object *backups;

	if (publish_backups(cli->settings->config_file, &backups, err))
		return -1;
	if (cli->json)
		cli_print_json(backups, err);
	else
		cli_print_table(backups, columns);
	cli_say(cli, "'oam restore FILE' makes one of them current again.");
	json_object_put(backups);
	return error_result(err);
}

/* The configuration of an earlier JSON file; its assistant too, if it still exists. */
static int restore_config(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct service_profile_change change = { 0 };
	struct service_refresh refresh = { .reason = REASON_CLI };
	struct oam_error gone = { 0 };
	struct json_object *tree = NULL;
	const char *id;
	char *text = NULL;
	size_t length;

	if (cli_read(cli->config, PUBLISH_CONFIG_MAX, &text, &length, err) ||
	    publish_read(text, length, &tree, err))
		goto out;
	id = json_member_string(tree, "assistantId");
	if (!id || !assistant_id_is_valid(id)) {
		cli_misuse(err,
			   "%s is neither a backup of the store nor an earlier "
			   "configuration: it has no assistantId",
			   cli->config);
		goto out;
	}
	change.overrides = assistant_config_of(tree, err);
	if (!change.overrides)
		goto out;
	assistant_drop_reserved(change.overrides); /* the manager's, not the profile's */
	if (service_profile_set(service, cli->profile, &change, err))
		goto out;
	if (service_adopt(service, cli->profile, id, &gone) == 0) {
		cli_print_id(cli, id);
	} else if (gone.code == OAM_E_ASSISTANT_NOT_FOUND) {
		cli_say(cli, "%s is gone: a new one is made from its configuration.", id);
		if (service_refresh(service, cli->profile, &refresh, err) == 0)
			cli_print_id(cli, refresh.new_id);
	} else {
		*err = gone;
	}
	if (error_result(err) == 0)
		cli_say_published(cli, service);
out:
	if (error_result(err))
		error_detail(err, "restoring %s", cli->config);
	json_object_put(change.overrides);
	json_object_put(tree);
	free(text);
	return error_result(err);
}

int command_restore(struct cli *cli, struct oam_error *err)
{
	if (cli->count == 0)
		return list_backups(cli, err);
	if (store_is_database(cli->arguments[0]))
		return restore_database(cli, cli->arguments[0], err);
	cli->config = cli->arguments[0];
	return cli_with_service(cli, restore_config, err);
}
