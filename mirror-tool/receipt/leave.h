/* A receipt, signed or typed, and the store that exports -> what need not travel. */
#ifndef MOAT_LEAVE_H
#define MOAT_LEAVE_H

#include "mirror-tool/media/delta.h"
#include "mirror-tool/receipt/receipt.h"

/* What of a receipt was of no use. */
struct leave_report {
	size_t unknown; /* sets that this store does not hold, so their blobs are not known here */
	size_t more; /* sets beyond what a medium can build on, or that a code had no room for */
};

/* Leave out what the receipt says is held: what its sets list, but for what it says is lacking. Fails as delta_leave_set(). */
MUST int leave_receipt(struct delta *d, struct store *s, const struct receipt *r,
	struct leave_report *report, struct err *e);

/*
 * Leave out what the sets of a typed receipt list.
 *
 * Fails: ERR_INPUT: no code, see code.h; a set of it is not in this store, or several fit: nothing is guessed.
 */
MUST int leave_code(struct delta *d, struct store *s, struct span text, struct leave_report *report,
	struct err *e);

#endif
