/* Make, end and free exchanges. attempt.c sends them. */
#include "mirror-tool/upstream/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mirror-tool/upstream/headers.h"
#include "storage/base/banned.h"

void exchange_forget_answer(struct exchange *x)
{
	x->answer.status = 0;
	for (size_t i = 0; i < HTTP_HEADER_COUNT; i++)
		x->answer.value[i] = span_of("");
}

struct exchange *exchange_new(
	struct upstream *up, struct site *site, const struct exchange_ops *ops, void *ctx)
{
	struct exchange *x = mem_alloc(sizeof(*x));

	x->ops = ops;
	x->ctx = ctx;
	x->up = up;
	x->site = site;
	x->body = (struct buf)BUF_INIT;
	exchange_forget_answer(x);
	LIST_INSERT_HEAD(&up->all, x, all);
	return x;
}

static void refuse(struct exchange *x, const struct err *e)
{
	x->refused = true;
	x->err = *e;
}

struct exchange *exchange_for_ref(struct upstream *up, const struct ref *ref, const char *path,
	const struct exchange_ops *ops, void *ctx)
{
	struct err e = ERR_INIT;
	struct site *site = site_for(up, ref->host, &e);
	struct exchange *x = exchange_new(up, site ? site : up->nowhere, ops, ctx);
	AUTO(mem_free) char *text = mem_printf("/v2/%s%s", ref->repo, path);

	snprintf(x->scope, sizeof(x->scope), "repository:%s:pull", ref->repo);
	if (!site || url_parse(&x->url, &site->base, span_of(text), &e) < 0)
		refuse(x, &e);
	return x;
}

struct exchange *exchange_for_url(
	struct upstream *up, const char *url, const struct exchange_ops *ops, void *ctx)
{
	AUTO(url_release) struct url u = URL_INIT;
	struct err e = ERR_INIT;
	struct site *site = NULL;
	struct exchange *x;

	if (url_parse(&u, NULL, span_of(url), &e) == 0)
		site = site_for_url(up, &u, &e);
	x = exchange_new(up, site ? site : up->nowhere, ops, ctx);
	if (!site)
		refuse(x, &e);
	x->url = u;
	u = (struct url)URL_INIT;
	return x;
}

void exchange_free(struct exchange *x)
{
	LIST_REMOVE(x, all);
	if (x->ops->drop)
		x->ops->drop(x);
	url_release(&x->url);
	url_release(&x->at);
	buf_release(&x->body);
	free(x->form);
	if (x->authorization)
		explicit_bzero(x->authorization, strlen(x->authorization));
	free(x->authorization);
	free(x);
}

bool exchange_is_foreign(const struct exchange *x)
{
	return !url_same_origin(&x->url, &x->at);
}

const char *exchange_method(const struct exchange *x)
{
	return x->head_only ? "HEAD" : x->form ? "POST" : "GET";
}

void exchange_complete(struct exchange *x, int rc, struct err *e)
{
	schedule_leave(x);
	if (!x->internal)
		x->up->count.done++;
	x->ops->done(x, rc, e);
	exchange_free(x);
}

void exchange_fail(struct exchange *x, struct err *e)
{
	AUTO(buf_release) struct buf shown = BUF_INIT;

	if (x->url.text) {
		url_redacted(&shown, x->at.text ? x->at.text : x->url.text);
		err_ctx(e, "%s %s", exchange_method(x), shown.data);
	}
	exchange_complete(x, -1, e);
}

bool exchange_may_decode(const struct exchange *x)
{
	return !x->decode && coding_is_gzip(x->answer.value[HTTP_CODING]);
}
