/*
 * Order the blobs of a set in the store. Reads each manifest once; must never list a blob that is
 * not in the inventory.
 */
#include "mirror-tool/media/contents.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/walk.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- head ---------------------------------------------------------------------------------- */

/* Load a blob of the store into the head, once. *out is borrowed until the next one. */
static int load_blob(struct head *h, struct store *s, const struct digest *d, size_t limit,
	struct head_blob **out, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	*out = head_find(h, d);
	if (*out)
		return 0;
	*out = head_add(h, d);
	rc = blob_read(s, d, limit, &(*out)->bytes, e);
	if (rc == 0)
		return err_set(
			e, ERR_INCOMPLETE, "blob %s is not in the store", digest_text(d, text));
	return rc < 0 ? -1 : 0;
}

/* Load a manifest with its config and layers. */
static int load_manifest(struct head *h, struct store *s, const struct digest *d, size_t limit,
	struct digest *layer, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct head_blob *blob;
	char text[DIGEST_TEXT_SIZE];

	if (load_blob(h, s, d, MANIFEST_MAX, &blob, e) < 0 ||
		manifest_parse(&m, digest_text(d, text), NULL, buf_span(&blob->bytes), e) < 0)
		return -1;
	if (m.has_config && load_blob(h, s, &m.config.digest, limit, &blob, e) < 0)
		return -1;
	for (size_t i = 0; i < m.count; i++)
		if (load_blob(h, s, &m.items[i].digest, limit, &blob, e) < 0)
			return -1;
	if (m.count)
		*layer = m.items[0].digest;
	return 0;
}

static int load_signatures(struct head *h, struct store *s, struct err *e)
{
	AUTO(mem_free) struct set_signature *signatures = NULL;
	struct digest layer;
	size_t count = 0;

	if (set_signatures(s, &h->digest, &signatures, &count, e) < 0)
		return -1;
	if (count == 0)
		return err_set(e, ERR_UNTRUSTED, "it is not signed");
	if (count > VOLUME_SIGNATURES_MAX)
		return err_set(e, ERR_INPUT, "more than %d signatures", VOLUME_SIGNATURES_MAX);
	for (size_t i = 0; i < count; i++) {
		head_add_signature(h, &signatures[i]);
		if (load_manifest(h, s, &signatures[i].digest, MANIFEST_MAX, &layer, e) < 0)
			return err_ctx(e, "signature");
	}
	return 0;
}

static int load_inventory(struct head *h, struct store *s, struct err *e)
{
	const struct set_entry *entry = set_role_entry(&h->set, SET_INVENTORY);
	struct digest layer = { .alg = DIGEST_NONE };
	const struct head_blob *text;

	if (load_manifest(h, s, &entry->digest, INVENTORY_BYTES_MAX, &layer, e) < 0)
		return -1;
	text = head_find(h, &layer);
	if (!text)
		return err_set(e, ERR_CORRUPT, "the inventory has no layer");
	return inventory_parse(&h->inventory, "inventory", buf_span(&text->bytes), e);
}

int head_load(struct head *h, struct store *s, const struct digest *set, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	struct head_blob *blob;

	h->digest = *set;
	if (load_blob(h, s, set, SET_BYTES_MAX, &blob, e) < 0 ||
		set_parse(&h->set, digest_text(set, text), buf_span(&blob->bytes), e) < 0 ||
		load_signatures(h, s, e) < 0 || load_inventory(h, s, e) < 0)
		return err_ctx(e, "set %s", digest_text(set, text));
	return 0;
}

int set_inventory(struct store *s, const struct digest *set, struct inventory *out, struct err *e)
{
	AUTO(head_release) struct head h = HEAD_INIT;
	char text[DIGEST_TEXT_SIZE];
	struct head_blob *blob;

	if (load_blob(&h, s, set, SET_BYTES_MAX, &blob, e) < 0 ||
		set_parse(&h.set, digest_text(set, text), buf_span(&blob->bytes), e) < 0 ||
		load_inventory(&h, s, e) < 0)
		return -1;
	*out = h.inventory;
	h.inventory = (struct inventory)INVENTORY_INIT;
	return 0;
}

/* --- contents ------------------------------------------------------------------------------ */

/* A walk over the entries of a set, filling `c`. */
struct contents_walk {
	struct contents *c;
	struct store *s;
	const struct head *h;
	bool *ordered; /* by inventory line */
	bool runnable; /* of the current entry: a runtime can run something in it */
};

void contents_release(struct contents *c)
{
	int saved = errno;

	free(c->order);
	free(c->needs);
	free(c->entries);
	*c = (struct contents)CONTENTS_INIT;
	errno = saved;
}

/* Add a blob to the current entry. What is absent on purpose is not part of it. */
static int need(void *ctx, const struct walk_node *n, struct err *e)
{
	struct contents_walk *l = ctx;
	const struct digest *d = &n->edge.to->digest;
	const struct inventory_line *line = inventory_find(&l->h->inventory, d);
	struct contents *c = l->c;
	char text[DIGEST_TEXT_SIZE];
	uint32_t number;

	if (!line || head_find(l->h, d))
		return 0;
	if (line->size != n->edge.to->size)
		return err_set(e, ERR_INPUT, "%s has %llu bytes, not the %llu announced",
			digest_text(d, text), (unsigned long long)line->size,
			(unsigned long long)n->edge.to->size);
	number = (uint32_t)(line - l->h->inventory.lines);
	*VEC_PUSH(c->needs, c->need_count) = number;
	if (!l->ordered[number])
		c->order[c->count++] = number;
	l->ordered[number] = true;
	return 1;
}

/* Ignore a blob that is in the set as something else: as what this index names, it is absent. */
static int is_else(void *ctx, const struct walk_node *n, struct err *e)
{
	(void)ctx;
	(void)n;
	(void)e;
	return 0;
}

static int read_blob(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct contents_walk *l = ctx;

	return blob_read(l->s, d, MANIFEST_MAX, out, e);
}

static bool is_layer_of_images(const char *type)
{
	return strncmp(type, "application/vnd.oci.image.layer.", 32) == 0 ||
	       strncmp(type, "application/vnd.docker.image.rootfs.", 36) == 0;
}

/* Can a container runtime run it? */
static bool is_runnable(const struct manifest *m)
{
	const char *config = m->has_config ? m->config.media_type : "";

	if (m->artifact_type || (strcmp(config, MEDIA_OCI_CONFIG) != 0 &&
					strncmp(config, "application/vnd.docker.", 23) != 0))
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (!is_layer_of_images(m->items[i].media_type))
			return false;
	return true;
}

/* Can a runtime choose it? Not an attestation. */
static bool is_offered(const struct walk_node *n)
{
	struct digest of;

	for (; n->parent; n = n->parent)
		if (n->in->artifact_type || descriptor_is_attestation(n->edge.to, &of))
			return false;
	return true;
}

static int enter(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct contents_walk *l = ctx;

	(void)e;
	l->runnable |= m->kind == MEDIA_IMAGE && is_runnable(m) && is_offered(n);
	return 0;
}

static int list_entry(struct contents_walk *l, size_t i, struct err *e)
{
	static const struct walk_ops ops = {
		.read = read_blob, .held = need, .untrue = is_else, .enter = enter
	};
	const struct set_entry *entry = &l->h->set.entries[i];
	struct contents_entry *out = &l->c->entries[i];
	const struct descriptor root = {
		.digest = entry->digest, .size = entry->size, .media_type = entry->media_type
	};

	l->runnable = false;
	out->first = l->c->need_count;
	if (walk(&ops, l, &root, e) < 0)
		return err_ctx(e, "%s%s%s", entry->name, *entry->tag ? ":" : "", entry->tag);
	out->count = l->c->need_count - out->first;
	if (entry->role > SET_ATTACHED)
		out->listing = LISTING_NONE;
	else
		out->listing = *entry->tag && !l->runnable ? LISTING_UNNAMED : LISTING_NAMED;
	return 0;
}

int contents_load(struct contents *c, struct store *s, const struct head *h, struct err *e)
{
	const struct inventory *v = &h->inventory;
	AUTO(mem_free) bool *ordered = mem_alloc(v->count * sizeof(*ordered));
	struct contents_walk l = { .c = c, .s = s, .h = h, .ordered = ordered };

	c->order = mem_alloc(v->count * sizeof(*c->order));
	c->entries = mem_alloc(h->set.count * sizeof(*c->entries));
	for (size_t i = 0; i < h->set.count; i++)
		if (list_entry(&l, i, e) < 0)
			return -1;
	/* lines that no manifest names: none today, but the inventory is signed */
	for (size_t n = 0; n < v->count; n++)
		if (!ordered[n] && !head_find(h, &v->lines[n].digest))
			c->order[c->count++] = (uint32_t)n;
	return 0;
}
