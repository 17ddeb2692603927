/*
 * From a medium into a store: blobs straight from the tar stream into their writers, which hash
 * them; then the set, in one transaction. Until then nothing of it is visible (T1).
 *
 * Whatever stops it, the next import goes on: blobs that were committed are skipped, large ones
 * that were cut off keep their stage.
 */
#ifndef MOAT_IMPORT_H
#define MOAT_IMPORT_H

#include "mirror-tool/media/medium.h"

struct import_report {
	const struct head *head; /* borrowed from the medium */
	uint32_t volumes;
	uint64_t bytes, blobs; /* that are missing here and will be copied */
	uint64_t held_bytes, held_blobs; /* of the set, that are here already */
};

struct import_events {
	/* Before the first byte is copied. */
	void (*begin)(void *ctx, const struct import_report *r);
	void (*volume)(void *ctx, const char *name, uint32_t volume, uint32_t volumes);
	void *ctx;
};

/*
 * Import what the paths hold, and make the set active.
 *
 * m:       medium_release() afterwards; its head tells what was imported.
 * Fails:   ERR_UNTRUSTED also: older than what is accepted under this name, or the same version
 *          with other contents; ERR_FULL before anything is written; ERR_INCOMPLETE naming the
 *          volumes that are still needed: what came is kept, nothing is visible.
 */
MUST int import_medium(struct store *s, const struct trust *trust, const char *const *paths,
	size_t count, const struct import_events *events, struct medium *m, struct err *e);

#endif
