/* The small fixed answers: /v2/, extension discovery, health and readiness. */
#include "registry/site.h"

#include "storage/base/banned.h"

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

/* Where a login is of use, whoever has not logged in is told so here: many clients learn it from no
 * other answer (protocol of docker and containers/image). */
int get_base(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	(void)e;
	if (s->auth && auth_wants_login(s->auth) && !*q->who->name && !q->who->by_token)
		return site_deny(s, q, "", 0, r);
	return json(r, "{}");
}

int get_discover(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	(void)s, (void)q, (void)e;
	return json(r,
		"{\"extensions\":[{\"name\":\"_oci\",\"url\":\"https://github.com/opencontainers/"
		"distribution-spec/blob/main/extensions/_oci.md\",\"description\":\"\","
		"\"endpoints\":[\"_oci/ext/discover\"]}]}");
}

/* Alive: the loop that took this request runs. */
int get_health(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	(void)s, (void)q, (void)e;
	return plain(r, 200, "ok\n");
}

/* Ready for traffic: the store answers, from a database that is no old copy, and we are not on our way
 * out. Asked often, so cheap. */
int get_ready(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	struct err why;
	int rc;

	(void)q;
	if (*s->draining)
		return plain(r, 503, "stopping\n");
	rc = store_is_current(s->store, &why, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return plain(r, 200, "ready\n");
	buf_printf(&r->bytes, "%s\n", why.text);
	return plain(r, 503, "");
}
