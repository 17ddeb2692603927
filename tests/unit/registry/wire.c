/* Raw HTTP for tests. Fails the test rather than returning errors. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "tests/support/cm.h"

void answer_release(struct answer *a)
{
	buf_release(&a->head);
	buf_release(&a->body);
}

const char *answer_get(const struct answer *a, const char *name)
{
	static _Thread_local char value[1024];
	size_t n = strlen(name);

	for (const char *line = a->head.data; line && *line; line = strstr(line, "\r\n")) {
		line += strncmp(line, "\r\n", 2) == 0 ? 2 : 0;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		line += n + 1 + strspn(line + n + 1, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
		return value;
	}
	return "";
}

struct wire wire_open(uint16_t port)
{
	return wire_open_from(INADDR_LOOPBACK, port);
}

struct wire wire_open_from(uint32_t host, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
	struct wire w = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = BUF_INIT };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval patience = { .tv_sec = 20 };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(w.fd >= 0);
	setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(w.fd, (struct sockaddr *)&from, sizeof(from)), 0);
	if (connect(w.fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fd_close(&w.fd);
	return w;
}

struct wire wire_open_as(const struct tls_client *c, uint16_t port)
{
	struct wire w = wire_open(port);

	if (!c->ctx || w.fd < 0)
		return w;
	w.ssl = tls_client_session(c, w.fd);
	if (SSL_connect(w.ssl) != 1)
		wire_close(&w);
	return w;
}

void wire_close(struct wire *w)
{
	SSL_free(w->ssl);
	w->ssl = NULL;
	fd_close(&w->fd);
	buf_release(&w->in);
}

void wire_send(struct wire *w, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n =
			w->ssl ? SSL_write(w->ssl, p, (int)len) : send(w->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 || (w->ssl && n == 0))
			return; /* refused while we were sending: the answer tells */
		p += n;
		len -= (size_t)n;
	}
}

void wire_str(struct wire *w, const char *text)
{
	wire_send(w, text, strlen(text));
}

/* More bytes: 1, 0 at the end of the connection, -1 when none came in time. */
static int more(struct wire *w)
{
	char piece[65536];
	ssize_t n;

	errno = 0;
	n = w->ssl ? SSL_read(w->ssl, piece, sizeof(piece)) : recv(w->fd, piece, sizeof(piece), 0);
	if (n > 0)
		buf_add(&w->in, piece, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -1;
	return n > 0;
}

/* The first n bytes move to `out`. */
static void take(struct wire *w, size_t n, struct buf *out)
{
	struct buf rest = BUF_INIT;

	buf_add(out, w->in.data, n);
	buf_add(&rest, w->in.data + n, w->in.len - n);
	buf_release(&w->in);
	w->in = rest;
}

static const char *read_body(struct wire *w, size_t length, struct answer *a)
{
	while (w->in.len < length) {
		int rc = more(w);

		if (rc <= 0)
			return rc < 0 ? "the body stalls for 20 s" : "the body ends too early";
	}
	take(w, length, &a->body);
	return NULL;
}

const char *wire_try(struct wire *w, bool head, struct answer *a)
{
	const char *end;

	a->status = 0;
	buf_clear(&a->head);
	buf_clear(&a->body);
	while (!(end = strstr(w->in.data, "\r\n\r\n"))) {
		int rc = more(w);

		if (rc <= 0)
			return rc < 0 ? "no answer within 20 s" : NULL;
	}
	take(w, (size_t)(end - w->in.data) + 4, &a->head);
	a->status = (unsigned)strtoul(a->head.data + strlen("HTTP/1.1 "), NULL, 10);
	if (head || a->status == 304 || a->status == 100)
		return NULL;
	return read_body(w, strtoul(answer_get(a, "Content-Length"), NULL, 10), a);
}

void wire_read(struct wire *w, bool head, struct answer *a)
{
	const char *wrong = wire_try(w, head, a);

	if (wrong)
		fail_msg("%s", wrong);
}

bool wire_has_begun(struct wire *w)
{
	char byte;

	return w->in.len > 0 ||
	       (w->ssl ? SSL_peek(w->ssl, &byte, 1) : (int)recv(w->fd, &byte, 1, MSG_PEEK)) == 1;
}

bool wire_is_closed(struct wire *w)
{
	int rc = w->in.len > 0 ? 1 : more(w);

	if (rc < 0)
		fail_msg("still open after 20 s");
	return rc == 0;
}

bool wire_is_open(struct wire *w)
{
	struct answer a = ANSWER_INIT;
	unsigned status;

	wire_str(w, "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
	wire_read(w, false, &a);
	status = a.status;
	answer_release(&a);
	return status == 200;
}
