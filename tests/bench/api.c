/*
 * The pushing client's connection: a head and a body out, an answer in.
 *
 * It must never repeat a request or hide a failure: what was not answered in full is -1.
 */
#include "tests/bench/api.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 120, SEND_MAX = 1 << 30, RECORD_SIZE = 16 << 10 };

struct api api_new(const struct options *o)
{
	return (struct api){ .o = o, .tls = o->tls ? tls_new() : NULL, .fd = -1 };
}

static void disconnect(struct api *a)
{
	a->resumed += tls_close(a->session);
	a->session = NULL;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	a->have = a->used = 0;
}

void api_release(struct api *a)
{
	disconnect(a);
	SSL_SESSION_free(a->ticket);
	SSL_CTX_free(a->tls);
}

static int dial(struct api *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(a->o->port) };
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(a->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(a->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	if (a->tls)
		a->session = tls_open(a->tls, a->fd, a->o->resume ? &a->ticket : NULL);
	return 0;
}

static int send_all(struct api *a, const char *bytes, uint64_t left, int flags)
{
	while (left) {
		ssize_t n = send(a->fd, bytes, left, MSG_NOSIGNAL | flags);

		if (n <= 0)
			return -1;
		bytes += n;
		left -= (uint64_t)n;
	}
	return 0;
}

static int send_file(struct api *a, const struct api_body *body)
{
	off_t at = (off_t)body->offset;
	uint64_t left = body->length;

	while (left) {
		ssize_t n = sendfile(a->fd, body->file, &at, left < SEND_MAX ? left : SEND_MAX);

		if (n <= 0)
			return -1;
		left -= (uint64_t)n;
	}
	return 0;
}

static int take(const struct api_body *body, uint64_t at, char *to, size_t n)
{
	if (!body->bytes)
		return pread(body->file, to, n, (off_t)(body->offset + at)) == (ssize_t)n ? 0 : -1;
	memcpy(to, (const char *)body->bytes + at, n);
	return 0;
}

/* The head and the beginning of the body are one record, as clients with a buffer write them. */
static int send_records(struct api *a, const char *head, size_t n, const struct api_body *body)
{
	char record[RECORD_SIZE];
	uint64_t done = 0;

	memcpy(record, head, n);
	do {
		size_t room = sizeof(record) - n;
		size_t more = body->length - done < room ? (size_t)(body->length - done) : room;

		if (take(body, done, record + n, more) < 0 ||
			SSL_write(a->session, record, (int)(n + more)) <= 0)
			return -1;
		done += more;
		n = 0;
	} while (done < body->length);
	return 0;
}

static int send_plain(struct api *a, const char *head, size_t n, const struct api_body *body)
{
	if (send_all(a, head, n, body->length ? MSG_MORE : 0) < 0)
		return -1;
	return body->bytes ? send_all(a, body->bytes, body->length, 0) : send_file(a, body);
}

static int send_request(struct api *a, const char *method, const char *path, const char *headers,
	const struct api_body *body)
{
	char head[4096];
	bool may = body->length || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0);
	char length[64] = "";
	int n;

	if (may)
		snprintf(length, sizeof(length), "Content-Length: %lu\r\n", body->length);
	n = snprintf(head, sizeof(head),
		"%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: moat-bench\r\n%s%s%s\r\n",
		method, path, a->o->port, headers, length,
		a->o->close ? "Connection: close\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(head))
		return -1;
	return (a->tls ? send_records : send_plain)(a, head, (size_t)n, body);
}

/* More of the answer; what has been used makes room. */
static int fill(struct api *a)
{
	size_t room;
	ssize_t n;

	memmove(a->text, a->text + a->used, a->have - a->used);
	a->have -= a->used;
	a->used = 0;
	room = sizeof(a->text) - a->have;
	n = a->tls ? SSL_read(a->session, a->text + a->have, (int)room)
		   : recv(a->fd, a->text + a->have, room, 0);
	if (n <= 0)
		return -1;
	a->have += (size_t)n;
	return 0;
}

/* The next line without its end; NULL: none came, or it is longer than text[]. */
static char *next_line(struct api *a)
{
	char *line, *end;

	while (!(end = memmem(a->text + a->used, a->have - a->used, "\r\n", 2)))
		if (fill(a) < 0)
			return NULL;
	line = a->text + a->used;
	*end = '\0';
	a->used = (size_t)(end + 2 - a->text);
	return line;
}

static int drop(struct api *a, uint64_t left)
{
	a->bytes += left;
	while (left) {
		uint64_t here = a->have - a->used;

		if (here == 0 && fill(a) < 0)
			return -1;
		here = a->have - a->used;
		here = here < left ? here : left;
		a->used += (size_t)here;
		left -= here;
	}
	return 0;
}

static int drop_chunks(struct api *a)
{
	uint64_t size;
	char *line;

	do {
		if (!(line = next_line(a)))
			return -1;
		size = strtoull(line, NULL, 16);
		if (drop(a, size) < 0 || !(line = next_line(a)))
			return -1;
	} while (size);
	return 0;
}

static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, " ");
}

/* Some servers answer with a path, some with a URL of themselves. */
static void keep_location(struct api *a, const char *value)
{
	const char *host = strstr(value, "://");
	const char *path = host ? strchr(host + 3, '/') : value;

	snprintf(a->location, sizeof(a->location), "%s", path ? path : "/");
}

static int read_answer(struct api *a, bool head)
{
	uint64_t length = 0;
	bool chunked = false;
	char *line = next_line(a);

	if (!line || sscanf(line, "HTTP/1.1 %d ", &a->status) != 1)
		return -1;
	while ((line = next_line(a)) && *line) {
		const char *v;

		if ((v = value_of(line, "Content-Length")))
			length = strtoull(v, NULL, 10);
		else if ((v = value_of(line, "Transfer-Encoding")))
			chunked = true;
		else if ((v = value_of(line, "Connection")))
			a->closing |= strcasecmp(v, "close") == 0;
		else if ((v = value_of(line, "Location")))
			keep_location(a, v);
	}
	if (!line)
		return -1;
	if (head || a->status == 204 || a->status == 304)
		return 0;
	return chunked ? drop_chunks(a) : drop(a, length);
}

int api_call(struct api *a, const char *method, const char *path, const char *headers,
	const struct api_body *body)
{
	int rc;

	a->location[0] = '\0';
	a->bytes = 0;
	a->closing = a->o->close;
	rc = a->fd < 0 ? dial(a) : 0;
	if (rc == 0)
		rc = send_request(a, method, path, headers, body);
	if (rc == 0)
		rc = read_answer(a, strcmp(method, "HEAD") == 0);
	if (rc < 0 || a->closing)
		disconnect(a);
	return rc;
}
