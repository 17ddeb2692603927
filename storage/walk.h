/*
 * The closure of a root: every manifest and blob that it reaches, each once, depth first and in the
 * order in which the manifests name them. Callbacks say what a walk is for.
 *
 * The bytes may be hostile: reaching a manifest again costs nothing, a digest with two sizes or two
 * media types is refused, and so is a path of too many indexes (INDEX_DEPTH_MAX), whichever path
 * is found first. Subjects are no part of the closure.
 *
 * An index may name children that were never fetched, so that nothing it says of them was checked, while
 * the same blob is here as something else: a layer, the empty config. `untrue` is for those.
 */
#ifndef MOAT_WALK_H
#define MOAT_WALK_H

#include "storage/oci/graph.h"

/* Position of a walk. Valid during the callback, its parents too. */
struct walk_node {
	struct edge edge; /* that leads here; of the root: EDGE_CHILD */
	const struct walk_node *parent; /* NULL: the root */
	const struct manifest *in; /* the parent's manifest; NULL: the root */
	unsigned depth; /* manifests above */
};

/* Each gets the ctx of walk(). `read` and `held` must be there; NULL: see each. */
struct walk_ops {
	/* A manifest's bytes, appended: 1, 0 they are not here, -1. */
	int (*read)(void *ctx, const struct digest *d, struct buf *out, struct err *e);
	/* Does the edge belong to what is walked? Asked for every edge. NULL: all do. */
	bool (*wanted)(void *ctx, const struct walk_node *n);
	/* Is it here? Asked once a blob, before it is read; again when it was absent as a foreign
	 * layer and is more than that. 1, 0 the walk goes on elsewhere, -1. */
	int (*held)(void *ctx, const struct walk_node *n, struct err *e);
	/* `held` said 1 of a manifest and `read` 0: 0 go on elsewhere, -1. NULL: ERR_INCOMPLETE. */
	int (*missing)(void *ctx, const struct walk_node *n, struct err *e);
	/* A child is not what its index says: another size or type, no manifest, too deep (ERR_INPUT in
	 * *e): 0 it is as good as absent, -1. Its `enter` may have been called. NULL: the walk fails. */
	int (*untrue)(void *ctx, const struct walk_node *n, struct err *e);
	/* A manifest, once: before and after everything that it names; after it again when a shorter path
	 * may have found more of that than a first one that was too deep. NULL: nothing is done. */
	int (*enter)(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e);
	int (*leave)(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e);
};

/* root: digest and size, and a media type or NULL (then its bytes say it). 0 or -1. */
MUST int walk(const struct walk_ops *ops, void *ctx, const struct descriptor *root, struct err *e);

#endif
