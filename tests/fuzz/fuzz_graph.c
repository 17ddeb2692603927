/*
 * Graphs of hostile manifests, one a line: a digest leads to the line that its first byte chooses,
 * so there are cycles too. A walk ends, asks for each blob once, and never goes too deep.
 */
#include "storage/oci/digest_map.h"
#include "storage/walk.h"
#include "tests/fuzz/fuzz.h"

#define LINES_MAX 32

struct graph {
	struct span lines[LINES_MAX];
	size_t count;
	struct digest_map asked, entered;
};

static void graph_release(struct graph *g)
{
	digest_map_release(&g->asked);
	digest_map_release(&g->entered);
}

static int on_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct graph *g = ctx;
	struct span line = g->lines[d->bytes[0] % g->count];

	(void)e;
	buf_add(out, line.data, line.len);
	return 1;
}

static int on_held(void *ctx, const struct walk_node *n, struct err *e)
{
	struct graph *g = ctx;
	const struct digest *d = &n->edge.to->digest;

	(void)e;
	must(!digest_map_find(&g->asked, d));
	digest_map_add(&g->asked, d, sizeof(*d));
	return 1;
}

static int on_enter(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	const struct digest *d = &n->edge.to->digest;
	struct graph *g = ctx;

	(void)e;
	must(n->depth <= INDEX_DEPTH_MAX);
	must(m->kind == MEDIA_IMAGE || n->depth < INDEX_DEPTH_MAX);
	must(digest_map_find(&g->asked, d) && !digest_map_find(&g->entered, d));
	digest_map_add(&g->entered, d, sizeof(*d));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct walk_ops ops = { .read = on_read, .held = on_held, .enter = on_enter };
	AUTO(graph_release) struct graph g = { .count = 0 };
	struct descriptor root = { .digest = { .alg = DIGEST_SHA256 } };
	struct span rest = input(data, size);
	struct err e;

	while (rest.len && g.count < LINES_MAX)
		g.lines[g.count++] = span_until(&rest, '\n');
	if (g.count)
		(void)!walk(&ops, &g, &root, &e);
	return 0;
}
