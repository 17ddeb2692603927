/* How uploads end. Must never publish bytes whose digest was not computed from themselves. */
#include "registry/push/upload_reply.h"

#include "storage/base/banned.h"

int upload_created(struct push *p, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/blobs/%s", p->request.route.name, digest_text(d, text));

	p->reply.status = 201;
	reply_header(&p->reply, "Location", location);
	reply_header(&p->reply, "Docker-Content-Digest", text);
	return 0;
}

int upload_too_large(struct push *p)
{
	return reply_error(&p->reply, 413, "SIZE_INVALID", "a blob may have at most %llu bytes",
		(unsigned long long)p->shared->upload_max);
}

static void full(struct push *p)
{
	reply_error(&p->reply, 507, "UNKNOWN", "the registry's disk is full");
}

int upload_check(struct push *p)
{
	struct err e = p->failed;

	if (e.code == ERR_OK && p->upload->writer)
		(void)!blob_error(p->upload->writer, &e);
	if (e.code == ERR_OK && !p->too_large)
		return 1;
	p->failed = (struct err)ERR_INIT;
	push_rewind(p);
	if (p->too_large) {
		upload_too_large(p);
	} else if (e.code == ERR_FULL) {
		full(p);
	} else {
		p->failed = e;
		reply_failure(&p->reply, &e);
	}
	return 0;
}

/* A blob of no bytes has no writer yet. */
static int need_writer(struct push *p, struct err *e)
{
	if (p->upload->writer)
		return 0;
	return blob_begin_unnamed(committer_store(p->shared->committer),
		p->request.route.digest.alg, &p->upload->writer, e);
}

int upload_seal(struct push *p, enum push_step *step, struct err *e)
{
	const struct digest *digest = &p->request.route.digest;

	if (need_writer(p, e) < 0)
		return -1;
	if (blob_seal(p->upload->writer, digest, e) < 0) {
		*step = PUSH_ANSWERED;
		uploads_drop(p->shared->uploads, &p->upload);
		if (e->code == ERR_CORRUPT)
			reply_error(&p->reply, 400, "DIGEST_INVALID", "%s", e->text);
		else if (e->code == ERR_FULL)
			full(p);
		else
			return -1;
		e->code = ERR_OK;
		return 0;
	}
	p->commit.change =
		(struct change){ .kind = CHANGE_BLOB, .repo = p->repo, .digest = *digest };
	p->commit.change.writer = STEAL(p->upload->writer);
	return 0;
}

int upload_done(struct push *p)
{
	const struct change *change = &p->commit.change;

	if (change->rc == 0) {
		uploads_end(p->shared->uploads, &p->upload, &change->digest, p->now_ms);
		return upload_created(p, &change->digest);
	}
	uploads_drop(p->shared->uploads, &p->upload);
	if (change->err.code == ERR_FULL)
		full(p);
	else
		push_refused(p, "BLOB_UNKNOWN", &change->err);
	return 0;
}
