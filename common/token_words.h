/*
 * token_words: how much of a secret cannot be guessed.
 *
 * Guessed is what belongs to: a common English word, also with digits for letters (s3cr3t); a
 * row of keys, of the alphabet or of the digits, four of them or more, forwards or backwards;
 * four characters or more that came before; the separators between words. A phrase of three
 * words or more of whatever language, with separators between them, is guessed as a whole.
 */
#ifndef OAM_TOKEN_WORDS_H
#define OAM_TOKEN_WORDS_H

#include <stddef.h>

/* The number of characters that are none of these; it stops to count at `enough`. */
size_t token_words_unguessed(const char *secret, size_t enough);

#endif
