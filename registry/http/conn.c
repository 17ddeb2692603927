/*
 * Hold connections while something else has to happen first, release them, and end them when they are late.
 * arrive.c accepts them, exchange.c serves the requests on them. Must never block.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define RATE_WINDOW_MS 30000 /* unless the configuration has another */
#define TURN_LEAST_MOVE (32u << 10) /* bytes between two sweeps, a second apart, that keep a turn */
#define TURN_SWEEPS 3 /* the first sweep may come at any time after the turn began */
#define WAIT_SECONDS 600 /* more than the sync of a blob takes on a slow disk */
#define SPARE_MAX 16 /* ended connections of a loop: malloc is slow with their size */

void conn_enter(struct conn *c, enum step step)
{
	c->x.step = step;
	c->since_ms = c->loop->now_ms;
}

/* --- holding --------------------------------------------------------------------------------- */

static void hold(struct conn *c, enum hold reason)
{
	LOCK_SCOPE(&c->loop->holding);
	if (!c->holds)
		MHD_suspend_connection(c->mhd);
	c->holds |= reason;
}

/* Drop a reason to hold. The lock is the loop's, as c may be freed as soon as it is unlocked. */
static void let_go(struct conn *c, enum hold reason)
{
	struct loop *l = c->loop;

	LOCK_SCOPE(&l->holding);
	if (!(c->holds & reason))
		BUG("a connection is released that was not held");
	c->holds &= ~(unsigned)reason;
	if (!c->holds)
		MHD_resume_connection(c->mhd);
}

static unsigned reasons_of(struct conn *c)
{
	unsigned held;

	LOCK_SCOPE(&c->loop->holding);
	held = c->holds;
	return held;
}

void conn_wait(struct conn *c, enum step step, enum hold reason)
{
	conn_enter(c, step);
	hold(c, reason);
}

void conn_release(struct conn *c, enum hold reason)
{
	int wake = c->loop->wake;
	uint64_t one = 1;

	let_go(c, reason);
	if (write(wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		BUG("eventfd: %s", strerror(errno));
}

/* --- handshakes ------------------------------------------------------------------------------ */

bool conn_watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.ptr = c };
	int op = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (epoll_ctl(c->loop->epoll, op, c->fd, &event) < 0)
		return false;
	c->watched = true;
	return true;
}

/* Hold a connection whose handshake waits for its client. It is in no epoll of the library then: ours watches
 * it. Its deadline goes on. */
static void starved(struct tls_io *io)
{
	struct conn *c = CONTAINER_OF(io, struct conn, tls);

	if (conn_watch(c))
		hold(c, HOLD_CLIENT); /* else it spins until its deadline */
}

void conn_feed(struct conn *c)
{
	if (reasons_of(c) & HOLD_CLIENT)
		let_go(c, HOLD_CLIENT);
}

static void begin_handshake(struct conn *c)
{
	void *session =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;

	c->tls.fd = c->fd;
	c->tls.starved = starved;
	tls_io_begin(&c->tls, session);
	tls_prepare(session);
}

/* --- connections ----------------------------------------------------------------------------- */

struct conn *conn_new(struct loop *l, int fd, const struct address *peer, struct client *client)
{
	struct conn *c = SLIST_FIRST(&l->spare);

	if (c) {
		SLIST_REMOVE_HEAD(&l->spare, handed);
		l->spare_count--;
	} else {
		c = mem_alloc(sizeof(*c));
	}
	*c = (struct conn){ .loop = l, .fd = fd, .peer = *peer, .client = client };
	LIST_INSERT_HEAD(&l->conns, c, entry);
	l->count++;
	c->x.uri = c->tls.pending = (struct buf)BUF_INIT;
	exchange_reset(&c->x);
	conn_enter(c, STEP_FRESH);
	return c;
}

void conn_free(struct conn *c)
{
	struct loop *l = c->loop;

	LIST_REMOVE(c, entry);
	l->count--;
	l->resume_ms = 0; /* its descriptor may serve the next one */
	clients_leave(l->server->clients, &c->client);
	tls_io_release(&c->tls);
	tls_forget(&c->tls);
	buf_release(&c->x.uri);
	reply_release(&c->x.reply);
	if (l->spare_count == SPARE_MAX) {
		free(c);
		return;
	}
	SLIST_INSERT_HEAD(&l->spare, c, handed);
	l->spare_count++;
}

void conn_free_spare(struct loop *l)
{
	struct conn *c;

	while ((c = SLIST_FIRST(&l->spare))) {
		SLIST_REMOVE_HEAD(&l->spare, handed);
		free(c);
	}
}

void conn_hand_over(struct conn *c)
{
	struct loop *l = c->loop;

	SLIST_INSERT_HEAD(&l->handed, c, handed);
	MHD_add_connection(l->mhd, c->fd, (const struct sockaddr *)&c->peer.sa, c->peer.len);
}

/* Find the connection with this descriptor, as the library has no argument for it; 1.0 says that it took one
 * only when it runs, after several may have been handed over. */
static struct conn *take_handed(struct loop *l, int fd)
{
	struct conn *c;

	SLIST_FOREACH(c, &l->handed, handed)
		if (c->fd == fd)
			break;
	if (!c)
		BUG("a connection that was not handed over");
	SLIST_REMOVE(&l->handed, c, conn, handed);
	return c;
}

void conn_free_untaken(struct loop *l)
{
	struct conn *c;

	while ((c = SLIST_FIRST(&l->handed))) {
		SLIST_REMOVE_HEAD(&l->handed, handed);
		conn_free(c); /* the library closed its descriptor */
	}
}

static void begin(struct loop *l, struct MHD_Connection *mhd, void **context)
{
	int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	struct conn *c = take_handed(l, fd);

	*context = c;
	c->mhd = mhd;
	if (l->server->config.tls)
		begin_handshake(c);
}

void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		begin(cls, mhd, context);
	} else if (*context) {
		conn_free(*context);
		*context = NULL;
	}
}

/* --- ending ---------------------------------------------------------------------------------- */

static unsigned wait_seconds(const struct loop *l)
{
	unsigned seconds = l->server->config.wait_seconds;

	return seconds ? seconds : WAIT_SECONDS;
}

/* What the connection waits for in this step; NULL: for nothing of ours. */
static const char *awaited(enum step step)
{
	switch (step) {
	case STEP_PASSWORD:
		return "password";
	case STEP_TURN:
		return "turn";
	case STEP_CHECK:
		return "check";
	case STEP_STORE:
		return "store";
	default:
		return NULL;
	}
}

static void log_wait(struct conn *c)
{
	char peer[ADDRESS_TEXT_SIZE];

	log_fields(LOG_LINE_ERROR, "request.stuck", { "peer", address_text(&c->peer, peer), 0 },
		{ "id", c->x.request.id, 0 }, { "method", c->x.method_text, 0 },
		{ "uri", c->x.uri.data, 0 }, { "waits-for", awaited(c->x.step), 0 },
		{ "seconds", NULL, wait_seconds(c->loop) });
}

/* Shut a connection; its client is told at once. One that is held stays until it is released. */
void conn_shut(struct conn *c)
{
	if (awaited(c->x.step))
		log_wait(c);
	c->shut = true;
	shutdown(c->fd, SHUT_RDWR);
}

/* --- deadlines ------------------------------------------------------------------------------- */

/* Is the client too slow in sending its body or taking its answer? Judged over windows; an answer by what the
 * client's kernel acknowledged. */
static bool is_stalled(struct conn *c, uint64_t moved)
{
	uint64_t before = c->x.window_bytes;
	int64_t ms = c->loop->now_ms - c->x.window_ms;
	unsigned window = c->loop->server->config.rate_window;

	if (ms < (window ? window : RATE_WINDOW_MS) && before != UINT64_MAX)
		return false;
	c->x.window_bytes = moved;
	c->x.window_ms = c->loop->now_ms;
	if (moved == UINT64_MAX || before == UINT64_MAX)
		return false;
	return moved - before < c->loop->server->config.least_rate * (uint64_t)ms / 1000;
}

static bool is_local(const struct conn *c)
{
	return c->peer.sa.ss_family == AF_UNIX;
}

/* Bytes that the client has taken; UINT64_MAX: not known. */
static uint64_t taken_by(struct conn *c)
{
	uint64_t taken;

	if (!is_local(c))
		return socket_acked(c->fd);
	taken = socket_taken(c->fd, c->given);
	if (taken > c->taken)
		c->taken = taken;
	return c->taken;
}

/* Has a body from memory on a Unix socket, of which nothing is counted, taken longer than the least rate
 * allows? */
static bool is_overdue(const struct conn *c, int64_t ms)
{
	const struct server_config *config = &c->loop->server->config;
	int64_t window = config->rate_window ? config->rate_window : RATE_WINDOW_MS;

	if (!config->least_rate)
		return false;
	return ms - window > (int64_t)(c->x.bytes * 1000 / config->least_rate);
}

/* Was the body abandoned: has none of it come since the last sweep, though its client has closed? Or, twice
 * in a row, though bytes are there: the line of a chunk is longer than the library's buffer, which reads no
 * further and does not sleep. */
static bool is_abandoned(struct conn *c)
{
	bool moved = c->x.body != c->x.swept_body;
	bool stuck = !moved && c->x.request.length == LENGTH_UNKNOWN && socket_has_bytes(c->fd);
	bool twice = stuck && c->x.stuck;

	c->x.swept_body = c->x.body;
	c->x.stuck = stuck;
	return twice || (!moved && socket_is_over(c->fd));
}

static bool is_late(struct conn *c)
{
	const struct server_config *config = &c->loop->server->config;
	int64_t ms = c->loop->now_ms - c->since_ms;

	switch (c->x.step) {
	case STEP_FRESH:
	case STEP_LINE:
	case STEP_LOGIN:
	case STEP_ASKED:
	case STEP_READY:
		return ms > (int64_t)config->header_seconds * 1000;
	case STEP_IDLE:
		return ms > (int64_t)config->idle_seconds * 1000 || c->loop->server->draining;
	case STEP_BODY:
	case STEP_DRAIN:
		return is_abandoned(c) || is_stalled(c, c->x.body);
	case STEP_SENDING:
		return is_local(c) && !c->x.metered ? is_overdue(c, ms)
						    : is_stalled(c, taken_by(c));
	case STEP_PASSWORD:
	case STEP_STORE:
	case STEP_CHECK:
	case STEP_TURN:
		return ms > (int64_t)wait_seconds(c->loop) * 1000;
	}
	return false;
}

/* Give up the turn of a body that hardly moves. It is sent on without one. */
static void check_turn(struct conn *c)
{
	uint64_t acked, moved;

	if (c->x.step != STEP_SENDING || !c->x.has_turn || (is_local(c) && !c->x.metered))
		return;
	acked = taken_by(c);
	moved = acked - c->x.turn_acked;
	c->x.turn_acked = acked;
	c->x.slow_sweeps = moved < TURN_LEAST_MOVE ? c->x.slow_sweeps + 1 : 0;
	if (c->x.slow_sweeps < TURN_SWEEPS)
		return;
	c->x.has_turn = false;
	fair_queue_leave(c->loop->server->bodies, &c->x.turn);
}

void conn_sweep(struct loop *l)
{
	struct conn *c;

	LIST_FOREACH(c, &l->conns, entry) {
		if (c->shut)
			continue;
		check_turn(c);
		if (is_late(c))
			conn_shut(c);
	}
}
