/*
 * Send replies by the HTTP library: plain files by sendfile (an fd response, SIGPIPE ignored); by 16 KiB
 * reads over TLS, on Unix sockets, where nothing else tells how far they are, and of blobs without a
 * descriptor; manifests by a response that is made once and shared. Must never copy a blob.
 */
#define MOAT_SERVER_PART
#include "registry/http/server_private.h"

#include <stdlib.h>
#include <unistd.h>

#include "storage/base/banned.h"

#define READ_BLOCK (16u << 10)
#define PARTS_BLOCK (16u << 10)

static void forget_response(void *response)
{
	MHD_destroy_response(response);
}

static bool add_header(struct MHD_Response *m, const char *name, const char *value)
{
	return MHD_add_response_header(m, name, value) == MHD_YES;
}

/* Add the headers of the reply and those of every response. False: a value is not fit for a header. */
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

/* What a file that is read by us needs while it is sent. */
struct source {
	struct content *content;
	uint64_t first;
	struct parts parts; /* with BODY_PARTS */
	bool has_parts;
	/* Counts what was read; lives in the connection, which outlives the sending. May be NULL. */
	uint64_t *given;
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
	struct err e;

	if (reader_read(&s->content->file, at, out, max, &e) < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return (ssize_t)max;
}

static ssize_t read_parts(struct source *s, uint64_t at, char *out, size_t max)
{
	size_t done = 0;

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

static ssize_t source_read(void *cls, uint64_t at, char *out, size_t max)
{
	struct source *s = cls;
	ssize_t n = s->has_parts ? read_parts(s, at, out, max)
				 : read_content(s, s->first + at, out, max);

	if (n > 0 && s->given)
		*s->given += (uint64_t)n;
	return n;
}

static struct MHD_Response *from_source(
	struct reply *r, uint64_t first, uint64_t length, uint64_t *given)
{
	struct source *s = mem_alloc(sizeof(*s));

	s->content = content_ref(r->content);
	s->first = first;
	s->given = given;
	if (r->body == BODY_PARTS) {
		s->parts = r->parts;
		s->has_parts = true;
		r->body = BODY_BYTES; /* handed over */
	}
	return MHD_create_response_from_callback(
		length, s->has_parts ? PARTS_BLOCK : READ_BLOCK, source_read, s, source_free);
}

/* How the bodies of a connection are read. */
struct reading {
	bool by_us; /* else the kernel sends files */
	uint64_t *given; /* see struct source */
};

static struct MHD_Response *from_file(
	struct reply *r, uint64_t first, uint64_t length, const struct reading *how)
{
	struct MHD_Response *m;
	int fd;

	if (length == 0)
		return MHD_create_response_from_buffer(0, buf_empty, MHD_RESPMEM_PERSISTENT);
	if (how->by_us || r->content->file.fd < 0)
		return from_source(r, first, length, how->given);
	fd = dup(r->content->file.fd);
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

/* The response that serves every request for this content alike, made once and kept with it. */
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
	atomic_store(&c->forget, forget_response);
	if (atomic_compare_exchange_strong(&c->rendered, &expected, m))
		return m;
	MHD_destroy_response(m); /* another thread was faster */
	return expected;
}

static struct MHD_Response *own_response(struct reply *r, const struct reading *how)
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
		m = from_file(r, 0, r->content->size, how);
		break;
	case BODY_SLICE:
		m = from_file(r, r->first, r->length, how);
		break;
	case BODY_PARTS:
		m = from_source(r, 0, r->parts.total, how->given);
		break;
	}
	if (m && add_headers(m, r))
		return m;
	if (m)
		MHD_destroy_response(m);
	return NULL;
}

uint64_t send_length(const struct conn *c)
{
	const struct reply *r = &c->x.reply;

	if (c->x.request.method == METHOD_HEAD)
		return 0;
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

/* Shall head and body be joined? The bytes are in memory, so that nothing comes in between. */
static bool joins(const struct conn *c)
{
	const struct reply *r = &c->x.reply;
	bool ready = r->body == BODY_BYTES ||
		     (r->body == BODY_CONTENT && r->content->kind == CONTENT_BYTES);

	return ready && c->loop->server->config.tls && send_length(c) > 0;
}

/* Respond with a failure, as no response could be made: for want of a descriptor, say. */
static struct MHD_Response *no_response(struct conn *c)
{
	struct err e = { .code = ERR_LIMIT };

	reply_failure(&c->x.reply, &e);
	reply_end(&c->x.reply, c->x.request.id);
	c->x.status = c->x.reply.status;
	c->x.bytes = send_length(c);
	return own_response(&c->x.reply, &(struct reading){ .by_us = false });
}

/* Send the reply. A shared response points into its content, which is held until the request is over. */
enum MHD_Result send_reply(struct conn *c)
{
	struct reply *r = &c->x.reply;
	bool shared = r->body == BODY_CONTENT &&
		      (c->x.request.method == METHOD_HEAD || r->content->kind == CONTENT_BYTES);
	bool local = c->peer.sa.ss_family == AF_UNIX;
	const struct reading how = { .by_us = c->loop->server->config.tls || local,
		.given = local ? &c->given : NULL };
	struct MHD_Response *m;
	enum MHD_Result rc;

	reply_end(r, c->x.request.id);
	c->x.status = r->status;
	c->x.bytes = send_length(c);
	c->x.metered = !shared && r->body != BODY_BYTES;
	if (joins(c))
		tls_io_join(&c->tls);
	m = shared ? shared_response(r) : own_response(r, &how);
	if (!m)
		m = no_response(c);
	if (!m)
		return MHD_NO;
	rc = MHD_queue_response(c->mhd, r->status, m);
	if (shared && r->content)
		c->x.sending = STEAL(r->content);
	else
		MHD_destroy_response(m);
	conn_enter(c, STEP_SENDING);
	c->x.window_ms = c->loop->now_ms;
	c->x.window_bytes = UINT64_MAX;
	reply_release(r);
	reply_init(r);
	return rc;
}
