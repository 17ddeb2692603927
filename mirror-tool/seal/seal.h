/*
 * Seal: make a set of a lock and a store, and sign it.
 *
 * The set follows from the lock alone: the same lock, terms and predecessor give the same digest on
 * any machine. The store only has to hold all of it. When nothing but version and predecessor
 * changed since the newest set of that name, sealing finds that set again.
 */
#ifndef MOAT_SEAL_H
#define MOAT_SEAL_H

#include "mirror-tool/list/lock.h"
#include "mirror-tool/sign/sign.h"
#include "storage/oci/set.h"
#include "storage/store_write.h"

struct seal_terms {
	const char *const *take; /* names of sets whose tags it may take in this store; borrowed */
	size_t take_count;
	const char *version; /* NULL: the lock's, else from the time of its last change */
	const char *expires; /* NULL: never; YYYY-MM-DD (its last second, UTC), or 90d: that many
				days after the lock's last change, so that the digest stays */
};

/* An artifact of moat's own that travels in the set. */
struct seal_artifact {
	struct buf blob, manifest;
};

struct seal {
	struct set set;
	struct buf index; /* the set's bytes */
	struct digest digest; /* of the index */
	struct inventory inventory;
	struct seal_artifact lock, list, contents; /* contents: the inventory */
	bool again; /* the newest set of this name is this one */
	const char *const *take; /* of the terms; borrowed */
	size_t take_count;
	struct set_changes changes; /* what the store changed by accepting it */
	const char *
		audit_head; /* to be said beside the signature (cosign.h), or NULL; borrowed by seal_commit() */
};
#define SEAL_INIT                                                                                  \
	{                                                                                          \
		.set = SET_INIT, .index = BUF_INIT, .lock = { BUF_INIT, BUF_INIT },                \
		.list = { BUF_INIT, BUF_INIT }, .contents = {                                      \
			BUF_INIT,                                                                  \
			BUF_INIT                                                                   \
		}                                                                                  \
	}
void seal_release(struct seal *s); /* for AUTO */

/* Called for each thing that is not in the store: of which reference, and what it is. */
typedef void seal_missing_fn(
	void *ctx, const char *reference, const struct digest *d, const char *what);

/*
 * Make the set of a lock (which gets sorted). Nothing is written.
 *
 * Fails: ERR_INCOMPLETE after `missing` was called for everything that is not held; ERR_INPUT
 *        version not newer than the newest set's, or not a tag, expiry unreadable or not after the
 *        lock's change; ERR_CORRUPT a size in a manifest is not the blob's.
 */
MUST int seal_build(struct seal *out, struct store *s, struct lock *lock,
	const struct seal_terms *terms, seal_missing_fn *missing, void *ctx, struct err *e);

/*
 * Write it into the store, sign it in both forms and activate it. A set that was sealed before and
 * carries this key's signature is only activated. Where it would take tags of an active set that the
 * terms do not name, it is accepted and not activated: s->changes says so.
 *
 * signed_now: false when the key's signature was there already.
 * Returns:    0; 1: another set of that name was accepted meanwhile: build it again; -1.
 * Durable:    on 0.
 */
MUST int seal_commit(struct seal *s, struct store *store, const struct sign_key *k,
	bool *signed_now, struct err *e);

#endif
