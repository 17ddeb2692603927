/*
 * GET /token: the token service. The caller was identified by its login, as for any request; without one it
 * gets tokens for what anyone may do. Clients that would rather POST a form fall back to this when they are
 * told 405.
 */
#include "registry/api/context.h"
#include "storage/base/banned.h"

static int deny(struct context *ctx, const struct request *q, struct reply *r, const char *why)
{
	AUTO(buf_release) struct buf challenge = BUF_INIT;

	auth_challenge(ctx->auth, q->who, q->host, ctx->tls, NULL, 0, &challenge);
	reply_error(r, 401, "UNAUTHORIZED", "%s", why);
	reply_header(r, "WWW-Authenticate", challenge.data);
	return 0;
}

int get_token(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	int rc;

	if (!ctx->auth)
		return reply_error(r, 404, "UNSUPPORTED", "no logins here");
	rc = auth_token(ctx->auth, q->who, q->route.query, &r->bytes, e);
	if (rc < 0 && e->code == ERR_DENIED) {
		e->code = ERR_OK;
		return deny(ctx, q, r, e->text);
	}
	if (rc < 0 && e->code == ERR_INPUT) {
		e->code = ERR_OK;
		return reply_error(r, 400, "UNSUPPORTED", "the query can not be read");
	}
	if (rc < 0)
		return -1;
	reply_header(r, "Content-Type", "application/json");
	reply_header(r, "Cache-Control", "no-store");
	return 0;
}
