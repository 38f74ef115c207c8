/* oam: the assistant manager for people and scripts. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "refresh.h"

struct command {
	const char *name;
	const char *arguments; /* as the help shows them */
	const char *summary;
	const char
		*options; /* the letters of long_options that it takes, besides common */
	int min, max;     /* how many arguments */
	cli_command *run;
};

/* clang-format off */
static const struct command commands[] = {
	{ "current", "", "print the assistant id to use now", "", 0, 0, command_current },
	{ "initialize", "", "make sure that there is an assistant, and print its id", "", 0, 0, command_initialize },
	{ "get-or-create", "[--force]", "the same; --force makes a new one", "Fcs", 0, 0, command_get_or_create },
	{ "refresh", "[--config FILE] [--set F=V]… [--deploy-hook CMD]", "replace the current assistant by a new one", "csH", 0, 0, command_refresh },
	{ "create", "[--config FILE] [--set F=V]…", "the same, and keep all old ones", "cs", 0, 0, command_create },
	{ "status", "", "show how the rotation stands", "", 0, 0, command_status },
	{ "interval", "[MS|12h|off]", "show or set how long an assistant stays current", "", 0, 1, command_interval },
	{ "history", "[--limit N]", "show the last refreshes", "l", 0, 0, command_history },
	{ "list", "[--limit N]", "show the assistants, newest first", "l", 0, 0, command_list },
	{ "get", "[ID]", "show one assistant, or the current one", "", 0, 1, command_get },
	{ "update", "ID [--config FILE] [--set F=V]…", "change an assistant and keep its id", "cs", 1, 1, command_update },
	{ "delete", "ID [--yes]", "delete an assistant", "y", 1, 1, command_delete },
	{ "cleanup", "[N] [--all] [--dry-run] [--yes]", "delete old assistants but the newest N (5)", "any", 0, 1, command_cleanup },
	{ "profile", "list | show [NAME] | set NAME … | remove NAME", "manage named configurations", "csiKky", 1, 2, command_profile },
	{ "token", "[--sub S] [--ttl 1h] [--claim K=V]…", "make a token for the HTTP API", "uTC", 0, 0, command_token },
	{ "doctor", "", "check settings, files, store and upstream", "", 0, 0, command_doctor },
	{ "migrate", "", "make the store, or bring it to this version's schema", "", 0, 0, command_migrate },
	{ "backup", "FILE", "copy the store while it is in use", "", 1, 1, command_backup },
	{ "restore", "[FILE] [--yes]", "bring back a backup, or an earlier JSON file", "y", 0, 1, command_restore },
	{ "import", "FILE | --from URL [--replace]", "take over assistants from a dump, the old system or a server", "fR", 0, 1, command_import },
	{ "export", "", "print all assistants, one JSON object a line", "", 0, 0, command_export },
};

static const struct option long_options[] = {
	{ "profile", required_argument, NULL, 'p' },  /* common */
	{ "json", no_argument, NULL, 'j' },           /* common */
	{ "quiet", no_argument, NULL, 'q' },          /* common */
	{ "help", no_argument, NULL, 'h' },           /* common */
	{ "all", no_argument, NULL, 'a' },
	{ "claim", required_argument, NULL, 'C' },
	{ "config", required_argument, NULL, 'c' },
	{ "deploy-hook", required_argument, NULL, 'H' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "env-key", required_argument, NULL, 'k' },
	{ "force", no_argument, NULL, 'F' },
	{ "from", required_argument, NULL, 'f' },
	{ "interval", required_argument, NULL, 'i' },
	{ "keep", required_argument, NULL, 'K' },
	{ "limit", required_argument, NULL, 'l' },
	{ "replace", no_argument, NULL, 'R' },
	{ "set", required_argument, NULL, 's' },
	{ "sub", required_argument, NULL, 'u' },
	{ "ttl", required_argument, NULL, 'T' },
	{ "yes", no_argument, NULL, 'y' },
	{ 0 },
};
/* clang-format on */

#define COMMON_OPTIONS "pjqh"
#define COMMANDS       (sizeof(commands) / sizeof(commands[0]))

/* ---- help ---- */

#define USAGE "usage: oam COMMAND [--profile NAME] [--json] [--quiet] …\n"

static void print_command(FILE *to, const struct command *command)
{
	fprintf(to, "  oam %s%s%s%s%s\n      %s\n", cli_colour(to, COLOUR_BOLD),
		command->name, cli_colour(to, COLOUR_OFF),
		command->arguments[0] ? " " : "", command->arguments, command->summary);
}

static int usage(FILE *to, int status)
{
	fprintf(to, USAGE "\n");
	for (size_t i = 0; i < COMMANDS; i++)
		print_command(to, &commands[i]);
	fprintf(to, "\nSettings come from the environment and from the file that "
		    "OAM_ENV_FILE names (./.env).\noam(1) tells more.\n");
	return status;
}

/* Edits that turn one word into the other (Levenshtein). */
static int distance(const char *a, const char *b)
{
	int row[32] = { 0 }, length = (int)strlen(b);

	if (length >= 31)
		return 99;
	for (int j = 0; j <= length; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= length; j++) {
			int change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j - 1] + 1 < change)
				change = row[j - 1] + 1;
			row[j] = row[j] + 1 < change ? row[j] + 1 : change;
		}
	}
	return row[length];
}

static int unknown_command(const char *name)
{
	const struct command *nearest = NULL;
	int best = 4; /* farther away, it is not meant */

	cli_print(stderr, "oam: there is no command '%s'.", name);
	for (size_t i = 0; i < COMMANDS; i++) {
		int far = distance(name, commands[i].name);

		if (far < best && far < (int)strlen(commands[i].name)) {
			best = far;
			nearest = &commands[i];
		}
	}
	if (nearest)
		fprintf(stderr, " Did you mean '%s'?", nearest->name);
	fprintf(stderr, "\n" USAGE "'oam help' lists the commands.\n");
	return STATUS_USAGE;
}

/* ---- the command line ---- */

/* Splits NAME=VALUE; the name is cut out of `text`. NULL when there is none. */
static const char *split(char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text || !json_is_utf8(text, strlen(text)))
		return NULL;
	*equals = '\0';
	return equals + 1;
}

static int add_claim(struct cli *cli, char *text, struct oam_error *err)
{
	const char *value = split(text);

	if (!value)
		return cli_misuse(err, "--claim must be NAME=VALUE");
	return json_put_string(cli->claims, text, value, err);
}

/* True when the value is text that was not meant as JSON: Helper, or 1e999. */
static bool is_plain_text(const char *value, enum oam_code fault)
{
	return fault == OAM_E_INVALID_JSON ||
	       (fault == OAM_E_UNSUPPORTED_JSON && !strchr("[{\"", value[0]));
}

/* The value is JSON when it can be read as that, else a string. */
static int add_override(struct cli *cli, char *text, struct oam_error *err)
{
	const char *value = split(text);
	struct json_object *tree = NULL;
	struct oam_error no_json = { 0 };

	if (!value)
		return cli_misuse(err, "--set must be FIELD=VALUE, as name=Helper");
	if (!cli->overrides)
		cli->overrides = json_new_object(err);
	if (json_read(value, strlen(value), &tree, &no_json)) {
		if (is_plain_text(value, no_json.code))
			return json_put_string(cli->overrides, text, value, err);
		*err = no_json;
		return -1;
	}
	if (!tree)
		return json_put_null(cli->overrides, text, err);
	return json_put(cli->overrides, text, tree, err);
}

static int take_option(struct cli *cli, int letter, char *value, struct oam_error *err)
{
	/* clang-format off */
	switch (letter) {
	case 'p': cli->profile = value; break;
	case 'j': cli->json = true; break;
	case 'q': cli->quiet = true; break;
	case 'a': cli->all = true; break;
	case 'c': cli->config = value; break;
	case 'H': cli->deploy_hook = value; break;
	case 'n': cli->dry_run = true; break;
	case 'k': cli->env_key = value; break;
	case 'F': cli->force = true; break;
	case 'f': cli->from = value; break;
	case 'i': cli->interval = value; break;
	case 'K': cli->keep = value; break;
	case 'l': cli->limit = value; break;
	case 'R': cli->replace = true; break;
	case 'u': cli->subject = value; break;
	case 'T': cli->ttl = value; break;
	case 'y': cli->yes = true; break;
	case 'C': return add_claim(cli, value, err);
	case 's': return add_override(cli, value, err);
	}
	/* clang-format on */
	return 0;
}

/* The long name of an option, for each of which there is one. */
static const char *option_name(int letter)
{
	const struct option *option = long_options;

	while (option->val != letter)
		option++;
	return option->name;
}

static int parse(const struct command *command, int argc, char **argv, struct cli *cli,
		 bool *help, struct oam_error *err)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "jp:qy", long_options, NULL)) != -1) {
		if (letter == '?') /* getopt_long() has said what is wrong */
			return cli_misuse(err, "see 'oam %s --help'", command->name);
		if (!strchr(COMMON_OPTIONS, letter) && !strchr(command->options, letter))
			return cli_misuse(err, "'%s' does not take --%s", command->name,
					  option_name(letter));
		*help = *help || letter == 'h';
		if (take_option(cli, letter, optarg, err))
			return -1;
	}
	cli->arguments = argv + optind;
	cli->count = argc - optind;
	if (*help || (cli->count >= command->min && cli->count <= command->max))
		return 0;
	return cli_misuse(err, "usage: oam %s %s", command->name, command->arguments);
}

static int run(const struct command *command, int argc, char **argv)
{
	struct oam_error err = { 0 };
	struct settings settings = { 0 };
	struct cli cli = { .settings = &settings,
			   .command = command->name,
			   .profile = PROFILE_DEFAULT,
			   .subject = "oam",
			   .ttl = "1h",
			   .claims = json_new_object(&err) };
	int status = STATUS_DONE;
	bool help = false;

	if (parse(command, argc, argv, &cli, &help, &err) == 0 && help) {
		print_command(stdout, command);
	} else if (error_result(&err) == 0 &&
		   settings_load(&settings, environ, &err) == 0) {
		/* What goes wrong is reported; the log is for programs without people. */
		log_start("oam", settings.log_level == LOG_LEVEL_DEBUG ? LOG_LEVEL_DEBUG
								       : LOG_LEVEL_ERROR);
		command->run(&cli, &err);
	}
	if (error_result(&err))
		status = cli_report("oam", &err);
	settings_free(&settings);
	json_object_put(cli.claims);
	json_object_put(cli.overrides);
	if (fflush(stdout) || ferror(stdout))
		status = STATUS_FAILED;
	return status;
}

int main(int argc, char **argv)
{
	if (strcmp(program_invocation_short_name, "oam-refresh") == 0)
		return refresh_main(argc, argv, service_open, false);
	log_start("oam", LOG_LEVEL_WARN);
	if (argc < 2)
		return usage(stderr, STATUS_USAGE);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, STATUS_DONE);
	if (strcmp(argv[1], "--version") == 0)
		return puts("oam " OAM_VERSION) < 0;
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return run(&commands[i], argc - 1, argv + 1);
	return unknown_command(argv[1]);
}
