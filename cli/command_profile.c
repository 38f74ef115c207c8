/* oam profile list | show | set | remove */
#include <string.h>

#include "cli.h"

static int list(struct cli *cli, struct service *service, struct oam_error *err)
{
	static const struct column columns[] = {
		{ "PROFILE", "profile" },
		{ "ASSISTANT", "assistantId" },
		{ "KEY", "environmentKey" },
		{ "KEEP", "keepCount" },
		{ "LAST REFRESH", "lastRefresh", COLUMN_ISO },
		{ "NEXT REFRESH", "nextRefresh", COLUMN_ISO },
		{ "ERROR", "lastError", .widest = 40 },
		{ 0 },
	};
	struct json_object *profiles;

	if (service_profiles(service, &profiles, err))
		return -1;
	if (cli->json)
		cli_print_json(profiles, err);
	else
		cli_print_table(profiles, columns);
	json_object_put(profiles);
	return error_result(err);
}

static int show(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct json_object *profile;

	if (service_profile_show(service, cli->profile, &profile, err))
		return -1;
	if (cli->json)
		cli_print_json(profile, err);
	else
		cli_print_members(profile);
	json_object_put(profile);
	return error_result(err);
}

static int read_change(struct cli *cli, struct service_profile_change *change,
		       struct oam_error *err)
{
	if (cli->interval) {
		change->has_interval = true;
		change->interval = strcmp(cli->interval, "off") == 0
					   ? 0
					   : cli_duration(cli->interval, 1);
		if (change->interval < 0)
			return cli_misuse(err, "--interval must be like 90m, 12h, 7d, a "
					       "number of milliseconds, or off");
	}
	if (cli->keep) {
		change->has_keep_count = true;
		if (strcmp(cli->keep, "default") == 0)
			change->keep_count = -1;
		else if (cli_number(cli->keep, "--keep", 0, CLEANUP_KEEP_MAX,
				    &change->keep_count, err))
			return -1;
	}
	change->env_key = cli->env_key;
	/* A file is a whole configuration; --set alone changes the present one. */
	return cli_config(cli, cli->config ? &change->config : &change->overrides, err);
}

static int set(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct service_profile_change change = { 0 };

	if (read_change(cli, &change, err) == 0 &&
	    service_profile_set(service, cli->profile, &change, err) == 0) {
		show(cli, service, err);
		cli_say(cli, "The next refresh uses it: oam refresh --profile %s",
			cli->profile);
	}
	json_object_put(change.config);
	json_object_put(change.overrides);
	return error_result(err);
}

static int remove_profile(struct cli *cli, struct service *service, struct oam_error *err)
{
	if (!cli_confirm(cli, "Remove profile %s with its history?", cli->profile)) {
		cli_say(cli, "Nothing was removed.");
		return 0;
	}
	if (service_profile_remove(service, cli->profile, err))
		return -1;
	cli_say(cli, "Its assistants are still hosted: oam list shows them.");
	return 0;
}

static const struct {
	const char *name;
	bool takes_name;
	int (*work)(struct cli *, struct service *, struct oam_error *);
} actions[] = {
	{ "list", false, list },
	{ "show", true, show },
	{ "set", true, set },
	{ "remove", true, remove_profile },
};

int command_profile(struct cli *cli, struct oam_error *err)
{
	const char *name = cli->arguments[0];

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) != 0)
			continue;
		if (cli->count > (actions[i].takes_name ? 2 : 1))
			return cli_misuse(err, "'profile %s' takes no such argument: %s",
					  name, cli->arguments[cli->count - 1]);
		if (cli->count > 1)
			cli->profile = cli->arguments[1];
		return cli_with_service(cli, actions[i].work, err);
	}
	return cli_misuse(err, "'profile' does list, show, set and remove, not '%s'",
			  name);
}
