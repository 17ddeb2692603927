/* Follows a Link to the next page. Must never leave the registry. */
#include "mirror-tool/upstream/pages.h"

#include <string.h>

#include "mirror-tool/upstream/headers.h"
#include "storage/base/banned.h"

int page_next(struct exchange *x, unsigned *pages, const struct exchange_ops *ops,
	struct exchange **next, struct err *e)
{
	AUTO(url_release) struct url u = URL_INIT;
	struct span target;

	*next = NULL;
	if (!link_next(x->answer.value[HTTP_LINK], &target))
		return 0;
	if (++*pages >= UPSTREAM_PAGES_MAX)
		return err_set(e, ERR_INPUT, "more than %u pages", UPSTREAM_PAGES_MAX);
	if (url_parse(&u, &x->at, target, e) < 0)
		return err_ctx(e, "Link");
	if (!url_same_origin(&u, &x->url))
		return err_set(e, ERR_INPUT, "Link to another host (%s) refused", u.host);
	if (strcmp(u.text, x->url.text) == 0)
		return err_set(e, ERR_INPUT, "Link to the same page");
	*next = exchange_new(x->up, x->site, ops, x->ctx);
	(*next)->url = u;
	u = (struct url)URL_INIT;
	memcpy((*next)->scope, x->scope, sizeof(x->scope));
	(*next)->accept = x->accept;
	(*next)->body_max = x->body_max;
	return 0;
}
