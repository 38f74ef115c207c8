/* Claims: one process at a time decides what becomes of an assistant. */
#include <stdio.h>
#include <unistd.h>

#include "file.h"
#include "service_private.h"

#define WAIT_MAX  (25 * CLOCK_SECOND) /* longer than a deletion with its retries takes */
#define WAIT_STEP INT64_C(20)

/* The bytes of the lock file before these are the leases of profiles. */
#define FIRST_BYTE (INT64_C(1) << 30)

/*
 * The byte that stands for the id (FNV-1a). Two ids may share one: then one waits for the
 * other, and nothing worse happens.
 */
static off_t byte_of(const char *id)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
	return FIRST_BYTE + (off_t)(hash % FIRST_BYTE);
}

int service_claim_try(struct service *service, const char *id, int *claim,
		      struct oam_error *err)
{
	return service_lock(service, byte_of(id), claim, err);
}

int service_claim_wait(struct service *service, const char *id, int *claim,
		       struct oam_error *err)
{
	int64_t deadline = clock_monotonic() + WAIT_MAX;
	int held;

	if (service->upstream->deadline) /* all that comes after shares this time */
		deadline = service->upstream->deadline;
	while ((held = service_claim_try(service, id, claim, err)) == 0) {
		if (clock_monotonic() >= deadline)
			return error_set(
				err, CONFLICT, NULL,
				"Another process adopts or deletes this assistant now");
		clock_sleep(WAIT_STEP);
	}
	return held < 0 ? -1 : 0;
}

void service_claim_release(int *claim)
{
	if (*claim >= 0)
		close(*claim);
	*claim = -1;
}
