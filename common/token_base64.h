/* token_base64: base64url without padding, as tokens have it (RFC 7515, 2; RFC 4648, 5). */
#ifndef OAM_TOKEN_BASE64_H
#define OAM_TOKEN_BASE64_H

#include <sys/types.h>

/*
 * Decodes strictly: no other characters, no impossible length, no bits left over that are
 * not zero. `out` needs length + 1 bytes and gets a '\0' at its end. The decoded length, or
 * -1.
 */
ssize_t token_base64_decode(const char *text, size_t length, char *out);

#endif
