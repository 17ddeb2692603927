/*
 * Signatures of a set in a store: new ones, by seal or from a medium, are joined with those that
 * are there.
 */
#ifndef MOAT_SIGNATURES_H
#define MOAT_SIGNATURES_H

#include "storage/store_write.h"

/*
 * Join a signature with those that the set has under the same tag: cosign's legacy form is one
 * manifest a set, whose layers are the signatures. Those without a tag stay as they are.
 *
 * manifest: the bytes that sig->digest names; they need not be in the store yet.
 * Result:   *sig is the manifest that holds all of them; if it is a new one, it is in the batch.
 */
MUST int signature_join(struct store *s, struct blob_batch *batch, const struct digest *set,
	struct set_signature *sig, struct span manifest, struct err *e);

/* The same for two of one tag that are both in the store, or in the batch, which is flushed for it. */
MUST int signature_merge(struct store *s, struct blob_batch *batch,
	const struct set_signature *have, struct set_signature *sig, struct err *e);

#endif
