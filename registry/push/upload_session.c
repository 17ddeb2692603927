/*
 * Requests that change a session: PATCH more bytes, PUT the end, DELETE it. Each takes the session for
 * itself. Must never leave one taken, and never take bytes at another offset than its own.
 */
#include <stdio.h>

#define MOAT_PUSH_PART
#include "registry/push/upload_reply.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

static uint64_t offset_of(const struct upload *up)
{
	return up->writer ? blob_offset(up->writer) : 0;
}

/* UPLOADS_OK with the session taken; else the reply says why not, but UPLOADS_ENDED may become another. */
static enum uploads_answer take(struct push *p, struct digest *ended)
{
	struct push_session *session = &p->session;
	enum uploads_answer answer = uploads_take(p->service->uploads, p->request.route.session,
		p->target.repo, p->user, p->now_ms, &session->upload, ended);

	snprintf(session->id, sizeof(session->id), "%s", p->request.route.session);
	if (answer == UPLOADS_OK)
		session->upload->offset = offset_of(session->upload);
	else
		upload_refuse(&p->reply, answer);
	return answer;
}

static enum push_outcome take_open(struct push *p)
{
	struct digest ended;

	return take(p, &ended) == UPLOADS_OK ? PUSH_GOES_ON : PUSH_ANSWERED;
}

/* --- DELETE ---------------------------------------------------------------------------------- */

static enum push_outcome begin_cancel(struct context *s, struct push *p, struct err *e)
{
	(void)s, (void)e;
	return take_open(p);
}

/* On a worker: releasing a large file takes a while. */
static enum push_outcome run_cancel(struct push *p, struct err *e)
{
	(void)e;
	uploads_drop(p->service->uploads, &p->session.upload);
	p->reply.status = 204;
	return PUSH_ANSWERED;
}

/* --- PATCH and PUT --------------------------------------------------------------------------- */

/* Content-Range as registries have it: `FIRST-LAST`, inclusive, no unit. False: it is none. */
static bool read_range(const char *text, uint64_t *first, uint64_t *last)
{
	struct span rest = span_of(text), begin = span_until(&rest, '-');

	return number_parse(begin, INT64_MAX, first) && number_parse(rest, INT64_MAX, last) &&
	       *last >= *first;
}

static enum push_outcome wrong_offset(struct push *p)
{
	uint64_t offset = p->session.upload->offset;

	push_give_back(p);
	push_error(p, 416, "BLOB_UPLOAD_INVALID", "the upload goes on at byte %llu",
		(unsigned long long)offset);
	upload_headers(&p->reply, p->request.route.name, p->session.id, offset);
	return PUSH_ANSWERED;
}

static enum push_outcome wrong_length(struct push *p)
{
	return push_error(
		p, 400, "SIZE_INVALID", "Content-Range and the length of the body differ");
}

/* May a body of this range come? If not, the session is given back. */
static enum push_outcome check_range(struct push *p)
{
	const char *text = p->request.content_range;
	uint64_t first, last;

	if (!text)
		return PUSH_GOES_ON;
	if (!read_range(text, &first, &last)) {
		push_give_back(p);
		return push_error(p, 400, "BLOB_UPLOAD_INVALID", "Content-Range is not FIRST-LAST");
	}
	if (first != p->session.upload->offset)
		return wrong_offset(p);
	if (p->request.length != LENGTH_UNKNOWN && p->request.length != last - first + 1) {
		push_give_back(p);
		return wrong_length(p);
	}
	return PUSH_GOES_ON;
}

/* Is there room for what comes? If not, the session is given back. */
static enum push_outcome check_room(struct context *s, struct push *p, struct err *e)
{
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;
	uint64_t most = p->service->upload_max;
	enum push_outcome outcome;

	if (more > most || p->session.upload->offset + more > most) {
		push_give_back(p);
		return upload_too_large(p);
	}
	outcome = push_check_quota(p, s->store, p->session.upload->offset + more, e);
	if (outcome == PUSH_ANSWERED) {
		uploads_drop_later(p->service->uploads, &p->session.upload);
		return outcome;
	}
	if (outcome == PUSH_GOES_ON)
		outcome = push_reserve(p, s->store, e);
	if (outcome == PUSH_ANSWERED)
		push_give_back(p);
	return outcome;
}

static enum push_outcome begin_patch(struct context *s, struct push *p, struct err *e)
{
	enum push_outcome outcome = take_open(p);

	p->body.kind = PUSH_BODY_UPLOAD;
	if (outcome == PUSH_GOES_ON)
		outcome = check_range(p);
	if (outcome == PUSH_GOES_ON)
		outcome = check_room(s, p, e);
	return outcome;
}

/* The PUT that ended the session once more, as its answer was lost: 201, while the blob is there. */
static enum push_outcome answer_again(struct context *s, struct push *p, struct err *e)
{
	const struct digest *digest = &p->request.route.digest;
	uint64_t size;
	int rc = repo_has_blob(s->store, p->target.repo, digest, &size, e);

	if (rc <= 0)
		return rc < 0 ? PUSH_FAILED : PUSH_ANSWERED;
	reply_release(&p->reply);
	reply_init(&p->reply);
	return upload_created(p, digest);
}

static enum push_outcome no_digest(struct push *p)
{
	return push_error(p, 400, "DIGEST_INVALID", "%s",
		p->request.route.has_digest ? "digest: not a digest"
					    : "the digest parameter is missing");
}

static enum push_outcome begin_put(struct context *s, struct push *p, struct err *e)
{
	const struct digest *digest = &p->request.route.digest;
	struct digest ended;
	enum uploads_answer answer;
	enum push_outcome outcome;

	if (!digest->alg)
		return no_digest(p);
	answer = take(p, &ended);
	if (answer == UPLOADS_ENDED && digest_eq(&ended, digest))
		return answer_again(s, p, e);
	if (answer != UPLOADS_OK)
		return PUSH_ANSWERED;
	p->body.kind = PUSH_BODY_UPLOAD;
	outcome = check_range(p);
	if (outcome == PUSH_GOES_ON && p->request.length != 0)
		outcome = check_room(s, p, e);
	return outcome;
}

/* Compare the bytes that came with the range: those of a chunked body are not counted before. */
static enum push_outcome check_count(struct push *p)
{
	const char *text = p->request.content_range;
	uint64_t first, last;

	if (!text || !read_range(text, &first, &last) || p->body.received == last - first + 1)
		return PUSH_GOES_ON;
	push_rewind(p);
	return wrong_length(p);
}

static enum push_outcome check_body(struct push *p)
{
	enum push_outcome outcome = upload_check(p);

	return outcome == PUSH_GOES_ON ? check_count(p) : outcome;
}

static enum push_outcome run_patch(struct push *p, struct err *e)
{
	uint64_t offset;

	(void)e;
	if (check_body(p) != PUSH_GOES_ON)
		return PUSH_ANSWERED;
	offset = p->session.upload->offset = offset_of(p->session.upload);
	push_give_back(p);
	p->reply.status = 202;
	upload_headers(&p->reply, p->request.route.name, p->session.id, offset);
	return PUSH_ANSWERED;
}

static enum push_outcome run_put(struct push *p, struct err *e)
{
	enum push_outcome outcome = check_body(p);

	return outcome == PUSH_GOES_ON ? upload_seal(p, e) : outcome;
}

static enum push_outcome done_put(struct push *p, struct err *e)
{
	(void)e;
	return upload_done(p);
}

const struct push_handler upload_cancel = { begin_cancel, run_cancel, NULL };
const struct push_handler upload_patch = { begin_patch, run_patch, NULL };
const struct push_handler upload_put = { begin_put, run_put, done_put };
