/* How uploads end. Must never publish bytes whose digest was not computed from themselves. */
#define MOAT_PUSH_PART
#include "registry/push/upload_reply.h"

#include <stdio.h>

#include "storage/base/banned.h"

enum push_outcome upload_created(struct push *p, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/blobs/%s", p->request.route.name, digest_text(d, text));

	p->reply.status = 201;
	reply_header(&p->reply, "Location", location);
	reply_header(&p->reply, "Docker-Content-Digest", text);
	return PUSH_ANSWERED;
}

enum push_outcome upload_too_large(struct push *p)
{
	return push_error(p, 413, "SIZE_INVALID", "a blob may have at most %llu bytes",
		(unsigned long long)p->service->upload_max);
}

static enum push_outcome full(struct push *p)
{
	return push_error(p, 507, "UNKNOWN", "the registry's disk is full");
}

void upload_refuse(struct reply *r, enum uploads_answer answer)
{
	if (answer == UPLOADS_TAKEN)
		reply_error(
			r, 400, "BLOB_UPLOAD_INVALID", "another request is writing to this upload");
	else
		reply_error(r, 404, "BLOB_UPLOAD_UNKNOWN",
			"no such upload: it never was, is over, or has expired");
}

void upload_headers(struct reply *r, const char *name, const char *id, uint64_t offset)
{
	AUTO(mem_free) char *location = mem_printf("/v2/%s/blobs/uploads/%s", name, id);
	char range[32];

	snprintf(range, sizeof(range), "0-%llu", (unsigned long long)(offset > 0 ? offset - 1 : 0));
	reply_header(r, "Location", location);
	reply_header(r, "Range", range);
	reply_header(r, "Docker-Upload-UUID", id);
}

/* It can never become whole, so none of it stays. */
static enum push_outcome over_quota(struct push *p)
{
	uint64_t size = p->session.upload->offset + p->body.received;

	p->failed = (struct err)ERR_INIT;
	uploads_drop(p->service->uploads, &p->session.upload);
	return push_over_quota(p, p->body.linked, size);
}

enum push_outcome upload_check(struct push *p)
{
	bool too_large = p->body.excess == PUSH_TOO_LARGE;
	struct err e = p->failed;

	if (p->body.excess == PUSH_OVER_QUOTA)
		return over_quota(p);

	if (e.code == ERR_OK && p->session.upload->writer)
		(void)!blob_error(p->session.upload->writer, &e);
	if (e.code == ERR_OK && !too_large)
		return PUSH_GOES_ON;
	p->failed = (struct err)ERR_INIT;
	push_rewind(p);
	if (too_large)
		return upload_too_large(p);
	if (e.code == ERR_FULL)
		return full(p);
	p->failed = e;
	reply_failure(&p->reply, &e);
	return PUSH_ANSWERED;
}

/* A blob of no bytes has no writer yet. */
static int need_writer(struct push *p, struct err *e)
{
	struct upload *up = p->session.upload;

	if (up->writer)
		return 0;
	return blob_begin_unnamed(committer_store(p->service->committer),
		p->request.route.digest.alg, &up->writer, e);
}

/* Sealing failed: its bytes are of no use, whatever they are. */
static enum push_outcome refuse_bytes(struct push *p, struct err *e)
{
	enum err_code code = e->code;

	uploads_drop(p->service->uploads, &p->session.upload);
	if (code == ERR_CORRUPT)
		push_error(p, 400, "DIGEST_INVALID", "%s", e->text);
	else if (code == ERR_FULL)
		full(p);
	else
		return PUSH_FAILED;
	e->code = ERR_OK; /* the client's mistake, or its turn to wait: not for the log */
	return PUSH_ANSWERED;
}

enum push_outcome upload_seal(struct push *p, struct err *e)
{
	const struct digest *digest = &p->request.route.digest;
	struct change *change = &p->change.commit.change;

	if (need_writer(p, e) < 0)
		return PUSH_FAILED;
	if (blob_seal(p->session.upload->writer, digest, e) < 0)
		return refuse_bytes(p, e);
	*change = (struct change){ .kind = CHANGE_BLOB,
		.repo = p->target.repo,
		.digest = *digest,
		.quota = p->quota ? p->quota->bytes : 0 };
	change->writer = STEAL(p->session.upload->writer);
	return PUSH_GOES_ON;
}

enum push_outcome upload_done(struct push *p)
{
	const struct change *change = &p->change.commit.change;

	if (change->rc == 0) {
		uploads_end(p->service->uploads, &p->session.upload, &change->digest, p->now_ms);
		return upload_created(p, &change->digest);
	}
	uploads_drop(p->service->uploads, &p->session.upload);
	if (change->err.code == ERR_FULL)
		return full(p);
	return push_refuse(p, "BLOB_UNKNOWN", &change->err);
}
