/* The server behind fake_upstream.h. Knows as much HTTP as a test needs, and none of its manners. */
#include "tests/support/fake_upstream.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX (32u << 10)

struct line {
	struct line *next;
	char *text;
};

struct conn {
	struct conn *next;
	struct fake *fake;
	pthread_t thread;
	int fd;
	void *wire;
	struct buf in;
};

struct fake {
	fake_fn *fn;
	void *ctx;
	struct fake_wire wire;
	bool has_wire;
	int listener;
	unsigned port;
	char host[32];
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	struct line *lines;
	struct conn *conns;
	unsigned connections;
	bool stopping;
};

static long wire_read(struct conn *c, void *data, size_t len)
{
	return c->wire ? c->fake->wire.read(c->wire, data, len) : recv(c->fd, data, len, 0);
}

static bool wire_write(struct conn *c, const char *data, size_t len)
{
	while (len) {
		long n = c->wire ? c->fake->wire.write(c->wire, data, len)
				 : send(c->fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- requests --------------------------------------------------------------------------------- */

static bool read_more(struct conn *c)
{
	char chunk[16384];
	long n = wire_read(c, chunk, sizeof(chunk));

	if (n > 0)
		buf_add(&c->in, chunk, (size_t)n);
	return n > 0;
}

static void take_header(struct fake_request *r, struct span line, size_t *length)
{
	struct span value = line, name = span_until(&value, ':');
	const struct {
		const char *name;
		char *to;
		size_t room;
	} known[] = {
		{ "host", r->host, sizeof(r->host) },
		{ "authorization", r->authorization, sizeof(r->authorization) },
		{ "range", r->range, sizeof(r->range) },
		{ "accept", r->accept, sizeof(r->accept) },
		{ "accept-encoding", r->accept_encoding, sizeof(r->accept_encoding) },
		{ "cookie", r->cookie, sizeof(r->cookie) },
	};

	while (value.len && *value.data == ' ') {
		value.data++;
		value.len--;
	}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strlen(known[i].name) == name.len &&
			strncasecmp(known[i].name, name.data, name.len) == 0)
			snprintf(known[i].to, known[i].room, "%.*s", (int)value.len, value.data);
	}
	if (name.len == 14 && strncasecmp(name.data, "content-length", 14) == 0)
		*length = strtoul(value.data, NULL, 10);
}

/* The next request of the connection, its bytes taken out of c->in. */
static bool read_request(struct conn *c, struct fake_request *r)
{
	char *end;
	size_t head, length = 0;
	struct span rest;

	while (!(end = strstr(c->in.data, "\r\n\r\n"))) {
		if (c->in.len > HEAD_MAX || !read_more(c) || !isupper((unsigned char)c->in.data[0]))
			return false; /* TLS, perhaps */
	}
	head = (size_t)(end - c->in.data) + 4;
	rest = (struct span){ c->in.data, head - 2 };
	memset(r, 0, sizeof(*r));
	if (sscanf(c->in.data, "%15s %4095s", r->method, r->target) != 2)
		return false;
	span_until(&rest, '\n');
	while (rest.len) {
		struct span line = span_until(&rest, '\n');

		if (line.len)
			take_header(r, (struct span){ line.data, line.len - 1 }, &length);
	}
	while (c->in.len < head + length) {
		if (!read_more(c))
			return false;
	}
	r->body = mem_strndup(c->in.data + head, length);
	memmove(c->in.data, c->in.data + head + length, c->in.len - head - length);
	buf_cut(&c->in, c->in.len - head - length);
	return true;
}

static void note_line(struct fake *f, struct fake_request *r)
{
	struct line *l = mem_alloc(sizeof(*l));

	l->text = mem_printf("%s %s", r->method, r->target);
	for (const struct line *old = f->lines; old; old = old->next)
		r->count += strcmp(old->text, l->text) == 0;
	l->next = f->lines;
	f->lines = l;
}

/* --- answers ----------------------------------------------------------------------------------- */

static bool write_chunk(struct conn *c, const char *data, size_t len, size_t cut)
{
	char size[32];

	snprintf(size, sizeof(size), "%zx\r\n", len);
	return wire_write(c, size, strlen(size)) && wire_write(c, data, cut) && cut == len &&
	       wire_write(c, "\r\n", 2);
}

static bool send_body(struct conn *c, const struct fake_reply *out)
{
	const char *data = out->body.data;
	size_t len = out->cut && out->cut < out->body.len ? out->cut : out->body.len;
	size_t first = out->first_chunk;

	if (!out->chunked)
		return wire_write(c, data, len) && len == out->body.len;
	if (first && !write_chunk(c, data, first, first))
		return false;
	if (out->body.len > first &&
		!write_chunk(c, data + first, out->body.len - first, len - first))
		return false;
	return wire_write(c, "0\r\n\r\n", 5);
}

/* False when the connection is to be closed. */
static bool send_reply(struct conn *c, const struct fake_request *r, const struct fake_reply *out)
{
	AUTO(buf_release) struct buf head = BUF_INIT;

	if (out->status == 0)
		return false;
	buf_printf(&head, "HTTP/1.1 %d Whatever\r\n%s", out->status, out->headers.data);
	if (out->chunked)
		buf_str(&head, "Transfer-Encoding: chunked\r\n");
	else if (!out->no_length && !out->endless)
		buf_printf(&head, "Content-Length: %zu\r\n", out->body.len);
	buf_str(&head, "\r\n");
	if (!wire_write(c, head.data, head.len))
		return false;
	if (strcmp(r->method, "HEAD") == 0)
		return true;
	while (out->endless) {
		if (!wire_write(c, out->body.data, out->body.len))
			return false;
	}
	return send_body(c, out) && !out->no_length;
}

static bool serve_one(struct conn *c)
{
	struct fake *f = c->fake;
	struct fake_request *r = mem_alloc(sizeof(*r));
	struct fake_reply out = { .status = 200, .headers = BUF_INIT, .body = BUF_INIT };
	bool alive = read_request(c, r);

	if (alive) {
		pthread_mutex_lock(&f->lock);
		note_line(f, r);
		r->has_client_cert = c->wire && f->wire.has_client_cert(c->wire);
		f->fn(f->ctx, r, &out);
		pthread_mutex_unlock(&f->lock);
		alive = send_reply(c, r, &out);
	}
	buf_release(&out.headers);
	buf_release(&out.body);
	free(r->body);
	free(r);
	return alive;
}

static void *connection(void *arg)
{
	struct conn *c = arg;

	if (c->fake->has_wire)
		c->wire = c->fake->wire.open(c->fake->wire.ctx, c->fd);
	if (!c->fake->has_wire || c->wire) {
		while (serve_one(c))
			;
	}
	if (c->wire)
		c->fake->wire.close(c->wire);
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

/* --- life ---------------------------------------------------------------------------------------- */

static void *accept_all(void *arg)
{
	struct fake *f = arg;

	for (;;) {
		int fd = accept(f->listener, NULL, NULL), yes = 1;
		struct conn *c;

		pthread_mutex_lock(&f->lock);
		if (fd < 0 || f->stopping) {
			pthread_mutex_unlock(&f->lock);
			if (fd >= 0)
				close(fd);
			return NULL;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		c = mem_alloc(sizeof(*c));
		c->fake = f;
		c->fd = fd;
		c->in = (struct buf)BUF_INIT;
		c->next = f->conns;
		f->conns = c;
		f->connections++;
		pthread_create(&c->thread, NULL, connection, c);
		pthread_mutex_unlock(&f->lock);
	}
}

struct fake *fake_start(fake_fn *fn, void *ctx, const struct fake_wire *wire)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	struct fake *f = mem_alloc(sizeof(*f));

	f->fn = fn;
	f->ctx = ctx;
	f->has_wire = wire != NULL;
	if (wire)
		f->wire = *wire;
	pthread_mutex_init(&f->lock, NULL);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&addr, len) < 0 ||
		listen(f->listener, 128) < 0 ||
		getsockname(f->listener, (struct sockaddr *)&addr, &len) < 0) {
		perror("fake_start");
		abort();
	}
	f->port = ntohs(addr.sin_port);
	snprintf(f->host, sizeof(f->host), "localhost:%u", f->port);
	pthread_create(&f->thread, NULL, accept_all, f);
	return f;
}

void fake_stop(struct fake **slot)
{
	struct fake *f = *slot;

	if (!f)
		return;
	*slot = NULL;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_mutex_unlock(&f->lock);
	shutdown(f->listener, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->listener);
	for (struct conn *c = f->conns, *next; c; c = next) {
		next = c->next;
		shutdown(c->fd, SHUT_RDWR);
		pthread_join(c->thread, NULL);
		close(c->fd);
		buf_release(&c->in);
		free(c);
	}
	for (struct line *l = f->lines, *next; l; l = next) {
		next = l->next;
		free(l->text);
		free(l);
	}
	pthread_mutex_destroy(&f->lock);
	free(f);
}

unsigned fake_port(const struct fake *f)
{
	return f->port;
}

const char *fake_host(const struct fake *f)
{
	return f->host;
}

unsigned fake_count(struct fake *f, const char *line)
{
	unsigned n = 0;

	pthread_mutex_lock(&f->lock);
	for (const struct line *l = f->lines; l; l = l->next)
		n += strncmp(l->text, line, strlen(line)) == 0;
	pthread_mutex_unlock(&f->lock);
	return n;
}

unsigned fake_connections(struct fake *f)
{
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->connections;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void fake_header(struct fake_reply *out, const char *fmt, ...)
{
	char line[20000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_printf(&out->headers, "%s\r\n", line);
}

void fake_text(struct fake_reply *out, int status, const char *body)
{
	out->status = status;
	buf_clear(&out->body);
	buf_str(&out->body, body);
}
