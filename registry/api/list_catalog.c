/* GET /v2/_catalog, in pages: every repository, named as the API can name it. */
#include <stdio.h>

#include "registry/api/page.h"

#include "storage/base/banned.h"

#define CATALOG_PAGE 100
#define CATALOG_PAGE_MAX 1000

static int ignore(void *ctx, const char *name, struct err *e)
{
	(void)ctx, (void)name, (void)e;
	return 0;
}

/* Find the stored name of `last`, which is a name as it was served: with '-' before a port. */
static int stored_last(struct context *ctx, const char *last, char out[NAME_MAX_BYTES + 1],
	const char **after, struct err *e)
{
	bool more;
	int rc;

	*after = *last ? last : NULL;
	if (!repo_names_with_port(last, out))
		return 0;
	rc = page_tags(ctx->store, out, NULL, 0, ignore, NULL, &more, e);
	if (rc > 0)
		*after = out;
	return rc;
}

/* Names that the caller may see, until the page is full. */
struct filter {
	struct context *context;
	const struct request *q;
	struct page *page;
	unsigned size, left; /* of the page */
	char seen[NAME_MAX_BYTES + 1]; /* the last name that was examined */
	bool more; /* a name was left for the next page */
};

static int filter_add(void *ctx, const char *name, struct err *e)
{
	struct filter *f = ctx;
	struct auth *auth = f->context->auth;

	snprintf(f->seen, sizeof(f->seen), "%s", name);
	if (f->more || (auth && !auth_may_see(auth, f->q->who, name)))
		return 0;
	if (f->left == 0) {
		f->more = true;
		return 0;
	}
	f->left--;
	return page_add(f->page, name, e);
}

static int read_page(struct filter *f, const char *after, struct err *e)
{
	bool more = true;

	while (more && !f->more) {
		if (page_repos(f->context->store, after, f->size + 1, filter_add, f, &more, e) < 0)
			return -1;
		after = f->seen;
	}
	return 0;
}

int list_catalog(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	struct page page = { .json = BUF_INIT };
	AUTO(page_release) struct page *p = &page;
	unsigned max = page_size(&q->route, CATALOG_PAGE, CATALOG_PAGE_MAX);
	struct filter filter = { .context = ctx, .q = q, .page = p, .size = max, .left = max };
	char ported[NAME_MAX_BYTES + 1];
	const char *after;

	if (!ctx->catalog)
		return reply_error(r, 404, "UNSUPPORTED", "this registry does not list itself");
	if (ctx->auth && !auth_may_list(ctx->auth, q->who))
		return context_deny(ctx, q, "", ACTION_CATALOG, r);
	if (stored_last(ctx, q->route.last, ported, &after, e) < 0 ||
		(max > 0 && read_page(&filter, after, e) < 0))
		return err_ctx(e, "catalog");
	buf_str(&r->bytes, "{\"repositories\":[");
	page_end(p, r);
	if (filter.more)
		page_link(r, &q->route, "/v2/_catalog", max, p->last);
	return 0;
}
