/* Fetch tag lists, page by page. Must never follow a link to another origin, or endless pages. */
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/pages.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define TAGS_BODY_MAX (16u << 20) /* bytes of one page */

struct tags_request {
	struct ref ref;
	upstream_tag_fn *each;
	upstream_done_fn *done;
	void *ctx;
	unsigned pages;
	size_t tags, odd; /* valid and invalid names */
};

static const struct exchange_ops tags_ops;

static int read_page(struct tags_request *t, const struct exchange *x, struct err *e)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct node *tags = NULL;

	if (json_parse(&d, "tag list", buf_span(&x->body), TAGS_BODY_MAX, e) < 0 ||
		node_list(&d, d.root, "tags", OPTIONAL, &tags, e) < 0)
		return -1;
	if (!tags)
		return 0;
	node_each(n, tags)
	{
		if (n->kind != NODE_STRING)
			return node_err(&d, n, e, "a tag that is no string");
		if (!ref_is_tag((struct span){ n->text, n->text_len })) {
			t->odd++;
			continue;
		}
		if (++t->tags > UPSTREAM_TAGS_MAX)
			return err_set(e, ERR_INPUT, "more than %u tags", UPSTREAM_TAGS_MAX);
		if (t->each(t->ctx, n->text, e) < 0)
			return -1;
	}
	return 0;
}

static void tags_done(struct exchange *x, int rc, struct err *e)
{
	struct tags_request *t = x->ctx;
	struct exchange *next = NULL;

	if (rc > 0)
		rc = read_page(t, x, e) < 0 || page_next(x, &t->pages, &tags_ops, &next, e) < 0 ? -1
												: 1;
	if (next) {
		x->ctx = NULL;
		schedule(next);
		return;
	}
	if (rc > 0 && t->odd)
		upstream_note(x->up, "%s/%s: %zu names in its list of tags are no tags, left out",
			t->ref.host, t->ref.repo, t->odd);
	if (rc == 0 && t->pages)
		rc = err_set(e, ERR_INPUT, "page %u of the tags is not there", t->pages + 1);
	t->done(t->ctx, rc, e);
}

static void tags_drop(struct exchange *x)
{
	free(x->ctx);
}

static const struct exchange_ops tags_ops = { .done = tags_done, .drop = tags_drop };

void upstream_tags(struct upstream *up, const struct ref *ref, upstream_tag_fn *each,
	upstream_done_fn *done, void *ctx)
{
	struct tags_request *t = mem_alloc(sizeof(*t));
	struct exchange *x;

	*t = (struct tags_request){ .ref = *ref, .each = each, .done = done, .ctx = ctx };
	x = exchange_for_ref(up, ref, "/tags/list", &tags_ops, t);
	x->accept = "application/json";
	x->body_max = TAGS_BODY_MAX;
	schedule(x);
}
