/* How the check of a server that writes records what it found: with a handle of its own, beside the
 * committer. */
#ifndef MOAT_COMMIT_MEND_H
#define MOAT_COMMIT_MEND_H

#include "registry/ops/check.h"

struct committer;

/* Open the store for writing. store: its directory; c: borrowed until mender_free(). Returns 0, or -1 with e:
 * as store_open(). The mender may be used by one thread at a time. */
MUST int mender_new(struct mender **m, const char *store, struct committer *c, struct err *e);

void mender_free(struct mender **m); /* for AUTO */

#endif
