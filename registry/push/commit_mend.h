/* The hand of the check in a server that writes: a handle of its own, out of the committer's way. One thread
 * at a time. */
#ifndef MOAT_COMMIT_MEND_H
#define MOAT_COMMIT_MEND_H

#include "registry/ops/check.h"

struct committer;

/* Opens the store for writing. */
MUST int mender_new(struct mender **m, const char *store, struct committer *c, struct err *e);
void mender_free(struct mender **m); /* for AUTO */

#endif
