/* The edges of a manifest and the rules of walking them. Pure: reads parsed manifests, no bytes. */
#include "storage/oci/graph.h"

#include "storage/base/banned.h"

size_t graph_edges(const struct manifest *m)
{
	return m->count + (m->has_config ? 1 : 0) + (m->has_subject ? 1 : 0);
}

static enum edge_role item_role(const struct manifest *m, const struct descriptor *d)
{
	if (m->kind == MEDIA_INDEX)
		return EDGE_CHILD;
	return d->has_urls || media_is_foreign(d->media_type) ? EDGE_FOREIGN : EDGE_LAYER;
}

struct edge graph_edge(const struct manifest *m, size_t i)
{
	if (m->has_config && i == 0)
		return (struct edge){ EDGE_CONFIG, &m->config };
	i -= m->has_config ? 1 : 0;
	if (i == m->count)
		return (struct edge){ EDGE_SUBJECT, &m->subject };
	return (struct edge){ item_role(m, &m->items[i]), &m->items[i] };
}

bool edge_is_manifest(const struct edge *edge)
{
	return edge->role == EDGE_CHILD && media_kind_of(edge->to->media_type) != MEDIA_OTHER;
}

const char *edge_name(enum edge_role role)
{
	static const char *const names[] = {
		[EDGE_CONFIG] = "config",
		[EDGE_LAYER] = "layer",
		[EDGE_CHILD] = "child",
		[EDGE_FOREIGN] = "foreign layer",
		[EDGE_SUBJECT] = "subject",
	};

	return names[role];
}

int graph_check_depth(unsigned depth, struct err *e)
{
	if (depth <= INDEX_DEPTH_MAX)
		return 0;
	return err_set(e, ERR_INPUT, "indexes are nested more than %d deep", INDEX_DEPTH_MAX);
}
