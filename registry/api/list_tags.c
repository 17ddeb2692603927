/*
 * GET NAME/tags/list, in pages. Sorted by bytes, never null. A bare name may mean more than one stored
 * repository (what was mirrored, and what was pushed under the same path): their tags are one list.
 */
#include "registry/api/page.h"

#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define TAGS_PAGE_MAX 10000 /* also without ?n=: clients of small lists need not follow a Link */

/* Tags of several repositories, each sorted, not yet merged. */
struct tag_list {
	char (*tags)[REF_TAG_MAX + 1];
	size_t count;
};

static void tag_list_release(struct tag_list **h)
{
	free((*h)->tags);
}

static int tag_list_add(void *ctx, const char *name, struct err *e)
{
	struct tag_list *h = ctx;

	(void)e;
	memcpy(*VEC_PUSH(h->tags, h->count), name, strlen(name) + 1);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Write the first `max` of all tags, each once. */
static int page_of_list(struct tag_list *h, unsigned max, struct page *p, bool *more, struct err *e)
{
	unsigned left = max;

	if (h->count > 0)
		qsort(h->tags, h->count, sizeof(*h->tags), by_bytes);
	for (size_t i = 0; i < h->count; i++) {
		if (i > 0 && strcmp(h->tags[i], h->tags[i - 1]) == 0)
			continue;
		if (left == 0) {
			*more = true;
			return 0;
		}
		left--;
		if (page_add_tag(p, h->tags[i], e) < 0)
			return -1;
	}
	return 0;
}

/* Find the repositories that exist: how many, or -1. */
static int existing(struct context *ctx, const char *names[CANDIDATES_MAX], struct err *e)
{
	int count = 0;

	for (size_t i = 0; i < ctx->repos.count; i++) {
		int rc = repo_exists(ctx->store, ctx->repos.name[i], e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			names[count++] = ctx->repos.name[i];
	}
	return count;
}

static int read_page(struct context *ctx, const char *const names[], int count, const char *after,
	unsigned max, struct page *p, bool *more, struct err *e)
{
	struct tag_list all = { .tags = NULL };
	AUTO(tag_list_release) struct tag_list *h = &all;
	bool any = false;

	if (count == 1)
		return page_tags(ctx->store, names[0], after, max, page_add_tag, p, more, e);
	for (int i = 0; i < count; i++) {
		if (page_tags(ctx->store, names[i], after, max, tag_list_add, h, more, e) < 0)
			return -1;
		any = any || *more;
	}
	*more = any;
	return page_of_list(h, max, p, more, e);
}

int list_tags(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	struct page page = { .json = BUF_INIT };
	AUTO(page_release) struct page *p = &page;
	const char *names[CANDIDATES_MAX], *after = *q->route.last ? q->route.last : NULL;
	unsigned max = page_size(&q->route, TAGS_PAGE_MAX, TAGS_PAGE_MAX);
	uint64_t epoch = cache_epoch(ctx->cache);
	bool more = false;
	int count = existing(ctx, names, e);

	if (count < 0 || (count > 0 && read_page(ctx, names, count, after, max, p, &more, e) < 0))
		return err_ctx(e, "tags of %s", q->route.name);
	if (count == 0)
		return reply_error(
			r, 404, "NAME_UNKNOWN", "%s is not mirrored here", q->route.name);
	buf_str(&r->bytes, "{\"name\":");
	json_quote(&r->bytes, q->route.name, false);
	buf_str(&r->bytes, ",\"tags\":[");
	page_end(p, r);
	if (more && max > 0) {
		AUTO(mem_free) char *path = mem_printf("/v2/%s/tags/list", q->route.name);

		page_link(r, &q->route, path, max, p->last);
	}
	context_cache_list(ctx, q, epoch, r);
	return 0;
}
