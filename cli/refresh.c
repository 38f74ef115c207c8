/* The command line of oam-refresh, for both of the programs that have it. */
#include "refresh.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"

#define JITTER_MAX 86400 /* seconds */

struct options {
	bool quiet, verbose, help;
	struct service_renewal renewal;
};

/* What the pass found and did. */
struct tally {
	const struct options *options;
	bool look; /* nothing is done, and nothing said */
	int profiles, worked, failed;
};

static int usage(FILE *to, int status)
{
	fputs("usage: oam-refresh [--dry-run] [--force] [--profile NAME] [--quiet]\n"
	      "                   [--verbose] [--jitter SECONDS]\n\n"
	      "One pass over all profiles: finishes what was interrupted, refreshes what is\n"
	      "due, publishes, verifies, cleans up. Exit status: 0 nothing was due, 10 done,\n"
	      "75 failed for now, 1 failed for good, 2 usage. oam-refresh(8) tells more.\n",
	      to);
	return status;
}

/* ---- what is said ---- */

static void say_plan(const struct service_status *status, int work)
{
	static const struct {
		int bit;
		const char *text;
	} plans[] = {
		{ WORK_RECOVER, "finish an interrupted refresh" },
		{ WORK_REFRESH, "replace the assistant" },
		{ WORK_PUBLISH, "publish the id" },
		{ WORK_HOOKS, "run the deploy hooks" },
		{ WORK_VERIFY, "verify the id" },
		{ WORK_CLEANUP, "delete old assistants" },
	};

	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		if (work & plans[i].bit)
			printf("%s: would %s\n", status->profile.name, plans[i].text);
}

static void say_done(const struct service_status *status, int work, const char *old_id)
{
	const struct profile *profile = &status->profile;

	if (strcmp(old_id, profile->current) != 0)
		printf("%s: %s replaces %s\n", profile->name, profile->current,
		       old_id[0] ? old_id : "none");
	if ((work & WORK_PUBLISH) && profile->publish_at == 0)
		printf("%s: %s is published\n", profile->name, profile->current);
	if ((work & WORK_HOOKS) && profile->hook_at == 0)
		printf("%s: the deploy hooks ran\n", profile->name);
	if (work & WORK_CLEANUP)
		printf("%s: old assistants deleted\n", profile->name);
}

static void report(const struct service_status *status, int work, const char *old_id,
		   const struct oam_error *err, void *context)
{
	struct tally *tally = context;
	const struct options *options = tally->options;
	bool replaced = strcmp(old_id, status->profile.current) != 0;

	tally->profiles++;
	tally->worked += replaced || (work & ~WORK_VERIFY);
	if (error_result(err)) {
		cli_print(stderr, "oam-refresh: %s: %s", status->profile.name,
			  err->message);
		fputc('\n', stderr);
		tally->failed++;
	}
	if (tally->look)
		return;
	if (options->renewal.dry_run)
		say_plan(status, work);
	else if (!options->quiet)
		say_done(status, work, old_id);
}

/* ---- the pass ---- */

static int run(const struct settings *settings, struct options *options,
	       refresh_opener *open, bool look)
{
	struct tally tally = { .options = options,
			       .look = look && !options->renewal.dry_run };
	struct service_renewal renewal = options->renewal;
	struct oam_error err = { 0 };
	struct service *service;

	renewal.report = report;
	renewal.context = &tally;
	renewal.dry_run = look || renewal.dry_run;
	if (open(settings, &service, &err) == 0) {
		service_renew(service, &renewal, &err);
		service_close(service);
	}
	if (error_result(&err)) {
		if (tally.failed == 0) /* else report() has said it */
			return cli_report("oam-refresh", &err);
		return error_is_transient(err.code) ? STATUS_TEMPORARY : STATUS_FAILED;
	}
	if (options->verbose && tally.profiles == 0)
		puts("Nothing is due.");
	if (tally.look && tally.profiles > 0)
		return REFRESH_HAS_WORK;
	return tally.worked && !renewal.dry_run ? STATUS_WORKED : STATUS_DONE;
}

/* ---- the command line ---- */

static const struct option long_options[] = {
	{ "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "jitter", required_argument, NULL, 'J' },
	{ "profile", required_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ 0 },
};

static int parse(int argc, char **argv, struct options *options, struct oam_error *err)
{
	int64_t jitter = 0;
	int letter;

	while ((letter = getopt_long(argc, argv, "qv", long_options, NULL)) != -1) {
		/* clang-format off */
		switch (letter) {
		case 'n': options->renewal.dry_run = true; break;
		case 'f': options->renewal.force = true; break;
		case 'h': options->help = true; break;
		case 'p': options->renewal.profile = optarg; break;
		case 'q': options->quiet = true; break;
		case 'v': options->verbose = true; break;
		case 'J':
			if (cli_number(optarg, "--jitter", 0, JITTER_MAX, &jitter, err))
				return -1;
			break;
		default: return cli_misuse(err, "see 'oam-refresh --help'");
		}
		/* clang-format on */
	}
	if (optind < argc)
		return cli_misuse(err, "'%s' is no option", argv[optind]);
	/* Many machines with one crontab come at the same second; people wait. */
	if (jitter > 0 && !isatty(STDIN_FILENO))
		options->renewal.pause = arc4random_uniform(
			(uint32_t)(jitter * CLOCK_SECOND));
	return 0;
}

int refresh_main(int argc, char **argv, refresh_opener *open, bool look)
{
	struct options options = { .renewal.reason = REASON_CRON };
	struct settings settings = { 0 };
	struct oam_error err = { 0 };
	int status;

	log_start("oam-refresh", LOG_LEVEL_ERROR);
	if (parse(argc, argv, &options, &err))
		return cli_report("oam-refresh", &err);
	if (options.help)
		return usage(stdout, STATUS_DONE);
	if (settings_load(&settings, environ, &err))
		return cli_report("oam-refresh", &err);
	log_start("oam-refresh", options.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	status = run(&settings, &options, open, look);
	settings_free(&settings);
	if (fflush(stdout) || ferror(stdout))
		status = STATUS_FAILED;
	return status;
}
