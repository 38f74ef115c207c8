/*
 * publish_env: after it the key stands for the value, every other entry says what it said,
 * and every other byte stays. file_edit() is the one below: the file is in memory.
 */
#include "dotenv.h"
#include "file_edit.h"
#include "fuzz.h"
#include "publish.h"

#define KEY "OPENAI_ASSISTANT_ID"

struct file {
	char *text; /* NULL: it does not exist */
	size_t length;
};

static struct file file;
static const struct publish_rules nobody_else;

int file_edit_check(const struct file_edit *edit, struct oam_error *err)
{
	(void)edit;
	(void)err;
	return 0;
}

int file_edit(const struct file_edit *edit, struct oam_error *err)
{
	struct file new = { 0 };

	claim(file.length <= edit->limit);
	if (edit->make(file.text, file.length, &new.text, &new.length, edit->context,
		       err)) {
		claim(!new.text);
		return -1;
	}
	claim(new.text &&new.text[new.length] == '\0');
	free(file.text);
	file = new;
	return 1;
}

static bool is_ours(const struct file *in, const struct dotenv_entry *entry)
{
	return entry->key_length == strlen(KEY) &&
	       memcmp(in->text + entry->key, KEY, strlen(KEY)) == 0;
}

/* How many entries there are, and which one of our key is the last; -1: none. */
static int count_entries(const struct file *in, int *ours)
{
	struct dotenv_scanner scanner;
	struct dotenv_entry entry;
	int count = 0;

	*ours = -1;
	dotenv_start(&scanner, in->text, in->length);
	for (; dotenv_next(&scanner, &entry); count++)
		if (is_ours(in, &entry))
			*ours = count;
	return count;
}

static void check_same_entry(const struct file *a, const struct dotenv_entry *x,
			     const struct file *b, const struct dotenv_entry *y)
{
	struct oam_error err = { 0 };
	size_t p_length, q_length;
	char *p = dotenv_value(a->text, x, &p_length, &err);
	char *q = dotenv_value(b->text, y, &q_length, &err);

	claim(x->key_length == y->key_length);
	claim(memcmp(a->text + x->key, b->text + y->key, x->key_length) == 0);
	claim(p_length == q_length && memcmp(p, q, p_length) == 0);
	free(p);
	free(q);
}

static void check_entries(const struct file *old)
{
	struct dotenv_scanner before, after;
	struct dotenv_entry x, y;
	int was, is, count = count_entries(old, &was);

	claim(count_entries(&file, &is) == count + (was < 0));
	claim(is == (was < 0 ? count : was));
	dotenv_start(&before, old->text, old->length);
	dotenv_start(&after, file.text, file.length);
	for (int i = 0; i < count; i++) {
		claim(dotenv_next(&before, &x) && dotenv_next(&after, &y));
		if (i != was)
			check_same_entry(old, &x, &file, &y);
	}
}

/* At most the value is not in the old text too; a new line is only behind it. */
static void check_bytes(const struct file *old, const char *value)
{
	size_t same = 0, behind = 0;
	int ours;

	while (same < old->length && same < file.length &&
	       old->text[same] == file.text[same])
		same++;
	while (behind < old->length - same && behind < file.length - same &&
	       old->text[old->length - behind - 1] == file.text[file.length - behind - 1])
		behind++;
	count_entries(old, &ours);
	if (ours >= 0) /* a blank may be between it and a comment */
		claim(file.length - same - behind <= strlen(value) + 1);
	else
		claim(same == old->length);
}

static void check_published(const struct file *old, const char *value)
{
	struct oam_error err = { 0 };
	struct file first;
	char *read;
	int line;

	claim(dotenv_get(file.text, file.length, KEY, &read, &line, &err) == 0);
	claim(read && strcmp(read, value) == 0);
	free(read);
	check_entries(old);
	check_bytes(old, value);

	first = (struct file){ copy_text(file.text, file.length), file.length };
	claim(publish_env("again", KEY, value, &nobody_else, &err) == 0);
	claim(file.length == first.length);
	claim(memcmp(file.text, first.text, first.length) == 0);
	free(first.text);
}

/*
 * An open quote could meet ours; the value of `KEY:` may be on the next line; a NUL byte and
 * UTF-16 are no text.
 */
static bool may_be_refused(const struct file *old)
{
	size_t end = old->length;

	if (memchr(old->text, '\0', old->length) || dotenv_fault(old->text, old->length))
		return true;
	for (size_t i = 0; i < old->length; i++)
		if (strchr("'\"`", old->text[i]) && old->text[i])
			return true;
	if (end > 0 && old->text[end - 1] == '\n')
		end--;
	if (end > 0 && old->text[end - 1] == '\r')
		end--;
	return end > 0 && old->text[end - 1] == ':';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const values[] = { "asst_1s1BYw3v9kXh5o8i0cTVPmGg", "a",
					      "-_" };
	struct oam_error err = { 0 };
	struct file old;
	const char *value;

	if (size == 0)
		return 0;
	value = values[data[0] % 3];
	old = (struct file){ copy_text(data + 1, size - 1), size - 1 };
	file = (struct file){ copy_text(data + 1, size - 1), size - 1 };
	if (publish_env("file", KEY, value, &nobody_else, &err) == 0) {
		check_published(&old, value);
	} else {
		claim(err.code == OAM_E_FILE);
		check_error(&err);
		claim(may_be_refused(&old));
	}
	free(old.text);
	free(file.text);
	return 0;
}
