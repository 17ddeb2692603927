/* The closure of a root over the image graph. Must never recurse deeper than INDEX_DEPTH_MAX + 1. */
#include "storage/walk.h"

#include "storage/oci/reach.h"
#include "storage/base/banned.h"

struct walk {
	const struct walk_ops *ops;
	void *ctx;
	struct digest_map reached;
};

static int visit(struct walk *w, const struct walk_node *n, struct err *e);

static int visit_edges(
	struct walk *w, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct walk_node next = { graph_edge(m, i), n, m, n->depth + 1 };

		if (next.edge.role != EDGE_SUBJECT && visit(w, &next, e) < 0)
			return -1;
	}
	return 0;
}

static int not_here(struct walk *w, const struct walk_node *n, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (w->ops->missing)
		return w->ops->missing(w->ctx, n, e);
	return err_set(e, ERR_INCOMPLETE, "manifest %s is not held",
		digest_text(&n->edge.to->digest, text));
}

/* Its bytes are not what was announced: find out what they are, so that others need not. */
static void correct(struct reached *at, struct span bytes)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct err e = ERR_INIT;

	reach_correct(at, manifest_parse(&m, "", NULL, bytes, &e) == 0 ? m.media_type : "");
}

static int visit_manifest(struct walk *w, const struct walk_node *n, struct reached *at,
	enum reach reach, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc = w->ops->read(w->ctx, &n->edge.to->digest, &bytes, e);

	if (rc <= 0)
		return rc < 0 ? -1 : not_here(w, n, e);
	digest_text(&n->edge.to->digest, text);
	if (manifest_parse(&m, text, n->edge.to->media_type, buf_span(&bytes), e) < 0) {
		correct(at, buf_span(&bytes));
		return -1;
	}
	if (reach == REACH_FIRST && w->ops->enter && w->ops->enter(w->ctx, n, &m, e) < 0)
		return -1;
	if (visit_edges(w, n, &m, e) < 0)
		return -1;
	return reach != REACH_DEEPER && w->ops->leave ? w->ops->leave(w->ctx, n, &m, e) : 0;
}

/* Ask whether it is here, unless that was answered. */
static int find_state(struct walk *w, const struct walk_node *n, struct reached *at, struct err *e)
{
	bool foreign = n->edge.role == EDGE_FOREIGN;
	int rc;

	if (at->state != REACHED_NEW && (at->state != REACHED_FOREIGN || foreign))
		return 0;
	rc = w->ops->held(w->ctx, n, e);
	if (rc < 0)
		return -1;
	at->state = rc > 0 ? REACHED_HELD : foreign ? REACHED_FOREIGN : REACHED_ABSENT;
	return 0;
}

/* Whatever leads to n lacks something that a shorter path may find. */
static void mark_cut(struct walk *w, const struct walk_node *n)
{
	for (n = n->parent; n; n = n->parent)
		((struct reached *)digest_map_find(&w->reached, &n->edge.to->digest))->cut = true;
}

/* Before it is entered, so that a path that is too long leaves no trace but the mark. */
static int check_depth(struct walk *w, const struct walk_node *n, struct err *e)
{
	const char *type = n->edge.to->media_type;
	char text[DIGEST_TEXT_SIZE];

	if (!type || media_kind_of(type) != MEDIA_INDEX || graph_check_depth(n->depth + 1, e) == 0)
		return 0;
	mark_cut(w, n);
	return err_ctx(e, "%s", digest_text(&n->edge.to->digest, text));
}

static int follow(struct walk *w, const struct walk_node *n, struct err *e)
{
	struct reached *at;
	enum reach reach;

	if (w->ops->wanted && !w->ops->wanted(w->ctx, n))
		return 0;
	at = reach_blob(&w->reached, n->edge.to, e);
	if (!at || find_state(w, n, at, e) < 0)
		return -1;
	if (at->state != REACHED_HELD || (n->parent && !edge_is_manifest(&n->edge)))
		return 0;
	if (check_depth(w, n, e) < 0 || reach_manifest(at, n->edge.to, n->depth, &reach, e) < 0)
		return -1;
	if (reach == REACH_NOTHING && at->cut)
		mark_cut(w, n);
	return reach == REACH_NOTHING ? 0 : visit_manifest(w, n, at, reach, e);
}

static int visit(struct walk *w, const struct walk_node *n, struct err *e)
{
	int rc = follow(w, n, e);

	if (rc == 0 || e->code != ERR_INPUT || !n->parent || n->edge.role != EDGE_CHILD ||
		!w->ops->untrue)
		return rc;
	return w->ops->untrue(w->ctx, n, e);
}

static void walk_release(struct walk *w)
{
	digest_map_release(&w->reached);
}

int walk(const struct walk_ops *ops, void *ctx, const struct descriptor *root, struct err *e)
{
	AUTO(walk_release) struct walk w = { .ops = ops, .ctx = ctx };
	struct walk_node n = { .edge = { EDGE_CHILD, root } };

	reach_init(&w.reached);
	return visit(&w, &n, e);
}
