/*
 * Where an image comes from besides the registry of its name: an OCI layout in a folder or in a tar
 * file, or another place in a registry.
 *
 *	oci:DIR[:NAME]			a folder
 *	oci-archive:FILE[:NAME]		an uncompressed tar file
 *	docker://HOST/REPO[:TAG]	another place (place.h); its own tag unless there is one
 *
 * NAME is the org.opencontainers.image.ref.name of an entry of index.json, word for word (a bare
 * tag or a full reference); without it there must be a single entry. The bytes are as hostile as
 * those of a registry: limits, digests and sizes are checked here, links and devices are never
 * opened.
 */
#ifndef MOAT_SOURCE_H
#define MOAT_SOURCE_H

#include "storage/oci/manifest.h"
#include "storage/oci/ref.h"

enum source_kind { SOURCE_REGISTRY = 0, SOURCE_OCI, SOURCE_OCI_ARCHIVE, SOURCE_ELSEWHERE };

#define SOURCE_TEXT_MAX 4096

struct source_ref {
	enum source_kind kind;
	char *text; /* as written; NULL for the registry of the name */
	char *path; /* relative to the folder of the file that names it; "" for another place */
	char *name; /* "" when not given; of another place: the tag */
	struct ref *at; /* SOURCE_ELSEWHERE: host and repository; else NULL */
};

static inline bool source_is_local(const struct source_ref *s)
{
	return s->kind == SOURCE_OCI || s->kind == SOURCE_OCI_ARCHIVE;
}

/* One of the three; ERR_INPUT otherwise. On failure nothing is owned. */
MUST int source_ref_parse(struct source_ref *s, const char *text, struct err *e);
/* The text of a place, without "docker://". */
MUST int source_ref_place(struct source_ref *s, const char *text, struct err *e);
void source_ref_copy(struct source_ref *to, const struct source_ref *from);
void source_ref_release(struct source_ref *s);

/* --- reading (layout.c) ------------------------------------------------------------------- */

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
