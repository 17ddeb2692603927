/*
 * Fill a store from a lock: every manifest and blob that the lock holds, then the images and their
 * attachments.
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
 * Pull pins[0..count). Pins that failed are in `failures`, by reference; blobs that they share with
 * others are held all the same, and a later run goes on from there. The caller owns *report.
 *
 * Returns 0 even when items failed; -1 when the session or the store could not go on.
 * Durable: everything reported, on 0. Makes one run of the session; one thread.
 */
MUST int pull_pins(struct session *s, struct store *store, const struct lock_pin *const pins[],
	size_t count, struct pull_report *report, struct failures *failures, struct err *e);
void pull_report_release(struct pull_report *r); /* for AUTO */

#endif
