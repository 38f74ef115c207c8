/*
 * token_cache: tokens whose signature was found good, so that it is not computed again for
 * each request. Only the signature is remembered: what depends on the time is asked anew.
 *
 * One cache belongs to one process; a forked child has its own from then on.
 */
#ifndef OAM_TOKEN_CACHE_H
#define OAM_TOKEN_CACHE_H

#include "json.h"

#define TOKEN_CACHE_SLOTS 8 /* the oldest one makes room */

/* All zero: empty. */
struct token_cache {
	struct {
		char *token; /* NULL: free */
		size_t length;
		struct json_object *claims;
	} slots[TOKEN_CACHE_SLOTS];
	unsigned next;
};

/*
 * The claims of a token that was added, borrowed until the next addition, or NULL. How long
 * it takes does not tell how much of the token is like one of those here.
 */
struct json_object *token_cache_find(const struct token_cache *cache, const char *token,
				     size_t length);

/* Keeps a copy of the token, and a reference to its claims. Without memory it does nothing. */
void token_cache_add(struct token_cache *cache, const char *token, size_t length,
		     struct json_object *claims);

/* Forgets everything, and wipes it. */
void token_cache_clear(struct token_cache *cache);

#endif
