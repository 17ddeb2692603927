/*
 * From a set in the store to the order of its blobs. Reads manifests, each once; must never list a
 * blob that the inventory does not.
 */
#include "mirror-tool/media/contents.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define NESTING_MAX 8 /* indexes in indexes */

/* --- head ---------------------------------------------------------------------------------- */

/* A blob of the store into the head, once. *out is borrowed until the next one. */
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

/* A manifest with its config and layers. */
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

/* --- contents ------------------------------------------------------------------------------ */

struct walk {
	struct contents *c;
	struct store *s;
	const struct head *h;
	bool *ordered; /* by inventory line */
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

/* Note that the entry at hand needs this blob. Is it held (and not in the head)? */
static bool need(struct walk *w, const struct digest *d)
{
	const struct inventory_line *line = inventory_find(&w->h->inventory, d);
	struct contents *c = w->c;
	uint32_t n;

	if (!line || head_find(w->h, d))
		return false;
	n = (uint32_t)(line - w->h->inventory.lines);
	if (c->need_count == c->need_cap) {
		c->need_cap = c->need_cap ? 2 * c->need_cap : 256;
		c->needs = mem_grow(c->needs, c->need_cap, sizeof(*c->needs));
	}
	c->needs[c->need_count++] = n;
	if (!w->ordered[n])
		c->order[c->count++] = n;
	w->ordered[n] = true;
	return true;
}

static bool is_layer_of_images(const char *type)
{
	return strncmp(type, "application/vnd.oci.image.layer.", 32) == 0 ||
	       strncmp(type, "application/vnd.docker.image.rootfs.", 36) == 0;
}

/* Would a container runtime run it? */
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

static int walk_manifest(struct walk *w, const struct digest *d, const char *media_type,
	int nesting, bool *runnable, struct err *e);

static int walk_items(
	struct walk *w, const struct manifest *m, int nesting, bool *runnable, struct err *e)
{
	struct digest of;

	if (m->has_config)
		need(w, &m->config.digest);
	for (size_t i = 0; i < m->count; i++) {
		const struct descriptor *d = &m->items[i];
		bool child = false;

		if (media_kind_of(d->media_type) == MEDIA_OTHER) {
			need(w, &d->digest);
			continue;
		}
		if (walk_manifest(w, &d->digest, d->media_type, nesting + 1, &child, e) < 0)
			return -1;
		*runnable |= child && !m->artifact_type && !descriptor_is_attestation(d, &of);
	}
	return 0;
}

/* What is absent on purpose is no part of it. */
static int walk_manifest(struct walk *w, const struct digest *d, const char *media_type,
	int nesting, bool *runnable, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc;

	*runnable = false;
	if (!need(w, d))
		return 0;
	digest_text(d, text);
	if (nesting > NESTING_MAX)
		return err_set(e, ERR_INPUT, "%s: indexes nested too deeply", text);
	rc = blob_read(w->s, d, MANIFEST_MAX, &bytes, e);
	if (rc == 0)
		return err_set(e, ERR_INCOMPLETE, "blob %s is not in the store", text);
	if (rc < 0 || manifest_parse(&m, text, media_type, buf_span(&bytes), e) < 0)
		return -1;
	*runnable = m.kind == MEDIA_IMAGE && is_runnable(&m);
	return walk_items(w, &m, nesting, runnable, e);
}

static int walk_entry(struct walk *w, size_t i, struct err *e)
{
	const struct set_entry *entry = &w->h->set.entries[i];
	struct contents_entry *out = &w->c->entries[i];
	bool runnable;

	out->first = w->c->need_count;
	if (walk_manifest(w, &entry->digest, entry->media_type, 0, &runnable, e) < 0)
		return err_ctx(e, "%s%s%s", entry->name, *entry->tag ? ":" : "", entry->tag);
	out->count = w->c->need_count - out->first;
	if (entry->role > SET_ATTACHED)
		out->listing = LISTING_NONE;
	else
		out->listing = *entry->tag && !runnable ? LISTING_UNNAMED : LISTING_NAMED;
	return 0;
}

int contents_load(struct contents *c, struct store *s, const struct head *h, struct err *e)
{
	const struct inventory *v = &h->inventory;
	AUTO(mem_free) bool *ordered = mem_alloc(v->count * sizeof(*ordered));
	struct walk w = { c, s, h, ordered };

	c->order = mem_alloc(v->count * sizeof(*c->order));
	c->entries = mem_alloc(h->set.count * sizeof(*c->entries));
	for (size_t i = 0; i < h->set.count; i++)
		if (walk_entry(&w, i, e) < 0)
			return -1;
	/* what no manifest names: nothing today, but the inventory is what was signed */
	for (size_t n = 0; n < v->count; n++)
		if (!ordered[n] && !head_find(h, &v->lines[n].digest))
			c->order[c->count++] = (uint32_t)n;
	return 0;
}
