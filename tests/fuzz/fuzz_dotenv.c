/* dotenv: entries lie inside the text, in its order, with the right line numbers. */
#include "dotenv.h"
#include "fuzz.h"

#define LONG_TEXT (64UL * 1024)

static int line_of(const char *text, size_t length, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		if (text[i] == '\n' ||
		    (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
			line++;
	return line;
}

static void check_key(const char *text, const struct dotenv_entry *entry)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

	claim(entry->key_length > 0);
	for (size_t i = 0; i < entry->key_length; i++)
		claim(memchr(allowed, text[entry->key + i], strlen(allowed)));
}

/* dotenv_get() finds what the last assignment of the key says. */
static void check_get(const char *text, size_t length, const struct dotenv_entry *entry,
		      bool is_last)
{
	char *key = copy_text(text + entry->key, entry->key_length), *value, *own;
	struct oam_error err = { 0 };
	size_t own_length;
	int line;

	own = dotenv_value(text, entry, &own_length, &err);
	claim(own);
	claim(own_length <= entry->value_length);
	claim(own[own_length] == '\0');
	if (dotenv_get(text, length, key, &value, &line, &err)) {
		claim(err.code == OAM_E_SETTING && !value);
		check_error(&err);
	} else {
		claim(value);
	}
	claim(line >= entry->line);
	if (is_last) {
		claim(line == entry->line);
		claim(!value == (memchr(own, '\0', own_length) != NULL));
		claim(!value || strcmp(value, own) == 0);
	}
	free(value);
	free(own);
	free(key);
}

static void check_entries(const char *text, size_t length)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry, last = { 0 };
	size_t behind = 0;
	int count = 0;

	dotenv_start(&scanner, text, length);
	while (dotenv_next(&scanner, &entry)) {
		claim(entry.key >= behind);
		claim(entry.value > entry.key + entry.key_length);
		behind = entry.value + entry.value_length;
		claim(behind <= length);
		claim(entry.line == line_of(text, length, entry.key));
		check_key(text, &entry);
		if (count++ < 8)
			check_get(text, length, &entry, false);
		last = entry;
	}
	claim(!dotenv_next(&scanner, &entry));
	if (count > 0)
		check_get(text, length, &last, true);
}

/* Over and over the same: libFuzzer's own time limit tells when that is not linear. */
static void check_long(const char *text, size_t length)
{
	size_t times = LONG_TEXT / length;
	char *many = malloc(times * length + 1), *value;
	struct oam_error err = { 0 };
	int line;

	claim(many);
	for (size_t i = 0; i < times; i++)
		memcpy(many + i * length, text, length);
	many[times * length] = '\0';
	dotenv_get(many, times * length, "KEY", &value, &line, &err);
	free(value);
	free(many);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = copy_text(data, size);

	check_entries(text, size);
	if (size > 3 && size < 32 && memcmp(text + size - 3, "\n\n\n", 3) == 0)
		check_long(text, size);
	free(text);
	return 0;
}
