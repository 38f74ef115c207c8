/* token_leaked: secrets that everybody can read in public lists. */
#ifndef OAM_TOKEN_LEAKED_H
#define OAM_TOKEN_LEAKED_H

#include <stdbool.h>
#include <stdint.h>

/* True when a known secret's SHA-256 begins with these 8 bytes (the first is the highest). */
bool token_leaked_has(uint64_t begin);

#endif
