/*
 * From a lock to a store: every manifest and blob that the lock says is held, then the images and
 * their attachments.
 */
#ifndef MOAT_PULL_H
#define MOAT_PULL_H

#include "mirror-tool/list/failures.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/source/session.h"

struct pull_report {
	size_t pins; /* put, with all their attachments */
	char **foreign; /* layers that `foreign-layers: leave` left: "REF DIGEST" */
	size_t foreign_count;
};

/*
 * Pull pins[0..count). What failed is in `failures`, by reference; what another pin shares with it
 * is held all the same, and a later run goes on from there.
 *
 * Returns 0 even when items failed; -1 when the session or the store could not go on.
 * Durable: everything reported, on 0.
 */
MUST int pull_pins(struct session *s, struct store *store, const struct lock_pin *const pins[],
	size_t count, struct pull_report *report, struct failures *failures, struct err *e);
void pull_report_release(struct pull_report *r); /* for AUTO */

#endif
