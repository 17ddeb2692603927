/* Active sets that should be replaced: expired, or older than the operator wants. They are served on. */
#ifndef MOAT_OLD_SETS_H
#define MOAT_OLD_SETS_H

#include "storage/store.h"

/* Append a line for each, as "set platform 1 expired at 2026-11-29T00:00:00Z". warn_age: seconds since the set was
 * sealed, 0: only expiry counts. Cheap. Thread: that of the store's handle. */
MUST int old_sets_text(struct store *s, int64_t warn_age, struct buf *out, struct err *e);

/* Has this set expired? */
bool old_set_expired(const struct set_info *set);
/* Seconds since it was sealed, or accepted where that is not known. */
int64_t old_set_age(const struct set_info *set);

#endif
