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

/* Open a layout and read its index.json. path: absolute, or relative to the working directory.
 * ERR_ABSENT: it is not there; ERR_INPUT: it is no layout. */
MUST int layout_open(struct layout **l, enum source_kind kind, const char *path, struct err *e);
void layout_close(struct layout **l); /* for AUTO; sets it to NULL */

const char *layout_path(const struct layout *l); /* for messages; borrowed */
const struct manifest *layout_index(const struct layout *l); /* index.json; borrowed */

/* Find the entry of a name, or the only one when name is "". Returns 1 with a borrowed *out, 0, -1
 * several. Entries that `cosign save` lists as signatures or attestations are not counted. */
MUST int layout_find(
	const struct layout *l, const char *name, const struct descriptor **out, struct err *e);

/* Find the entry that a registry would have under this tag: by the tag of its name, or by the kind
 * that `cosign save` gave it ("sigs": sha256-HEX.sig of the saved image). Borrowed; NULL: none. */
const struct descriptor *layout_by_tag(const struct layout *l, const char *tag);

/* Find the image that `cosign save` wrote. Borrowed; NULL: none. */
const struct descriptor *layout_saved(const struct layout *l);

/* Call fn for each blob under sha256, whether index.json leads to it or not; -1 of fn ends it. Of a
 * folder in the order of names, without files whose name is no digest. */
typedef int layout_each_fn(void *ctx, const struct digest *d, struct err *e);
MUST int layout_each(const struct layout *l, layout_each_fn *fn, void *ctx, struct err *e);

/* Find the bytes of a blob: `size` bytes from `offset` on. Returns 1 with *fd, which the caller
 * owns; 0 the layout does not have it; -1. */
struct layout_blob {
	int fd;
	uint64_t offset, size;
};
MUST int layout_blob(
	const struct layout *l, const struct digest *d, struct layout_blob *out, struct err *e);

/* Append a blob of at most `limit` bytes, its digest checked. Returns 1, 0 the layout does not have
 * it, -1 ERR_CORRUPT, ERR_INPUT too large. */
MUST int layout_read(const struct layout *l, const struct digest *d, size_t limit, struct buf *out,
	struct err *e);

#endif
