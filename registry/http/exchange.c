/*
 * One request and its answer: from the library's callbacks to the handlers, and back. The headers are
 * judged, its sender found out, its body taken, its answer sent, and what came of it logged. Must never
 * block, and never look at the URI that the library decoded.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

/* --- turns ----------------------------------------------------------------------------------- */

static struct conn *of_turn(struct turn *t)
{
	return CONTAINER_OF(t, struct conn, turn);
}

static void turn_wait(struct turn *t)
{
	conn_wait(of_turn(t), HOLD_TURN);
}

static void turn_go(struct turn *t)
{
	conn_release(of_turn(t), HOLD_TURN);
}

/* --- the headers ----------------------------------------------------------------------------- */

/* The request line was read: the request begins. Called once a request, before the library cuts
 * the target into pieces. */
void *exchange_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_of(mhd);
	struct loop *l = c->loop;

	(void)cls;
	conn_enter(c, PHASE_HEADERS);
	buf_clear(&c->uri);
	buf_str(&c->uri, uri);
	c->uri_at = uri;
	c->framed = c->begun = c->ready = c->checked = c->was_checked = false;
	c->body = c->dropped = 0;
	c->swept_body = UINT64_MAX;
	c->status = 0;
	c->bytes = 0;
	c->route = ROUTE_NONE;
	c->serial = ++l->serial;
	c->start_us = clock_us();
	return c;
}

static const char *request_id(struct conn *c, const char *theirs)
{
	if (theirs)
		return theirs;
	snprintf(c->id, sizeof(c->id), "%016" PRIx64, c->serial);
	return c->id;
}

/* A value that a NUL cut short goes on behind its end, where a whole one has what is left of the
 * line's end. (A line that ends in a bare LF looks the same, and is as doubtful.) */
static bool is_whole(const char *value, size_t len)
{
	return strchr("\r\n\t ", value[len + 1]); /* or NUL */
}

/* The library glues a line that goes on behind a fold to the name of its header, away from its value:
 * else there is only space between both. */
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

/* Refuse and end the connection: what follows on it is in doubt. */
static enum MHD_Result refuse(struct conn *c, unsigned status, const char *why)
{
	reply_error(&c->reply, status, "UNSUPPORTED", "%s", why);
	return send_reply(c);
}

/* A NUL in the request line cuts the strings that we are given. The library keeps the line in one
 * piece, with the version behind the target: then the distance is the length. */
static bool is_cut(const struct conn *c, const char *version)
{
	uintptr_t from = (uintptr_t)c->uri_at, to = (uintptr_t)version;

	return to > from && to - from < REQUEST_POOL && to - from != c->uri.len + 1;
}

static void fill_request(struct conn *c, const struct framing *f)
{
	c->expects = f->expects;
	c->request = (struct request){ .method = c->request.method,
		.uri = c->uri.data,
		.route = ROUTE_INIT,
		.range = f->range,
		.if_range = f->if_range,
		.if_none_match = f->if_none_match,
		.authorization = f->authorization,
		.content_type = f->content_type,
		.content_range = f->content_range,
		.host = f->host,
		.length = f->chunked ? LENGTH_UNKNOWN : f->length,
		.id = request_id(c, f->request_id),
		.peer = &c->peer,
		.who = &c->who };
}

/* NULL, or why the request can not be trusted to be one. */
static const char *read_headers(struct conn *c, const char *method, const char *version)
{
	struct framing f;
	const char *wrong;

	framing_init(&f);
	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, &f);
	wrong = framing_end(&f, strcmp(version, "HTTP/1.0") == 0);
	c->framed = true;
	c->method_text = method;
	if (framing_method(method, &c->request.method) < 0) {
		c->method_text = "?";
		wrong = "not a method of HTTP";
	}
	fill_request(c, &f);
	if (!wrong && (*c->uri.data != '/' || is_cut(c, version)))
		wrong = "the request target is not a path";
	return wrong;
}

/* --- who asks -------------------------------------------------------------------------------- */

static void check_password(struct job *j)
{
	struct conn *c = CONTAINER_OF(j, struct conn, job);

	if (!c->loop->server->stopping) /* then nobody waits for what it would say */
		auth_verify(c->loop->server->config.auth, c->request.authorization);
	turns_leave(c->loop->server->logins, &c->turn);
	conn_release(c, HOLD_PASSWORD);
}

static void login_wait(struct turn *t)
{
	conn_wait(of_turn(t), HOLD_PASSWORD);
}

static void login_go(struct turn *t)
{
	struct conn *c = of_turn(t);

	c->job.run = check_password;
	jobs_add(c->loop->server->passwords, &c->job);
}

/* Checking costs time by design: client by client, suspects (whose last password was wrong) behind all others,
 * so that guessing holds up no login. */
static void check_later(struct conn *c)
{
	struct loop *l = c->loop;
	struct turn_client client = { c->client, client_is_suspect(c->client) };

	c->turn.go = login_go;
	c->checked = true;
	if (turns_enter(l->server->logins, &c->turn, &client, l->now_ms, login_wait)) {
		login_wait(&c->turn);
		login_go(&c->turn);
	}
}

static void unknown(struct conn *c, const char *why)
{
	AUTO(buf_release) struct buf challenge = BUF_INIT;
	struct auth *auth = c->loop->server->config.auth;

	auth_challenge(
		auth, &c->who, c->request.host, c->loop->server->config.tls, "", 0, &challenge);
	reply_error(&c->reply, 401, "UNAUTHORIZED", "%s", why);
	reply_header(&c->reply, "WWW-Authenticate", challenge.data);
	c->ready = true;
}

/* False: not known yet, a password is being checked. */
static bool identify(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	char name[AUTH_NAME_MAX + 1];
	const char *why = "who are you?", *certificate = NULL;

	if (!config->auth)
		return true;
	if (config->tls &&
		tls_peer_name(MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
				      ->tls_session,
			name, sizeof(name)))
		certificate = name;
	switch (auth_identify(config->auth, c->request.authorization, certificate, &c->who, &why)) {
	case AUTH_OK:
		if (c->checked)
			client_judge(c->client, false);
		return true;
	case AUTH_LATER:
		check_later(c);
		return false;
	default:
		if (c->checked)
			client_judge(c->client, true);
		unknown(c, why);
		return true;
	}
}

/* --- the request ----------------------------------------------------------------------------- */

static void log_failure(const struct conn *c, const struct err *e)
{
	log_fields(LOG_LINE_ERROR, "request.failed", { "id", c->request.id, 0 },
		{ "method", c->method_text, 0 }, { "uri", c->uri.data, 0 },
		{ "error", e->text, 0 });
}

/* The reply that the push has ready becomes ours. */
static void take_reply(struct conn *c)
{
	struct err failed;

	reply_release(&c->reply);
	push_reply(c->push, &c->reply, &failed);
	if (failed.code != ERR_OK)
		log_failure(c, &failed);
	c->ready = true;
}

static void pause_for_push(void *ctx)
{
	conn_wait(ctx, HOLD_PUSH);
}

static void resume_from_push(void *ctx)
{
	conn_release(ctx, HOLD_PUSH);
}

static void begin_push(struct conn *c)
{
	struct waker waker = { pause_for_push, resume_from_push, c };
	struct err e;

	dispatch_write(&c->loop->dispatch, &c->request, &waker, &c->push, &c->reply, &e);
	c->route = c->request.route.kind;
	if (e.code != ERR_OK)
		log_failure(c, &e);
	if (!c->push)
		c->ready = true;
	else if (push_answered(c->push))
		take_reply(c);
}

static void enter_body(struct conn *c)
{
	conn_enter(c, PHASE_BODY);
	c->window_ms = c->loop->now_ms;
	c->window_bytes = c->body;
}

/* A refusal after which the body is not read, and the connection ends. Chunks are read for whom may
 * write only: the library burns a core over the line of one that its buffer does not hold. */
static bool refuses_body(const struct conn *c)
{
	if (c->expects)
		return true;
	return c->request.length == LENGTH_UNKNOWN ? !c->push : c->request.length > DRAIN_MAX;
}

/* Who asks is known. A refusal that must end the connection is sent now; all else when the body is
 * in, which keeps it. */
static enum MHD_Result begin(struct conn *c)
{
	if (!identify(c))
		return MHD_YES;
	c->begun = true;
	if (c->phase == PHASE_WAITING)
		conn_enter(c, PHASE_HEADERS); /* a login was checked: what is left to come is due */
	if (request_reads(&c->request)) {
		if (c->expects || c->request.length > BODY_SWALLOW) /* or it is not known */
			return refuse(c, 413, "a body is not wanted");
		return MHD_YES;
	}
	if (!c->ready)
		begin_push(c);
	if (c->ready && refuses_body(c))
		return send_reply(c);
	if (c->request.length != 0)
		enter_body(c);
	return MHD_YES;
}

/* Did the client leave with its body half sent? The library is told of new bytes by the edge: when the
 * end came together with the last of them, it does not look again. Behind TLS some may be decrypted
 * and not yet ours, and of a body in chunks the last may be read already: those are left to the
 * sweep. */
static bool has_left(const struct conn *c)
{
	if (c->request.length == LENGTH_UNKNOWN || c->body >= c->request.length ||
		c->loop->server->config.tls)
		return false;
	return socket_is_over(c->fd);
}

static enum MHD_Result take_body(struct conn *c, const char *data, size_t *size)
{
	bool wanted = c->push && !c->ready;
	size_t taken = wanted ? push_take(c->push, data, *size) : *size;
	uint64_t most = request_reads(&c->request) ? BODY_SWALLOW : DRAIN_MAX;
	bool paused = taken < *size;

	c->body += taken;
	*size -= taken;
	if (paused)
		return MHD_YES;
	if (c->phase == PHASE_WAITING)
		enter_body(c); /* it waited for us, and goes on */
	if (has_left(c))
		return MHD_NO;
	if (wanted && push_wants_body(c->push))
		return MHD_YES;
	c->dropped += taken;
	return c->dropped > most ? MHD_NO : MHD_YES;
}

/* Large bodies are sent in turns. True: not yet. */
static bool waits_for_turn(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->has_turn || send_length(c) < TURN_LEAST)
		return false;
	c->has_turn = true;
	c->turn.go = turn_go;
	return !turns_enter(l->server->turns, &c->turn, &(struct turn_client){ .id = c->client },
		l->now_ms, turn_wait);
}

static void was_read(struct check_waiter *w)
{
	conn_release(CONTAINER_OF(w, struct conn, check), HOLD_CHECK);
}

/* The blob has to be read before it can be answered; then it is asked for again. */
static void wait_for_check(struct conn *c)
{
	reply_release(&c->reply);
	reply_init(&c->reply);
	c->was_checked = true;
	c->check = (struct check_waiter){ .digest = c->loop->dispatch.context.wait_for,
		.done = was_read };
	conn_wait(c, HOLD_CHECK);
	checker_await(c->loop->server->checker, &c->check);
}

/* False: not yet. */
static bool answer_reading(struct conn *c)
{
	struct err e;

	dispatch_read(&c->loop->dispatch, &c->request, &c->reply, &e);
	c->route = c->request.route.kind;
	if (c->loop->dispatch.context.waits && !c->was_checked) {
		wait_for_check(c);
		return false;
	}
	if (e.code != ERR_OK)
		log_failure(c, &e);
	c->ready = true;
	return true;
}

/* The request is whole. */
static enum MHD_Result finish(struct conn *c)
{
	if (!c->ready && c->push) {
		if (!push_answered(c->push)) {
			push_end(c->push);
			return MHD_YES;
		}
		take_reply(c);
	} else if (!c->ready && !answer_reading(c)) {
		return MHD_YES;
	}
	if (waits_for_turn(c))
		return MHD_YES;
	return send_reply(c);
}

enum MHD_Result exchange_request(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req)
{
	struct conn *c = *req;

	(void)cls, (void)mhd, (void)url;
	if (!c->framed) {
		const char *wrong = read_headers(c, method, version);

		if (wrong)
			return refuse(c, 400, wrong);
	}
	if (!c->begun)
		return begin(c);
	return *size > 0 ? take_body(c, data, size) : finish(c);
}

/* --- the end of a request -------------------------------------------------------------------- */

static void log_request(struct conn *c, bool aborted, int64_t us)
{
	struct loop *l = c->loop;
	struct access_entry entry = { .peer = &c->peer,
		.method = c->method_text,
		.uri = c->uri.data,
		.id = c->request.id,
		.user = c->who.name,
		.status = c->status,
		.bytes = c->bytes,
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

/* Whatever writes or was denied. The answer to a client that has not logged in yet is no denial. */
static void audit(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	bool denied = c->status == 403 || (c->status == 401 && c->request.authorization);
	AUTO(buf_release) struct buf line = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE] = "";
	const struct route *route;
	struct audit_entry entry = {
		.peer = &c->peer, .id = c->request.id, .user = c->who.name, .status = c->status
	};

	if (!config->audit || (request_reads(&c->request) && !denied) ||
		(c->status == 401 && !denied))
		return;
	route = request_route(&c->request);
	if (route->digest.alg)
		digest_text(&route->digest, digest);
	entry.action = action_name(&c->request);
	entry.repo = route->fault == ROUTE_OK ? route->name : "";
	entry.reference = *route->tag ? route->tag : *digest ? digest : route->session;
	audit_add(&line, config->format, &entry);
	log_file_write(config->audit, buf_span(&line));
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
	us = clock_us() - c->start_us;
	if (c->framed) {
		log_request(c, aborted, us);
		audit(c);
		if (c->loop->shard)
			metrics_request(c->loop->shard, c->route, c->request.method, c->status,
				c->bytes, c->body, us);
	}
	if (c->has_turn)
		turns_leave(c->loop->server->turns, &c->turn);
	c->has_turn = c->framed = c->begun = c->ready = c->checked = false;
	c->slow_sweeps = 0;
	push_free(&c->push);
	content_unref(&c->held);
	reply_release(&c->reply);
	reply_init(&c->reply);
	route_release(&c->request.route);
	who_release(&c->who);
	conn_enter(c, PHASE_IDLE);
}
