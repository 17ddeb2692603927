/*
 * What handlers share: who may do what, and content found by way of the cache. Must never say whether
 * something is there to a caller who may not read it.
 */
#include "registry/api/context.h"

#include "storage/base/banned.h"

/* --- who may --------------------------------------------------------------------------------- */

bool context_is_open(const struct context *ctx)
{
	return !ctx->auth || auth_is_open(ctx->auth);
}

const char *context_cache_control(const struct context *ctx)
{
	return context_is_open(ctx) ? "public, max-age=31536000, immutable"
				    : "private, max-age=31536000, immutable";
}

bool context_may(const struct context *ctx, const struct request *q, const char *path,
	const char *repo, enum action action)
{
	return !ctx->auth || auth_may(ctx->auth, q->who, path, repo, action);
}

/* Refuse in the words of the request. Which rule it was, and whether anything is there, must not show. */
static int refuse(const struct request *q, const char *path, unsigned actions, struct reply *r)
{
	const char *what = actions & ACTION_DELETE    ? "delete from"
			   : actions & ACTION_PUSH    ? "push to"
			   : actions & ACTION_PULL    ? "pull from"
			   : actions & ACTION_CATALOG ? "list the repositories of"
						      : "use";

	return reply_error(r, 403, "DENIED", "%s may not %s %s",
		*q->who->name ? q->who->name : "a client without a login", what,
		*path ? path : "this registry");
}

int context_deny(struct context *ctx, const struct request *q, const char *path, unsigned actions,
	struct reply *r)
{
	AUTO(buf_release) struct buf challenge = BUF_INIT;

	if (!auth_login_helps(ctx->auth, q->who, path, actions))
		return refuse(q, path, actions, r);
	auth_challenge(ctx->auth, q->who, q->host, ctx->tls, path, actions, &challenge);
	reply_error(r, 401, "UNAUTHORIZED", "a login is needed for that");
	reply_header(r, "WWW-Authenticate", challenge.data);
	return 0;
}

bool context_drop_unreadable(
	const struct context *ctx, const struct request *q, struct candidates *names)
{
	size_t count = names->count;

	names->count = 0;
	for (size_t i = 0; i < count; i++)
		if (context_may(ctx, q, q->route.name, names->name[i], ACTION_PULL))
			memmove(names->name[names->count++], names->name[i],
				sizeof(names->name[i]));
	return names->count == count;
}

/* --- content --------------------------------------------------------------------------------- */

int context_find(struct context *ctx, const struct request *q, find_fn *find, struct content **out,
	struct err *e)
{
	bool fresh = false;
	AUTO(content_unref) struct content *hint = cache_get(ctx->cache, span_of(q->uri), &fresh);
	uint64_t epoch = cache_epoch(ctx->cache);

	for (size_t i = 0; i < ctx->repos.count; i++) {
		int rc = find(ctx, &q->route, ctx->repos.name[i], hint, out, e);

		if (rc < 0)
			return err_ctx(e, "%s", ctx->repos.name[i]);
		if (rc > 0) {
			if (ctx->repos_all)
				cache_put(ctx->cache, span_of(q->uri), epoch, *out);
			return 1;
		}
	}
	return 0;
}

void context_suspect(struct context *ctx, const struct digest *d, const struct err *why)
{
	if (why->code != ERR_BUSY && why->code != ERR_FULL && why->code != ERR_LIMIT &&
		why->code != ERR_RIGHTS)
		checker_suspect(ctx->checker, d);
}

void context_cache_list(
	struct context *ctx, const struct request *q, uint64_t epoch, const struct reply *r)
{
	AUTO(content_unref) struct content *c = NULL;

	if (!ctx->repos_all || r->bytes.len > CACHE_CONTENT_MAX)
		return;
	c = content_list(buf_span(&r->bytes), reply_get(r, "Content-Type"), reply_get(r, "Link"),
		q->route.ns);
	cache_put(ctx->cache, span_of(q->uri), epoch, c);
}
