/* GET NAME/tags/list, in pages. Sorted by bytes, never null. */
#include "registry/page.h"

#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define TAGS_PAGE_MAX 10000 /* also without ?n=: clients of small lists never see a Link */

int list_tags(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	struct candidates names;
	struct page page = { .json = BUF_INIT };
	AUTO(page_release) struct page *p = &page;
	const char *after = *q->route->last ? q->route->last : NULL;
	unsigned max = page_size(q->route, TAGS_PAGE_MAX, TAGS_PAGE_MAX);
	bool more = false;
	int rc = 0;

	names_find(s->names, q->route->name, q->route->ns, &names);
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = page_tags(s->store, names.name[i], after, max, page_add, p, &more, e);
	if (rc < 0)
		return err_ctx(e, "tags of %s", q->route->name);
	if (rc == 0)
		return reply_error(
			r, 404, "NAME_UNKNOWN", "%s is not mirrored here", q->route->name);
	buf_str(&r->bytes, "{\"name\":");
	json_quote(&r->bytes, q->route->name, false);
	buf_str(&r->bytes, ",\"tags\":[");
	page_end(p, r);
	if (more && max > 0) {
		AUTO(mem_free) char *path = mem_printf("/v2/%s/tags/list", q->route->name);

		page_link(r, q->route, path, max, p->last);
	}
	return 0;
}
