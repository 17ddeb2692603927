/*
 * The connection of the load generator: connect, send, read the head, drop the body.
 *
 * It never retries and never hides a failure: a wrong status, a short body or a reset is
 * HTTP_FAILED, and the caller counts it.
 */
#include "tests/bench/http.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SLICE = 1 << 20 }; /* most body bytes dropped by one call */

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

struct http_request http_request_new(
	const char *method, const char *path, uint16_t port, bool close)
{
	struct http_request r = { .head = strcmp(method, "HEAD") == 0 };
	int n = asprintf(&r.text,
		"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: moat-bench\r\n"
		"Accept: application/vnd.oci.image.manifest.v1+json, "
		"application/vnd.oci.image.index.v1+json, */*\r\n%s\r\n",
		method, path, port, close ? "Connection: close\r\n" : "");

	if (n < 0)
		die("asprintf");
	r.length = (size_t)n;
	return r;
}

struct http_target http_target_open(uint16_t port, bool tls)
{
	struct http_target t = { .epoll = epoll_create1(EPOLL_CLOEXEC) };

	if (t.epoll < 0)
		die("epoll_create1");
	t.tls = tls ? tls_new() : NULL;
	t.address.sin_family = AF_INET;
	t.address.sin_port = htons(port);
	t.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return t;
}

static void watch(struct http_conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };
	int op = c->watching ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (c->watching == events)
		return;
	if (epoll_ctl(c->target->epoll, op, c->fd, &ev) < 0)
		die("epoll_ctl");
	c->watching = events;
}

static void bind_source(struct http_conn *c)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	from.sin_addr.s_addr = htonl(0x7f000000u + c->source);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (c->source && bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die("bind");
}

static bool dial(struct http_conn *c)
{
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket");
	c->watching = 0;
	c->target->connects++;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	bind_source(c);
	if (c->target->tls)
		c->tls = tls_open(c->target->tls, c->fd, c->ticket);
	return connect(c->fd, (struct sockaddr *)&c->target->address, sizeof(c->target->address)) ==
		       0 ||
	       errno == EINPROGRESS;
}

void http_close(struct http_conn *c)
{
	c->target->resumed += tls_close(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->request = NULL;
}

static enum http_state fail(struct http_conn *c)
{
	http_close(c);
	return HTTP_FAILED;
}

/* What OpenSSL says, as a system call would: -1 with EAGAIN when the socket has to be waited for. */
static ssize_t tls_result(struct http_conn *c, int n)
{
	int why = SSL_get_error(c->tls, n);

	if (n > 0)
		return n;
	ERR_clear_error();
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t conn_send(struct http_conn *c, const char *text, size_t length)
{
	if (c->tls)
		return tls_result(c, SSL_write(c->tls, text, (int)length));
	return send(c->fd, text, length, MSG_NOSIGNAL);
}

static ssize_t conn_recv(struct http_conn *c, char *to, size_t most)
{
	ssize_t n =
		c->tls ? tls_result(c, SSL_read(c->tls, to, (int)most)) : recv(c->fd, to, most, 0);

	c->blocked = n < 0;
	return n;
}

static ssize_t conn_drop(struct http_conn *c, size_t most)
{
	static char dropped[16 << 10]; /* one record */

	if (c->tls)
		return conn_recv(c, dropped, most < sizeof(dropped) ? most : sizeof(dropped));
	return recv(c->fd, NULL, most, MSG_TRUNC);
}

/* In a handshake OpenSSL says what it waits for; a plain connection waits to write. */
static uint32_t send_events(const struct http_conn *c)
{
	return c->tls && SSL_want_read(c->tls) ? EPOLLIN : EPOLLIN | EPOLLOUT;
}

static enum http_state send_request(struct http_conn *c)
{
	while (c->sent < c->request->length) {
		ssize_t n = conn_send(c, c->request->text + c->sent, c->request->length - c->sent);

		if (n <= 0 && errno != EAGAIN && errno != ENOTCONN)
			return fail(c);
		if (n <= 0) {
			watch(c, send_events(c));
			c->blocked = true;
			return HTTP_WAITING;
		}
		c->sent += (size_t)n;
	}
	watch(c, EPOLLIN);
	return HTTP_WAITING;
}

enum http_state http_issue(struct http_conn *c, const struct http_request *request)
{
	c->request = request;
	c->sent = c->have = 0;
	c->in_body = c->closing = false;
	c->first_ns = 0;
	c->asked_ns = now_ns();
	if (c->fd < 0 && !dial(c))
		return fail(c);
	return send_request(c);
}

static enum http_state finish(struct http_conn *c)
{
	if (c->closing)
		http_close(c);
	c->request = NULL;
	return HTTP_DONE;
}

/* The head is complete: status, length, and whether the server will close. */
static bool parse_head(struct http_conn *c, const char *end)
{
	const char *length;

	if (strncmp(c->headers, "HTTP/1.1 200 ", 13) != 0)
		return false;
	length = strcasestr(c->headers, "\r\ncontent-length:");
	if (!length || length > end)
		return false;
	c->left = c->request->head ? 0 : strtoull(length + 17, NULL, 10);
	length = strcasestr(c->headers, "\r\nconnection: close");
	c->closing = length && length < end;
	return true;
}

static enum http_state read_head(struct http_conn *c)
{
	ssize_t n = conn_recv(c, c->headers + c->have, sizeof(c->headers) - 1 - c->have);
	size_t body;
	char *end;

	if (n < 0 && errno == EAGAIN)
		return HTTP_WAITING;
	if (n <= 0)
		return fail(c);
	if (!c->first_ns)
		c->first_ns = now_ns();
	c->have += (size_t)n;
	c->headers[c->have] = '\0';
	end = strstr(c->headers, "\r\n\r\n");
	if (!end)
		return c->have < sizeof(c->headers) - 1 ? HTTP_WAITING : fail(c);
	body = c->have - (size_t)(end + 4 - c->headers);
	if (!parse_head(c, end) || body > c->left)
		return fail(c);
	c->in_body = true;
	c->left -= body;
	c->target->bytes += body;
	return c->left ? HTTP_WAITING : finish(c);
}

static enum http_state drop_body(struct http_conn *c)
{
	size_t most = c->left < SLICE ? (size_t)c->left : SLICE;
	ssize_t n = conn_drop(c, most);

	if (n < 0 && errno == EAGAIN)
		return HTTP_WAITING;
	if (n <= 0)
		return fail(c);
	c->left -= (uint64_t)n;
	c->target->bytes += (uint64_t)n;
	return c->left ? HTTP_WAITING : finish(c);
}

static enum http_state move_on(struct http_conn *c)
{
	if (c->sent < c->request->length)
		return send_request(c);
	return c->in_body ? drop_body(c) : read_head(c);
}

/* What TLS has taken from the socket already, epoll will not tell of. */
enum http_state http_advance(struct http_conn *c)
{
	enum http_state state;

	if (!c->request)
		return fail(c); /* the server closed an idle connection */
	do {
		c->blocked = false;
		state = move_on(c);
	} while (state == HTTP_WAITING && c->tls && !c->blocked && SSL_has_pending(c->tls));
	return state;
}
