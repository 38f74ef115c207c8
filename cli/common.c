/* What most commands do with the service. */
#include <string.h>

#include "cli.h"

int cli_with_service(struct cli *cli,
		     int (*work)(struct cli *, struct service *, struct oam_error *),
		     struct oam_error *err)
{
	struct service *service;
	bool renewal;

	if (service_open(cli->settings, &service, err))
		return -1;
	service_on_progress(service, cli_progress, cli);
	work(cli, service, err);
	renewal = service_renewal_wanted(service);
	service_close(service);
	fflush(stdout);
	if (renewal)
		service_renew_in_background(cli->settings, service_open);
	return error_result(err);
}

void cli_say_published(const struct cli *cli, struct service *service)
{
	struct oam_error ignored = { 0 };
	struct service_status status;
	const struct profile *profile = &status.profile;

	if (service_status(service, cli->profile, &status, &ignored))
		return;
	if (profile->publish_at == 0)
		cli_say(cli, "It is in %s as %s, and in the JSON file.",
			cli->settings->env_file, profile->env_key);
	else
		cli_say(cli, "It could not be published yet: %s oam-refresh tries again.",
			profile->publish_error);
	if (profile->hooks_failed > 0)
		cli_say(cli, "%s", profile->hook_error);
}
