/*
 * What changed between a lock and what the list resolves to now. Pure.
 */
#ifndef MOAT_DRIFT_H
#define MOAT_DRIFT_H

#include "mirror-tool/list/failures.h"
#include "mirror-tool/list/lock.h"

enum drift_kind {
	DRIFT_MOVED, /* the reference has another digest */
	DRIFT_NEW, /* a reference that the lock does not have: a new match, or a new entry of the list */
	DRIFT_GONE, /* a reference that is no longer wanted, or matches no pattern any more */
	DRIFT_VANISHED, /* still wanted, but upstream no longer has it, or not all its platforms */
	DRIFT_PLATFORMS, /* platforms held, or known to be absent */
	DRIFT_ATTACHED, /* a signature, attestation or SBOM that was not there */
	DRIFT_DETACHED, /* one that is there no more */
	DRIFT_SOURCE, /* comes from elsewhere */
	DRIFT_EXCUSED, /* something of it is left behind, or no longer is */
	DRIFT_SKIPPED, /* left out as a whole, which it was not */
	DRIFT_LIST /* the list's text, name, version or settings */
};

struct drift {
	enum drift_kind kind;
	char *ref; /* or "list" */
	char *from, *to; /* before and after; "" when there is none */
};

struct drifts {
	struct drift *items; /* in the order of the lock */
	size_t count;
};

/* Compare two sorted locks. A failure that says that upstream no longer has something (ERR_ABSENT,
 * ERR_INCOMPLETE) of a reference in `old` is DRIFT_VANISHED. *out is initialized here and owned by
 * the caller. */
void drift_find(struct drifts *out, const struct lock *old, const struct lock *now,
	const struct failures *failures);
void drifts_release(struct drifts *d); /* for AUTO; leaves it empty */

/* Count the failures that no DRIFT_VANISHED of d stands for. */
size_t drift_unexplained(const struct drifts *d, const struct failures *failures);

const char *drift_name(enum drift_kind kind); /* "moved" */

#endif
