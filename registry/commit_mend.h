/* The hand of the check in a server that writes: a handle of its own, out of the committer's way. One thread
 * at a time. */
#ifndef MOAT_COMMIT_MEND_H
#define MOAT_COMMIT_MEND_H

#include "storage/store.h"

struct mender;
struct committer;

MUST int mender_new(struct mender **m, const char *store, struct committer *c, struct err *e);
void mender_free(struct mender **m);

/* A good finding is recorded, soon; a bad file goes to quarantine. 1; 0 another file is there; -1. */
MUST int mender_settle(struct mender *m, const struct finding *f, struct err *e);
/* Record now what is still to be. */
void mender_flush(struct mender *m);

#endif
