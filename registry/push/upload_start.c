/*
 * POST NAME/blobs/uploads/: begin a session, or a whole blob in one request (?digest=), or mount one
 * from another repository (?mount=, with or without from=). Must never answer differently for a
 * source that is not there and one that the caller may not read.
 */
#include <stdio.h>

#include "registry/push/upload_reply.h"
#include "registry/push/push.h"
#include "storage/base/banned.h"

/* --- mounts ---------------------------------------------------------------------------------- */

struct source {
	struct context *context;
	struct push *push;
	char *repo; /* NAME_MAX_BYTES + 1 */
};

static int first_readable(void *ctx, const char *name, struct err *e)
{
	struct source *src = ctx;

	(void)e;
	if (!context_may(src->context, &src->push->request, name, name, ACTION_PULL))
		return 0;
	snprintf(src->repo, NAME_MAX_BYTES + 1, "%s", name);
	return 1;
}

/* The repository to mount from, as the store names it: 1, 0 none, -1. */
static int find_source(
	struct context *s, struct push *p, char repo[NAME_MAX_BYTES + 1], struct err *e)
{
	struct source src = { s, p, repo };
	struct candidates names;
	uint64_t size;
	int rc = 0;

	if (context_may(s, &p->request, p->request.route.name, p->repo, ACTION_PULL))
		rc = repo_has_blob(s->store, p->repo, &p->request.route.mount, &size, e);
	if (rc != 0) {
		snprintf(repo, NAME_MAX_BYTES + 1, "%s", p->repo);
		return rc;
	}
	if (!*p->request.route.from) {
		rc = repos_with_blob(s->store, &p->request.route.mount, first_readable, &src, e);
		return rc;
	}
	names_find(s->names, p->request.route.from, "", &names);
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		if (!context_may(s, &p->request, p->request.route.from, names.name[i], ACTION_PULL))
			continue;
		rc = repo_has_blob(s->store, names.name[i], &p->request.route.mount, &size, e);
		if (rc > 0)
			snprintf(repo, NAME_MAX_BYTES + 1, "%s", names.name[i]);
	}
	return rc;
}

/* --- sessions -------------------------------------------------------------------------------- */

static void too_many(struct push *p)
{
	reply_error(&p->reply, 429, "TOOMANYREQUESTS", "too many uploads are open");
	reply_header(&p->reply, "Retry-After", "10");
}

/* 1 with a session taken; 0 and the reply says why not. */
static int open_session(struct push *p, struct store *s, struct err *e)
{
	const struct route *route = &p->request.route;
	enum digest_alg alg = route->alg ? route->alg : DIGEST_SHA256;
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;
	int rc;

	if (route->has_digest && route->digest.alg)
		alg = route->digest.alg;
	if (more > p->shared->upload_max)
		return upload_too_large(p);
	rc = push_room(p, s, e);
	if (rc <= 0)
		return rc;
	if (uploads_begin(p->shared->uploads, p->repo, p->who, alg, p->now_ms, &p->upload) !=
		UPLOADS_OK) {
		too_many(p);
		return 0;
	}
	snprintf(p->session, sizeof(p->session), "%s", p->upload->id);
	return 1;
}

static int accepted(struct push *p)
{
	p->unannounced = false;
	push_give_back(p);
	p->reply.status = 202;
	push_session_headers(p, 0);
	return 0;
}

static int answer_session(struct push *p, struct store *s, struct err *e)
{
	int rc = open_session(p, s, e);

	return rc <= 0 ? rc : accepted(p);
}

static int begin_session(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	*step = PUSH_ANSWERED;
	return answer_session(p, s->store, e);
}

static int begin_whole(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	int rc;

	if (!p->request.route.digest.alg) {
		*step = PUSH_ANSWERED;
		return reply_error(&p->reply, 400, "DIGEST_INVALID", "digest: not a digest");
	}
	rc = open_session(p, s->store, e);
	if (rc <= 0)
		*step = PUSH_ANSWERED;
	p->want = BODY_UPLOAD;
	p->unannounced = true;
	return rc < 0 ? -1 : 0;
}

static int begin_mount(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	int rc;

	p->from = mem_alloc(NAME_MAX_BYTES + 1);
	rc = find_source(s, p, p->from, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return begin_session(s, p, step, e);
	p->commit.change = (struct change){ .kind = CHANGE_MOUNT,
		.repo = p->repo,
		.digest = p->request.route.mount,
		.from = p->from };
	return 0;
}

static int begin(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	if (p->request.route.mount.alg)
		return begin_mount(s, p, step, e);
	if (p->request.route.has_digest)
		return begin_whole(s, p, step, e);
	return begin_session(s, p, step, e);
}

/* A body of no bytes that is not the blob: whoever sent it wants to go on in a session. */
static bool wants_session(const struct push *p)
{
	struct digest empty;

	digest_of(&empty, p->request.route.digest.alg, (struct span){ "", 0 });
	return p->received == 0 && !digest_eq(&empty, &p->request.route.digest);
}

static int run(struct push *p, enum push_step *step, struct err *e)
{
	if (p->commit.change.kind == CHANGE_MOUNT)
		return 0;
	if (!upload_check(p)) {
		*step = PUSH_ANSWERED;
		return 0;
	}
	if (wants_session(p)) {
		*step = PUSH_ANSWERED;
		return accepted(p);
	}
	return upload_seal(p, step, e);
}

static int done(struct push *p, struct err *e)
{
	const struct change *change = &p->commit.change;

	if (change->kind != CHANGE_MOUNT)
		return upload_done(p);
	if (change->rc == 0)
		return upload_created(p, &change->digest);
	if (change->err.code == ERR_ABSENT) /* deleted since we looked */
		return answer_session(p, committer_store(p->shared->committer), e);
	push_refused(p, "BLOB_UNKNOWN", &change->err);
	return 0;
}

const struct push_handler upload_start = { begin, run, done };
