#include "token_cache.h"

#include <stdlib.h>
#include <string.h>

/* Looks at all bytes, whatever it finds; at eight at a time, as far as there are. */
static bool is_same(const char *a, const char *b, size_t length)
{
	uint64_t difference = 0, x, y;
	size_t i = 0;

	for (; i + sizeof(x) <= length; i += sizeof(x)) {
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		difference |= x ^ y;
	}
	for (; i < length; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

struct json_object *token_cache_find(const struct token_cache *cache, const char *token,
				     size_t length)
{
	struct json_object *claims = NULL;

	for (size_t i = 0; i < TOKEN_CACHE_SLOTS; i++)
		if (cache->slots[i].length == length && cache->slots[i].token &&
		    is_same(cache->slots[i].token, token, length))
			claims = cache->slots[i].claims;
	return claims;
}

static void clear_slot(struct token_cache *cache, size_t i)
{
	if (cache->slots[i].token)
		explicit_bzero(cache->slots[i].token, cache->slots[i].length);
	free(cache->slots[i].token);
	json_object_put(cache->slots[i].claims);
	memset(&cache->slots[i], 0, sizeof(cache->slots[i]));
}

void token_cache_add(struct token_cache *cache, const char *token, size_t length,
		     struct json_object *claims)
{
	size_t i = cache->next;
	char *copy = malloc(length + 1);

	if (!copy)
		return;
	memcpy(copy, token, length);
	copy[length] = '\0';
	clear_slot(cache, i);
	cache->slots[i].token = copy;
	cache->slots[i].length = length;
	cache->slots[i].claims = json_object_get(claims);
	cache->next = (cache->next + 1) % TOKEN_CACHE_SLOTS;
}

void token_cache_clear(struct token_cache *cache)
{
	for (size_t i = 0; i < TOKEN_CACHE_SLOTS; i++)
		clear_slot(cache, i);
	cache->next = 0;
}
