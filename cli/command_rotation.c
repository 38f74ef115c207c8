/* Which assistant to use now, and its replacement. */
#include <string.h>

#include "cli.h"
#include "clock.h"

/* ---- the current id ---- */

static int current(struct cli *cli, struct service *service, struct oam_error *err)
{
	char id[ASSISTANT_ID_SIZE];

	if (service_current(service, cli->profile, id, err))
		return -1;
	return cli_print_id(cli, id);
}

int command_current(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, current, err);
}

static int initialize(struct cli *cli, struct service *service, struct oam_error *err)
{
	char id[ASSISTANT_ID_SIZE];

	if (service_initialize(service, cli->profile, id, err))
		return -1;
	cli_print_id(cli, id);
	cli_say_published(cli, service);
	return 0;
}

int command_initialize(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, initialize, err);
}

static int status(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct json_object *tree;

	if (service_status_tree(service, cli->profile, &tree, err))
		return -1;
	if (cli->json)
		cli_print_json(tree, err);
	else
		cli_print_members(tree);
	json_object_put(tree);
	return error_result(err);
}

int command_status(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, status, err);
}

/* ---- replacing it ---- */

static int print_refresh(const struct cli *cli, const struct service_refresh *refresh,
			 struct oam_error *err)
{
	struct json_object *object;

	if (!cli->json)
		return cli_print_id(cli, refresh->new_id);
	object = json_new_object(err);
	if (!object)
		return -1;
	json_put_string(object, "newAssistantId", refresh->new_id, err);
	json_put_string(object, "previousAssistantId",
			refresh->previous_id[0] ? refresh->previous_id : NULL, err);
	if (error_result(err) == 0)
		cli_print_json(object, err);
	json_object_put(object);
	return error_result(err);
}

static int replace(struct cli *cli, struct service *service, bool keep_old,
		   struct oam_error *err)
{
	struct service_refresh refresh = { .reason = REASON_CLI,
					   .deploy_hook = cli->deploy_hook,
					   .keep_old = keep_old };

	if (cli_config(cli, &refresh.overrides, err))
		return -1;
	if (service_refresh(service, cli->profile, &refresh, err) == 0) {
		print_refresh(cli, &refresh, err);
		if (refresh.previous_id[0])
			cli_say(cli, "It replaces %s.", refresh.previous_id);
		cli_say_published(cli, service);
	}
	json_object_put(refresh.overrides);
	return error_result(err);
}

static int refresh(struct cli *cli, struct service *service, struct oam_error *err)
{
	return replace(cli, service, false, err);
}

int command_refresh(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, refresh, err);
}

static int create(struct cli *cli, struct service *service, struct oam_error *err)
{
	return replace(cli, service, true, err);
}

int command_create(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, create, err);
}

int command_get_or_create(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, cli->force ? refresh : initialize, err);
}

/* ---- interval and history ---- */

static void say_interval(struct cli *cli, int64_t interval)
{
	if (cli->json)
		printf("{ \"refreshInterval\": %lld }\n", (long long)interval);
	else if (interval)
		printf("%lld ms (%g h)\n", (long long)interval,
		       (double)interval / CLOCK_HOUR);
	else
		printf("off\n");
}

static int interval(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct service_status answer;
	int64_t ms;

	if (cli->count == 0) {
		if (service_status(service, cli->profile, &answer, err))
			return -1;
		say_interval(cli, answer.profile.interval);
		return 0;
	}
	ms = strcmp(cli->arguments[0], "off") == 0 ? 0
						   : cli_duration(cli->arguments[0], 1);
	if (ms < 0)
		return cli_misuse(err, "the interval must be like 90m, 12h, 7d, a number "
				       "of milliseconds, or off");
	if (service_set_interval(service, cli->profile, ms, err))
		return -1;
	say_interval(cli, ms);
	return 0;
}

int command_interval(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, interval, err);
}

static int history(struct cli *cli, struct service *service, struct oam_error *err)
{
	static const struct column columns[] = {
		{ "STARTED", "startedAt", COLUMN_MS },
		{ "PROFILE", "profile" },
		{ "REASON", "reason" },
		{ "OUTCOME", "outcome" },
		{ "NEW ID", "newAssistantId" },
		{ "OLD ID", "previousAssistantId" },
		{ "ERROR", "error", .widest = 60 },
		{ 0 },
	};
	struct json_object *rows;
	int64_t limit = 20;

	if (cli->limit && cli_number(cli->limit, "--limit", 1, 1000000, &limit, err))
		return -1;
	if (service_history(service, cli->profile, limit, &rows, err))
		return -1;
	if (cli->json)
		cli_print_json(rows, err);
	else
		cli_print_table(rows, columns);
	json_object_put(rows);
	return error_result(err);
}

int command_history(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, history, err);
}

/* ---- cleanup ---- */

static int print_cleanup(const struct cli *cli, const struct service_cleanup *cleanup,
			 struct oam_error *err)
{
	size_t failed = json_object_array_length(cleanup->failed);
	size_t deleted = json_object_array_length(cleanup->deleted);
	struct json_object *object;

	if (cli->json) {
		object = json_new_object(err);
		if (!object)
			return -1;
		json_put(object, "deletedAssistants", json_object_get(cleanup->deleted),
			 err);
		json_put(object, "failed", json_object_get(cleanup->failed), err);
		json_put_integer(object, "keepCount", cleanup->keep_count, err);
		json_put_boolean(object, "dryRun", cleanup->dry_run, err);
		cli_print_json(object, err);
		json_object_put(object);
	}
	for (size_t i = 0; !cli->json && i < deleted; i++)
		puts(json_object_get_string(
			json_object_array_get_idx(cleanup->deleted, i)));
	cli_print_failures(cli, cleanup->failed);
	cli_say(cli, "%s %zu, kept the newest %lld and all that is in use%s.",
		cleanup->dry_run ? "Would delete" : "Deleted", deleted,
		(long long)cleanup->keep_count,
		failed ? "; what failed is tried again next time" : "");
	if (failed)
		return error_set(err, UPSTREAM_FAILED, NULL,
				 "some assistants could not be deleted");
	return error_result(err);
}

static void release(struct service_cleanup *cleanup)
{
	json_object_put(cleanup->deleted);
	json_object_put(cleanup->failed);
	cleanup->deleted = cleanup->failed = NULL;
}

/* Says what would go, and asks. */
static bool may_clean_up(struct cli *cli, struct service *service,
			 struct service_cleanup cleanup, struct oam_error *err)
{
	size_t count;

	cleanup.dry_run = true;
	if (service_cleanup(service, cli->profile, &cleanup, err)) {
		release(&cleanup);
		return false;
	}
	count = json_object_array_length(cleanup.deleted);
	release(&cleanup);
	return count == 0 || cli_confirm(cli, "Delete %zu assistants for good?", count);
}

static int cleanup(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct service_cleanup cleanup = { .all = cli->all, .dry_run = cli->dry_run };

	if (cli->count > 0 && cli_number(cli->arguments[0], "the number to keep", 1,
					 CLEANUP_KEEP_MAX, &cleanup.keep_count, err))
		return -1;
	if (!cleanup.dry_run && !may_clean_up(cli, service, cleanup, err)) {
		if (error_result(err) == 0)
			cli_say(cli, "Nothing was deleted.");
		return error_result(err);
	}
	if (service_cleanup(service, cli->profile, &cleanup, err) == 0)
		print_cleanup(cli, &cleanup, err);
	release(&cleanup);
	return error_result(err);
}

int command_cleanup(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, cleanup, err);
}
