/* Assistants into and out of other systems. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "dotenv.h"

#define DUMP_MAX   (1024UL * 1024 * 1024)
#define DUMP_LARGE 100 /* assistants of a list that may be as large as one alone */

/* ---- export ---- */

/* An export while it is printed. */
struct printing {
	const struct cli *cli;
	size_t count;
};

/* One by one, so that the size of the store does not matter. */
static int print_one(struct json_object *assistant, void *context, struct oam_error *err)
{
	struct printing *printing = context;
	const char *text;

	if (printing->cli->json)
		return cli_print_element(assistant, printing->count++, err);
	text = json_text(assistant);
	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	cli_put_json(text);
	printing->count++;
	return 0;
}

static int export(struct cli *cli, struct service *service, struct oam_error *err)
{
	const struct upstream_page everything = { .ascending = true };
	struct printing printing = { .cli = cli };

	if (service_each(service, &everything, print_one, &printing, err))
		return -1;
	if (cli->json)
		cli_print_array_end(printing.count);
	cli_say(cli, "%zu assistants.", printing.count);
	return 0;
}

int command_export(struct cli *cli, struct oam_error *err)
{
	return cli_with_service(cli, export, err);
}

/* ---- reading what is to be imported ---- */

/* What a file held: assistants, and the id that it calls the one in use, or "". */
struct dump {
	struct json_object *assistants;
	char current[ASSISTANT_ID_SIZE];
};

/* One object on each line. */
static int read_lines(char *text, size_t length, struct dump *dump, struct oam_error *err)
{
	char *line = text, *end = text + length;

	for (size_t number = 1; line < end; number++) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		struct json_object *object;

		stop = stop ? stop : end;
		*stop = '\0';
		if (strspn(line, " \t\r") < (size_t)(stop - line)) {
			if (json_read(line, (size_t)(stop - line), &object, err) ||
			    (!object && error_set(err, INVALID_TYPE, "line", "line",
						  "an object", "null")))
				return error_detail(err, "in line %zu", number);
			if (json_append(dump->assistants, object, err))
				return -1;
		}
		line = stop + 1;
	}
	return 0;
}

/* The old system's JSON file: an assistant with other names for its id and its time. */
static int read_old_config(struct json_object *tree, struct dump *dump,
			   struct oam_error *err)
{
	const char *id = json_member_string(tree, "assistantId");
	struct json_object *created_at = json_member(tree, "createdAt");
	struct json_object *assistant;

	if (!id || !assistant_id_is_valid(id))
		return error_set(err, INVALID_PARAMETER, "assistantId", "assistantId",
				 "it must be like asst_…");
	assistant = assistant_config_of(tree, err);
	if (!assistant)
		return -1;
	error_copy(dump->current, sizeof(dump->current), id);
	json_put_string(assistant, "id", id, err);
	if (json_object_is_type(created_at, json_type_int))
		json_put(assistant, "created_at", json_object_get(created_at), err);
	if (!json_member(assistant, "model"))
		json_put_string(assistant, "model", "gpt-4o-mini", err);
	return json_append(dump->assistants, assistant, err);
}

static int read_tree(struct json_object *tree, struct dump *dump, struct oam_error *err)
{
	struct json_object *array = json_object_is_type(tree, json_type_array)
					    ? tree
					    : json_member(tree, "data");

	if (json_member(tree, "assistantId"))
		return read_old_config(tree, dump, err);
	if (json_object_is_type(array, json_type_array)) {
		json_object_put(dump->assistants);
		dump->assistants = json_object_get(array);
		return 0;
	}
	return json_append(dump->assistants, json_object_get(tree), err);
}

/* A .env: its id, as an assistant with the configuration of the profile. */
static int read_env(const char *text, size_t length, struct service *service,
		    const struct cli *cli, struct dump *dump, struct oam_error *err)
{
	struct json_object *profile, *assistant;
	char *id = NULL;
	int line;

	if (service_profile_show(service, cli->profile, &profile, err))
		return -1;
	if (dotenv_get(text, length, json_member_string(profile, "environmentKey"), &id,
		       &line, err) == 0 &&
	    (!id || !assistant_id_is_valid(id)))
		cli_misuse(
			err, "%s is neither JSON nor a .env with an assistant's id as %s",
			cli->arguments[0], json_member_string(profile, "environmentKey"));
	if (error_result(err) == 0) {
		snprintf(dump->current, sizeof(dump->current), "%s", id);
		assistant = json_copy(json_member(profile, "config"), err);
		json_put_string(assistant, "id", id, err);
		json_append(dump->assistants, assistant, err);
	}
	free(id);
	json_object_put(profile);
	return error_result(err);
}

static int read_dump(const struct cli *cli, struct service *service, struct dump *dump,
		     struct oam_error *err)
{
	struct json_object *tree = NULL;
	struct oam_error not_one = { 0 };
	size_t length, start;
	char *text;

	if (cli_read(cli->arguments[0], DUMP_MAX, &text, &length, err))
		return -1;
	start = strspn(text, " \t\r\n");
	if (text[start] != '{' && text[start] != '[') {
		read_env(text, length, service, cli, dump, err);
	} else if (json_read_list(text, length, DUMP_LARGE, &tree, &not_one) == 0) {
		read_tree(tree, dump, err);
	} else {
		if (text[start] == '{')
			read_lines(text, length, dump, err);
		/* Nothing was read: the fault is that of one text, which it is meant as. */
		if (json_object_array_length(dump->assistants) == 0)
			*err = not_one;
	}
	json_object_put(tree);
	free(text);
	return error_result(err);
}

/* ---- import ---- */

static int print_import(const struct cli *cli, const struct service_import *import,
			struct oam_error *err)
{
	size_t imported = json_object_array_length(import->imported);
	size_t failed = json_object_array_length(import->failed);
	struct json_object *object;

	if (cli->json) {
		object = json_new_object(err);
		if (!object)
			return -1;
		json_put(object, "imported", json_object_get(import->imported), err);
		json_put(object, "skipped", json_object_get(import->skipped), err);
		json_put(object, "failed", json_object_get(import->failed), err);
		cli_print_json(object, err);
		json_object_put(object);
	}
	for (size_t i = 0; !cli->json && i < imported; i++)
		puts(json_member_string(json_object_array_get_idx(import->imported, i),
					"id"));
	cli_print_failures(cli, import->failed);
	cli_say(cli, "Imported %zu, %zu were here already, %zu failed.", imported,
		json_object_array_length(import->skipped), failed);
	if (failed)
		return error_set(err, UPSTREAM_FAILED, NULL,
				 "some assistants could not be imported");
	return error_result(err);
}

/* The id here of the one that the file calls the one in use. */
static const char *id_here(const struct service_import *import, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(import->imported); i++) {
		struct json_object *entry = json_object_array_get_idx(import->imported,
								      i);

		if (strcmp(json_member_string(entry, "from"), id) == 0)
			return json_member_string(entry, "id");
	}
	return id;
}

/* A file of the application names the assistant in use: it becomes the current one. */
static int take_current(struct cli *cli, struct service *service, const char *id,
			struct oam_error *err)
{
	struct service_status status;

	if (service_status(service, cli->profile, &status, err))
		return -1;
	if (status.profile.current[0] != '\0' && !cli->replace) {
		cli_say(cli, "The profile uses %s already: add --replace to use %s.",
			status.profile.current, id);
		return 0;
	}
	if (service_adopt(service, cli->profile, id, err))
		return -1;
	cli_say(cli, "The profile uses %s now.", id);
	cli_say_published(cli, service);
	return 0;
}

static int import(struct cli *cli, struct service *service, struct oam_error *err)
{
	struct service_import result = { 0 };
	struct dump dump = { .assistants = json_new_array(err) };

	if (cli->from) {
		json_object_put(dump.assistants);
		dump.assistants = NULL;
		if (settings_check_url(cli->from, err) == 0)
			service_fetch(cli->settings, cli->from, &dump.assistants, err);
	} else if (dump.assistants) {
		read_dump(cli, service, &dump, err);
	}
	if (error_result(err) == 0 &&
	    service_import(service, dump.assistants, &result, err) == 0)
		print_import(cli, &result, err);
	if (error_result(err) == 0 && dump.current[0] != '\0')
		take_current(cli, service, id_here(&result, dump.current), err);
	json_object_put(result.imported);
	json_object_put(result.skipped);
	json_object_put(result.failed);
	json_object_put(dump.assistants);
	return error_result(err);
}

int command_import(struct cli *cli, struct oam_error *err)
{
	if ((cli->count == 1) == (cli->from != NULL))
		return cli_misuse(err, "name a file, or a server with --from URL");
	return cli_with_service(cli, import, err);
}
