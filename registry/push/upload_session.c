/*
 * Requests to a session: GET its state, PATCH more bytes, PUT the end, DELETE it. Each takes the
 * session for itself. Must never leave one taken, and never take bytes at another offset than its own.
 */
#include <stdio.h>

#include "registry/push/upload_reply.h"
#include "registry/push/push.h"
#include "storage/base/banned.h"

static uint64_t offset_of(const struct upload *up)
{
	return up->writer ? blob_offset(up->writer) : 0;
}

/* UPLOADS_OK with the session taken; else the reply says why not, but for UPLOADS_ENDED. */
static enum uploads_answer take(struct push *p, struct digest *ended)
{
	enum uploads_answer answer = uploads_take(p->shared->uploads, p->request.route.session,
		p->repo, p->who, p->now_ms, &p->upload, ended);

	snprintf(p->session, sizeof(p->session), "%s", p->request.route.session);
	switch (answer) {
	case UPLOADS_OK:
		p->upload->offset = offset_of(p->upload);
		break;
	case UPLOADS_TAKEN:
		reply_error(&p->reply, 400, "BLOB_UPLOAD_INVALID",
			"another request is writing to this upload");
		break;
	default:
		reply_error(&p->reply, 404, "BLOB_UPLOAD_UNKNOWN",
			"no such upload: it never was, is over, or has expired");
	}
	return answer;
}

/* --- GET and DELETE -------------------------------------------------------------------------- */

static int begin_status(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	struct digest ended;
	uint64_t offset;

	(void)s, (void)e;
	*step = PUSH_ANSWERED;
	if (take(p, &ended) != UPLOADS_OK)
		return 0;
	offset = p->upload->offset;
	push_give_back(p);
	p->reply.status = 204;
	push_session_headers(p, offset);
	return 0;
}

static int begin_cancel(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	struct digest ended;

	(void)s, (void)e;
	if (take(p, &ended) != UPLOADS_OK)
		*step = PUSH_ANSWERED;
	return 0;
}

/* Letting go of a large file takes a while: on a worker. */
static int run_cancel(struct push *p, enum push_step *step, struct err *e)
{
	(void)e;
	uploads_drop(p->shared->uploads, &p->upload);
	p->reply.status = 204;
	*step = PUSH_ANSWERED;
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

static int wrong_offset(struct push *p)
{
	uint64_t offset = p->upload->offset;

	push_give_back(p);
	reply_error(&p->reply, 416, "BLOB_UPLOAD_INVALID", "the upload goes on at byte %llu",
		(unsigned long long)offset);
	push_session_headers(p, offset);
	return 0;
}

static int wrong_length(struct push *p)
{
	return reply_error(
		&p->reply, 400, "SIZE_INVALID", "Content-Range and the length of the body differ");
}

/* 1 the body may come; 0 the reply says why not, and the session is given back. */
static int check_range(struct push *p)
{
	const char *text = p->request.content_range;
	uint64_t first, last;

	if (!text)
		return 1;
	if (!read_range(text, &first, &last)) {
		push_give_back(p);
		reply_error(
			&p->reply, 400, "BLOB_UPLOAD_INVALID", "Content-Range is not FIRST-LAST");
		return 0;
	}
	if (first != p->upload->offset)
		return wrong_offset(p);
	if (p->request.length != LENGTH_UNKNOWN && p->request.length != last - first + 1) {
		push_give_back(p);
		return wrong_length(p);
	}
	return 1;
}

/* Is there room for what comes? 1, 0 answered, -1. */
static int check_room(struct context *s, struct push *p, struct err *e)
{
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;
	int rc;

	if (more > p->shared->upload_max || p->upload->offset + more > p->shared->upload_max) {
		push_give_back(p);
		return upload_too_large(p);
	}
	rc = push_room(p, s->store, e);
	if (rc == 0)
		push_give_back(p);
	return rc;
}

static int begin_patch(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	struct digest ended;
	int rc = take(p, &ended) == UPLOADS_OK;

	if (rc > 0)
		rc = check_range(p);
	if (rc > 0)
		rc = check_room(s, p, e);
	if (rc <= 0)
		*step = PUSH_ANSWERED;
	p->want = BODY_UPLOAD;
	return rc < 0 ? -1 : 0;
}

/* The PUT that ended the session once more, as its answer was lost: 201, while the blob is there. */
static int again(struct context *s, struct push *p, struct err *e)
{
	uint64_t size;
	int rc = repo_has_blob(s->store, p->repo, &p->request.route.digest, &size, e);

	if (rc <= 0)
		return rc;
	reply_release(&p->reply);
	reply_init(&p->reply);
	return upload_created(p, &p->request.route.digest);
}

static int begin_put(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	struct digest ended;
	enum uploads_answer answer;

	if (!p->request.route.digest.alg) {
		*step = PUSH_ANSWERED;
		return reply_error(&p->reply, 400, "DIGEST_INVALID",
			p->request.route.has_digest ? "digest: not a digest"
						    : "the digest parameter is missing");
	}
	answer = take(p, &ended);
	if (answer == UPLOADS_ENDED && digest_eq(&ended, &p->request.route.digest)) {
		*step = PUSH_ANSWERED;
		return again(s, p, e);
	}
	if (answer != UPLOADS_OK || !check_range(p)) {
		*step = PUSH_ANSWERED;
		return 0;
	}
	p->want = BODY_UPLOAD;
	if (p->request.length != 0) {
		int rc = check_room(s, p, e);

		if (rc <= 0)
			*step = PUSH_ANSWERED;
		return rc < 0 ? -1 : 0;
	}
	return 0;
}

/* The bytes of a chunked body are counted when they are here. */
static int check_count(struct push *p)
{
	uint64_t first, last;

	if (!p->request.content_range || !read_range(p->request.content_range, &first, &last) ||
		p->received == last - first + 1)
		return 1;
	push_rewind(p);
	return wrong_length(p);
}

static int run_patch(struct push *p, enum push_step *step, struct err *e)
{
	uint64_t offset;

	(void)e;
	*step = PUSH_ANSWERED;
	if (!upload_check(p) || !check_count(p))
		return 0;
	offset = p->upload->offset = offset_of(p->upload);
	push_give_back(p);
	p->reply.status = 202;
	push_session_headers(p, offset);
	return 0;
}

static int run_put(struct push *p, enum push_step *step, struct err *e)
{
	if (!upload_check(p) || !check_count(p)) {
		*step = PUSH_ANSWERED;
		return 0;
	}
	return upload_seal(p, step, e);
}

static int done_put(struct push *p, struct err *e)
{
	(void)e;
	return upload_done(p);
}

const struct push_handler upload_status = { begin_status, NULL, NULL };
const struct push_handler upload_cancel = { begin_cancel, run_cancel, NULL };
const struct push_handler upload_patch = { begin_patch, run_patch, NULL };
const struct push_handler upload_put = { begin_put, run_put, done_put };
