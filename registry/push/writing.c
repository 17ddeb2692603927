/*
 * How a request that writes moves between threads. Whoever holds `busy` works on the piece that the
 * loop does not fill; everything that both look at is under the lock. Must never leave a session
 * taken, and never let a connection go on sleeping.
 */
#include "registry/push/writing.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/clock.h"
#include "storage/base/banned.h"

#define ROOM_STEP                                                                                  \
	(4u << 20) /* bytes that are made sure of at a time for a body of unknown length */

static struct writing *of_job(struct job *j)
{
	return CONTAINER_OF(j, struct writing, job);
}

static struct writing *of_commit(struct commit *c)
{
	return CONTAINER_OF(c, struct writing, commit);
}

static void destroy(struct writing *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->pieces); i++)
		free(w->pieces[i].data);
	w->shared->held -= w->held;
	w->shared->coming -= w->coming;
	buf_release(&w->body);
	free(w->from);
	manifest_release(&w->manifest);
	reply_release(&w->reply);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* --- the answer ------------------------------------------------------------------------------ */

static void answered(struct writing *w)
{
	struct waker waker = w->waker;
	bool paused;

	pthread_mutex_lock(&w->lock);
	w->answered = true;
	w->busy = false;
	paused = w->paused;
	w->paused = false;
	pthread_mutex_unlock(&w->lock);
	if (paused)
		waker.wake(waker.ctx); /* and from here on w may be gone */
}

static void failed(struct writing *w)
{
	if (w->upload)
		writing_give_back(w);
	reply_failure(&w->reply, &w->failed);
}

static void committed(struct commit *c)
{
	struct writing *w = of_commit(c);

	if (w->handler->done(w, &w->failed) < 0)
		failed(w);
	answered(w);
}

/* The body is in: what the handler has left to do, and the change. */
static void finish(struct writing *w)
{
	enum writing_step step = WRITING_GOES_ON;

	if (w->handler->run && w->handler->run(w, &step, &w->failed) < 0) {
		failed(w);
		step = WRITING_ANSWERED;
	}
	if (step == WRITING_ANSWERED) {
		answered(w);
		return;
	}
	w->commit.done = committed;
	committer_add(w->shared->committer, &w->commit);
}

/* --- undoing --------------------------------------------------------------------------------- */

/* The client left: its session is as it was before this request. */
static void undo(struct writing *w)
{
	if (w->upload)
		writing_rewind(w);
	destroy(w);
}

static void undo_job(struct job *j)
{
	undo(of_job(j));
}

void writing_free(struct writing **wp)
{
	struct writing *w = STEAL(*wp);
	bool busy;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	busy = w->busy;
	w->gone = true;
	pthread_mutex_unlock(&w->lock);
	if (busy)
		return; /* the worker sees that we are gone */
	if (!w->upload) {
		destroy(w);
		return;
	}
	w->job.run = undo_job;
	jobs_add(w->shared->jobs, &w->job);
}

/* --- pieces ---------------------------------------------------------------------------------- */

/* 1 and the bytes are kept for this body, 0 there is no room, -1. */
static int keep_room(
	struct writing *w, struct store *s, uint64_t bytes, uint64_t *left, struct err *e)
{
	uint64_t floor = w->shared->free_floor, coming;

	if (store_free_bytes(s, left, e) < 0)
		return -1;
	coming = atomic_fetch_add(&w->shared->coming, bytes) + bytes;
	if (*left >= floor && *left - floor >= coming) {
		w->coming += bytes;
		return 1;
	}
	w->shared->coming -= bytes;
	return 0;
}

/* Of a body whose length nobody told, room is kept as it comes. */
static void need_room(struct writing *w, struct store *s, size_t len)
{
	uint64_t left = 0;

	if (len > w->coming && keep_room(w, s, ROOM_STEP, &left, &w->failed) == 0)
		err_set(&w->failed, ERR_FULL, "%llu bytes are left", (unsigned long long)left);
}

static void came(struct writing *w, size_t len)
{
	uint64_t n = len < w->coming ? len : w->coming;

	w->coming -= n;
	w->shared->coming -= n;
}

/* Bytes into the session's blob; what goes wrong stays with the blob until run() asks. */
static void write_out(struct writing *w, struct piece *p)
{
	struct upload *up = w->upload;
	struct store *s = committer_store(w->shared->committer);

	if (!up || p->len == 0 || w->failed.code != ERR_OK) {
		p->len = 0;
		return;
	}
	if (!up->writer) {
		if (blob_begin_unnamed(s, up->alg, &up->writer, &w->failed) < 0)
			return;
		blob_mark(up->writer);
	}
	need_room(w, s, p->len);
	if (w->failed.code == ERR_OK)
		blob_write(up->writer, p->data, p->len);
	came(w, p->len);
	p->len = 0;
}

static void write_piece(struct job *j)
{
	struct writing *w = of_job(j);
	struct waker waker = w->waker;

	for (;;) {
		bool gone, ended, paused = false;

		write_out(w, &w->pieces[!w->filling]);
		pthread_mutex_lock(&w->lock);
		gone = w->gone;
		ended = w->ended;
		if (ended && w->pieces[w->filling].len > 0) {
			w->filling = !w->filling;
			pthread_mutex_unlock(&w->lock);
			continue;
		}
		if (!gone && !ended) {
			w->busy = false;
			paused = w->paused;
			w->paused = false;
		}
		pthread_mutex_unlock(&w->lock);
		if (gone)
			undo(w);
		else if (ended)
			finish(w);
		else if (paused)
			waker.wake(waker.ctx);
		return;
	}
}

/* The filled piece to a worker; the lock is held. */
static void hand_over(struct writing *w)
{
	w->busy = true;
	w->filling = !w->filling;
	w->job.run = write_piece;
	jobs_add(w->shared->jobs, &w->job);
}

static size_t fill(struct piece *p, const char *data, size_t len)
{
	size_t n = PIECE_SIZE - p->len < len ? PIECE_SIZE - p->len : len;

	if (!p->data)
		p->data = mem_grow(NULL, PIECE_SIZE, 1);
	memcpy(p->data + p->len, data, n);
	p->len += n;
	return n;
}

static size_t take_pieces(struct writing *w, const char *data, size_t len)
{
	size_t taken = 0;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct piece *p = &w->pieces[w->filling];

		if (p->len < PIECE_SIZE) {
			if (taken == len)
				break;
			taken += fill(p, data + taken, len - taken);
		} else if (!w->busy) {
			hand_over(w);
		} else {
			if (taken < len) {
				w->paused = true;
				w->waker.pause(w->waker.ctx);
			}
			break;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return taken;
}

static void take_memory(struct writing *w, const void *data, size_t len)
{
	if (w->too_large || w->too_many)
		return;
	w->too_large = w->body.len + len > MANIFEST_MAX;
	w->too_many = w->shared->held + len > BODIES_MAX;
	if (w->too_large || w->too_many)
		return;
	w->shared->held += len;
	w->held += len;
	buf_add(&w->body, data, len);
}

size_t writing_take(struct writing *w, const void *data, size_t len)
{
	size_t taken = len;

	if (w->want == BODY_UPLOAD && w->upload->offset + w->received + len > w->shared->upload_max)
		w->too_large = true;
	if (w->want == BODY_MEMORY)
		take_memory(w, data, len);
	else if (w->want == BODY_UPLOAD && !w->too_large)
		taken = take_pieces(w, data, len);
	w->received += taken;
	return taken;
}

/* --- from the first to the last -------------------------------------------------------------- */

void writing_end(struct writing *w)
{
	pthread_mutex_lock(&w->lock);
	w->paused = true;
	w->waker.pause(w->waker.ctx);
	w->ended = true;
	if (!w->busy)
		hand_over(w);
	pthread_mutex_unlock(&w->lock);
}

bool writing_answered(struct writing *w)
{
	bool is;

	pthread_mutex_lock(&w->lock);
	is = w->answered;
	pthread_mutex_unlock(&w->lock);
	return is;
}

static void begin(struct context *s, struct writing *w)
{
	enum writing_step step = WRITING_GOES_ON;

	if (w->handler->begin(s, w, &step, &w->failed) < 0) {
		failed(w);
		step = WRITING_ANSWERED;
	}
	w->answered = step == WRITING_ANSWERED;
	if (!w->answered && w->upload && w->upload->writer)
		blob_mark(w->upload->writer);
}

struct writing *writing_new(struct context *s, struct writers *shared, const struct request *q,
	const char *repo, const struct candidates *aliases, const struct write_handler *handler,
	const struct waker *waker)
{
	struct writing *w = mem_alloc(sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	w->handler = handler;
	w->shared = shared;
	w->request = *q;
	w->route = *q->route;
	w->request.route = &w->route;
	snprintf(w->who, sizeof(w->who), "%s", q->who ? q->who->name : "");
	snprintf(w->repo, sizeof(w->repo), "%s", repo);
	w->aliases = *aliases;
	w->waker = *waker;
	w->body = (struct buf)BUF_INIT;
	w->manifest = (struct manifest)MANIFEST_INIT;
	w->now_ms = clock_ms();
	reply_init(&w->reply);
	begin(s, w);
	return w;
}

/* --- for handlers ---------------------------------------------------------------------------- */

void writing_give_back(struct writing *w)
{
	if (w->unannounced)
		uploads_drop(w->shared->uploads, &w->upload);
	else
		uploads_give(w->shared->uploads, &w->upload, clock_ms());
}

void writing_rewind(struct writing *w)
{
	struct err e = ERR_INIT;

	if (w->upload->writer && blob_rewind(w->upload->writer, &e) < 0)
		uploads_drop(w->shared->uploads, &w->upload);
	else
		writing_give_back(w);
}

void writing_session_headers(struct writing *w, uint64_t offset)
{
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/blobs/uploads/%s", w->route.name, w->session);
	char range[32];

	snprintf(range, sizeof(range), "0-%llu", (unsigned long long)(offset > 0 ? offset - 1 : 0));
	reply_header(&w->reply, "Location", location);
	reply_header(&w->reply, "Range", range);
	reply_header(&w->reply, "Docker-Upload-UUID", w->session);
}

int writing_room(struct writing *w, struct store *s, struct err *e)
{
	uint64_t length = w->request.length, left = 0;
	int rc = keep_room(w, s, length == LENGTH_UNKNOWN ? ROOM_STEP : length, &left, e);

	if (rc != 0)
		return rc;
	return reply_error(&w->reply, 507, "UNKNOWN",
		"the registry's disk is full: %llu bytes are left, and %llu stay free",
		(unsigned long long)left, (unsigned long long)w->shared->free_floor);
}

void writing_refused(struct writing *w, const char *absent_code, const struct err *e)
{
	struct reply *r = &w->reply;

	switch (e->code) {
	case ERR_DENIED:
		/* Whose set it is, is for those who may read there. */
		reply_error(r, 403, "DENIED", "%s",
			w->request.repos_all ? e->text : "it belongs to a set");
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
		w->failed = *e;
		reply_failure(r, e);
	}
}
