/* What an image consists of, and how much of that is held. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/view/view.h"
#include "storage/oci/config.h"
#include "storage/oci/keys.h"
#include "storage/walk.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

void view_image_release(struct view_image *image)
{
	int saved = errno;

	for (size_t i = 0; i < image->count; i++) {
		struct view_child *c = &image->children[i];

		for (size_t j = 0; j < c->layer_count; j++) {
			free(c->layers[j].media_type);
			free(c->layers[j].title);
		}
		free(c->layers);
		free(c->media_type);
	}
	free(image->children);
	*image = (struct view_image)VIEW_IMAGE_INIT;
	errno = saved;
}

/* A walk over one image. */
struct visit {
	struct view *view;
	const struct inventory *held;
	struct view_image *image;
	struct inventory all; /* what is held of the image */
};

static void visit_release(struct visit *v)
{
	inventory_release(&v->all);
}

/* A blob of another size is another one. */
static int is_held(const struct visit *v, const struct descriptor *d, struct err *e)
{
	const struct inventory_line *line;
	uint64_t size;
	int rc;

	if (v->held) {
		line = inventory_find(v->held, &d->digest);
		return line && line->size == d->size;
	}
	rc = blob_stat(v->view->store, &d->digest, &size, e);
	return rc > 0 ? size == d->size : rc;
}

/* Sum of the sizes, each blob once. */
static uint64_t sum(struct inventory *v)
{
	AUTO(buf_release) struct buf sorted = BUF_INIT;

	inventory_write(v, &sorted);
	return inventory_bytes(v);
}

/* --- one manifest ---------------------------------------------------------------------------- */

static struct view_child *add_child(
	struct view_image *image, const struct descriptor *d, bool is_held)
{
	struct view_child *c;
	struct digest of;

	c = VEC_PUSH(image->children, image->count);
	*c = (struct view_child){ .digest = d->digest, .size = d->size, .held = is_held };
	c->media_type = mem_strdup(d->media_type ? d->media_type : "");
	c->bytes = is_held ? d->size : 0;
	c->attestation = descriptor_is_attestation(d, &of);
	c->is_index = d->media_type && media_kind_of(d->media_type) == MEDIA_INDEX;
	if (d->has_platform && !c->attestation)
		platform_text(&d->platform, c->platform);
	return c;
}

static void add_layer(struct view_child *c, const struct descriptor *d, bool is_held)
{
	const char *title = annotation_get(&d->annotations, KEY_TITLE);

	c->layers[c->layer_count++] = (struct view_layer){ .digest = d->digest,
		.size = d->size,
		.media_type = mem_strdup(d->media_type),
		.title = mem_strdup(title ? title : ""),
		.held = is_held };
}

static int fill_child(
	struct visit *v, struct view_child *c, const struct manifest *m, struct err *e)
{
	AUTO(inventory_release) struct inventory own = INVENTORY_INIT;

	c->layers = mem_alloc(m->count * sizeof(*c->layers));
	inventory_add(&own, &c->digest, c->size);
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);
		int rc = edge.role == EDGE_SUBJECT ? 0 : is_held(v, edge.to, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			inventory_add(&own, &edge.to->digest, edge.to->size);
		if (edge.role == EDGE_LAYER || edge.role == EDGE_FOREIGN)
			add_layer(c, edge.to, rc > 0);
	}
	c->bytes = sum(&own);
	return 0;
}

/* Take the platform of an image without an index from its config. A config that cannot be read names none. */
static int read_platform(
	struct visit *v, const struct manifest *m, struct view_child *c, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct platform p;
	int rc = !m->has_config || m->config.size > IMAGE_CONFIG_MAX
			 ? 0
			 : view_blob(v->view, &m->config.digest, IMAGE_CONFIG_MAX, &bytes, e);

	if (rc > 0 && config_platform(buf_span(&bytes), &p))
		platform_text(&p, c->platform);
	return rc < 0 ? -1 : 0;
}

/* --- the walk -------------------------------------------------------------------------------- */

static int visit_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct visit *v = ctx;

	return view_blob(v->view, d, MANIFEST_MAX, out, e);
}

static void count(struct visit *v, const struct walk_node *n)
{
	inventory_add(&v->all, &n->edge.to->digest, n->edge.to->size);
}

static int visit_held(void *ctx, const struct walk_node *n, struct err *e)
{
	struct visit *v = ctx;
	int rc = n->parent ? is_held(v, n->edge.to, e) : 1;

	if (rc > 0 && n->parent && !edge_is_manifest(&n->edge))
		count(v, n);
	return rc;
}

/* Count a manifest that is not here: its volume may not be. */
static int visit_missing(void *ctx, const struct walk_node *n, struct err *e)
{
	(void)e;
	count(ctx, n);
	return 0;
}

/* Is it listed with this size and type? An index may list a digest again as something else. */
static bool is_same(const struct view_child *c, const struct descriptor *d)
{
	return digest_eq(&c->digest, &d->digest) && c->size == d->size &&
	       strcmp(c->media_type, d->media_type ? d->media_type : "") == 0;
}

static bool is_entered(const struct view_image *image, const struct descriptor *d)
{
	for (size_t i = 0; i < image->count; i++)
		if (image->children[i].entered && is_same(&image->children[i], d))
			return true;
	return false;
}

/* Mark a child as not held: its manifest is another one. But for an index that was read by another path and is only
 * too deep by this one. */
static int visit_untrue(void *ctx, const struct walk_node *n, struct err *e)
{
	const char *type = n->edge.to->media_type;
	struct visit *v = ctx;

	(void)e;
	if (media_kind_of(type) == MEDIA_INDEX && is_entered(v->image, n->edge.to))
		return 0;
	for (size_t i = 0; i < v->image->count; i++) {
		struct view_child *c = &v->image->children[i];

		if (is_same(c, n->edge.to)) {
			c->held = false;
			c->bytes = 0;
		}
	}
	return 0;
}

static int enter_index(struct visit *v, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		int rc = is_held(v, &m->items[i], e);

		if (rc < 0)
			return -1;
		add_child(v->image, &m->items[i], rc > 0);
	}
	return 0;
}

/* Mark a child as held, also after a path that was too deep. */
static int enter_child(
	struct visit *v, struct view_child *c, const struct manifest *m, struct err *e)
{
	c->held = c->entered = true;
	if (m->kind != MEDIA_INDEX)
		return c->layers ? 0 : fill_child(v, c, m, e);
	c->bytes = c->size;
	return 0;
}

static int visit_enter(
	void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct visit *v = ctx;
	struct view_image *image = v->image;

	count(v, n);
	image->known = true;
	if (!n->parent)
		image->is_index = m->kind == MEDIA_INDEX;
	if (m->kind != MEDIA_INDEX && !n->parent &&
		read_platform(v, m, add_child(image, n->edge.to, true), e) < 0)
		return -1;
	/* An index may list it several times. */
	for (size_t i = 0; i < image->count; i++)
		if (is_same(&image->children[i], n->edge.to) &&
			enter_child(v, &image->children[i], m, e) < 0)
			return -1;
	return m->kind == MEDIA_INDEX ? enter_index(v, m, e) : 0;
}

int view_image(struct view *view, const struct inventory *held, const struct digest *d,
	uint64_t size, const char *media_type, struct view_image *out, struct err *e)
{
	static const struct walk_ops ops = { .read = visit_read,
		.held = visit_held,
		.missing = visit_missing,
		.untrue = visit_untrue,
		.enter = visit_enter };
	AUTO(visit_release)
	struct visit v = { .view = view, .held = held, .image = out, .all = INVENTORY_INIT };
	const struct descriptor root = { .digest = *d, .size = size, .media_type = media_type };

	*out = (struct view_image)VIEW_IMAGE_INIT;
	if (walk(&ops, &v, &root, e) < 0) {
		view_image_release(out);
		return -1;
	}
	out->bytes = out->known ? sum(&v.all) : 0;
	return 0;
}
