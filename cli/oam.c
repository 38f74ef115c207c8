/* oam: the assistant manager for people and scripts. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "service.h"
#include "token.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define TTL_MAX (INT64_C(366) * 24 * 60 * 60) /* seconds */

/* What the options said. */
struct options {
	const char *profile;
	bool json;
	const char *subject;
	const char *ttl;
	struct json_object *claims;
};

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *options; /* the letters of the table below that it takes */
	int (*run)(const struct settings *, const struct options *, struct oam_error *);
};

/* ---- output ---- */

static int print_json(struct json_object *tree, struct oam_error *err)
{
	const char *text = json_object_to_json_string_ext(
		tree, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			      JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	puts(text);
	return 0;
}

/* One line a member: name and value, aligned. */
static void print_members(struct json_object *object)
{
	json_object_object_foreach (object, name, value) {
		printf("%-20s %s\n", name, value ? json_object_get_string(value) : "-");
	}
}

/* ---- commands ---- */

static int migrate(const struct settings *settings, const struct options *options,
		   struct oam_error *err)
{
	int from = 0, to = 0;

	(void)options;
	if (store_migrate(settings->db, &from, &to, err))
		return -1;
	if (from == to)
		printf("%s: schema %d, up to date\n", settings->db, to);
	else
		printf("%s: schema %d -> %d\n", settings->db, from, to);
	return 0;
}

/* "90s", "15m", "1h", "7d" or plain seconds; -1 when it is none of these. */
static int64_t parse_ttl(const char *text)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	int64_t count;
	char *unit;

	errno = 0;
	count = strtoll(text, &unit, 10);
	if (errno || unit == text || count <= 0 || count > TTL_MAX)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].unit) == 0)
			return count <= TTL_MAX / units[i].seconds
				       ? count * units[i].seconds
				       : -1;
	return -1;
}

static int token(const struct settings *settings, const struct options *options,
		 struct oam_error *err)
{
	int64_t now = clock_now() / CLOCK_SECOND, ttl = parse_ttl(options->ttl);
	char *text;

	if (ttl < 0)
		return error_set(err, USAGE, NULL,
				 "--ttl must be like 90s, 15m, 1h or 7d, at most 366d");
	json_put_string(options->claims, "sub", options->subject, err);
	json_put_integer(options->claims, "iat", now, err);
	json_put_integer(options->claims, "exp", now + ttl, err);
	if (settings->jwt_issuer)
		json_put_string(options->claims, "iss", settings->jwt_issuer, err);
	if (settings->jwt_audience)
		json_put_string(options->claims, "aud", settings->jwt_audience, err);
	if (error_result(err) || token_sign(settings, options->claims, &text, err))
		return -1;
	puts(text);
	free(text);
	return 0;
}

static int status(const struct settings *settings, const struct options *options,
		  struct oam_error *err)
{
	struct json_object *object = json_new_object(err);
	struct service_status answer;
	struct service *service;

	if (!object || service_open(settings, &service, err))
		goto out;
	if (service_status(service, options->profile, &answer, err) == 0)
		service_status_json(&answer, object, err);
	service_close(service);
	if (error_result(err))
		goto out;
	if (options->json)
		print_json(object, err);
	else
		print_members(object);
out:
	json_object_put(object);
	return error_result(err);
}

static int current(const struct settings *settings, const struct options *options,
		   struct oam_error *err)
{
	char id[ASSISTANT_ID_SIZE];
	struct service *service;
	bool renewal;

	if (service_open(settings, &service, err))
		return -1;
	service_current(service, options->profile, id, err);
	renewal = service_renewal_wanted(service);
	service_close(service);
	if (error_result(err))
		return -1;
	if (options->json)
		printf("{ \"assistantId\": \"%s\" }\n", id);
	else
		puts(id);
	fflush(stdout);
	if (renewal)
		service_renew_in_background(settings, service_open);
	return 0;
}

static const struct command commands[] = {
	{ "current", "[--profile NAME] [--json]", "print the assistant id to use now",
	  "pj", current },
	{ "migrate", "", "make the store, or bring it to this version's schema", "",
	  migrate },
	{ "status", "[--profile NAME] [--json]", "show how the rotation stands", "pj",
	  status },
	{ "token", "[--sub S] [--ttl 1h] [--claim k=v]…", "make a token for the HTTP API",
	  "stc", token },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(FILE *to, int status_code)
{
	fprintf(to, "usage: oam COMMAND [OPTION]…\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  oam %-8s %s\n      %s\n", commands[i].name,
			commands[i].arguments, commands[i].summary);
	fprintf(to, "\nSettings come from the environment and from the file that "
		    "OAM_ENV_FILE names (./.env).\n");
	return status_code;
}

/* ---- the command line ---- */

static int add_claim(struct options *options, const char *text, struct oam_error *err)
{
	const char *equals = strchr(text, '=');
	char name[128];

	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name) ||
	    !json_is_utf8(text, strlen(text)))
		return error_set(err, USAGE, NULL, "--claim must be NAME=VALUE");
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	return json_put_string(options->claims, name, equals + 1, err);
}

static const struct option long_options[] = {
	{ "profile", required_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "sub", required_argument, NULL, 's' },
	{ "ttl", required_argument, NULL, 't' },
	{ "claim", required_argument, NULL, 'c' },
	{ 0 },
};

static int parse_options(const struct command *command, int argc, char **argv,
			 struct options *options, struct oam_error *err)
{
	char text[128];
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == '?') /* getopt_long() has said what is wrong */
			return error_set(err, USAGE, NULL, "");
		if (!strchr(command->options, letter)) {
			snprintf(text, sizeof(text), "'%s' does not take this option",
				 command->name);
			return error_set(err, USAGE, NULL, text);
		}
		if (letter == 'p')
			options->profile = optarg;
		else if (letter == 'j')
			options->json = true;
		else if (letter == 's')
			options->subject = optarg;
		else if (letter == 't')
			options->ttl = optarg;
		else if (add_claim(options, optarg, err))
			return -1;
	}
	if (optind < argc) {
		snprintf(text, sizeof(text), "'%s' takes no arguments", command->name);
		return error_set(err, USAGE, NULL, text);
	}
	return 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int report(const struct oam_error *err)
{
	if (err->message[0])
		fprintf(stderr, "oam: %s%s%s%s\n", err->message,
			err->detail[0] ? " (" : "", err->detail,
			err->detail[0] ? ")" : "");
	return err->code == OAM_E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct oam_error err = { 0 };
	struct options options = { .profile = PROFILE_DEFAULT,
				   .subject = "oam",
				   .ttl = "1h",
				   .claims = json_new_object(&err) };
	struct settings settings = { 0 };
	int result = EXIT_DONE;

	if (parse_options(command, argc, argv, &options, &err) == 0 &&
	    settings_load(&settings, environ, &err) == 0) {
		log_start("oam", settings.log_level);
		command->run(&settings, &options, &err);
	}
	if (error_result(&err))
		result = report(&err);
	settings_free(&settings);
	json_object_put(options.claims);
	if (fflush(stdout) || ferror(stdout))
		result = EXIT_FAILED;
	return result;
}

int main(int argc, char **argv)
{
	const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

	log_start("oam", LOG_LEVEL_WARN);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
		return usage(stdout, EXIT_DONE);
	if (command)
		return run(command, argc - 1, argv + 1);
	if (argc > 1)
		fprintf(stderr, "oam: there is no command '%s'\n", argv[1]);
	return usage(stderr, EXIT_USAGE);
}
