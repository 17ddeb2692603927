/* GET /v2/_catalog, in pages: every repository, named as the API can name it. */
#include "registry/page.h"

#include "storage/base/banned.h"

#define CATALOG_PAGE 100
#define CATALOG_PAGE_MAX 1000

static int ignore(void *ctx, const char *name, struct err *e)
{
	(void)ctx, (void)name, (void)e;
	return 0;
}

/* `last` may be a name as we served it, with '-' before a port: then as the store has it. */
static int stored_last(struct site *s, const char *last, char out[NAME_MAX_BYTES + 1],
	const char **after, struct err *e)
{
	bool more;
	int rc;

	*after = *last ? last : NULL;
	if (!names_with_port(last, out))
		return 0;
	rc = page_tags(s->store, out, NULL, 0, ignore, NULL, &more, e);
	if (rc > 0)
		*after = out;
	return rc;
}

int list_catalog(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	struct page page = { .json = BUF_INIT };
	AUTO(page_release) struct page *p = &page;
	unsigned max = page_size(q->route, CATALOG_PAGE, CATALOG_PAGE_MAX);
	char ported[NAME_MAX_BYTES + 1];
	const char *after;
	bool more = false;

	if (!s->catalog)
		return reply_error(r, 404, "UNSUPPORTED", "this registry does not list itself");
	if (stored_last(s, q->route->last, ported, &after, e) < 0 ||
		page_repos(s->store, after, max, page_add, p, &more, e) < 0)
		return err_ctx(e, "catalog");
	buf_str(&r->bytes, "{\"repositories\":[");
	page_end(p, r);
	if (more && max > 0)
		page_link(r, q->route, "/v2/_catalog", max, p->last);
	return 0;
}
