/* random: unguessable names from the kernel's generator. Thread and process safe. */
#ifndef OAM_RANDOM_H
#define OAM_RANDOM_H

#include <stddef.h>

#include "error.h"

/* Writes `length` random characters of [0-9A-Za-z] (5.95 bits each) and a '\0'. */
int random_base62(char *text, size_t length, struct oam_error *err);

#endif
