/* Fetch referrers: the API with its pages, else the list under the fallback tag. Must never take a
 * failure for an empty list. */
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/headers.h"
#include "mirror-tool/upstream/optional.h"
#include "mirror-tool/upstream/pages.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct referrers_request {
	struct upstream *up;
	struct ref ref;
	upstream_referrers_fn *done;
	void *ctx;
	unsigned pages;
	struct manifest *indexes; /* one for each page */
	size_t index_count;
};

static const struct exchange_ops api_ops;

static void request_free(struct referrers_request *r)
{
	for (size_t i = 0; i < r->index_count; i++)
		manifest_release(&r->indexes[i]);
	free(r->indexes);
	free(r);
}

/* Add a page. An index without `manifests` is empty. */
static int add_index(struct referrers_request *r, struct span bytes, struct err *e)
{
	struct manifest m = MANIFEST_INIT;

	if (manifest_parse(&m, "the list", MEDIA_OCI_INDEX, bytes, e) < 0)
		return -1;
	*VEC_PUSH(r->indexes, r->index_count) = m;
	return 0;
}

static bool holds(const struct descriptor *items, size_t count, const struct digest *d)
{
	for (size_t i = 0; i < count; i++) {
		if (digest_eq(&items[i].digest, d))
			return true;
	}
	return false;
}

/* Merge all pages into one list, each digest once. */
static void answer(struct referrers_request *r, int rc, bool via_tag, struct err *e)
{
	struct upstream_referrers out = { .via_tag = via_tag };
	AUTO(mem_free) struct descriptor *items = NULL;

	for (size_t i = 0; rc > 0 && i < r->index_count; i++) {
		const struct manifest *m = &r->indexes[i];

		for (size_t k = 0; k < m->count; k++) {
			if (!holds(items, out.count, &m->items[k].digest))
				*VEC_PUSH(items, out.count) = m->items[k];
		}
		if (out.count > DESCRIPTORS_MAX)
			rc = err_set(e, ERR_INPUT, "more than %u referrers", DESCRIPTORS_MAX);
	}
	out.items = items;
	if (rc < 0) {
		char digest[DIGEST_TEXT_SIZE];

		err_ctx(e, "referrers of %s", digest_text(&r->ref.digest, digest));
	}
	r->done(r->ctx, rc, rc > 0 ? &out : NULL, e);
}

/* --- the fallback tag --------------------------------------------------------------------------- */

/* Is it a list: an index, and not the subject itself? Some registries take the tag sha256-HEX for
 * the digest sha256:HEX. */
static bool is_list(const struct referrers_request *r, const struct upstream_manifest *m)
{
	return !digest_eq(&m->digest, &r->ref.digest) &&
	       body_kind(m->media_type, m->bytes) == BODY_INDEX;
}

static void tag_done(void *ctx, int rc, const struct upstream_manifest *m, struct err *e)
{
	struct referrers_request *r = ctx;

	if (rc > 0 && !is_list(r, m))
		rc = 0;
	if (rc > 0 && add_index(r, m->bytes, e) < 0)
		rc = -1;
	answer(r, rc == 0 ? 1 : rc, rc > 0, e);
	request_free(r);
}

static void ask_tag(struct referrers_request *r)
{
	struct ref ref = r->ref;

	ref_fallback_tag(&r->ref.digest, "", ref.tag);
	ref.digest.alg = DIGEST_NONE;
	upstream_manifest(r->up, &ref, MANIFEST_OPTIONAL, tag_done, r);
}

/* --- the API ------------------------------------------------------------------------------------ */

/* Ignore web pages: their servers answer 200 to any path. */
static bool has_no_api(const struct exchange *x, int rc)
{
	char type[MEDIA_TYPE_MAX + 1];

	if (rc <= 0)
		return answer_is_none(x, rc);
	content_type_parse(x->answer.value[HTTP_CONTENT_TYPE], type, sizeof(type));
	return body_kind(type, buf_span(&x->body)) != BODY_INDEX;
}

static void api_done(struct exchange *x, int rc, struct err *e)
{
	struct referrers_request *r = x->ctx;
	struct exchange *next = NULL;

	if (r->pages == 0 && has_no_api(x, rc)) {
		x->ctx = NULL;
		ask_tag(r);
		return;
	}
	if (rc == 0)
		rc = err_set(e, ERR_INPUT, "page %u is not there", r->pages + 1);
	if (rc > 0 && (add_index(r, buf_span(&x->body), e) < 0 ||
			      page_next(x, &r->pages, &api_ops, &next, e) < 0))
		rc = -1;
	if (next) {
		x->ctx = NULL;
		schedule(next);
		return;
	}
	answer(r, rc, false, e);
}

static void api_drop(struct exchange *x)
{
	if (x->ctx)
		request_free(x->ctx);
}

static const struct exchange_ops api_ops = { .done = api_done, .drop = api_drop };

void upstream_referrers(
	struct upstream *up, const struct ref *ref, upstream_referrers_fn *done, void *ctx)
{
	struct referrers_request *r = mem_alloc(sizeof(*r));
	char digest[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *path = mem_printf("/referrers/%s", digest_text(&ref->digest, digest));
	struct exchange *x = exchange_for_ref(up, ref, path, &api_ops, r);

	*r = (struct referrers_request){ .up = up, .ref = *ref, .done = done, .ctx = ctx };
	x->accept = MEDIA_OCI_INDEX;
	x->optional = true;
	x->body_max = MANIFEST_MAX;
	schedule(x);
}
