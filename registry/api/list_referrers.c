/*
 * GET NAME/referrers/DIGEST: always 200 for a valid digest, as clients take a 404 as "this registry has no
 * such API" (distribution-spec, "Listing Referrers"). Pages are cut late, by the bytes of the answer and of
 * what is read for it: many clients read the first one and no further.
 */
#include <stdlib.h>

#include "registry/api/page.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define REFERRERS_BYTES_MAX (4u << 20) /* what clients read at most, in one page */
#define REFERRERS_READ_MAX (2u << 20) /* of manifests, for one page: they are read on the loop */
#define REFERRERS_MAX 4096 /* in one page */

/* The first referrers of every repository that the path may mean. */
struct list {
	const struct route *route;
	struct referrer *items;
	size_t count;
	unsigned
		left; /* of this repository: one more than a page shows, which tells that there are more */
};

static void list_release(struct list **l)
{
	free((*l)->items);
}

static bool is_wanted(const struct route *route, const char *type)
{
	for (unsigned i = 0; i < route->types; i++)
		if (strcmp(route_value(route, i), type) == 0)
			return true;
	return route->types == 0;
}

static int gather(void *ctx, const struct referrer *referrer, struct err *e)
{
	struct list *l = ctx;
	char text[DIGEST_TEXT_SIZE];

	(void)e;
	if (!is_wanted(l->route, referrer->artifact_type) ||
		strcmp(digest_text(&referrer->info.digest, text), l->route->last) <= 0)
		return 0;
	*VEC_PUSH(l->items, l->count) = *referrer;
	return --l->left == 0;
}

static int by_digest(const void *a, const void *b)
{
	const struct referrer *x = a, *y = b;
	char s[DIGEST_TEXT_SIZE], t[DIGEST_TEXT_SIZE];

	return strcmp(digest_text(&x->info.digest, s), digest_text(&y->info.digest, t));
}

/* Write one descriptor. It carries the manifest's annotations, so the manifest is read. */
static int write_one(
	struct context *ctx, const struct referrer *referrer, struct buf *json, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const struct manifest_info *info = &referrer->info;
	char text[DIGEST_TEXT_SIZE];
	struct descriptor d;
	int rc;

	digest_text(&info->digest, text);
	rc = blob_read(ctx->store, &info->digest, MANIFEST_MAX, &bytes, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "referrer %s is listed but not held", text);
	if (manifest_parse(&m, text, info->media_type, buf_span(&bytes), e) < 0)
		return -1;
	d = (struct descriptor){ .digest = info->digest,
		.size = info->size,
		.media_type = info->media_type,
		.artifact_type = *referrer->artifact_type ? referrer->artifact_type : NULL,
		.annotations = m.annotations };
	descriptor_write(json, &d);
	return 0;
}

static void next_page(struct reply *r, const struct route *route, const struct referrer *last)
{
	char subject[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *path = mem_printf(
		"/v2/%s/referrers/%s", route->name, digest_text(&route->digest, subject));

	page_link(r, route, path, 0, digest_text(&last->info.digest, text));
}

/* Does this one belong on the next page? The first one never does, however large. */
static bool is_over(unsigned count, uint64_t read, const struct buf *json, const struct buf *one)
{
	return count > 0 && (count == REFERRERS_MAX || read > REFERRERS_READ_MAX ||
				    json->len + one->len > REFERRERS_BYTES_MAX);
}

/* Write as many as fit into a page, each once: one may be in several repositories. */
static int write_page(
	struct context *ctx, struct list *l, struct buf *json, struct reply *r, struct err *e)
{
	AUTO(buf_release) struct buf one = BUF_INIT;
	const struct referrer *last = NULL;
	unsigned count = 0;
	uint64_t read = 0;

	if (l->count > 0)
		qsort(l->items, l->count, sizeof(*l->items), by_digest);
	for (const struct referrer *item = l->items; item < l->items + l->count; item++) {
		if (last && by_digest(item, last) == 0)
			continue;
		buf_clear(&one);
		read += item->info.size;
		if (!is_over(count, read, json, &one) && write_one(ctx, item, &one, e) < 0)
			return -1;
		if (is_over(count, read, json, &one)) {
			next_page(r, l->route, last);
			return 0;
		}
		if (count++ > 0)
			buf_char(json, ',');
		buf_add(json, one.data, one.len);
		last = item;
	}
	return 0;
}

int list_referrers_of(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	struct list list = { .route = &q->route };
	AUTO(list_release) struct list *l = &list;
	AUTO(buf_release) struct buf json = BUF_INIT;
	uint64_t epoch = cache_epoch(ctx->cache);

	for (size_t i = 0; i < ctx->repos.count; i++) {
		l->left = REFERRERS_MAX + 1;
		if (list_referrers(ctx->store, ctx->repos.name[i], &q->route.digest, gather, l, e) <
			0)
			return err_ctx(e, "referrers in %s", ctx->repos.name[i]);
	}
	if (write_page(ctx, l, &json, r, e) < 0)
		return err_ctx(e, "referrers");
	reply_header(r, "Content-Type", MEDIA_OCI_INDEX);
	if (q->route.types > 0)
		reply_header(r, "OCI-Filters-Applied", "artifactType");
	buf_str(&r->bytes,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	buf_add(&r->bytes, json.data, json.len);
	buf_str(&r->bytes, "]}");
	/* A filtered list needs a header of its own; an empty one could be filled with made-up digests. */
	if (q->route.types == 0 && json.len > 0)
		context_cache_list(ctx, q, epoch, r);
	return 0;
}
