/*
 * id_set: which ids were seen already, in little memory: a list of another server may have
 * a million of them, and repeat itself.
 *
 *	struct id_set set = { 0 };
 *
 *	added = id_set_add(&set, id, err);
 *	id_set_free(&set);
 */
#ifndef OAM_ID_SET_H
#define OAM_ID_SET_H

#include <stdint.h>

#include "error.h"

/* All zero: empty. */
struct id_set {
	char *text; /* the ids, each with its '\0' */
	size_t length, size;
	uint32_t *slots; /* where in `text` the id begins, plus 1; 0: free */
	size_t slot_count, count;
	uint64_t key; /* random: nobody can choose ids that share their slots */
};

/* 1 when the id is new and was added (copied), 0 when it was there, -1 with NO_MEMORY. */
int id_set_add(struct id_set *set, const char *id, struct oam_error *err);
void id_set_free(struct id_set *set);

#endif
