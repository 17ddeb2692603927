/* What an image consists of, and how much of that is here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/look/look.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define TITLE "org.opencontainers.image.title"

void look_image_release(struct look_image *image)
{
	int saved = errno;

	for (size_t i = 0; i < image->count; i++) {
		struct look_child *c = &image->children[i];

		for (size_t j = 0; j < c->layer_count; j++) {
			free(c->layers[j].media_type);
			free(c->layers[j].title);
		}
		free(c->layers);
	}
	free(image->children);
	*image = (struct look_image)LOOK_IMAGE_INIT;
	errno = saved;
}

/* An image on its way through this file. */
struct visit {
	struct look *look;
	const struct inventory *held;
	struct inventory all; /* what is held of the image */
};

static void visit_release(struct visit *v)
{
	inventory_release(&v->all);
}

static int is_held(const struct visit *v, const struct digest *d, struct err *e)
{
	uint64_t size;

	if (v->held)
		return inventory_find(v->held, d) ? 1 : 0;
	return blob_stat(v->look->store, d, &size, e);
}

/* Sum of what is in there, each blob once. */
static uint64_t sum(struct inventory *v)
{
	AUTO(buf_release) struct buf sorted = BUF_INIT;

	inventory_write(v, &sorted);
	return inventory_bytes(v);
}

static int add_layer(
	struct visit *v, struct look_child *c, const struct descriptor *d, struct err *e)
{
	const char *title = annotation_get(&d->annotations, TITLE);
	int rc = is_held(v, &d->digest, e);

	if (rc < 0)
		return -1;
	c->layers[c->layer_count++] = (struct look_layer){ .digest = d->digest,
		.size = d->size,
		.media_type = mem_strdup(d->media_type),
		.title = mem_strdup(title ? title : ""),
		.held = rc == 1 };
	return 0;
}

static int fill_child(
	struct visit *v, struct look_child *c, const struct manifest *m, struct err *e)
{
	AUTO(inventory_release) struct inventory own = INVENTORY_INIT;

	c->layers = mem_alloc(m->count * sizeof(*c->layers));
	for (size_t i = 0; i < m->count; i++)
		if (add_layer(v, c, &m->items[i], e) < 0)
			return -1;
	inventory_add(&own, &c->digest, c->size);
	inventory_add(&own, &m->config.digest, m->config.size);
	for (size_t i = 0; i < c->layer_count; i++)
		if (c->layers[i].held)
			inventory_add(&own, &c->layers[i].digest, c->layers[i].size);
	c->bytes = sum(&own);
	for (size_t i = 0; i < own.count; i++)
		inventory_add(&v->all, &own.lines[i].digest, own.lines[i].size);
	return 0;
}

/* 1 with the parsed manifest, 0 when its bytes are not here. */
static int read_manifest(struct visit *v, const struct digest *d, const char *media_type,
	struct manifest *m, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc = look_blob(v->look, d, MANIFEST_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	return manifest_parse(m, digest_text(d, text), media_type, buf_span(&bytes), e) < 0 ? -1
											    : 1;
}

static int add_child(
	struct visit *v, struct look_image *image, const struct descriptor *d, struct err *e)
{
	struct look_child *c = &image->children[image->count++];
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct digest of;
	int rc = is_held(v, &d->digest, e);

	*c = (struct look_child){ .digest = d->digest, .size = d->size, .held = rc == 1 };
	c->attestation = descriptor_is_attestation(d, &of);
	if (d->has_platform && !c->attestation)
		platform_text(&d->platform, c->platform);
	if (rc <= 0)
		return rc;
	inventory_add(&v->all, &d->digest, d->size);
	rc = read_manifest(v, &d->digest, d->media_type, &m, e);
	if (rc == 1 && m.kind == MEDIA_IMAGE)
		return fill_child(v, c, &m, e);
	return rc < 0 ? -1 : 0;
}

/* An image by itself has its platform in the config. What cannot be read is not said. */
static int read_platform(
	struct visit *v, const struct descriptor *config, struct look_child *c, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	const char *os, *arch, *variant = "";
	struct err ignored = ERR_INIT;
	int rc = config->size > LOOK_CONFIG_MAX
			 ? 0
			 : look_blob(v->look, &config->digest, LOOK_CONFIG_MAX, &bytes, e);

	if (rc <= 0)
		return rc;
	if (json_parse(&d, "config", buf_span(&bytes), LOOK_CONFIG_MAX, &ignored) < 0 ||
		node_string(&d, d.root, "os", OPTIONAL, &os, &ignored) != 1 ||
		node_string(&d, d.root, "architecture", OPTIONAL, &arch, &ignored) != 1 ||
		node_string(&d, d.root, "variant", OPTIONAL, &variant, &ignored) < 0)
		return 0;
	snprintf(c->platform, sizeof(c->platform), "%s/%s%s%s", os, arch, *variant ? "/" : "",
		variant);
	return 0;
}

static int fill_image(struct visit *v, struct look_image *image, const struct manifest *m,
	const struct descriptor *top, struct err *e)
{
	image->known = true;
	image->is_index = m->kind == MEDIA_INDEX;
	image->children = mem_alloc((m->count + 1) * sizeof(*image->children));
	inventory_add(&v->all, &top->digest, top->size);
	if (!image->is_index) {
		image->count = 1;
		image->children[0] = (struct look_child){
			.digest = top->digest, .size = top->size, .held = true
		};
		if (read_platform(v, &m->config, &image->children[0], e) < 0)
			return -1;
		return fill_child(v, &image->children[0], m, e);
	}
	for (size_t i = 0; i < m->count; i++)
		if (add_child(v, image, &m->items[i], e) < 0)
			return -1;
	return 0;
}

int look_image(struct look *l, const struct inventory *held, const struct digest *d, uint64_t size,
	const char *media_type, struct look_image *out, struct err *e)
{
	AUTO(visit_release) struct visit v = { l, held, INVENTORY_INIT };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct descriptor top = { .digest = *d, .size = size };
	int rc = read_manifest(&v, d, media_type, &m, e);

	*out = (struct look_image)LOOK_IMAGE_INIT;
	if (rc <= 0)
		return rc < 0 ? -1 : 0;
	if (fill_image(&v, out, &m, &top, e) < 0) {
		look_image_release(out);
		return -1;
	}
	out->bytes = sum(&v.all);
	return 0;
}
