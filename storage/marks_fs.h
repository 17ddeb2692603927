/* marks/: what readers leave for writers, a file for each bad blob, and one for a place. Only hints: what
 * lies there is looked at again before anything is done. For blobs_fs.c alone; see engine.h. */
#ifndef MOAT_MARKS_FS_H
#define MOAT_MARKS_FS_H

#include "storage/engine.h"

/* root: the store's folder. */
MUST int marks_may(int root, struct err *e);
MUST int marks_put(int root, const struct digest *d, struct span reason, struct err *e);
MUST int marks_drop(int root, const struct digest *d, struct err *e);
MUST int marks_each(int root, mark_fn *fn, void *ctx, struct err *e);
MUST int marks_place_put(int root, struct span text, struct err *e);
MUST int marks_place_get(int root, struct buf *out, struct err *e);

#endif
