/*
 * Serve one request: from the library's callbacks to the handlers, and back. Judge the headers, identify the
 * caller, take the body, send the reply, and log what came of it. Must never block, and never use the URI
 * that the library decoded.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "registry/http/framing.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define BODY_SWALLOW                                                                               \
	(64u << 10) /* of a request that needs none; a larger one ends the connection */
#define DRAIN_MAX (64u << 20) /* of a refused body, so that the connection can go on */
#define LOG_LINES_MAX (32u << 10)
#define TURN_LEAST (256u << 10) /* smaller answers do not wait for their turn */

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* --- the fair queue ------------------------------------------------------------------------- */

static struct conn *of_turn(struct fair_turn *t)
{
	return CONTAINER_OF(t, struct conn, x.turn);
}

static void turn_wait(struct fair_turn *t)
{
	conn_wait(of_turn(t), STEP_TURN, HOLD_TURN);
}

static void turn_go(struct fair_turn *t)
{
	conn_release(of_turn(t), HOLD_TURN);
}

/* --- the headers ----------------------------------------------------------------------------- */

/* Begin an exchange: the request line was read. Called once a request, before the library cuts the target
 * into pieces. */
void *exchange_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_of(mhd);
	struct loop *l = c->loop;

	(void)cls;
	conn_enter(c, STEP_LINE);
	buf_str(&c->x.uri, uri);
	c->x.uri_at = uri;
	c->x.serial = ++l->serial;
	c->x.start_us = clock_us();
	return c;
}

static const char *request_id(struct conn *c, const char *theirs)
{
	if (theirs)
		return theirs;
	snprintf(c->x.id, sizeof(c->x.id), "%016" PRIx64, c->x.serial);
	return c->x.id;
}

/* Detect an embedded NUL: header data goes on behind the terminator, where a whole value has what is left of
 * the line's end. (A line that ends in a bare LF looks the same, and is as doubtful.) */
static bool is_whole(const char *value, size_t len)
{
	return strchr("\r\n\t ", value[len + 1]); /* or NUL */
}

/* Detect a folded header. The library moves the second line behind the name, away from the value; else there
 * is only space between both. */
static bool is_folded(const char *name, size_t name_len, const char *value)
{
	const char *p = name + name_len + 1;

	while ((uintptr_t)p < (uintptr_t)value && (*p == ' ' || *p == '\t'))
		p++;
	return p != value;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_len, const char *value, size_t value_len)
{
	struct framing *f = cls;

	(void)kind;
	if (!value || !is_whole(value, value_len))
		f->wrong = "a header line holds a NUL or has no proper end";
	else if (is_folded(name, name_len, value))
		f->wrong = "a header is folded over lines";
	else
		framing_header(
			f, (struct span){ name, name_len }, (struct span){ value, value_len });
	return MHD_YES;
}

/* Refuse a request and end the connection: what follows on it cannot be trusted. */
static enum MHD_Result refuse(struct conn *c, unsigned status, const char *why)
{
	reply_error(&c->x.reply, status, "UNSUPPORTED", "%s", why);
	return send_reply(c);
}

/* Detect a NUL in the request line, which cuts the strings that we are given. The library keeps the line in
 * one piece, with the version behind the target: then the distance is the length. */
static bool is_cut(const struct conn *c, const char *version)
{
	uintptr_t from = (uintptr_t)c->x.uri_at, to = (uintptr_t)version;

	return to > from && to - from < REQUEST_POOL && to - from != c->x.uri.len + 1;
}

static void fill_request(struct conn *c, const struct framing *f)
{
	struct request *q = &c->x.request;

	c->x.expects = f->expects;
	q->uri = c->x.uri.data;
	q->range = f->range;
	q->if_range = f->if_range;
	q->if_none_match = f->if_none_match;
	q->authorization = f->authorization;
	q->content_type = f->content_type;
	q->content_range = f->content_range;
	q->host = f->host;
	q->length = f->chunked ? LENGTH_UNKNOWN : f->length;
	q->id = request_id(c, f->request_id);
	q->peer = &c->peer;
	q->who = &c->x.who;
}

/* Read the headers. NULL, or why the request cannot be trusted. */
static const char *read_headers(struct conn *c, const char *method, const char *version)
{
	struct framing f;
	const char *wrong;

	framing_init(&f);
	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, &f);
	wrong = framing_end(&f, strcmp(version, "HTTP/1.0") == 0);
	c->x.step = STEP_LOGIN;
	c->x.method_text = method;
	if (framing_method(method, &c->x.request.method) < 0) {
		c->x.method_text = "?";
		wrong = "not a method of HTTP";
	}
	fill_request(c, &f);
	if (!wrong && (*c->x.uri.data != '/' || is_cut(c, version)))
		wrong = "the request target is not a path";
	return wrong;
}

/* --- the caller ------------------------------------------------------------------------------- */

static void check_password(struct job *j)
{
	struct conn *c = CONTAINER_OF(j, struct conn, x.job);

	if (!c->loop->server->stopping) /* then no client waits for the result */
		auth_verify(c->loop->server->config.auth, c->x.request.authorization);
	fair_queue_leave(c->loop->server->logins, &c->x.turn);
	conn_release(c, HOLD_PASSWORD);
}

static void login_wait(struct fair_turn *t)
{
	conn_wait(of_turn(t), STEP_PASSWORD, HOLD_PASSWORD);
}

static void login_go(struct fair_turn *t)
{
	struct conn *c = of_turn(t);

	c->x.job.run = check_password;
	jobs_add(c->loop->server->passwords, &c->x.job);
}

/* Have a password checked by a thread, as that takes long by design. Client by client, suspects (whose last
 * password was wrong) behind all others, so that guessing delays no login. */
static void check_later(struct conn *c)
{
	struct loop *l = c->loop;
	struct fair_client client = { c->client, client_is_suspect(c->client) };

	c->x.turn.go = login_go;
	if (fair_queue_enter(l->server->logins, &c->x.turn, &client, l->now_ms, login_wait)) {
		login_wait(&c->x.turn);
		login_go(&c->x.turn);
	}
}

static void refuse_login(struct conn *c, const char *why)
{
	AUTO(buf_release) struct buf challenge = BUF_INIT;
	struct auth *auth = c->loop->server->config.auth;

	auth_challenge(
		auth, &c->x.who, c->x.request.host, c->loop->server->config.tls, "", 0, &challenge);
	reply_error(&c->x.reply, 401, "UNAUTHORIZED", "%s", why);
	reply_header(&c->x.reply, "WWW-Authenticate", challenge.data);
}

/* Identify the caller. AUTH_LATER: a password is being checked; AUTH_REFUSED: the reply says so. */
static enum auth_answer identify(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	char name[AUTH_NAME_MAX + 1];
	const char *why = "who are you?", *certificate = NULL;
	enum auth_answer answer;

	if (!config->auth)
		return AUTH_OK;
	if (config->tls &&
		tls_peer_name(MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
				      ->tls_session,
			name, sizeof(name)))
		certificate = name;
	answer = auth_identify(
		config->auth, c->x.request.authorization, certificate, &c->x.who, &why);
	if (answer == AUTH_LATER)
		check_later(c);
	else if (c->x.step == STEP_PASSWORD)
		client_judge(c->client, answer == AUTH_REFUSED);
	if (answer == AUTH_REFUSED)
		refuse_login(c, why);
	return answer;
}

/* --- the request ----------------------------------------------------------------------------- */

static void log_failure(const struct conn *c, const struct err *e)
{
	log_fields(LOG_LINE_ERROR, "request.failed", { "id", c->x.request.id, 0 },
		{ "method", c->x.method_text, 0 }, { "uri", c->x.uri.data, 0 },
		{ "error", e->text, 0 });
}

/* Take over the reply of a push. */
static void take_reply(struct conn *c)
{
	struct err failed;

	reply_release(&c->x.reply);
	push_reply(c->x.push, &c->x.reply, &failed);
	if (failed.code != ERR_OK)
		log_failure(c, &failed);
}

static void pause_for_push(void *ctx)
{
	conn_wait(ctx, STEP_STORE, HOLD_PUSH);
}

static void resume_from_push(void *ctx)
{
	conn_release(ctx, HOLD_PUSH);
}

/* Begin a push. True: the reply is there already. */
static bool begin_push(struct conn *c)
{
	struct waker waker = { pause_for_push, resume_from_push, c };
	struct err e;

	dispatch_write(&c->loop->dispatch, &c->x.request, &waker, &c->x.push, &c->x.reply, &e);
	if (e.code != ERR_OK)
		log_failure(c, &e);
	if (!c->x.push)
		return true;
	if (!push_answered(c->x.push))
		return false;
	take_reply(c);
	return true;
}

static void enter_body(struct conn *c, enum step step)
{
	conn_enter(c, step);
	c->x.window_ms = c->loop->now_ms;
	c->x.window_bytes = c->x.body;
}

/* Must a refusal end the connection, without the body being read? Chunks are read for callers only that may
 * push: the library burns a core over the line of one that its buffer does not hold. */
static bool refuses_body(const struct conn *c)
{
	if (c->x.expects)
		return true;
	return c->x.request.length == LENGTH_UNKNOWN ? !c->x.push : c->x.request.length > DRAIN_MAX;
}

/* Go on with a request that writes; ready: the caller was refused, and the reply is there. A reply that must
 * end the connection is sent now; all else when the body is in, which keeps the connection. */
static enum MHD_Result begin_write(struct conn *c, bool ready)
{
	if (!ready)
		ready = begin_push(c);
	if (ready && refuses_body(c))
		return send_reply(c);
	if (c->x.request.length != 0)
		enter_body(c, ready ? STEP_DRAIN : STEP_BODY);
	else
		c->x.step = ready ? STEP_READY : STEP_ASKED;
	return MHD_YES;
}

static enum MHD_Result begin(struct conn *c)
{
	enum auth_answer answer = identify(c);
	bool ready = answer == AUTH_REFUSED;

	if (answer == AUTH_LATER)
		return MHD_YES;
	if (c->x.step == STEP_PASSWORD)
		conn_enter(c, STEP_ASKED); /* the deadline of what is left to come begins now */
	if (!request_reads(&c->x.request))
		return begin_write(c, ready);
	if (c->x.expects || c->x.request.length > BODY_SWALLOW) /* or it is not known */
		return refuse(c, 413, "a body is not wanted");
	c->x.step = ready ? STEP_READY : STEP_ASKED;
	return MHD_YES;
}

/* Did the client leave with its body half sent? The library is told of new bytes by the edge: when the end
 * came together with the last of them, it does not look again. Behind TLS some bytes may be decrypted but not
 * delivered yet, and of a body in chunks the last may be read already: those are left to the sweep. */
static bool has_left(const struct conn *c)
{
	if (c->x.request.length == LENGTH_UNKNOWN || c->x.body >= c->x.request.length ||
		c->loop->server->config.tls)
		return false;
	return socket_is_over(c->fd);
}

static enum MHD_Result take_body(struct conn *c, const char *data, size_t *size)
{
	bool wanted = c->x.step == STEP_BODY || c->x.step == STEP_STORE;
	size_t taken = wanted ? push_take(c->x.push, data, *size) : *size;
	uint64_t most = request_reads(&c->x.request) ? BODY_SWALLOW : DRAIN_MAX;
	bool paused = taken < *size;

	c->x.body += taken;
	*size -= taken;
	if (paused)
		return MHD_YES;
	if (c->x.step == STEP_STORE)
		enter_body(c, STEP_BODY); /* it was paused, and goes on */
	if (has_left(c))
		return MHD_NO;
	if (wanted && push_wants_body(c->x.push))
		return MHD_YES;
	c->x.dropped += taken;
	return c->x.dropped > most ? MHD_NO : MHD_YES;
}

/* Ask for a turn to send a large body. True: it has to wait. */
static bool waits_for_turn(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->x.step == STEP_TURN || send_length(c) < TURN_LEAST)
		return false;
	c->x.has_turn = true;
	c->x.turn.go = turn_go;
	return !fair_queue_enter(l->server->bodies, &c->x.turn,
		&(struct fair_client){ .id = c->client }, l->now_ms, turn_wait);
}

static void was_read(struct check_waiter *w)
{
	conn_release(CONTAINER_OF(w, struct conn, x.check), HOLD_CHECK);
}

/* Wait until the check has read the blob; then the request is answered again. */
static void wait_for_check(struct conn *c)
{
	reply_release(&c->x.reply);
	reply_init(&c->x.reply);
	c->x.check = (struct check_waiter){ .digest = c->loop->dispatch.context.wait_for,
		.done = was_read };
	conn_wait(c, STEP_CHECK, HOLD_CHECK);
	checker_await(c->loop->server->checker, &c->x.check);
}

/* Wait until the blob is touched; then the request is answered again. */
static void wait_for_promise(struct conn *c)
{
	const struct waker waker = { pause_for_push, resume_from_push, c };

	reply_release(&c->x.reply);
	reply_init(&c->x.reply);
	dispatch_promise(&c->loop->dispatch, &waker);
}

/* The touch that was waited for failed: say nothing of the blob, as collection may take it. */
static void refuse_promise(struct conn *c, struct err *e)
{
	reply_release(&c->x.reply);
	reply_init(&c->x.reply);
	(void)err_set(e, ERR_BUSY, "what a push would rely on cannot be kept just now; try again");
	reply_failure(&c->x.reply, e);
}

/* False: not yet. */
static bool answer_reading(struct conn *c)
{
	struct err e;

	dispatch_read(&c->loop->dispatch, &c->x.request, &c->x.reply, &e);
	if (c->loop->dispatch.context.waits && c->x.step != STEP_CHECK) {
		wait_for_check(c);
		return false;
	}
	if (c->loop->dispatch.context.promises) {
		if (c->x.step != STEP_STORE) {
			wait_for_promise(c);
			return false;
		}
		refuse_promise(c, &e);
	}
	if (e.code != ERR_OK)
		log_failure(c, &e);
	return true;
}

/* False: not yet. */
static bool answer_push(struct conn *c)
{
	if (!push_answered(c->x.push)) {
		push_end(c->x.push);
		return false;
	}
	take_reply(c);
	return true;
}

/* Answer a request that is whole. False: not yet. */
static bool answer(struct conn *c)
{
	switch (c->x.step) {
	case STEP_READY:
	case STEP_DRAIN:
	case STEP_TURN:
		return true;
	default:
		return c->x.push ? answer_push(c) : answer_reading(c);
	}
}

enum MHD_Result exchange_request(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req)
{
	struct conn *c = *req;

	(void)cls, (void)mhd, (void)url;
	if (c->x.step == STEP_LINE) {
		const char *wrong = read_headers(c, method, version);

		if (wrong)
			return refuse(c, 400, wrong);
	}
	if (c->x.step == STEP_LOGIN || c->x.step == STEP_PASSWORD)
		return begin(c);
	if (*size > 0)
		return take_body(c, data, size);
	return !answer(c) || waits_for_turn(c) ? MHD_YES : send_reply(c);
}

/* --- the end of a request -------------------------------------------------------------------- */

static void log_request(struct conn *c, bool aborted, int64_t us)
{
	struct loop *l = c->loop;
	struct access_entry entry = { .peer = &c->peer,
		.method = c->x.method_text,
		.uri = c->x.uri.data,
		.id = c->x.request.id,
		.user = c->x.who.name,
		.status = c->x.status,
		.bytes = c->x.bytes,
		.ms = (double)us / 1000,
		.aborted = aborted };

	if (!l->server->config.log)
		return;
	access_log_add(&l->lines, l->server->config.format, &entry);
	if (l->lines.len > LOG_LINES_MAX)
		exchange_flush_log(l);
}

void exchange_flush_log(struct loop *l)
{
	if (l->lines.len == 0)
		return;
	log_file_write(l->server->config.log, buf_span(&l->lines));
	buf_clear(&l->lines);
}

static const char *action_name(const struct request *q)
{
	const struct route *route = &q->route;

	if (route->kind == ROUTE_CATALOG)
		return "catalog";
	if (route->kind == ROUTE_BASE || route->kind == ROUTE_TOKEN)
		return "login";
	if (request_reads(q) && route->kind != ROUTE_UPLOAD)
		return "pull";
	return q->method == METHOD_DELETE && route->kind != ROUTE_UPLOAD ? "delete" : "push";
}

static void write_audit_line(struct conn *c, const struct route *route, const char *action)
{
	const struct server_config *config = &c->loop->server->config;
	AUTO(buf_release) struct buf line = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE] = "";
	struct audit_entry entry = { .peer = &c->peer,
		.id = c->x.request.id,
		.user = c->x.who.name,
		.action = action,
		.status = c->x.status };

	if (route->digest.alg)
		digest_text(&route->digest, digest);
	entry.repo = route->fault == ROUTE_OK ? route->name : "";
	entry.reference = *route->tag ? route->tag : *digest ? digest : route->session;
	audit_add(&line, config->format, &entry);
	log_file_write(config->audit, buf_span(&line));
}

static void count_denied(struct conn *c, const struct route *route, const char *action)
{
	trail_denied(c->loop->server->config.trail,
		&(struct denied_request){ .peer = &c->peer,
			.account = c->x.who.name,
			.action = action,
			.repo = route->fault == ROUTE_OK ? route->name : "" });
}

/* Audit a request that writes or was denied: a line of the audit log, and in the store's a count of what was denied.
 * Asking a client without a login to log in is no denial. */
static void audit(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	bool denied = c->x.status == 403 || (c->x.status == 401 && c->x.request.authorization);
	const struct route *route;
	const char *action;

	if (!config->audit && !(config->trail && denied))
		return;
	if (!denied && (request_reads(&c->x.request) || c->x.status == 401))
		return;
	route = request_route(&c->x.request);
	action = action_name(&c->x.request);
	if (config->audit)
		write_audit_line(c, route, action);
	if (config->trail && denied)
		count_denied(c, route, action);
}

/* Count the request. Must come before its audit line, which parses the route of what was refused unseen: that
 * counts as no route. */
static void count(struct conn *c, int64_t us)
{
	const struct exchange *x = &c->x;

	if (c->loop->shard)
		metrics_request(c->loop->shard, x->request.route.kind, x->request.method, x->status,
			x->bytes, x->body, us);
}

void exchange_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode code)
{
	struct conn *c = *req;
	bool aborted = code != MHD_REQUEST_TERMINATED_COMPLETED_OK;
	int64_t us;

	(void)cls, (void)mhd;
	if (!c)
		return;
	tls_io_flush(&c->tls);
	us = clock_us() - c->x.start_us;
	if (c->x.step != STEP_LINE) {
		count(c, us);
		log_request(c, aborted, us);
		audit(c);
	}
	if (c->x.has_turn)
		fair_queue_leave(c->loop->server->bodies, &c->x.turn);
	push_free(&c->x.push);
	content_unref(&c->x.sending);
	reply_release(&c->x.reply);
	route_release(&c->x.request.route);
	who_release(&c->x.who);
	exchange_reset(&c->x);
	conn_enter(c, STEP_IDLE);
}
