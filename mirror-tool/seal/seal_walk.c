/*
 * From a manifest to every blob that has to travel with it. What is missing is reported and the
 * walk goes on, so that a person sees all of it at once. Writes nothing.
 */
#include "mirror-tool/seal/seal.h"
#include "mirror-tool/pin/selection.h"

#include "storage/base/banned.h"

/* One pin or attachment on its way through this file. */
struct visit {
	struct seal_walk *walk;
	const struct lock_pin *pin; /* NULL: an attachment */
	const char *reference;
};

/* 1 when it is in the store and now in the inventory, 0 when it is missing. */
static int visit_blob(
	struct visit *v, const struct digest *d, uint64_t want, const char *what, struct err *e)
{
	struct seal_walk *w = v->walk;
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;
	int rc = blob_stat(w->store, d, &size, e);

	if (rc < 0)
		return -1;
	if (rc == 0) {
		w->missing_count++;
		w->missing(w->ctx, v->reference, d, what);
		return 0;
	}
	if (size != want)
		return err_set(e, ERR_CORRUPT, "%s %s: %llu bytes are held, %llu announced", what,
			digest_text(d, text), (unsigned long long)size, (unsigned long long)want);
	inventory_add(w->inventory, d, size);
	return 1;
}

static int visit_image(struct visit *v, const struct manifest *m, struct err *e)
{
	uint64_t size;

	if (visit_blob(v, &m->config.digest, m->config.size, "config", e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		const struct descriptor *layer = &m->items[i];
		bool foreign = layer->has_urls || media_is_foreign(layer->media_type);
		int rc = foreign ? blob_stat(v->walk->store, &layer->digest, &size, e) : 1;

		if (rc < 0)
			return -1;
		if (rc == 1 && visit_blob(v, &layer->digest, layer->size, "layer", e) < 0)
			return -1;
	}
	return 0;
}

static int visit_manifest(
	struct visit *v, const struct descriptor *d, unsigned depth, struct err *e);

static int visit_index(struct visit *v, const struct manifest *m, unsigned depth, struct err *e)
{
	const struct platform_texts nothing = { .count = 0 };
	AUTO(mem_free) bool *held = NULL;

	if (depth == SEAL_DEPTH_MAX)
		return err_set(
			e, ERR_INPUT, "indexes within indexes, more than %d deep", SEAL_DEPTH_MAX);
	held = mem_alloc(m->count * sizeof(bool));
	select_held(m, v->pin ? &v->pin->absent : &nothing, held);
	for (size_t i = 0; i < m->count; i++)
		if (held[i] && visit_manifest(v, &m->items[i], depth + 1, e) < 0)
			return -1;
	return 0;
}

static int visit_manifest(
	struct visit *v, const struct descriptor *d, unsigned depth, struct err *e)
{
	enum media_kind kind = media_kind_of(d->media_type);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc = visit_blob(v, &d->digest, d->size, depth ? "child" : "manifest", e);

	/* An index may also point at plain blobs; they are held, and that is all. */
	if (rc <= 0 || (kind == MEDIA_OTHER && depth))
		return rc < 0 ? -1 : 0;
	rc = blob_read(v->walk->store, &d->digest, MANIFEST_MAX, &bytes, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_IO, "it went away");
	digest_text(&d->digest, text);
	if (manifest_parse(&m, text, d->media_type, buf_span(&bytes), e) < 0)
		return -1;
	return m.kind == MEDIA_INDEX ? visit_index(v, &m, depth, e) : visit_image(v, &m, e);
}

int seal_walk(struct seal_walk *w, const struct lock_pin *pin, const char *reference,
	const struct digest *d, uint64_t size, const char *media_type, struct err *e)
{
	struct visit v = { w, pin, reference };
	struct descriptor top = { .digest = *d, .size = size, .media_type = media_type };

	return visit_manifest(&v, &top, 0, e) < 0 ? err_ctx(e, "%s", reference) : 0;
}
