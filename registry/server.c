/*
 * The HTTP server on libmicrohttpd 0.9.75 or later, with what measuring it taught:
 *
 * - each thread drives a daemon of its own by MHD_run() (timeout 0): the library's own epoll loop
 *   sleeps with requests in hand when exactly 128 connections are ready;
 * - ordinary requests are answered in the second call of the handler; an answer in the first one
 *   closes the connection, which is what refusals want;
 * - its timeouts count inactivity only, so deadlines are ours, enforced by shutdown(2);
 * - plain files go by sendfile (an fd response, SIGPIPE ignored), TLS by 16 KiB reads.
 *
 * Must never block in a loop, and never look at the URI that the library decoded.
 */
#include "registry/server.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "registry/framing.h"
#include "registry/site.h"
#include "registry/tls.h"
#include "storage/base/fs.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define STACK_SIZE (256u << 10)
#define BODY_SWALLOW                                                                               \
	(64u << 10) /* of a request that needs none; a larger one ends the connection */
#define TLS_BLOCK (16u << 10)
#define PARTS_BLOCK (16u << 10)
#define SWEEP_MS 1000
#define RATE_WINDOW_MS 30000
#define LOG_LINES_MAX (32u << 10)
#define ID_SIZE 17

enum phase { PHASE_FRESH, PHASE_IDLE, PHASE_HEADERS, PHASE_SENDING };

/* A connection, and the request that is on it. */
struct conn {
	struct conn *prev, *next; /* of the loop */
	struct loop *loop;
	struct MHD_Connection *mhd;
	int fd;
	struct client *client;
	struct address peer;
	enum phase phase;
	int64_t since_ms; /* when the phase began */
	int64_t window_ms; /* PHASE_SENDING: when the window of the least rate began */
	uint64_t window_acked;

	/* The request. */
	struct buf uri;
	const char *uri_at; /* where the library has it */
	bool begun; /* the handler was called */
	const char *method_text;
	struct request request;
	uint64_t serial; /* its id */
	char id[ID_SIZE];
	uint64_t body; /* bytes of a body that were thrown away */
	int64_t start_us;
	unsigned status;
	uint64_t bytes;
	struct content *held; /* its bytes are being sent by a shared answer */
};

struct loop {
	struct server *server;
	pthread_t thread;
	bool running;
	struct MHD_Daemon *mhd;
	int epoll, wake;
	bool accepting;
	struct site site;
	struct conn *conns;
	unsigned count;
	int64_t now_ms, swept_ms;
	uint64_t serial;
	struct buf lines; /* of the access log */
};

struct server {
	struct server_config config;
	struct clients *clients;
	_Atomic(bool) draining, stopping;
	unsigned count;
	struct loop *loops;
};

/* --- time ------------------------------------------------------------------------------------ */

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void enter_phase(struct conn *c, enum phase phase)
{
	c->phase = phase;
	c->since_ms = c->loop->now_ms;
}

/* --- answers --------------------------------------------------------------------------------- */

static void forget_response(void *response)
{
	MHD_destroy_response(response);
}

static bool add_header(struct MHD_Response *m, const char *name, const char *value)
{
	return MHD_add_response_header(m, name, value) == MHD_YES;
}

/* Those of the reply and those of every answer. False: a value is not fit for a header. */
static bool add_headers(struct MHD_Response *m, const struct reply *r)
{
	const char *name, *value;
	size_t at = 0;
	bool ok = add_header(m, "Docker-Distribution-API-Version", "registry/2.0") &&
		  add_header(m, "X-Content-Type-Options", "nosniff");

	while (ok && reply_next(r, &at, &name, &value))
		ok = add_header(m, name, value);
	return ok;
}

/* What a file body read by us needs while it is sent. */
struct source {
	struct content *content;
	uint64_t first;
	struct parts parts; /* with BODY_PARTS */
	bool has_parts;
};

static void source_free(void *cls)
{
	struct source *s = cls;

	content_unref(&s->content);
	if (s->has_parts)
		parts_release(&s->parts);
	free(s);
}

static ssize_t read_content(struct source *s, uint64_t at, char *out, size_t max)
{
	ssize_t n = pread(s->content->fd, out, max, (off_t)at);

	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t source_read(void *cls, uint64_t at, char *out, size_t max)
{
	struct source *s = cls;
	size_t done = 0;

	if (!s->has_parts)
		return read_content(s, s->first + at, out, max);
	while (done < max && at + done < s->parts.total) {
		uint64_t where;
		size_t n = parts_at(&s->parts, at + done, out + done, max - done, &where);
		ssize_t got = (ssize_t)n;

		if (where != UINT64_MAX)
			got = read_content(s, where, out + done, n);
		if (got < 0)
			return done ? (ssize_t)done : got;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static struct MHD_Response *from_source(struct reply *r, uint64_t first, uint64_t length)
{
	struct source *s = mem_alloc(sizeof(*s));

	s->content = content_ref(r->content);
	s->first = first;
	if (r->body == BODY_PARTS) {
		s->parts = r->parts;
		s->has_parts = true;
		r->body = BODY_BYTES; /* handed over */
	}
	return MHD_create_response_from_callback(
		length, s->has_parts ? PARTS_BLOCK : TLS_BLOCK, source_read, s, source_free);
}

/* A stretch of a file: the kernel sends it, or we read it for the TLS library. */
static struct MHD_Response *from_file(struct reply *r, uint64_t first, uint64_t length, bool tls)
{
	struct MHD_Response *m;
	int fd;

	if (length == 0)
		return MHD_create_response_from_buffer(0, buf_empty, MHD_RESPMEM_PERSISTENT);
	if (tls)
		return from_source(r, first, length);
	fd = dup(r->content->fd);
	if (fd < 0)
		return NULL;
	m = MHD_create_response_from_fd_at_offset64(length, fd, first);
	if (!m)
		close(fd);
	return m;
}

/* Never called: a HEAD's body is left out. */
static ssize_t no_bytes(void *cls, uint64_t at, char *out, size_t max)
{
	(void)cls, (void)at, (void)out, (void)max;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The answer that serves every request for this content alike, made once and kept with it. */
static struct MHD_Response *shared_response(struct reply *r)
{
	struct content *c = r->content;
	void *known = atomic_load(&c->rendered), *expected = NULL;
	struct MHD_Response *m;

	if (known)
		return known;
	if (c->kind == CONTENT_BYTES || c->size == 0)
		m = MHD_create_response_from_buffer(
			c->bytes.len, c->bytes.data, MHD_RESPMEM_PERSISTENT);
	else
		m = MHD_create_response_from_callback(c->size, 1, no_bytes, NULL, NULL);
	reply_content_headers(r, c);
	if (!m || !add_headers(m, r)) {
		if (m)
			MHD_destroy_response(m);
		return NULL;
	}
	c->forget = forget_response;
	if (atomic_compare_exchange_strong(&c->rendered, &expected, m))
		return m;
	MHD_destroy_response(m); /* another thread was faster */
	return expected;
}

static struct MHD_Response *own_response(struct reply *r, bool tls)
{
	struct MHD_Response *m = NULL;
	size_t len = r->bytes.len;

	switch (r->body) {
	case BODY_BYTES:
		m = MHD_create_response_from_buffer(len, len ? buf_detach(&r->bytes) : buf_empty,
			len ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
		break;
	case BODY_CONTENT:
		reply_content_headers(r, r->content);
		m = from_file(r, 0, r->content->size, tls);
		break;
	case BODY_SLICE:
		m = from_file(r, r->first, r->length, tls);
		break;
	case BODY_PARTS:
		m = from_source(r, 0, r->parts.total);
		break;
	}
	if (m && add_headers(m, r))
		return m;
	if (m)
		MHD_destroy_response(m);
	return NULL;
}

static uint64_t body_length(const struct reply *r)
{
	switch (r->body) {
	case BODY_CONTENT:
		return r->content->size;
	case BODY_SLICE:
		return r->length;
	case BODY_PARTS:
		return r->parts.total;
	default:
		return r->bytes.len;
	}
}

/* A shared answer points into its content, so that is held until the request is over. */
static enum MHD_Result send_reply(struct conn *c, struct reply *r)
{
	bool head = c->request.method == METHOD_HEAD;
	bool shared = r->body == BODY_CONTENT && (head || r->content->kind == CONTENT_BYTES);
	struct MHD_Response *m;
	enum MHD_Result rc;

	c->status = r->status;
	c->bytes = head ? 0 : body_length(r);
	if (r->status >= 400)
		reply_header(r, "X-Request-Id", c->request.id);
	m = shared ? shared_response(r) : own_response(r, c->loop->server->config.tls);
	if (!m)
		return MHD_NO;
	rc = MHD_queue_response(c->mhd, r->status, m);
	if (shared)
		c->held = STEAL(r->content);
	else
		MHD_destroy_response(m);
	enter_phase(c, PHASE_SENDING);
	c->window_ms = c->loop->now_ms;
	c->window_acked = UINT64_MAX;
	return rc;
}

/* --- requests -------------------------------------------------------------------------------- */

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line was read: the request begins. Called once a request, before the library cuts
 * the target into pieces. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_of(mhd);
	struct loop *l = c->loop;

	(void)cls;
	enter_phase(c, PHASE_HEADERS);
	buf_clear(&c->uri);
	buf_str(&c->uri, uri);
	c->uri_at = uri;
	c->begun = false;
	c->body = 0;
	c->status = 0;
	c->serial = ++l->serial;
	c->start_us = l->server->config.log ? now_us() : 0;
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

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_len, const char *value, size_t value_len)
{
	struct framing *f = cls;

	(void)kind;
	if (!value || !is_whole(value, value_len))
		f->wrong = "a header line holds a NUL or has no proper end";
	else
		framing_header(
			f, (struct span){ name, name_len }, (struct span){ value, value_len });
	return MHD_YES;
}

static enum MHD_Result refuse(struct conn *c, unsigned status, const char *why)
{
	struct reply r;
	enum MHD_Result rc;

	reply_init(&r);
	reply_error(&r, status, "UNSUPPORTED", "%s", why);
	rc = send_reply(c, &r);
	reply_release(&r);
	return rc;
}

static void log_failure(const struct conn *c, const struct err *e)
{
	AUTO(buf_release) struct buf line = BUF_INIT;

	buf_printf(
		&line, "event=request.failed id=%s method=%s uri=", c->request.id, c->method_text);
	log_value(&line, c->uri.data);
	buf_str(&line, " error=");
	log_value(&line, e->text);
	log_event(LOG_LINE_ERROR, "%s", line.data);
}

static enum MHD_Result answer(struct conn *c)
{
	struct reply r;
	struct err e;
	enum MHD_Result rc;

	reply_init(&r);
	site_answer(&c->loop->site, &c->request, &r, &e);
	if (e.code != ERR_OK)
		log_failure(c, &e);
	rc = send_reply(c, &r);
	reply_release(&r);
	return rc;
}

/* A NUL in the request line cuts the strings that we are given. The library keeps the line in one
 * piece, with the version behind the target: then the distance is the length. */
static bool is_cut(const struct conn *c, const char *version)
{
	uintptr_t from = (uintptr_t)c->uri_at, to = (uintptr_t)version;

	return to > from && to - from < REQUEST_POOL && to - from != c->uri.len + 1;
}

/* The headers are here. Refusals that must end the connection are answered now; all else in the
 * next call, which keeps it. */
static enum MHD_Result begin(struct conn *c, const char *method, const char *version)
{
	struct framing f;
	const char *wrong;

	c->begun = true;
	framing_init(&f);
	MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, on_header, &f);
	wrong = framing_end(&f, strcmp(version, "HTTP/1.0") == 0);
	c->method_text = method;
	c->request = (struct request){ .uri = c->uri.data,
		.range = f.range,
		.if_range = f.if_range,
		.if_none_match = f.if_none_match,
		.id = request_id(c, f.request_id) };
	if (framing_method(method, &c->request.method) < 0) {
		c->method_text = "?";
		wrong = "not a method of HTTP";
	}
	if (wrong)
		return refuse(c, 400, wrong);
	if (*c->uri.data != '/' || is_cut(c, version))
		return refuse(c, 400, "the request target is not a path");
	if (f.expects || f.length > BODY_SWALLOW)
		return c->request.method == METHOD_OTHER ? answer(c)
							 : refuse(c, 413, "a body is not wanted");
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *size, void **req)
{
	struct conn *c = *req;

	(void)cls, (void)mhd, (void)url, (void)data;
	if (!c->begun)
		return begin(c, method, version);
	if (*size == 0)
		return answer(c);
	c->body += *size;
	*size = 0;
	return c->body > BODY_SWALLOW ? MHD_NO : MHD_YES;
}

static void log_request(struct conn *c, enum MHD_RequestTerminationCode code)
{
	struct loop *l = c->loop;
	struct access_entry entry = { .peer = &c->peer,
		.method = c->method_text,
		.uri = c->uri.data,
		.id = c->request.id,
		.status = c->status,
		.bytes = c->bytes,
		.ms = (double)(now_us() - c->start_us) / 1000,
		.aborted = code != MHD_REQUEST_TERMINATED_COMPLETED_OK };

	if (!l->server->config.log || !c->begun)
		return;
	access_log_add(&l->lines, &entry);
	if (l->lines.len > LOG_LINES_MAX)
		access_log_flush(l->server->config.log, &l->lines);
}

static void on_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode code)
{
	struct conn *c = *req;

	(void)cls, (void)mhd;
	if (!c)
		return;
	log_request(c, code);
	content_unref(&c->held);
	c->begun = false;
	enter_phase(c, PHASE_IDLE);
}

/* --- connections ----------------------------------------------------------------------------- */

static void conn_begin(struct loop *l, struct MHD_Connection *mhd, struct conn *c)
{
	c->loop = l;
	c->mhd = mhd;
	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	c->next = l->conns;
	if (c->next)
		c->next->prev = c;
	l->conns = c;
	l->count++;
	enter_phase(c, PHASE_FRESH);
	if (l->server->config.tls)
		tls_begin(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
				  ->tls_session);
}

static void conn_end(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->prev)
		c->prev->next = c->next;
	else
		l->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	l->count--;
	clients_leave(l->server->clients, &c->client);
	buf_release(&c->uri);
	free(c);
}

/* The connection that accept_one() hands over, as the library has no argument for it. */
static _Thread_local struct conn *arriving;

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = arriving;
		conn_begin(cls, mhd, STEAL(arriving));
	} else if (*context) {
		conn_end(*context);
		*context = NULL;
	}
}

/* At the limit, the connection that has been idle longest makes room. */
static void make_room(struct loop *l)
{
	struct conn *oldest = NULL;

	for (struct conn *c = l->conns; c; c = c->next)
		if (c->phase == PHASE_IDLE && (!oldest || c->since_ms < oldest->since_ms))
			oldest = c;
	if (oldest) {
		shutdown(oldest->fd, SHUT_RDWR);
		enter_phase(oldest, PHASE_FRESH); /* not to be chosen twice */
	}
}

static void conn_drop(struct server *s, struct conn **c)
{
	if (!*c)
		return;
	clients_leave(s->clients, &(*c)->client);
	free(*c);
	*c = NULL;
}

static void accept_one(struct loop *l, int fd, const struct address *peer)
{
	struct conn *c = mem_alloc(sizeof(*c));
	enum clients_answer answer = clients_enter(l->server->clients, peer, &c->client);

	if (answer == CLIENTS_FULL)
		make_room(l);
	if (answer != CLIENT_OK) {
		close(fd);
		free(c);
		return;
	}
	c->peer = *peer;
	c->uri = (struct buf)BUF_INIT;
	arriving = c;
	if (MHD_add_connection(l->mhd, fd, (const struct sockaddr *)&peer->sa, peer->len) !=
		MHD_YES)
		conn_drop(l->server, &arriving); /* the library closed fd */
}

/* One a turn. Going on until nobody is left costs a socket, made by the kernel before it looks and
 * thrown away again, and takes from the other loops what they could be serving. */
static void accept_next(struct loop *l, int listener)
{
	struct address peer = { .len = sizeof(peer.sa) };
	int fd = accept4(
		listener, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		accept_one(l, fd, &peer);
	else if (errno == EMFILE || errno == ENFILE)
		make_room(l);
}

/* --- deadlines ------------------------------------------------------------------------------- */

/* Too slow in taking its answer? Judged over windows, by what its kernel acknowledged. */
static bool is_stalled(struct conn *c)
{
	uint64_t acked, before = c->window_acked;
	int64_t ms = c->loop->now_ms - c->window_ms;

	if (ms < RATE_WINDOW_MS && before != UINT64_MAX)
		return false;
	acked = socket_acked(c->fd);
	c->window_acked = acked;
	c->window_ms = c->loop->now_ms;
	if (acked == UINT64_MAX || before == UINT64_MAX)
		return false;
	return acked - before < c->loop->server->config.least_rate * (uint64_t)ms / 1000;
}

static bool is_late(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	int64_t ms = c->loop->now_ms - c->since_ms;

	switch (c->phase) {
	case PHASE_FRESH:
	case PHASE_HEADERS:
		return ms > (int64_t)config->header_seconds * 1000;
	case PHASE_IDLE:
		return ms > (int64_t)config->idle_seconds * 1000 || c->loop->server->draining;
	case PHASE_SENDING:
		return is_stalled(c);
	}
	return false;
}

static void sweep(struct loop *l)
{
	l->swept_ms = l->now_ms;
	for (struct conn *c = l->conns; c; c = c->next)
		if (is_late(c))
			shutdown(c->fd, SHUT_RDWR);
	if (l == l->server->loops)
		cache_sweep(l->server->config.cache);
}

/* --- loops ----------------------------------------------------------------------------------- */

static int watch(struct loop *l, int fd, uint32_t events, struct err *e)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_sys(e, "epoll");
	return 0;
}

static void stop_accepting(struct loop *l)
{
	const struct server_config *config = &l->server->config;

	for (unsigned i = 0; i < config->listener_count; i++)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, config->listeners[i], NULL);
	l->accepting = false;
}

/* Milliseconds to sleep at most. */
static int patience(struct loop *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (l->count == 0 && l->accepting)
		return -1;
	if (l->count > 0 && MHD_get_timeout(l->mhd, &ms) == MHD_YES && ms == 0)
		return 0;
	return l->accepting ? SWEEP_MS : 20;
}

static bool is_listener(const struct server_config *config, int fd)
{
	for (unsigned i = 0; i < config->listener_count; i++)
		if (config->listeners[i] == fd)
			return true;
	return false;
}

/* Somebody changed a flag: the turn looks at them anyway. */
static void hear(struct loop *l)
{
	uint64_t count;

	if (read(l->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		BUG("eventfd: %s", strerror(errno));
}

/* One turn: wait, take new connections, serve whatever is ready. */
static void turn(struct loop *l)
{
	struct epoll_event events[16];
	int n = epoll_wait(l->epoll, events, ARRAY_SIZE(events), patience(l));

	l->now_ms = now_us() / 1000;
	site_refresh(&l->site, l->now_ms);
	for (int i = 0; i < n; i++)
		if (events[i].data.fd == l->wake)
			hear(l);
		else if (l->accepting && is_listener(&l->server->config, events[i].data.fd))
			accept_next(l, events[i].data.fd);
	MHD_run(l->mhd);
	if (l->server->draining && l->accepting)
		stop_accepting(l);
	if (l->now_ms - l->swept_ms >= SWEEP_MS || l->server->draining)
		sweep(l);
	if (l->server->config.log)
		access_log_flush(l->server->config.log, &l->lines);
}

static void *run(void *cls)
{
	struct loop *l = cls;

	while (!l->server->stopping && !(l->server->draining && l->count == 0))
		turn(l);
	return NULL;
}

static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

static void quiet(void *cls, const char *fmt, va_list ap)
{
	(void)cls, (void)fmt, (void)ap; /* clients' mistakes; ours we see ourselves */
}

static int open_daemon(struct loop *l, struct err *e)
{
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_callback() },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	bool secure = l->server->config.tls;
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
			 (secure ? MHD_USE_TLS : 0);

	l->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l, MHD_OPTION_EXTERNAL_LOGGER,
		quiet, NULL, MHD_OPTION_URI_LOG_CALLBACK, on_uri, l, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, l, MHD_OPTION_NOTIFY_COMPLETED, on_completed, l,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, l, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)REQUEST_POOL, MHD_OPTION_CONNECTION_LIMIT,
		l->server->config.connections + 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, secure ? tls : none,
		MHD_OPTION_END);
	if (!l->mhd)
		return err_set(e, ERR_IO, "the HTTP library did not start");
	return 0;
}

static int open_loop(struct server *s, struct loop *l, struct err *e)
{
	const struct server_config *config = &s->config;
	unsigned index = (unsigned)(l - s->loops);
	uint32_t random = 0;

	*l = (struct loop){ .server = s, .epoll = -1, .wake = -1, .lines = BUF_INIT };
	l->site = (struct site){ .names = config->names,
		.cache = config->cache,
		.draining = &s->draining,
		.catalog = config->catalog };
	if (store_open(&l->site.store, config->store, STORE_READ, e) < 0)
		return -1;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now_us();
	l->serial = (uint64_t)random << 32 | (uint64_t)index << 26;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->wake < 0)
		return err_sys(e, "epoll");
	if (open_daemon(l, e) < 0)
		return -1;
	l->now_ms = l->swept_ms = now_us() / 1000;
	l->accepting = true;
	for (unsigned i = 0; i < config->listener_count; i++)
		if (watch(l, config->listeners[i], EPOLLIN | EPOLLEXCLUSIVE, e) < 0)
			return -1;
	if (watch(l, l->wake, EPOLLIN, e) < 0)
		return -1;
	return watch(
		l, MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN, e);
}

static int start_thread(struct loop *l, struct err *e)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&l->thread, &attr, run, l);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	l->running = true;
	return 0;
}

int server_start(struct server **out, const struct server_config *config, struct err *e)
{
	AUTO(server_stop) struct server *s = mem_alloc(sizeof(*s));

	s->config = *config;
	s->clients = clients_new(config->connections, config->connections_each);
	s->loops = mem_grow(NULL, config->threads, sizeof(*s->loops));
	for (; s->count < config->threads; s->count++)
		if (open_loop(s, &s->loops[s->count], e) < 0) {
			s->count++;
			return -1;
		}
	for (unsigned i = 0; i < s->count; i++)
		if (start_thread(&s->loops[i], e) < 0)
			return -1;
	*out = STEAL(s);
	return 0;
}

static void wake(struct server *s)
{
	uint64_t one = 1;

	for (unsigned i = 0; i < s->count; i++)
		if (s->loops[i].wake >= 0 && write(s->loops[i].wake, &one, sizeof(one)) < 0 &&
			errno != EAGAIN)
			BUG("eventfd: %s", strerror(errno));
}

static bool join_until(struct loop *l, const struct timespec *deadline)
{
	if (l->running && pthread_timedjoin_np(l->thread, NULL, deadline) == 0)
		l->running = false;
	return !l->running;
}

void server_drain(struct server *s, unsigned seconds)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += seconds;
	s->draining = true;
	wake(s);
	for (unsigned i = 0; i < s->count; i++)
		if (!join_until(&s->loops[i], &deadline))
			return;
}

static void close_loop(struct loop *l)
{
	if (l->running)
		pthread_join(l->thread, NULL);
	if (l->mhd)
		MHD_stop_daemon(l->mhd);
	if (l->server->config.log)
		access_log_flush(l->server->config.log, &l->lines);
	buf_release(&l->lines);
	fd_close(&l->epoll);
	fd_close(&l->wake);
	store_close(&l->site.store);
}

void server_stop(struct server **out)
{
	struct server *s = STEAL(*out);

	if (!s)
		return;
	s->stopping = true;
	wake(s);
	for (unsigned i = 0; i < s->count; i++)
		close_loop(&s->loops[i]);
	clients_free(&s->clients);
	free(s->loops);
	free(s);
}
