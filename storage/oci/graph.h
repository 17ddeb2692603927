/*
 * The image graph: what a parsed manifest names, and the rules that every walk over it follows.
 *
 * Pure. storage/walk.h makes the closure of a root from it; `moat pull` and `moat pin`, which wait
 * for a network between two steps, use it directly.
 */
#ifndef MOAT_GRAPH_H
#define MOAT_GRAPH_H

#include "storage/oci/manifest.h"

/* Indexes on one path from a root to a manifest, the root included. More are refused wherever an
 * image is read, in the same words, and first by `moat pin`. */
#define INDEX_DEPTH_MAX 8

/* The store records the first four by these numbers. */
enum edge_role {
	EDGE_CONFIG = 1,
	EDGE_LAYER = 2, /* also a blob of an artifact manifest */
	EDGE_CHILD = 3, /* an entry of an index: a manifest, or a blob by itself */
	EDGE_FOREIGN = 4, /* a layer with another address: it may be absent here (S3) */
	EDGE_SUBJECT = 5 /* what the manifest is about; no part of it, never followed */
};

struct edge {
	enum edge_role role;
	const struct descriptor *to; /* borrowed from the manifest */
};

/* Edges in the manifest's order: the config, if there is one, layers or children, the subject. */
size_t graph_edges(const struct manifest *m);
struct edge graph_edge(const struct manifest *m, size_t i); /* i < graph_edges(m) */

/* Does the edge lead to a manifest, which has edges of its own? */
bool edge_is_manifest(const struct edge *edge);
const char *edge_name(enum edge_role role); /* for messages: "config", "layer", "child", ... */

/* depth: indexes on the path so far, this one included. ERR_INPUT past INDEX_DEPTH_MAX. */
MUST int graph_check_depth(unsigned depth, struct err *e);

#endif
