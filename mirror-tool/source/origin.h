/*
 * One way to ask for manifests, attachments and blobs, whether they are in a registry, at another place
 * than their name says, or in a local layout.
 *
 * The calls and results are those of upstream.h, with one difference: for a layout, and for a place that
 * cannot be, the callback comes from inside the call. So a caller counts what it asked for before it asks.
 */
#ifndef MOAT_ORIGIN_H
#define MOAT_ORIGIN_H

#include "mirror-tool/list/registry_conf.h"
#include "mirror-tool/source/layout.h"
#include "mirror-tool/source/subjects.h"
#include "mirror-tool/upstream/upstream.h"

struct origin {
	struct upstream *upstream; /* borrowed; used when layout is NULL */
	struct layout *layout; /* borrowed */
	struct subjects *subjects; /* of the layout; borrowed */
	const struct ref
		*at; /* SOURCE_ELSEWHERE: instead of a reference's host and repository; borrowed */
	const struct registry_confs *confs; /* else `source` of the host, if it has one; borrowed */
	const struct origins *all; /* borrowed */
};

/* ref->digest, else the name ref->tag: of a layout an entry of index.json that has this tag. */
void origin_manifest(const struct origin *o, const struct ref *ref, unsigned how,
	upstream_manifest_fn *done, void *ctx);
void origin_tags(const struct origin *o, const struct ref *ref, upstream_tag_fn *each,
	upstream_done_fn *done, void *ctx); /* never of a layout */
void origin_referrers(
	const struct origin *o, const struct ref *ref, upstream_referrers_fn *done, void *ctx);
void origin_blob_bytes(const struct origin *o, const struct ref *ref, const struct digest *d,
	uint64_t size, upstream_bytes_fn *done, void *ctx);
void origin_blob_size(const struct origin *o, const struct ref *ref, const struct digest *d,
	upstream_size_fn *done, void *ctx);
void origin_blob(const struct origin *o, const struct ref *ref, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done,
	void *ctx);

struct open_layout {
	struct layout *layout;
	char *path; /* as opened */
	struct subjects subjects;
};

/* The layouts that are open, each once. Paths are relative to `base` (a folder). */
struct origins {
	struct upstream *upstream;
	const struct registry_confs *confs;
	char *base;
	struct open_layout **layouts;
	size_t count;
	/* The owner's, or NULL: bytes of a layout's blob that were copied, piece by piece, from inside of
	 * origin_blob(). */
	void (*copied)(void *ctx, uint64_t bytes);
	void *ctx;
};

/* confs is borrowed. */
void origins_init(struct origins *all, struct upstream *up, const struct registry_confs *confs,
	const char *base);
void origins_release(struct origins *all); /* closes layouts, not the upstream */

/* from: of a list or lock. On success *o borrows from `all`. */
MUST int origin_of(
	struct origins *all, const struct source_ref *from, struct origin *o, struct err *e);

#endif
