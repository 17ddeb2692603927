/* quarantine/: files that proved bad, each with its reason beside it. For blobs_fs.c alone. */
#ifndef MOAT_QUARANTINE_FS_H
#define MOAT_QUARANTINE_FS_H

#include "storage/engine.h"

/* Move `name` of the folder `from` there if it still is that file. base: "sha256-HEX". See set_aside in
 * engine.h. */
struct aside {
	int root, from; /* the store's folder; the blob's */
	const char *name, *base;
	const struct blob_file *which;
};
MUST int quarantine_put(
	const struct aside *a, struct span reason, char where[ASIDE_NAME_SIZE], struct err *e);

/* The reason of each; none when there is no such folder. */
MUST int quarantine_each(int root, quarantine_fn *fn, void *ctx, struct err *e);

/* What lies under a name of a folder: 1, 0, -1. */
MUST int quarantine_look(int dir, const char *name, struct blob_file *out, struct err *e);

#endif
