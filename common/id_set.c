#include "id_set.h"

#include <stdlib.h>
#include <string.h>

#define PRIME      ((UINT64_C(1) << 61) - 1)
#define SLOTS_MIN  1024 /* a power of two */
#define TEXT_MIN   16384
#define TEXT_LIMIT ((size_t)UINT32_MAX)

/* The bytes as a polynomial at the point `key`: two ids meet by chance alone. */
static uint64_t hash(const char *id, uint64_t key)
{
	uint64_t value = 1;

	for (; *id; id++) {
		unsigned __int128 product = (unsigned __int128)value * key;

		value = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61) +
			(unsigned char)*id;
		value %= PRIME;
	}
	return value;
}

/* The slot that has the id, or the free one where it belongs. */
static size_t find(const struct id_set *set, const char *id)
{
	size_t slot = hash(id, set->key) & (set->slot_count - 1);

	while (set->slots[slot] && strcmp(set->text + set->slots[slot] - 1, id) != 0)
		slot = (slot + 1) & (set->slot_count - 1);
	return slot;
}

/* Twice as many slots. */
static int widen(struct id_set *set, struct oam_error *err)
{
	size_t count = set->slot_count ? 2 * set->slot_count : SLOTS_MIN;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return error_set(err, NO_MEMORY, NULL);
	if (!set->key)
		arc4random_buf(&set->key, sizeof(set->key));
	set->key = set->key % (PRIME - 1) + 1;
	free(set->slots);
	set->slots = slots;
	set->slot_count = count;
	for (size_t at = 0; at < set->length; at += strlen(set->text + at) + 1)
		slots[find(set, set->text + at)] = (uint32_t)at + 1;
	return 0;
}

/* Room for `length` more bytes. */
static int reserve(struct id_set *set, size_t length, struct oam_error *err)
{
	size_t size = set->size ? set->size : TEXT_MIN;
	char *text;

	while (size < set->length + length)
		size *= 2;
	if (size == set->size)
		return 0;
	text = size < TEXT_LIMIT ? realloc(set->text, size) : NULL;
	if (!text)
		return error_set(err, NO_MEMORY, NULL);
	set->text = text;
	set->size = size;
	return 0;
}

int id_set_add(struct id_set *set, const char *id, struct oam_error *err)
{
	size_t length = strlen(id) + 1, slot;

	if (2 * set->count >= set->slot_count && widen(set, err))
		return -1;
	slot = find(set, id);
	if (set->slots[slot])
		return 0;
	if (reserve(set, length, err))
		return -1;
	memcpy(set->text + set->length, id, length);
	set->slots[slot] = (uint32_t)set->length + 1;
	set->length += length;
	set->count++;
	return 1;
}

void id_set_free(struct id_set *set)
{
	free(set->text);
	free(set->slots);
	*set = (struct id_set){ 0 };
}
