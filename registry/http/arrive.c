/*
 * Take connections before the library has them: accept and count them, and hand them over when their first
 * byte shows that the client speaks the right protocol. Another one is answered in plain HTTP, which clients
 * of TLS look for, too; the library would wait for the end of a line. Must never block.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/base/banned.h"

#define TLS_HANDSHAKE 0x16 /* the type of the first record */
#define DRAIN_BLOCK 4096

/* --- the wrong protocol ---------------------------------------------------------------------- */

/* What to tell a client that speaks the other protocol, or NULL. */
static const char *find_wrong(const struct conn *c, unsigned char first)
{
	if (!c->loop->server->config.tls)
		return first == TLS_HANDSHAKE ? "plain HTTP is spoken here, not TLS" : NULL;
	return first >= 'A' && first <= 'Z' ? "TLS is spoken here: ask with https" : NULL;
}

static void render(struct buf *text, const struct reply *r)
{
	const char *name, *value;
	size_t at = 0;

	buf_str(text, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n");
	while (reply_next(r, &at, &name, &value))
		buf_printf(text, "%s: %s\r\n", name, value);
	buf_printf(text, "Content-Length: %zu\r\n\r\n", r->bytes.len);
	buf_add(text, r->bytes.data, r->bytes.len);
}

static void send_wrong(struct conn *c, const char *wrong)
{
	AUTO(reply_release) struct reply r;
	AUTO(buf_release) struct buf text = BUF_INIT;

	reply_init(&r);
	reply_error(&r, 400, "UNSUPPORTED", "%s", wrong);
	snprintf(c->x.id, sizeof(c->x.id), "%016" PRIx64, ++c->loop->serial);
	reply_end(&r, c->x.id);
	render(&text, &r);
	if (send(c->fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)text.len)
		shutdown(c->fd, SHUT_WR);
	else
		shutdown(c->fd, SHUT_RDWR);
}

/* --- the first byte -------------------------------------------------------------------------- */

static void drop(struct conn *c)
{
	close(c->fd);
	conn_free(c);
}

static void watch(struct conn *c)
{
	if (!conn_watch(c))
		drop(c);
}

/* Read on until the client closes: closing with bytes unread would take the answer back. */
static void drain(struct conn *c)
{
	char block[DRAIN_BLOCK];
	ssize_t n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && errno == EAGAIN))
		watch(c);
	else
		drop(c);
}

/* Look for the first byte. Until it is there, the connection costs no more than its entry here. */
static void begin(struct conn *c)
{
	unsigned char first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	const char *wrong = n == 1 ? find_wrong(c, first) : NULL;

	if (n < 0 && errno == EAGAIN) {
		watch(c);
	} else if (n <= 0) {
		drop(c);
	} else if (wrong) {
		send_wrong(c, wrong);
		c->told = true;
		drain(c);
	} else {
		conn_hand_over(c);
	}
}

void arrive_on(struct conn *c)
{
	if (c->told)
		drain(c);
	else
		begin(c);
}

void arrive_end(struct loop *l)
{
	struct conn *c, *next;

	for (c = LIST_FIRST(&l->conns); c; c = next) {
		next = LIST_NEXT(c, entry);
		if (!c->mhd)
			drop(c);
	}
}

/* --- accepting ------------------------------------------------------------------------------- */

/* Make room at the limit: shut the connection that has been idle longest. False: none is idle. */
static bool make_room(struct loop *l)
{
	struct conn *oldest = NULL, *c;

	LIST_FOREACH(c, &l->conns, entry)
		if (c->x.step == STEP_IDLE && !c->shut &&
			(!oldest || c->since_ms < oldest->since_ms))
			oldest = c;
	if (oldest)
		conn_shut(oldest);
	return oldest != NULL;
}

static void accept_one(struct loop *l, int fd, const struct address *peer)
{
	struct client *client = NULL;
	enum clients_answer answer = clients_enter(l->server->clients, peer, &client);

	if (answer == CLIENTS_FULL)
		(void)make_room(l);
	if (answer == CLIENT_OK) {
		begin(conn_new(l, fd, peer, client));
		return;
	}
	if (l->shard)
		metrics_refused(l->shard, answer == CLIENT_TOO_MANY);
	close(fd);
}

static bool is_full(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Accept one connection an iteration. Going on until the queue is empty costs a socket, made by the kernel
 * before it looks and thrown away again, and takes from the other loops what they could be serving. */
void arrive_accept(struct loop *l, int listener)
{
	struct address peer = { .len = sizeof(peer.sa) };
	int fd = accept4(
		listener, (struct sockaddr *)&peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int error = errno;

	if (fd >= 0)
		accept_one(l, fd, &peer);
	else if (is_full(error) && !make_room(l))
		listen_pause(l, error);
}
