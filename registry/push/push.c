/*
 * How a request that writes moves between threads. Whoever holds `busy` works on the chunk that the
 * loop does not fill; everything that both look at is under the lock. Must never leave a session
 * taken, and never let a connection go on sleeping.
 */
#include "registry/push/push.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/clock.h"
#include "storage/base/banned.h"

#define ROOM_STEP                                                                                  \
	(4u << 20) /* bytes that are made sure of at a time for a body of unknown length */

static struct push *of_job(struct job *j)
{
	return CONTAINER_OF(j, struct push, job);
}

static struct push *of_commit(struct commit *c)
{
	return CONTAINER_OF(c, struct push, commit);
}

static void destroy(struct push *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->chunks); i++)
		free(p->chunks[i].data);
	p->shared->held -= p->held;
	p->shared->coming -= p->coming;
	buf_release(&p->body);
	free(p->from);
	manifest_release(&p->manifest);
	reply_release(&p->reply);
	route_release(&p->request.route);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* --- the answer ------------------------------------------------------------------------------ */

static void answered(struct push *p)
{
	struct waker waker = p->waker;
	bool paused;

	pthread_mutex_lock(&p->lock);
	p->answered = true;
	p->busy = false;
	paused = p->paused;
	p->paused = false;
	pthread_mutex_unlock(&p->lock);
	if (paused)
		waker.wake(waker.ctx); /* and from here on p may be gone */
}

static void failed(struct push *p)
{
	if (p->upload)
		push_give_back(p);
	reply_failure(&p->reply, &p->failed);
}

static void committed(struct commit *c)
{
	struct push *p = of_commit(c);

	if (p->handler->done(p, &p->failed) < 0)
		failed(p);
	answered(p);
}

/* The body is in: what the handler has left to do, and the change. */
static void finish(struct push *p)
{
	enum push_step step = PUSH_GOES_ON;

	if (p->handler->run && p->handler->run(p, &step, &p->failed) < 0) {
		failed(p);
		step = PUSH_ANSWERED;
	}
	if (step == PUSH_ANSWERED) {
		answered(p);
		return;
	}
	p->commit.done = committed;
	committer_add(p->shared->committer, &p->commit);
}

/* --- undoing --------------------------------------------------------------------------------- */

/* The client left: its session is as it was before this request. */
static void undo(struct push *p)
{
	if (p->upload)
		push_rewind(p);
	destroy(p);
}

static void undo_job(struct job *j)
{
	undo(of_job(j));
}

void push_free(struct push **out)
{
	struct push *p = STEAL(*out);
	bool busy;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	busy = p->busy;
	p->gone = true;
	pthread_mutex_unlock(&p->lock);
	if (busy)
		return; /* the worker sees that we are gone */
	if (!p->upload) {
		destroy(p);
		return;
	}
	p->job.run = undo_job;
	jobs_add(p->shared->jobs, &p->job);
}

/* --- chunks ---------------------------------------------------------------------------------- */

/* 1 and the bytes are kept for this body, 0 there is no room, -1. */
static int keep_room(struct push *p, struct store *s, uint64_t bytes, uint64_t *left, struct err *e)
{
	uint64_t floor = p->shared->free_floor, coming;

	if (store_free_bytes(s, left, e) < 0)
		return -1;
	coming = atomic_fetch_add(&p->shared->coming, bytes) + bytes;
	if (*left >= floor && *left - floor >= coming) {
		p->coming += bytes;
		return 1;
	}
	p->shared->coming -= bytes;
	return 0;
}

/* Of a body whose length nobody told, room is kept as it comes. */
static void need_room(struct push *p, struct store *s, size_t len)
{
	uint64_t left = 0;

	if (len > p->coming && keep_room(p, s, ROOM_STEP, &left, &p->failed) == 0)
		err_set(&p->failed, ERR_FULL, "%llu bytes are left", (unsigned long long)left);
}

static void came(struct push *p, size_t len)
{
	uint64_t n = len < p->coming ? len : p->coming;

	p->coming -= n;
	p->shared->coming -= n;
}

/* Bytes into the session's blob; what goes wrong stays with the blob until run() asks. */
static void write_out(struct push *p, struct chunk *c)
{
	struct upload *up = p->upload;
	struct store *s = committer_store(p->shared->committer);

	if (!up || c->len == 0 || p->failed.code != ERR_OK) {
		c->len = 0;
		return;
	}
	if (!up->writer) {
		if (blob_begin_unnamed(s, up->alg, &up->writer, &p->failed) < 0)
			return;
		blob_mark(up->writer);
	}
	need_room(p, s, c->len);
	if (p->failed.code == ERR_OK)
		blob_write(up->writer, c->data, c->len);
	came(p, c->len);
	c->len = 0;
}

static void write_chunk(struct job *j)
{
	struct push *p = of_job(j);
	struct waker waker = p->waker;

	for (;;) {
		bool gone, ended, paused = false;

		write_out(p, &p->chunks[!p->filling]);
		pthread_mutex_lock(&p->lock);
		gone = p->gone;
		ended = p->ended;
		if (ended && p->chunks[p->filling].len > 0) {
			p->filling = !p->filling;
			pthread_mutex_unlock(&p->lock);
			continue;
		}
		if (!gone && !ended) {
			p->busy = false;
			paused = p->paused;
			p->paused = false;
		}
		pthread_mutex_unlock(&p->lock);
		if (gone)
			undo(p);
		else if (ended)
			finish(p);
		else if (paused)
			waker.wake(waker.ctx);
		return;
	}
}

/* The filled chunk to a worker; the lock is held. */
static void hand_over(struct push *p)
{
	p->busy = true;
	p->filling = !p->filling;
	p->job.run = write_chunk;
	jobs_add(p->shared->jobs, &p->job);
}

static size_t fill(struct chunk *c, const char *data, size_t len)
{
	size_t n = CHUNK_SIZE - c->len < len ? CHUNK_SIZE - c->len : len;

	if (!c->data)
		c->data = mem_grow(NULL, CHUNK_SIZE, 1);
	memcpy(c->data + c->len, data, n);
	c->len += n;
	return n;
}

static size_t take_chunks(struct push *p, const char *data, size_t len)
{
	size_t taken = 0;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct chunk *c = &p->chunks[p->filling];

		if (c->len < CHUNK_SIZE) {
			if (taken == len)
				break;
			taken += fill(c, data + taken, len - taken);
		} else if (!p->busy) {
			hand_over(p);
		} else {
			if (taken < len) {
				p->paused = true;
				p->waker.pause(p->waker.ctx);
			}
			break;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return taken;
}

static void take_memory(struct push *p, const void *data, size_t len)
{
	if (p->too_large || p->too_many)
		return;
	p->too_large = p->body.len + len > MANIFEST_MAX;
	p->too_many = p->shared->held + len > BODIES_MAX;
	if (p->too_large || p->too_many)
		return;
	p->shared->held += len;
	p->held += len;
	buf_add(&p->body, data, len);
}

size_t push_take(struct push *p, const void *data, size_t len)
{
	size_t taken = len;

	if (p->want == BODY_UPLOAD && p->upload->offset + p->received + len > p->shared->upload_max)
		p->too_large = true;
	if (p->want == BODY_MEMORY)
		take_memory(p, data, len);
	else if (p->want == BODY_UPLOAD && !p->too_large)
		taken = take_chunks(p, data, len);
	p->received += taken;
	return taken;
}

/* --- from the first to the last -------------------------------------------------------------- */

void push_end(struct push *p)
{
	pthread_mutex_lock(&p->lock);
	p->paused = true;
	p->waker.pause(p->waker.ctx);
	p->ended = true;
	if (!p->busy)
		hand_over(p);
	pthread_mutex_unlock(&p->lock);
}

bool push_answered(struct push *p)
{
	bool is;

	pthread_mutex_lock(&p->lock);
	is = p->answered;
	pthread_mutex_unlock(&p->lock);
	return is;
}

static void begin(struct context *s, struct push *p)
{
	enum push_step step = PUSH_GOES_ON;

	if (p->handler->begin(s, p, &step, &p->failed) < 0) {
		failed(p);
		step = PUSH_ANSWERED;
	}
	p->answered = step == PUSH_ANSWERED;
	if (!p->answered && p->upload && p->upload->writer)
		blob_mark(p->upload->writer);
}

struct push *push_new(struct context *s, struct push_service *shared, const struct request *q,
	const char *repo, const struct candidates *aliases, const struct push_handler *handler,
	const struct waker *waker)
{
	struct push *p = mem_alloc(sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	p->handler = handler;
	p->shared = shared;
	p->request = *q;
	route_copy(&p->request.route, &q->route);
	p->repos_all = s->repos_all;
	snprintf(p->who, sizeof(p->who), "%s", q->who ? q->who->name : "");
	snprintf(p->repo, sizeof(p->repo), "%s", repo);
	p->aliases = *aliases;
	p->waker = *waker;
	p->body = (struct buf)BUF_INIT;
	p->manifest = (struct manifest)MANIFEST_INIT;
	p->now_ms = clock_ms();
	reply_init(&p->reply);
	begin(s, p);
	return p;
}

/* --- for handlers ---------------------------------------------------------------------------- */

void push_give_back(struct push *p)
{
	if (p->unannounced)
		uploads_drop(p->shared->uploads, &p->upload);
	else
		uploads_give(p->shared->uploads, &p->upload, clock_ms());
}

void push_rewind(struct push *p)
{
	struct err e = ERR_INIT;

	if (p->upload->writer && blob_rewind(p->upload->writer, &e) < 0)
		uploads_drop(p->shared->uploads, &p->upload);
	else
		push_give_back(p);
}

void push_session_headers(struct push *p, uint64_t offset)
{
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/blobs/uploads/%s", p->request.route.name, p->session);
	char range[32];

	snprintf(range, sizeof(range), "0-%llu", (unsigned long long)(offset > 0 ? offset - 1 : 0));
	reply_header(&p->reply, "Location", location);
	reply_header(&p->reply, "Range", range);
	reply_header(&p->reply, "Docker-Upload-UUID", p->session);
}

int push_room(struct push *p, struct store *s, struct err *e)
{
	uint64_t length = p->request.length, left = 0;
	int rc = keep_room(p, s, length == LENGTH_UNKNOWN ? ROOM_STEP : length, &left, e);

	if (rc != 0)
		return rc;
	return reply_error(&p->reply, 507, "UNKNOWN",
		"the registry's disk is full: %llu bytes are left, and %llu stay free",
		(unsigned long long)left, (unsigned long long)p->shared->free_floor);
}

void push_refused(struct push *p, const char *absent_code, const struct err *e)
{
	struct reply *r = &p->reply;

	switch (e->code) {
	case ERR_DENIED:
		/* Whose set it is, is for those who may read there. */
		reply_error(r, 403, "DENIED", "%s", p->repos_all ? e->text : "it belongs to a set");
		break;
	case ERR_ABSENT:
		reply_error(r, 404, absent_code, "%s", e->text);
		break;
	case ERR_INCOMPLETE:
		reply_error(r, 400, "MANIFEST_BLOB_UNKNOWN", "%s", e->text);
		break;
	case ERR_INPUT:
		reply_error(r, 400, "MANIFEST_INVALID", "%s", e->text);
		break;
	default:
		p->failed = *e;
		reply_failure(r, e);
	}
}
