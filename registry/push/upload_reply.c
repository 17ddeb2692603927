/* How uploads end. Must never publish bytes whose digest was not computed from themselves. */
#include "registry/push/upload_reply.h"

#include "storage/base/banned.h"

int upload_created(struct writing *w, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free)
	char *location = mem_printf("/v2/%s/blobs/%s", w->route.name, digest_text(d, text));

	w->reply.status = 201;
	reply_header(&w->reply, "Location", location);
	reply_header(&w->reply, "Docker-Content-Digest", text);
	return 0;
}

int upload_too_large(struct writing *w)
{
	return reply_error(&w->reply, 413, "SIZE_INVALID", "a blob may have at most %llu bytes",
		(unsigned long long)w->shared->upload_max);
}

static void full(struct writing *w)
{
	reply_error(&w->reply, 507, "UNKNOWN", "the registry's disk is full");
}

int upload_check(struct writing *w)
{
	struct err e = w->failed;

	if (e.code == ERR_OK && w->upload->writer)
		(void)!blob_error(w->upload->writer, &e);
	if (e.code == ERR_OK && !w->too_large)
		return 1;
	w->failed = (struct err)ERR_INIT;
	writing_rewind(w);
	if (w->too_large) {
		upload_too_large(w);
	} else if (e.code == ERR_FULL) {
		full(w);
	} else {
		w->failed = e;
		reply_failure(&w->reply, &e);
	}
	return 0;
}

/* A blob of no bytes has no writer yet. */
static int need_writer(struct writing *w, struct err *e)
{
	if (w->upload->writer)
		return 0;
	return blob_begin_unnamed(
		committer_store(w->shared->committer), w->route.digest.alg, &w->upload->writer, e);
}

int upload_seal(struct writing *w, enum writing_step *step, struct err *e)
{
	const struct digest *digest = &w->route.digest;

	if (need_writer(w, e) < 0)
		return -1;
	if (blob_seal(w->upload->writer, digest, e) < 0) {
		*step = WRITING_ANSWERED;
		uploads_drop(w->shared->uploads, &w->upload);
		if (e->code == ERR_CORRUPT)
			reply_error(&w->reply, 400, "DIGEST_INVALID", "%s", e->text);
		else if (e->code == ERR_FULL)
			full(w);
		else
			return -1;
		e->code = ERR_OK;
		return 0;
	}
	w->commit.change =
		(struct change){ .kind = CHANGE_BLOB, .repo = w->repo, .digest = *digest };
	w->commit.change.writer = STEAL(w->upload->writer);
	return 0;
}

int upload_done(struct writing *w)
{
	const struct change *change = &w->commit.change;

	if (change->rc == 0) {
		uploads_end(w->shared->uploads, &w->upload, &change->digest, w->now_ms);
		return upload_created(w, &change->digest);
	}
	uploads_drop(w->shared->uploads, &w->upload);
	if (change->err.code == ERR_FULL)
		full(w);
	else
		writing_refused(w, "BLOB_UNKNOWN", &change->err);
	return 0;
}
