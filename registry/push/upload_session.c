/*
 * Requests to a session: GET its state, PATCH more bytes, PUT the end, DELETE it. Each takes the
 * session for itself. Must never leave one taken, and never take bytes at another offset than its own.
 */
#include <stdio.h>

#include "registry/push/upload_reply.h"
#include "registry/push/writing.h"
#include "storage/base/banned.h"

static uint64_t offset_of(const struct upload *up)
{
	return up->writer ? blob_offset(up->writer) : 0;
}

/* UPLOADS_OK with the session taken; else the reply says why not, but for UPLOADS_ENDED. */
static enum uploads_answer take(struct writing *w, struct digest *ended)
{
	enum uploads_answer answer = uploads_take(w->shared->uploads, w->route.session, w->repo,
		w->who, w->now_ms, &w->upload, ended);

	snprintf(w->session, sizeof(w->session), "%s", w->route.session);
	switch (answer) {
	case UPLOADS_OK:
		w->upload->offset = offset_of(w->upload);
		break;
	case UPLOADS_TAKEN:
		reply_error(&w->reply, 400, "BLOB_UPLOAD_INVALID",
			"another request is writing to this upload");
		break;
	default:
		reply_error(&w->reply, 404, "BLOB_UPLOAD_UNKNOWN",
			"no such upload: it never was, is over, or has expired");
	}
	return answer;
}

/* --- GET and DELETE -------------------------------------------------------------------------- */

static int begin_status(
	struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	struct digest ended;
	uint64_t offset;

	(void)s, (void)e;
	*step = WRITING_ANSWERED;
	if (take(w, &ended) != UPLOADS_OK)
		return 0;
	offset = w->upload->offset;
	writing_give_back(w);
	w->reply.status = 204;
	writing_session_headers(w, offset);
	return 0;
}

static int begin_cancel(
	struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	struct digest ended;

	(void)s, (void)e;
	if (take(w, &ended) != UPLOADS_OK)
		*step = WRITING_ANSWERED;
	return 0;
}

/* Letting go of a large file takes a while: on a worker. */
static int run_cancel(struct writing *w, enum writing_step *step, struct err *e)
{
	(void)e;
	uploads_drop(w->shared->uploads, &w->upload);
	w->reply.status = 204;
	*step = WRITING_ANSWERED;
	return 0;
}

/* --- PATCH and PUT --------------------------------------------------------------------------- */

/* Content-Range as registries have it: `FIRST-LAST`, inclusive, no unit. 1, 0 when it is none. */
static int read_range(const char *text, uint64_t *first, uint64_t *last)
{
	uint64_t *out = first;

	*first = *last = 0;
	if (*text < '0' || *text > '9')
		return 0;
	for (const char *p = text; *p; p++) {
		if (*p == '-' && out == first && p[1] >= '0' && p[1] <= '9')
			out = last;
		else if (*p < '0' || *p > '9' || *out > (UINT64_MAX >> 5))
			return 0;
		else
			*out = *out * 10 + (uint64_t)(*p - '0');
	}
	return out == last && *last >= *first;
}

static int wrong_offset(struct writing *w)
{
	uint64_t offset = w->upload->offset;

	writing_give_back(w);
	reply_error(&w->reply, 416, "BLOB_UPLOAD_INVALID", "the upload goes on at byte %llu",
		(unsigned long long)offset);
	writing_session_headers(w, offset);
	return 0;
}

static int wrong_length(struct writing *w)
{
	return reply_error(
		&w->reply, 400, "SIZE_INVALID", "Content-Range and the length of the body differ");
}

/* 1 the body may come; 0 the reply says why not, and the session is given back. */
static int check_range(struct writing *w)
{
	const char *text = w->request.content_range;
	uint64_t first, last;

	if (!text)
		return 1;
	if (!read_range(text, &first, &last)) {
		writing_give_back(w);
		reply_error(
			&w->reply, 400, "BLOB_UPLOAD_INVALID", "Content-Range is not FIRST-LAST");
		return 0;
	}
	if (first != w->upload->offset)
		return wrong_offset(w);
	if (w->request.length != LENGTH_UNKNOWN && w->request.length != last - first + 1) {
		writing_give_back(w);
		return wrong_length(w);
	}
	return 1;
}

/* Is there room for what comes? 1, 0 answered, -1. */
static int check_room(struct context *s, struct writing *w, struct err *e)
{
	uint64_t more = w->request.length == LENGTH_UNKNOWN ? 0 : w->request.length;
	int rc;

	if (more > w->shared->upload_max || w->upload->offset + more > w->shared->upload_max) {
		writing_give_back(w);
		return upload_too_large(w);
	}
	rc = writing_room(w, s->store, e);
	if (rc == 0)
		writing_give_back(w);
	return rc;
}

static int begin_patch(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	struct digest ended;
	int rc = take(w, &ended) == UPLOADS_OK;

	if (rc > 0)
		rc = check_range(w);
	if (rc > 0)
		rc = check_room(s, w, e);
	if (rc <= 0)
		*step = WRITING_ANSWERED;
	w->want = BODY_UPLOAD;
	return rc < 0 ? -1 : 0;
}

/* The PUT that ended the session once more, as its answer was lost: 201, while the blob is there. */
static int again(struct context *s, struct writing *w, struct err *e)
{
	uint64_t size;
	int rc = repo_has_blob(s->store, w->repo, &w->route.digest, &size, e);

	if (rc <= 0)
		return rc;
	reply_release(&w->reply);
	reply_init(&w->reply);
	return upload_created(w, &w->route.digest);
}

static int begin_put(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	struct digest ended;
	enum uploads_answer answer;

	if (!w->route.digest.alg) {
		*step = WRITING_ANSWERED;
		return reply_error(&w->reply, 400, "DIGEST_INVALID",
			w->route.has_digest ? "digest: not a digest"
					    : "the digest parameter is missing");
	}
	answer = take(w, &ended);
	if (answer == UPLOADS_ENDED && digest_eq(&ended, &w->route.digest)) {
		*step = WRITING_ANSWERED;
		return again(s, w, e);
	}
	if (answer != UPLOADS_OK || !check_range(w)) {
		*step = WRITING_ANSWERED;
		return 0;
	}
	w->want = BODY_UPLOAD;
	if (w->request.length != 0) {
		int rc = check_room(s, w, e);

		if (rc <= 0)
			*step = WRITING_ANSWERED;
		return rc < 0 ? -1 : 0;
	}
	return 0;
}

/* The bytes of a chunked body are counted when they are here. */
static int check_count(struct writing *w)
{
	uint64_t first, last;

	if (!w->request.content_range || !read_range(w->request.content_range, &first, &last) ||
		w->received == last - first + 1)
		return 1;
	writing_rewind(w);
	return wrong_length(w);
}

static int run_patch(struct writing *w, enum writing_step *step, struct err *e)
{
	uint64_t offset;

	(void)e;
	*step = WRITING_ANSWERED;
	if (!upload_check(w) || !check_count(w))
		return 0;
	offset = w->upload->offset = offset_of(w->upload);
	writing_give_back(w);
	w->reply.status = 202;
	writing_session_headers(w, offset);
	return 0;
}

static int run_put(struct writing *w, enum writing_step *step, struct err *e)
{
	if (!upload_check(w) || !check_count(w)) {
		*step = WRITING_ANSWERED;
		return 0;
	}
	return upload_seal(w, step, e);
}

static int done_put(struct writing *w, struct err *e)
{
	(void)e;
	return upload_done(w);
}

const struct write_handler upload_status = { begin_status, NULL, NULL };
const struct write_handler upload_cancel = { begin_cancel, run_cancel, NULL };
const struct write_handler upload_patch = { begin_patch, run_patch, NULL };
const struct write_handler upload_put = { begin_put, run_put, done_put };
