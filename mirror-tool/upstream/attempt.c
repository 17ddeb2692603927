/*
 * Run the attempts of one exchange: what a status means, which redirect may be followed, when to
 * retry. Must never send a credential to another origin than the first, or follow from https to
 * http.
 */
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/headers.h"
#include "storage/base/clock.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define RESIGNS_MAX 2 /* new signed addresses after a refused one */

static const struct http_handler handler;

/* --- trying again ----------------------------------------------------------------------------- */

static uint64_t random_below(uint64_t n)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint64_t)clock_ms() * 2654435761u;
	return n ? r % n : 0;
}

/* Choose a pause by full jitter: random, up to the cap of this attempt. */
static int64_t backoff_ms(const struct exchange *x)
{
	uint64_t base = x->up->options.retry_ms, cap = base << (x->tries < 16 ? x->tries : 16);

	return (int64_t)random_below(cap < RETRY_CAP_MS ? cap : RETRY_CAP_MS);
}

/* Retry in wait_ms (negative: by backoff), or fail after the last attempt. */
static void retry(struct exchange *x, int64_t wait_ms, struct err *e)
{
	AUTO(buf_release) struct buf shown = BUF_INIT;

	if (wait_ms < 0)
		wait_ms = backoff_ms(x);
	if (++x->tries >= x->up->options.attempts) {
		err_ctx(e, "after %u attempts", x->tries);
		exchange_fail(x, e);
		return;
	}
	url_redacted(&shown, x->at.text);
	upstream_note(x->up, "%s %s: %s; again in %lld ms", exchange_method(x), shown.data, e->text,
		(long long)wait_ms);
	x->denials = x->foreign_denials = 0;
	schedule_leave(x);
	schedule_at(x, clock_ms() + wait_ms);
}

/* --- sending ----------------------------------------------------------------------------------- */

static void set_hop(struct exchange *x, const struct url *u)
{
	char *text = mem_strdup(u->text);

	url_release(&x->at);
	x->at = *u;
	x->at.text = text;
}

/* Is the URL chosen by another host? Then it may not lead into our own network. */
static bool is_stranger(const struct exchange *x, const struct url *u)
{
	char authority[URL_HOST_MAX + 8];

	return (x->strange || strcmp(u->host, x->url.host) != 0) &&
	       !host_settings(x->up, url_authority(u, authority));
}

static void hop_send(struct exchange *x, const char *authorization)
{
	char authority[URL_HOST_MAX + 8];
	bool foreign = exchange_is_foreign(x);
	struct http_request r = {
		.url = x->at.text,
		.head = x->head_only,
		.form = x->form,
		.accept = x->accept,
		.authorization = *authorization ? authorization : NULL,
		.range = x->range[0] ? x->range : NULL,
		.with_client = !foreign && !x->strange,
		.foreign = is_stranger(x, &x->at),
		.bulk = x->bulk,
		.decode = x->decode,
	};
	struct err e = ERR_INIT;
	struct transfer *t;

	x->final = x->again = x->enough = false;
	buf_clear(&x->body);
	url_authority(&x->at, authority);
	if ((x->at.https && certs_for(x->up, authority, &r.certs, &e) < 0) ||
		http_begin(x->up->http, &r, &handler, x, &t, &e) < 0)
		exchange_fail(x, &e);
}

static void hop(struct exchange *x)
{
	AUTO(buf_release) struct buf authorization = BUF_INIT;
	struct err e = ERR_INIT;

	switch (auth_header(x, &authorization, &e)) {
	case VERDICT_FAIL:
		exchange_fail(x, &e);
		return;
	case VERDICT_LATER:
		exchange_forget_answer(x);
		schedule_leave(x);
		return;
	default:
		hop_send(x, authorization.data);
	}
	if (authorization.len)
		explicit_bzero(authorization.data, authorization.len);
}

static void attempt(struct exchange *x)
{
	struct err e = ERR_INIT;

	x->hops = 0;
	set_hop(x, &x->url);
	if (is_stranger(x, &x->url) && url_is_private(&x->url)) {
		err_set(&e, ERR_INPUT, "the private address %s, which `registries:` does not name",
			x->url.host);
		exchange_fail(x, &e);
		return;
	}
	hop(x);
}

void attempt_start(struct exchange *x)
{
	struct err e = ERR_INIT;

	schedule_enter(x);
	exchange_forget_answer(x);
	if (x->refused) {
		exchange_fail(x, &x->err);
		return;
	}
	switch (x->ops->begin ? x->ops->begin(x, &e) : VERDICT_TAKE) {
	case VERDICT_FAIL:
		exchange_fail(x, &e);
		return;
	case VERDICT_AGAIN:
		exchange_complete(x, 1, &e);
		return;
	case VERDICT_LATER:
		schedule_leave(x);
		schedule_at(x, clock_ms() + BUSY_PAUSE_MS);
		return;
	default:
		attempt(x);
	}
}

/* --- redirects --------------------------------------------------------------------------------- */

static int check_target(const struct exchange *x, const struct url *to, struct err *e)
{
	char authority[URL_HOST_MAX + 8];
	const struct upstream_host *settings = host_settings(x->up, url_authority(to, authority));

	if (x->at.https && !to->https)
		return err_set(e, ERR_INPUT, "redirect from https to http (%s) refused", authority);
	if (!to->https && strcmp(to->host, x->url.host) != 0 && !(settings && settings->plain_http))
		return err_set(e, ERR_INPUT,
			"redirect to plain http at %s, which `registries:` does not allow",
			authority);
	if (is_stranger(x, to) && url_is_private(to))
		return err_set(e, ERR_INPUT,
			"redirect to the private address %s, which `registries:` does not name",
			authority);
	if ((x->internal || x->form) && !url_same_origin(&x->url, to))
		return err_set(
			e, ERR_INPUT, "redirect of a token request to %s refused", authority);
	return 0;
}

static void redirect(struct exchange *x)
{
	AUTO(url_release) struct url to = URL_INIT;
	struct err e = ERR_INIT;

	if (++x->hops > HOPS_MAX)
		err_set(&e, ERR_INPUT, "more than %u redirects", HOPS_MAX);
	else if (x->answer.value[HTTP_LOCATION].len == 0)
		err_set(&e, ERR_INPUT, "HTTP %d without a Location", x->answer.status);
	else if (url_parse(&to, &x->at, x->answer.value[HTTP_LOCATION], &e) < 0)
		err_ctx(&e, "Location");
	else if (check_target(x, &to, &e) == 0) {
		set_hop(x, &to);
		hop(x);
		return;
	}
	exchange_fail(x, &e);
}

/* --- the meaning of an answer ------------------------------------------------------------------ */

/* Append the message of the registry (`errors[0].message`). */
static void body_message(const struct exchange *x, struct buf *out)
{
	AUTO(doc_release) struct doc d = DOC_INIT;
	const struct node *errors, *first;
	const char *code = "", *message = "";
	struct err ignored = ERR_INIT;

	if (x->body.len == 0 ||
		json_parse(&d, "body", buf_span(&x->body), ERROR_BODY_MAX, &ignored) < 0)
		return;
	errors = node_get(d.root, "errors");
	first = errors ? errors->first : NULL;
	if (!first || node_string(&d, first, "code", OPTIONAL, &code, &ignored) < 0 ||
		node_string(&d, first, "message", OPTIONAL, &message, &ignored) < 0)
		return;
	buf_printf(out, " (%.60s: %.200s)", code, message);
}

static void status_error(const struct exchange *x, enum err_code code, struct err *e)
{
	AUTO(buf_release) struct buf message = BUF_INIT;

	body_message(x, &message);
	err_set(e, code, "HTTP %d%s", x->answer.status, message.data);
}

/* Retry as a busy server asks. On 429 its whole host waits. */
static void busy(struct exchange *x)
{
	struct span after = x->answer.value[HTTP_RETRY_AFTER];
	int64_t wait = after.len ? retry_after_parse(after, clock_now()) : -1;
	struct err e = ERR_INIT;

	status_error(x, ERR_NET, &e);
	if (wait > RETRY_AFTER_MAX) {
		err_ctx(&e, "the server asks to wait %lld s, at most %d are waited",
			(long long)wait, RETRY_AFTER_MAX);
		exchange_fail(x, &e);
		return;
	}
	if (wait >= 0 && x->answer.status == 429 && !exchange_is_foreign(x)) {
		x->site->pause_until_ms = clock_ms() + wait * 1000;
		upstream_note(x->up, "%s asks to wait %lld s", x->site->host, (long long)wait);
	}
	retry(x, wait < 0 ? -1 : wait * 1000 + (int64_t)random_below(x->up->options.retry_ms), &e);
}

static void finished(struct exchange *x)
{
	struct err e = ERR_INIT;

	switch (x->ops->finish ? x->ops->finish(x, &e) : VERDICT_TAKE) {
	case VERDICT_FAIL:
		exchange_fail(x, &e);
		return;
	case VERDICT_AGAIN:
		if (e.code == ERR_OK)
			err_set(&e, ERR_NET, "incomplete");
		retry(x, 0, &e);
		return;
	default:
		exchange_complete(x, 1, &e);
	}
}

/* A signed address may have expired: ask the registry for a new one. */
static bool may_resign(struct exchange *x)
{
	int s = x->answer.status;

	return exchange_is_foreign(x) && (s == 400 || s == 403 || s == 410) &&
	       x->resigns++ < RESIGNS_MAX;
}

static void refused(struct exchange *x)
{
	struct err e = ERR_INIT;

	status_error(x, x->answer.status == 403 ? ERR_DENIED : ERR_NET, &e);
	if (may_resign(x))
		retry(x, 0, &e);
	else
		exchange_fail(x, &e);
}

/* Is this a 401 without a challenge, and no token that may have expired? It cannot be answered. */
static bool asks_for_nothing(const struct exchange *x)
{
	return x->optional && !exchange_is_foreign(x) &&
	       x->answer.value[HTTP_AUTHENTICATE].len == 0 && x->site->auth.kind != AUTH_BEARER;
}

static void denied(struct exchange *x)
{
	struct err e = ERR_INIT;

	if (asks_for_nothing(x) || x->strange) {
		refused(x);
		return;
	}
	switch (auth_denied(x, &e)) {
	case VERDICT_AGAIN:
		attempt(x);
		return;
	case VERDICT_LATER:
		exchange_forget_answer(x);
		schedule_leave(x);
		return;
	default:
		exchange_fail(x, &e);
	}
}

/* Is the status temporary? 501 is not; 499 and 520 to 599 come from proxies. */
static bool is_busy(int status)
{
	return status == 408 || status == 429 || status == 499 || (status >= 500 && status != 501);
}

static void judge(struct exchange *x)
{
	struct err e = ERR_INIT;

	if (is_busy(x->answer.status)) {
		busy(x);
		return;
	}
	switch (x->answer.status) {
	case 200:
	case 203:
	case 206:
		finished(x);
		return;
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		redirect(x);
		return;
	case 401:
		if (x->internal)
			finished(x);
		else
			denied(x);
		return;
	case 404:
		exchange_complete(x, 0, &e);
		return;
	default:
		refused(x);
	}
}

/* --- what the transfer tells -------------------------------------------------------------------- */

static bool is_body(int status)
{
	return status == 200 || status == 203 || status == 206;
}

static void note_limits(struct exchange *x, const struct http_head *head)
{
	struct span value = head->value[HTTP_RATE_REMAINING];

	if (value.len && !exchange_is_foreign(x) && !x->internal)
		x->site->knows_left = rate_limit_parse(value, &x->site->left, &x->site->window);
}

static int on_head(void *ctx, const struct http_head *head, struct err *e)
{
	struct exchange *x = ctx;
	enum verdict v = VERDICT_TAKE;

	x->answer = *head;
	note_limits(x, head);
	if (x->ops->head && !x->internal && (is_body(head->status) || head->status == 416))
		v = x->ops->head(x, head, e);
	x->final = v == VERDICT_FAIL;
	x->again = v == VERDICT_AGAIN;
	if (x->again && e->code == ERR_OK)
		err_set(e, ERR_NET, "HTTP %d", head->status);
	return v == VERDICT_TAKE ? 0 : -1;
}

/* Detect gzip in a collected body, even in its first bytes: JSON never begins so. Then ask again
 * and decode. */
static bool is_coded(const struct exchange *x)
{
	return x->body.len > 1 && memcmp(x->body.data, "\x1f\x8b", 2) == 0 &&
	       exchange_may_decode(x);
}

static int collect(struct exchange *x, const char *data, size_t len, size_t max, struct err *e)
{
	if (len > max - x->body.len)
		return err_set(e, ERR_INPUT, "the answer is larger than %zu bytes", max);
	buf_add(&x->body, data, len);
	return 0;
}

static int on_data(void *ctx, const char *data, size_t len, struct err *e)
{
	struct exchange *x = ctx;
	int rc;

	x->up->count.bytes += len;
	if (!is_body(x->answer.status)) {
		rc = collect(x, data, len, ERROR_BODY_MAX, e);
		x->enough = rc < 0;
		return rc;
	}
	rc = x->ops->data ? x->ops->data(x, data, len, e) : collect(x, data, len, x->body_max, e);
	if (rc == 0 && !x->ops->data && is_coded(x)) {
		x->decode = x->again = true;
		return err_set(e, ERR_NET, "gzip, which was not asked for");
	}
	x->final = rc < 0;
	if (rc > 0) {
		x->enough = true;
		return err_set(e, ERR_NET, "enough");
	}
	return rc;
}

static void on_end(void *ctx, int rc, bool again, struct err *e)
{
	struct exchange *x = ctx;

	if (rc == 0 || x->enough)
		judge(x);
	else if (x->again)
		retry(x, 0, e);
	else if (again && !x->final)
		retry(x, -1, e);
	else
		exchange_fail(x, e);
}

static const struct http_handler handler = { on_head, on_data, on_end };
