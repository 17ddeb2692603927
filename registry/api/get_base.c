/* Answer with small fixed texts: /v2/, extension discovery, health and readiness. */
#include "registry/api/context.h"

#include <time.h>

#include "registry/ops/old_sets.h"
#include "storage/base/banned.h"
#include "storage/base/clock.h"

static int json(struct reply *r, const char *text)
{
	reply_header(r, "Content-Type", "application/json");
	buf_str(&r->bytes, text);
	return 0;
}

static int plain(struct reply *r, unsigned status, const char *text)
{
	r->status = status;
	reply_header(r, "Content-Type", "text/plain; charset=utf-8");
	reply_header(r, "Cache-Control", "no-store");
	buf_str(&r->bytes, text);
	return 0;
}

/* Answer /v2/. Ask for a login here where it is of use: many clients learn of it from no other answer
 * (protocol of docker and containers/image). */
int get_base(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	(void)e;
	if (ctx->auth && auth_wants_login(ctx->auth) && !*q->who->name && !q->who->by_token)
		return context_deny(ctx, q, "", 0, r);
	return json(r, "{}");
}

int get_discover(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	(void)ctx, (void)q, (void)e;
	return json(r,
		"{\"extensions\":[{\"name\":\"_oci\",\"url\":\"https://github.com/opencontainers/"
		"distribution-spec/blob/main/extensions/_oci.md\",\"description\":\"\","
		"\"endpoints\":[\"_oci/ext/discover\"]}]}");
}

/* Answer that the loop that took this request runs. */
int get_health(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	(void)ctx, (void)q, (void)e;
	return plain(r, 200, "ok\n");
}

/* Report bad blobs. They are no reason to take the server out of service: good ones are served. */
static void add_bad_blobs(struct checker *c, struct reply *r)
{
	struct check_counts counts;

	checker_counts(c, &counts);
	if (counts.bad)
		buf_printf(&r->bytes,
			"%u bad or missing blob%s, not served: see check.bad in the log, and run "
			"moat "
			"import --check of a medium that holds them, or push them again\n",
			counts.bad, counts.bad == 1 ? "" : "s");
}

/* Is the server ready for traffic: the store answers, its database is no old copy, and no stop has begun?
 * Asked often, so cheap. */
int get_ready(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	struct err why;
	int rc;

	(void)q;
	if (*ctx->draining)
		return plain(r, 503, "stopping\n");
	rc = store_is_current(ctx->store, &why, e);
	if (rc < 0)
		return -1;
	plain(r, rc > 0 ? 200 : 503, rc > 0 ? "ready\n" : why.text);
	if (rc == 0)
		buf_str(&r->bytes, "\n");
	if (ctx->checker)
		add_bad_blobs(ctx->checker, r);
	/* No reason to take the server out of service either. */
	return old_sets_text(ctx->store, ctx->warn_age, clock_now(), &r->bytes, e);
}
