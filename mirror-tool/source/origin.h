/*
 * One interface to manifests, attachments and blobs in a registry, at another place than their name
 * says, or in a local layout.
 *
 * Calls and results are those of upstream.h, with one difference: of a layout, and of a place that
 * cannot be, the callback comes from inside the call. So count a request before it is made. One
 * thread.
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
	const struct ref *at; /* SOURCE_ELSEWHERE: its host and repository; borrowed */
	const struct registry_confs *confs; /* else `source` of the host, if any; borrowed */
	const struct origins *all; /* borrowed */
};

/* Fetch by ref->digest, else by ref->tag; of a layout the entry of index.json with this tag. how:
 * MANIFEST_*. */
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
	/* Set by the owner, or NULL. Called inside origin_blob() for each chunk of a layout's blob. */
	void (*copied)(void *ctx, uint64_t bytes);
	void *ctx;
};

/* up and confs are borrowed; base is copied. */
void origins_init(struct origins *all, struct upstream *up, const struct registry_confs *confs,
	const char *base);
void origins_release(struct origins *all); /* closes the layouts, not the upstream */

/* Open the source `from` of a list or lock; NULL text: the registry of the name. *o borrows from
 * `all` and `from`. Errors: as layout_open(). */
MUST int origin_of(
	struct origins *all, const struct source_ref *from, struct origin *o, struct err *e);

#endif
