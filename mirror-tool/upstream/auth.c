/*
 * Authenticate: Basic, or a token for each (origin, scope), shared by all requests. Must never send
 * a credential anywhere but to the registry itself and to a realm that passes realm_check().
 *
 * A token is fetched by an exchange of its own; those that need it wait in `waiters`.
 */
#include "mirror-tool/upstream/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "mirror-tool/upstream/token.h"
#include "storage/base/clock.h"
#include "storage/base/banned.h"

enum token_state { TOKEN_ABSENT, TOKEN_FETCHING, TOKEN_HELD };

struct token {
	struct token *next;
	struct upstream *up;
	struct site *site; /* it is fetched for */
	struct url origin; /* where it is sent to */
	char scope[SCOPE_MAX]; /* as in struct exchange */
	char repo[REF_REPO_MAX + 1]; /* to find credentials */
	bool foreign; /* for the target of a redirect: without credentials */
	struct challenge challenge;
	enum token_state state;
	char *value;
	uint64_t serial; /* of value; from 1 */
	int64_t good_until_ms;
	struct exchange *waiters;
};

/* --- the cache ---------------------------------------------------------------------------------- */

static struct token *token_find(const struct exchange *x)
{
	for (struct token *t = x->up->tokens; t; t = t->next) {
		if (t->site == x->site && url_same_origin(&t->origin, &x->at) &&
			strcmp(t->scope, x->scope) == 0)
			return t;
	}
	return NULL;
}

/* "repository:library/nginx:pull" to "library/nginx". */
static void scope_repo(const char *scope, char repo[REF_REPO_MAX + 1])
{
	const char *start = strchr(scope, ':'), *end = strrchr(scope, ':');

	repo[0] = '\0';
	if (start && end > start)
		snprintf(repo, REF_REPO_MAX + 1, "%.*s", (int)(end - start - 1), start + 1);
}

static struct token *token_get(struct exchange *x)
{
	struct token *t = token_find(x);

	if (t)
		return t;
	t = mem_alloc(sizeof(*t));
	t->up = x->up;
	t->site = x->site;
	t->origin = x->at;
	t->origin.text = mem_strdup(x->at.text);
	t->foreign = exchange_is_foreign(x);
	snprintf(t->scope, sizeof(t->scope), "%s", x->scope);
	scope_repo(x->scope, t->repo);
	t->next = x->up->tokens;
	x->up->tokens = t;
	return t;
}

static void token_forget(struct token *t)
{
	if (t->value)
		explicit_bzero(t->value, strlen(t->value));
	free(t->value);
	t->value = NULL;
	if (t->state == TOKEN_HELD)
		t->state = TOKEN_ABSENT;
}

void auth_free(struct upstream *up)
{
	for (struct token *t = up->tokens, *next; t; t = next) {
		next = t->next;
		token_forget(t);
		url_release(&t->origin);
		free(t);
	}
	up->tokens = NULL;
}

/* --- waiting for it --------------------------------------------------------------------------- */

static struct exchange *take_waiters(struct token *t)
{
	return STEAL(t->waiters);
}

static void release_waiters(struct token *t)
{
	for (struct exchange *x = take_waiters(t), *next; x; x = next) {
		next = x->link;
		x->link = NULL;
		schedule_first(x);
	}
}

static void fail_waiters(struct token *t, const struct err *why)
{
	t->state = TOKEN_ABSENT;
	for (struct exchange *x = take_waiters(t), *next; x; x = next) {
		struct err e = *why;

		next = x->link;
		x->link = NULL;
		exchange_fail(x, &e);
	}
}

/* --- fetching it -------------------------------------------------------------------------------- */

static bool realm_is_allowed(const struct site *s, const struct url *realm)
{
	char authority[URL_HOST_MAX + 8];

	url_authority(realm, authority);
	for (size_t i = 0; s->settings && i < s->settings->realm_count; i++) {
		if (strcasecmp(s->settings->realms[i], authority) == 0 ||
			strcasecmp(s->settings->realms[i], realm->host) == 0)
			return true;
	}
	return false;
}

static enum verdict token_finish(struct exchange *x, struct err *e)
{
	struct token *t = x->ctx;
	int64_t seconds;

	if (x->answer.status == 401)
		return err_set(e, ERR_DENIED, "the credentials of %s were refused", t->site->host);
	token_forget(t);
	if (token_parse(buf_span(&x->body), &t->value, &seconds, e) < 0)
		return VERDICT_FAIL;
	t->good_until_ms = clock_ms() + seconds * 1000;
	t->serial = ++t->up->token_serial;
	t->state = TOKEN_HELD;
	return VERDICT_TAKE;
}

static void token_done(struct exchange *x, int rc, struct err *e)
{
	struct token *t = x->ctx;

	if (rc == 0)
		rc = err_set(e, ERR_DENIED, "the token service of %s is not there (HTTP 404)",
			t->site->host);
	if (rc < 0)
		fail_waiters(t, e);
	else
		release_waiters(t);
}

static const struct exchange_ops token_ops = { .finish = token_finish, .done = token_done };

/* Write URL, form and header of the request for a token. */
static int token_request(struct token *t, struct exchange *x, struct err *e)
{
	AUTO(credential_release) struct credential c = CREDENTIAL_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(buf_release) struct buf basic = BUF_INIT;
	const char *scope = t->challenge.scope[0] ? t->challenge.scope : t->scope;
	int rc = 0;

	if (url_parse(&x->url, NULL, span_of(t->challenge.realm), e) < 0)
		return err_ctx(e, "realm");
	if (!t->foreign)
		rc = creds_find(t->up->creds, t->site->host, t->repo, &c, e);
	if (rc < 0 || realm_check(&t->origin, &x->url,
			      !t->foreign && realm_is_allowed(t->site, &x->url), rc > 0, e) < 0)
		return -1;
	if (c.identity) {
		token_form(&text, c.identity, t->challenge.service, scope);
		x->form = buf_detach(&text);
		return 0;
	}
	if (rc > 0) {
		basic_header(&basic, &c);
		x->authorization = buf_detach(&basic);
	}
	buf_printf(&text, "%s%s", x->url.text, strchr(x->url.text, '?') ? "" : "?");
	token_query(&text, t->challenge.service, scope);
	return url_parse(&x->url, NULL, buf_span(&text), e);
}

static int token_fetch(struct token *t, struct err *e)
{
	struct exchange *x = exchange_new(t->up, t->site, &token_ops, t);

	x->internal = true;
	x->body_max = TOKEN_BODY_MAX;
	x->accept = "application/json";
	if (token_request(t, x, e) < 0) {
		exchange_free(x);
		return err_ctx(e, "%s", t->site->host);
	}
	t->state = TOKEN_FETCHING;
	schedule_at(x, 0);
	return 0;
}

/* --- a 401 that does not say how: ask at /v2/ -------------------------------------------------- */

static enum verdict ping_finish(struct exchange *x, struct err *e)
{
	struct token *t = x->ctx;

	challenge_parse(&t->challenge, x->answer.value[HTTP_AUTHENTICATE]);
	if (x->answer.status == 401 && t->challenge.kind != AUTH_NONE)
		return VERDICT_TAKE;
	return err_set(e, ERR_DENIED, "%s answers 401 without a usable challenge", t->site->host);
}

static void ping_done(struct exchange *x, int rc, struct err *e)
{
	struct token *t = x->ctx;

	if (rc == 0)
		rc = err_set(e, ERR_DENIED, "%s answers 404 for /v2/", t->site->host);
	if (rc > 0) {
		t->site->auth = t->challenge;
		if (t->challenge.kind == AUTH_BASIC) {
			t->state = TOKEN_ABSENT;
			release_waiters(t);
			return;
		}
		rc = token_fetch(t, e);
	}
	if (rc < 0)
		fail_waiters(t, e);
}

static const struct exchange_ops ping_ops = { .finish = ping_finish, .done = ping_done };

static int ping(struct token *t, struct err *e)
{
	struct exchange *x = exchange_new(t->up, t->site, &ping_ops, t);

	x->internal = true;
	x->body_max = ERROR_BODY_MAX;
	if (url_parse(&x->url, &t->origin, span_of("/v2/"), e) < 0) {
		exchange_free(x);
		return -1;
	}
	t->state = TOKEN_FETCHING;
	schedule_at(x, 0);
	return 0;
}

/* --- what exchanges ask ------------------------------------------------------------------------- */

/* Let x wait for the token, which is fetched unless it is already. */
static enum verdict await(struct exchange *x, struct token *t, struct err *e)
{
	if (t->state != TOKEN_FETCHING &&
		(t->challenge.kind == AUTH_BEARER ? token_fetch(t, e) : ping(t, e)) < 0)
		return VERDICT_FAIL;
	x->link = t->waiters;
	t->waiters = x;
	return VERDICT_LATER;
}

static enum verdict basic(struct exchange *x, struct buf *out, struct err *e)
{
	AUTO(credential_release) struct credential c = CREDENTIAL_INIT;
	char repo[REF_REPO_MAX + 1];
	int rc;

	scope_repo(x->scope, repo);
	rc = creds_find(x->up->creds, x->site->host, repo, &c, e);
	if (rc < 0)
		return VERDICT_FAIL;
	if (rc == 0 || !c.user)
		return err_set(e, ERR_DENIED, "%s needs a user and password, none is known",
			x->site->host);
	basic_header(out, &c);
	x->sent_auth = true;
	return VERDICT_TAKE;
}

enum verdict auth_header(struct exchange *x, struct buf *out, struct err *e)
{
	bool foreign = exchange_is_foreign(x);
	struct token *t;

	x->token_serial = 0;
	x->sent_auth = false;
	if (x->strange)
		return VERDICT_TAKE;
	if (x->internal) {
		if (x->authorization && !foreign)
			buf_str(out, x->authorization);
		return VERDICT_TAKE;
	}
	if (!foreign && x->site->auth.kind == AUTH_BASIC)
		return basic(x, out, e);
	t = token_find(x);
	if (!foreign && !t && x->site->auth.kind == AUTH_BEARER) {
		t = token_get(x);
		t->challenge = x->site->auth;
		t->challenge.scope[0] = '\0';
	}
	if (!t)
		return VERDICT_TAKE;
	if (t->state == TOKEN_HELD && clock_ms() >= t->good_until_ms)
		token_forget(t);
	if (t->state != TOKEN_HELD)
		return await(x, t, e);
	buf_printf(out, "Bearer %s", t->value);
	x->token_serial = t->serial;
	x->sent_auth = true;
	return VERDICT_TAKE;
}

static enum verdict denied_bearer(struct exchange *x, const struct challenge *c, struct err *e)
{
	struct token *t = token_get(x);

	if (!t->foreign)
		x->site->auth = *c;
	if (t->state == TOKEN_HELD && t->serial != x->token_serial)
		return VERDICT_AGAIN; /* another request got a new one meanwhile */
	if (t->state != TOKEN_FETCHING)
		t->challenge = *c;
	token_forget(t);
	return await(x, t, e);
}

enum verdict auth_denied(struct exchange *x, struct err *e)
{
	bool foreign = exchange_is_foreign(x);
	unsigned *times = foreign ? &x->foreign_denials : &x->denials;
	struct challenge c;

	if (++*times > 1 && x->sent_auth && !x->token_serial)
		return err_set(e, ERR_DENIED, "the credentials of %s were refused", x->site->host);
	if (*times > 1)
		return err_set(e, ERR_DENIED, "HTTP 401%s",
			x->token_serial ? ": the token does not allow it" : "");
	challenge_parse(&c, x->answer.value[HTTP_AUTHENTICATE]);
	if (c.kind == AUTH_BEARER)
		return denied_bearer(x, &c, e);
	if (foreign)
		return err_set(e, ERR_DENIED, "the target of a redirect asks for credentials");
	if (c.kind == AUTH_BASIC) {
		if (x->sent_auth)
			return err_set(
				e, ERR_DENIED, "the credentials of %s were refused", x->site->host);
		x->site->auth = c;
		return VERDICT_AGAIN;
	}
	if (x->site->auth.kind == AUTH_BEARER) {
		c = x->site->auth;
		c.scope[0] = '\0';
		return denied_bearer(x, &c, e);
	}
	return await(x, token_get(x), e);
}
