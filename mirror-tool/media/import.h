/*
 * Import a medium into a store: blobs straight from the tar stream into their writers, which hash
 * them; then the set, in one transaction. Nothing of it is visible before (T1).
 *
 * After any stop the next import goes on: committed blobs are skipped, large ones keep their stage.
 */
#ifndef MOAT_IMPORT_H
#define MOAT_IMPORT_H

#include "mirror-tool/media/signers.h"

struct import_report {
	const struct head *head; /* borrowed from the medium */
	uint32_t volumes;
	uint64_t bytes, blobs; /* that are missing here and will be copied */
	uint64_t held_bytes, held_blobs; /* of the set, that are here already */
	uint64_t lacking_bytes, lacking_blobs; /* neither here nor on the medium, a delta */
};

struct import_events {
	/* Before the first byte is copied. */
	void (*begin)(void *ctx, const struct import_report *r);
	/* Called with the signers that count: before the other events, and again when they have
	 * changed. */
	void (*signers)(void *ctx, const struct signers *by);
	/* Called with the changes: before the first byte is copied, and again before the switch
	 * when they differ by then. */
	void (*changes)(void *ctx, const struct set_changes *c);
	/* Called when everything is here and accepting it is next. 0, or -1 with e: it is not accepted. */
	int (*accept)(void *ctx, const struct medium *m, struct err *e);
	void (*volume)(void *ctx, const char *name, uint32_t volume, uint32_t volumes);
	/* Called for bytes of blobs read from a volume and written, chunk by chunk. */
	void (*moved)(void *ctx, uint64_t bytes);
	void *ctx;
};

struct import_terms {
	const struct trust *trust;
	const char *const *paths;
	size_t path_count; /* at least 1 */
	bool older,
		expired; /* overrides: also a set that is older than one that is here; that has expired */
	bool activate; /* in the transaction that accepts it */
	const char *const *take; /* names of sets whose tags it may take */
	size_t take_count;
};

/*
 * Import what the paths hold, and accept the set; terms->activate: make it active, too.
 *
 * m:       medium_release() afterwards; its head tells what was imported.
 * Fails:   ERR_UNTRUSTED also: older than the version accepted under this name, or the same version
 * with other contents; ERR_DENIED: it would take tags of a set that terms->take does not name
 * (set_compare()); ERR_FULL before anything is written; ERR_INCOMPLETE before anything
 * is written when neither a delta nor the store has all, naming on what it builds; ERR_INCOMPLETE naming the volumes that are
 * still needed: received blobs stay, nothing is visible.
 */
MUST int import_medium(struct store *s, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e);

/* Tell what import_medium() would before the first byte, from the head of one volume (no stdin):
 * calls begin and changes. Writes nothing. Fails as import_medium() would by then. */
MUST int import_preview(struct store *s, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e);

#endif
