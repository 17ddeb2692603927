/*
 * How a push moves between threads. Only `state` is looked at by two of them at a time, under its lock; all
 * else belongs to the thread that the state names. Must never leave a session taken, and never let a
 * connection go on sleeping.
 */
#define MOAT_PUSH_PART
#include "registry/push/push_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/clock.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define RESERVE_STEP (4u << 20) /* bytes reserved at a time for a body of unknown length */

static struct push *of_job(struct job *j)
{
	return CONTAINER_OF(j, struct push, flow.job);
}

static struct push *of_commit(struct commit *c)
{
	return CONTAINER_OF(c, struct push, change.commit);
}

static void destroy(struct push *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->flow.chunks); i++)
		free(p->flow.chunks[i].data);
	p->service->memory -= p->reserved.memory;
	p->service->disk -= p->reserved.disk;
	buf_release(&p->body.bytes);
	buf_release(&p->record.tags);
	free(p->change.from);
	manifest_release(&p->change.manifest);
	reply_release(&p->reply);
	route_release(&p->request.route);
	pthread_mutex_destroy(&p->flow.lock);
	free(p);
}

/* --- the state ------------------------------------------------------------------------------- */

/* Behind this the push may be freed. */
static void wake(struct push *p)
{
	struct waker waker = p->flow.waker;

	waker.wake(waker.ctx);
}

static void enter(struct push *p, enum push_state state)
{
	LOCK_SCOPE(&p->flow.lock);
	p->flow.state = state;
}

/* On the loop: give the filled chunk to a worker. False: one is at the other chunk, and with `pause` the
 * connection waits for it. */
static bool enter_writing(struct push *p, bool pause)
{
	struct push_flow *f = &p->flow;
	struct chunk *filled = f->filling;

	LOCK_SCOPE(&f->lock);
	if (f->state == PUSH_RECEIVING) {
		f->filling = f->writing;
		f->writing = filled;
		f->state = PUSH_WRITING;
		return true;
	}
	if (pause) {
		f->state = PUSH_FULL;
		f->waker.pause(f->waker.ctx);
	}
	return false;
}

/* On a worker whose chunk is written. Returns the state it found, which tells what it is to do. */
static enum push_state leave_writing(struct push *p)
{
	struct push_flow *f = &p->flow;
	enum push_state found;

	LOCK_SCOPE(&f->lock);
	found = f->state;
	if (found == PUSH_WRITING || found == PUSH_FULL)
		f->state = PUSH_RECEIVING;
	return found;
}

/* On the loop. True: no worker is at it, so that one has to be asked. */
static bool enter_ending(struct push *p)
{
	struct push_flow *f = &p->flow;
	bool idle;

	LOCK_SCOPE(&f->lock);
	idle = f->state == PUSH_RECEIVING;
	f->waker.pause(f->waker.ctx);
	f->state = PUSH_ENDING;
	return idle;
}

/* On the loop, when the request is over. True: a worker is at it, and ends it. */
static bool abandon(struct push *p)
{
	struct push_flow *f = &p->flow;

	LOCK_SCOPE(&f->lock);
	if (f->state == PUSH_FULL || f->state == PUSH_ENDING)
		BUG("a push is freed while its connection is paused");
	if (f->state != PUSH_WRITING)
		return false;
	f->state = PUSH_ABANDONED;
	return true;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void answered(struct push *p)
{
	enter(p, PUSH_DONE);
	wake(p);
}

static void fail(struct push *p)
{
	if (p->session.upload)
		push_give_back(p);
	reply_failure(&p->reply, &p->failed);
}

static void committed(struct commit *c)
{
	struct push *p = of_commit(c);

	if (p->target.handler->done(p, &p->failed) == PUSH_FAILED)
		fail(p);
	answered(p);
}

static const char *action_of(enum change_kind kind)
{
	switch (kind) {
	case CHANGE_UNTAG:
	case CHANGE_DELETE_MANIFEST:
	case CHANGE_DELETE_BLOB:
		return "delete";
	default:
		return "push";
	}
}

/* Describe the change for the audit log. */
static void describe(struct push *p)
{
	const struct change *change = &p->change.commit.change;
	struct push_record *r = &p->record;
	size_t n = 0;

	for (size_t i = 0; i < change->tag_count; i++)
		buf_printf(&r->tags, "%s%s", i ? " " : "", change->tags[i]);
	if (p->request.peer)
		address_text(p->request.peer, r->peer);
	if (change->digest.alg != DIGEST_NONE)
		digest_text(&change->digest, r->digest);
	r->facts[n++] = (struct log_field){ "account", p->user, 0 };
	r->facts[n++] = (struct log_field){ "peer", r->peer, 0 };
	r->facts[n++] = (struct log_field){ "repository", change->repo, 0 };
	r->facts[n++] = (struct log_field){ "reference", r->tags.data, 0 };
	r->facts[n++] = (struct log_field){ "digest", r->digest, 0 };
	r->facts[n++] = (struct log_field){ "id", p->request.id, 0 };
	r->facts[n] = (struct log_field){ NULL, NULL, 0 };
	p->change.commit.record =
		(struct audit_record){ action_of(change->kind), "accepted", r->facts };
}

/* The body is in: what the handler has left to do, then the change. */
static void finish(struct push *p)
{
	const struct push_handler *handler = p->target.handler;
	enum push_outcome outcome = handler->run ? handler->run(p, &p->failed) : PUSH_GOES_ON;

	if (outcome == PUSH_FAILED)
		fail(p);
	if (outcome != PUSH_GOES_ON) {
		answered(p);
		return;
	}
	if (p->service->recorded)
		describe(p);
	p->change.commit.done = committed;
	committer_add(p->service->committer, &p->change.commit);
}

/* --- undoing --------------------------------------------------------------------------------- */

/* The client left: its session becomes as it was before this request. */
static void undo(struct push *p)
{
	if (p->session.upload)
		push_rewind(p);
	destroy(p);
}

static void run_undo(struct job *j)
{
	undo(of_job(j));
}

void push_free(struct push **out)
{
	struct push *p = STEAL(*out);

	if (!p || abandon(p))
		return;
	if (!p->session.upload) {
		destroy(p);
		return;
	}
	p->flow.job.run = run_undo;
	jobs_add(p->service->jobs, &p->flow.job);
}

/* --- room ------------------------------------------------------------------------------------ */

struct room {
	uint64_t left; /* bytes that are free */
	uint64_t missing; /* of what is wanted, with what others reserved and what stays free */
};

/* 1 and the bytes are reserved, 0 there is no room, -1. */
static int reserve_disk(
	struct push *p, struct store *s, uint64_t bytes, struct room *room, struct err *e)
{
	uint64_t need;

	if (store_free_bytes(s, &room->left, e) < 0)
		return -1;
	need = atomic_fetch_add(&p->service->disk, bytes) + bytes + p->service->free_floor;
	if (room->left >= need) {
		p->reserved.disk += bytes;
		return 1;
	}
	room->missing = need - room->left;
	p->service->disk -= bytes;
	return 0;
}

/* Reserve more for a body of unknown length. */
static void need_disk(struct push *p, struct store *s, size_t len)
{
	struct room room = { .left = 0 };

	if (len > p->reserved.disk && reserve_disk(p, s, RESERVE_STEP, &room, &p->failed) == 0)
		err_set(&p->failed, ERR_FULL, "%llu bytes are left, %llu are missing",
			(unsigned long long)room.left, (unsigned long long)room.missing);
}

/* These bytes are on disk. */
static void release_disk(struct push *p, size_t len)
{
	uint64_t n = len < p->reserved.disk ? len : p->reserved.disk;

	p->reserved.disk -= n;
	p->service->disk -= n;
}

enum push_outcome push_reserve(struct push *p, struct store *s, struct err *e)
{
	uint64_t length = p->request.length;
	struct room room = { .left = 0 };
	int rc = reserve_disk(p, s, length == LENGTH_UNKNOWN ? RESERVE_STEP : length, &room, e);

	if (rc != 0)
		return rc < 0 ? PUSH_FAILED : PUSH_GOES_ON;
	return push_error(p, 507, "UNKNOWN",
		"the registry's disk is full: %llu bytes are left, and %llu stay free; %llu bytes "
		"are missing",
		(unsigned long long)room.left, (unsigned long long)p->service->free_floor,
		(unsigned long long)room.missing);
}

/* --- quotas ---------------------------------------------------------------------------------- */

enum push_outcome push_over_quota(struct push *p, uint64_t used, uint64_t more)
{
	uint64_t quota = p->quota->bytes, left = used < quota ? quota - used : 0;

	p->quota->refused++;
	return push_error(p, 403, "DENIED",
		"the quota of this repository is %llu bytes, %llu are used; of %llu more %llu are "
		"missing",
		(unsigned long long)quota, (unsigned long long)used, (unsigned long long)more,
		(unsigned long long)(more - left));
}

enum push_outcome push_check_quota(struct push *p, struct store *s, uint64_t more, struct err *e)
{
	const struct digest *d = &p->request.route.digest;
	struct repo_use use;

	if (!p->quota)
		return PUSH_GOES_ON;
	if (repo_used(s, p->target.repo, d->alg ? d : NULL, &use, e) < 0)
		return PUSH_FAILED;
	p->body.linked = use.bytes;
	p->body.again = use.linked;
	if (more == 0 || use.linked ||
		(use.bytes <= p->quota->bytes && more <= p->quota->bytes - use.bytes))
		return PUSH_GOES_ON;
	return push_over_quota(p, use.bytes, more);
}

/* --- chunks ---------------------------------------------------------------------------------- */

static void write_bytes(struct push *p, const struct chunk *c)
{
	struct upload *up = p->session.upload;
	struct store *s = committer_store(p->service->committer);

	if (!up->writer) {
		if (blob_begin_unnamed(s, up->alg, &up->writer, &p->failed) < 0)
			return;
		blob_mark(up->writer);
	}
	need_disk(p, s, c->len);
	if (p->failed.code == ERR_OK)
		blob_write(up->writer, c->data, c->len);
	release_disk(p, c->len);
}

/* Write the chunk into the session's blob; what goes wrong stays with the blob until run() asks. */
static void write_out(struct push *p, struct chunk *c)
{
	if (p->session.upload && c->len > 0 && p->failed.code == ERR_OK)
		write_bytes(p, c);
	c->len = 0;
}

static void run_write(struct job *j)
{
	struct push *p = of_job(j);

	write_out(p, p->flow.writing);
	switch (leave_writing(p)) {
	case PUSH_FULL:
		wake(p);
		break;
	case PUSH_ENDING:
		write_out(p, p->flow.filling);
		finish(p);
		break;
	case PUSH_ABANDONED:
		undo(p);
		break;
	default: /* the loop goes on with it */
		break;
	}
}

static void ask_worker(struct push *p)
{
	p->flow.job.run = run_write;
	jobs_add(p->service->jobs, &p->flow.job);
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
	struct push_flow *f = &p->flow;
	size_t taken = 0;

	for (;;) {
		if (f->filling->len == CHUNK_SIZE) {
			if (!enter_writing(p, taken < len))
				return taken;
			ask_worker(p);
		}
		if (taken == len)
			return taken;
		taken += fill(f->filling, data + taken, len - taken);
	}
}

static void take_memory(struct push *p, const void *data, size_t len)
{
	struct push_body *body = &p->body;

	if (body->excess != PUSH_FITS)
		return;
	if (body->bytes.len + len > MANIFEST_MAX)
		body->excess = PUSH_TOO_LARGE;
	else if (p->service->memory + len > PUSH_MEMORY_MAX)
		body->excess = PUSH_TOO_MANY;
	if (body->excess != PUSH_FITS)
		return;
	p->service->memory += len;
	p->reserved.memory += len;
	buf_add(&body->bytes, data, len);
}

/* Bodies without a length are found out here. */
static bool is_over_quota(const struct push *p, uint64_t size)
{
	return p->quota && !p->body.again && p->request.length == LENGTH_UNKNOWN &&
	       size > p->quota->bytes - (p->body.linked < p->quota->bytes ? p->body.linked
									  : p->quota->bytes);
}

static size_t take_upload(struct push *p, const void *data, size_t len)
{
	uint64_t size = p->session.upload->offset + p->body.received + len;

	if (size > p->service->upload_max)
		p->body.excess = PUSH_TOO_LARGE;
	else if (is_over_quota(p, size))
		p->body.excess = PUSH_OVER_QUOTA;
	return p->body.excess == PUSH_FITS ? take_chunks(p, data, len) : len;
}

size_t push_take(struct push *p, const void *data, size_t len)
{
	size_t taken = len;

	if (p->body.kind == PUSH_BODY_MEMORY)
		take_memory(p, data, len);
	else if (p->body.kind == PUSH_BODY_UPLOAD)
		taken = take_upload(p, data, len);
	p->body.received += taken;
	return taken;
}

/* --- from the first to the last -------------------------------------------------------------- */

static void begin(struct context *s, struct push *p)
{
	struct upload *up;
	enum push_outcome outcome = p->target.handler->begin(s, p, &p->failed);

	if (outcome == PUSH_FAILED)
		fail(p);
	if (outcome != PUSH_GOES_ON) {
		p->flow.state = PUSH_DONE;
		return;
	}
	up = p->session.upload;
	if (up && up->writer)
		blob_mark(up->writer);
}

static void init_flow(struct push_flow *f, const struct waker *waker)
{
	f->waker = *waker;
	f->filling = &f->chunks[0];
	f->writing = &f->chunks[1];
	pthread_mutex_init(&f->lock, NULL);
}

struct push *push_new(struct context *s, struct push_service *service, const struct request *q,
	const struct push_target *target, const struct waker *waker)
{
	struct push *p = mem_alloc(sizeof(*p));

	p->service = service;
	p->target = *target;
	p->quota = quota_find(service->quotas, target->repo);
	p->request = *q;
	route_copy(&p->request.route, &q->route);
	snprintf(p->user, sizeof(p->user), "%s", q->who ? q->who->name : "");
	p->now_ms = clock_ms();
	p->body.bytes = (struct buf)BUF_INIT;
	p->record.tags = (struct buf)BUF_INIT;
	p->change.manifest = (struct manifest)MANIFEST_INIT;
	reply_init(&p->reply);
	init_flow(&p->flow, waker);
	begin(s, p);
	return p;
}

bool push_answered(struct push *p)
{
	LOCK_SCOPE(&p->flow.lock);
	return p->flow.state == PUSH_DONE;
}

bool push_wants_body(const struct push *p)
{
	return p->body.kind != PUSH_BODY_NONE && p->body.excess == PUSH_FITS;
}

void push_end(struct push *p)
{
	if (enter_ending(p))
		ask_worker(p);
}

void push_reply(struct push *p, struct reply *out, struct err *failed)
{
	*failed = p->failed;
	*out = p->reply;
	reply_init(&p->reply);
}

/* --- for handlers ---------------------------------------------------------------------------- */

void push_give_back(struct push *p)
{
	if (p->session.temporary)
		uploads_drop(p->service->uploads, &p->session.upload);
	else
		uploads_give(p->service->uploads, &p->session.upload, clock_ms());
}

void push_rewind(struct push *p)
{
	struct err e = ERR_INIT;
	struct upload *up = p->session.upload;

	if (up->writer && blob_rewind(up->writer, &e) < 0)
		uploads_drop(p->service->uploads, &p->session.upload);
	else
		push_give_back(p);
}

enum push_outcome push_error(
	struct push *p, unsigned status, const char *code, const char *fmt, ...)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	reply_error(&p->reply, status, code, "%s", text.data);
	return PUSH_ANSWERED;
}

enum push_outcome push_refuse(struct push *p, const char *absent_code, const struct err *e)
{
	const struct change *change = &p->change.commit.change;

	if (change->more)
		return push_over_quota(p, change->used, change->more);
	switch (e->code) {
	case ERR_DENIED: /* only those who may pull there are told whose set it is */
		return push_error(p, 403, "DENIED", "%s",
			p->target.readable ? e->text : "it belongs to a set");
	case ERR_ABSENT:
		return push_error(p, 404, absent_code, "%s", e->text);
	case ERR_INCOMPLETE:
		return push_error(p, 400, "MANIFEST_BLOB_UNKNOWN", "%s", e->text);
	case ERR_INPUT:
		return push_error(p, 400, "MANIFEST_INVALID", "%s", e->text);
	default:
		p->failed = *e;
		reply_failure(&p->reply, e);
		return PUSH_ANSWERED;
	}
}
