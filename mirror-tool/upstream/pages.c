/* Follow a Link to the next page. Must never leave the registry, whatever host a link names. */
#include "mirror-tool/upstream/pages.h"

#include <string.h>

#include "mirror-tool/upstream/headers.h"
#include "storage/base/banned.h"

/* Take path and query of the link only: registries behind a proxy put their own name into it. */
static int come_home(struct url *u, const struct url *home, struct err *e)
{
	AUTO(url_release) struct url other = *u;
	const char *path = strchr(strstr(other.text, "://") + 3, '/');

	if (url_same_origin(u, home)) {
		other = (struct url)URL_INIT;
		return 0;
	}
	*u = (struct url)URL_INIT;
	return url_parse(u, home, span_of(path ? path : "/"), e);
}

int page_next(struct exchange *x, unsigned *pages, const struct exchange_ops *ops,
	struct exchange **next, struct err *e)
{
	AUTO(url_release) struct url u = URL_INIT;
	struct span target;

	int rc = link_next(x->answer.value[HTTP_LINK], &target);

	*next = NULL;
	if (rc == 0)
		return 0;
	if (rc < 0)
		return err_set(e, ERR_INPUT, "the Link to the next page cannot be understood");
	if (++*pages >= UPSTREAM_PAGES_MAX)
		return err_set(e, ERR_INPUT, "more than %u pages", UPSTREAM_PAGES_MAX);
	if (url_parse(&u, &x->url, target, e) < 0 || come_home(&u, &x->url, e) < 0)
		return err_ctx(e, "Link");
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
