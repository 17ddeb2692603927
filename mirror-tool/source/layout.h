/*
 * OCI layouts, in a folder or in an uncompressed tar file: what index.json names, and bytes by digest.
 * They are as hostile as those of a registry: limits, digests and sizes are checked here, links and devices
 * are never opened.
 */
#ifndef MOAT_LAYOUT_H
#define MOAT_LAYOUT_H

#include "mirror-tool/list/source_ref.h"
#include "storage/oci/manifest.h"

struct layout;

#define LAYOUT_BLOBS_MAX 1000000 /* entries of an archive */

/* path: absolute, or relative to the working directory. */
MUST int layout_open(struct layout **l, enum source_kind kind, const char *path, struct err *e);
void layout_close(struct layout **l); /* for AUTO */

const char *layout_path(const struct layout *l); /* for messages */
const struct manifest *layout_index(const struct layout *l); /* index.json */

/* The entry of a name (borrowed), or the only one when name is "": 1, 0, -1 several. What
 * `cosign save` lists as signatures or attestations is attached and is not counted. */
MUST int layout_find(
	const struct layout *l, const char *name, const struct descriptor **out, struct err *e);

/* The entry that a registry would have under this tag (borrowed), or NULL: by the tag of its name, or
 * by the kind that `cosign save` gave it ("sigs": sha256-HEX.sig of the image that was saved). */
const struct descriptor *layout_by_tag(const struct layout *l, const char *tag);

/* The one image that `cosign save` wrote (borrowed), or NULL. */
const struct descriptor *layout_saved(const struct layout *l);

/* Call fn for each blob under sha256, whether index.json leads to it or not; it ends what fn ends, by -1. Of a
 * folder in the order of their names, and those left out whose name is no digest. */
typedef int layout_each_fn(void *ctx, const struct digest *d, struct err *e);
MUST int layout_each(const struct layout *l, layout_each_fn *fn, void *ctx, struct err *e);

/* Where a blob's bytes are: 1, 0 it is not held, -1. The caller owns *fd; the bytes are `size`
 * bytes from `offset` on. */
struct layout_blob {
	int fd;
	uint64_t offset, size;
};
MUST int layout_blob(
	const struct layout *l, const struct digest *d, struct layout_blob *out, struct err *e);

/* A small blob appended to out, its digest checked: 1, 0 it is not held, -1. */
MUST int layout_read(const struct layout *l, const struct digest *d, size_t limit, struct buf *out,
	struct err *e);

#endif
