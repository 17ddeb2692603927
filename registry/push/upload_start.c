/*
 * POST NAME/blobs/uploads/: begin a session, or a whole blob in one request (?digest=), or mount one
 * from another repository (?mount=, with or without from=). Must never answer differently for a
 * source that is not there and one that the caller may not read.
 */
#include <stdio.h>

#define MOAT_PUSH_PART
#include "registry/push/upload_reply.h"
#include "storage/base/banned.h"

/* --- mounts ---------------------------------------------------------------------------------- */

/* A search for the repository to mount from. */
struct search {
	struct context *context;
	struct push *push;
	char *repo; /* the result: NAME_MAX_BYTES + 1 */
};

/* 1 the caller may pull `name`, asked for as `path`: it is the source; 0. */
static int accept_source(struct search *search, const char *path, const char *name)
{
	if (!context_may(search->context, &search->push->request, path, name, ACTION_PULL))
		return 0;
	snprintf(search->repo, NAME_MAX_BYTES + 1, "%s", name);
	return 1;
}

static int first_readable(void *ctx, const char *name, struct err *e)
{
	(void)e;
	return accept_source(ctx, name, name);
}

/* 1 the blob is in `name`, and the caller may pull it, asked for as `path`: it is the source; 0; -1. */
static int try_source(struct search *search, const char *path, const char *name, struct err *e)
{
	uint64_t size;

	if (!accept_source(search, path, name))
		return 0;
	return repo_has_blob(
		search->context->store, name, &search->push->request.route.mount, &size, e);
}

/* Find the repository to mount from, as the store names it: 1, 0 none, -1. */
static int find_source(struct search *search, struct err *e)
{
	const struct push *p = search->push;
	const struct route *route = &p->request.route;
	struct candidates names;
	int rc = try_source(search, route->name, p->target.repo, e);

	if (rc != 0)
		return rc;
	if (!*route->from)
		return repos_with_blob(
			search->context->store, &route->mount, first_readable, search, e);
	repo_names_find(search->context->names, route->from, "", &names);
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = try_source(search, route->from, names.name[i], e);
	return rc;
}

/* --- sessions -------------------------------------------------------------------------------- */

static enum push_outcome too_many(struct push *p)
{
	push_error(p, 429, "TOOMANYREQUESTS", "too many uploads are open");
	reply_header(&p->reply, "Retry-After", "10");
	return PUSH_ANSWERED;
}

static enum digest_alg algorithm_of(const struct route *route)
{
	if (route->has_digest && route->digest.alg)
		return route->digest.alg;
	return route->alg ? route->alg : DIGEST_SHA256;
}

/* PUSH_GOES_ON with a session taken. */
static enum push_outcome open_session(struct push *p, struct store *s, struct err *e)
{
	uint64_t more = p->request.length == LENGTH_UNKNOWN ? 0 : p->request.length;
	struct push_session *session = &p->session;
	enum push_outcome outcome;

	if (more > p->service->upload_max)
		return upload_too_large(p);
	outcome = push_check_quota(p, s, more, e);
	if (outcome == PUSH_GOES_ON)
		outcome = push_reserve(p, s, e);
	if (outcome != PUSH_GOES_ON)
		return outcome;
	if (uploads_begin(p->service->uploads, p->target.repo, p->user,
		    algorithm_of(&p->request.route), p->now_ms, &session->upload) != UPLOADS_OK)
		return too_many(p);
	snprintf(session->id, sizeof(session->id), "%s", session->upload->id);
	return PUSH_GOES_ON;
}

/* 202: the client goes on in the session. */
static enum push_outcome accepted(struct push *p)
{
	p->session.temporary = false;
	push_give_back(p);
	p->reply.status = 202;
	upload_headers(&p->reply, p->request.route.name, p->session.id, 0);
	return PUSH_ANSWERED;
}

static enum push_outcome answer_session(struct push *p, struct store *s, struct err *e)
{
	enum push_outcome outcome = open_session(p, s, e);

	return outcome == PUSH_GOES_ON ? accepted(p) : outcome;
}

static enum push_outcome begin_whole(struct context *s, struct push *p, struct err *e)
{
	if (!p->request.route.digest.alg)
		return push_error(p, 400, "DIGEST_INVALID", "digest: not a digest");
	p->body.kind = PUSH_BODY_UPLOAD;
	p->session.temporary = true;
	return open_session(p, s->store, e);
}

static enum push_outcome begin_mount(struct context *s, struct push *p, struct err *e)
{
	struct push_change *change = &p->change;
	int rc;

	change->from = mem_alloc(NAME_MAX_BYTES + 1);
	rc = find_source(&(struct search){ s, p, change->from }, e);
	if (rc < 0)
		return PUSH_FAILED;
	if (rc == 0)
		return answer_session(p, s->store, e);
	change->commit.change = (struct change){ .kind = CHANGE_MOUNT,
		.repo = p->target.repo,
		.digest = p->request.route.mount,
		.quota = p->quota ? p->quota->bytes : 0,
		.from = change->from };
	return PUSH_GOES_ON;
}

static enum push_outcome begin(struct context *s, struct push *p, struct err *e)
{
	if (p->request.route.mount.alg)
		return begin_mount(s, p, e);
	if (p->request.route.has_digest)
		return begin_whole(s, p, e);
	return answer_session(p, s->store, e);
}

/* Does a body of no bytes, which is not the blob, ask for a session? */
static bool wants_session(const struct push *p)
{
	const struct digest *digest = &p->request.route.digest;
	struct digest empty;

	digest_of(&empty, digest->alg, (struct span){ "", 0 });
	return p->body.received == 0 && !digest_eq(&empty, digest);
}

static enum push_outcome run(struct push *p, struct err *e)
{
	enum push_outcome outcome;

	if (p->change.commit.change.kind == CHANGE_MOUNT)
		return PUSH_GOES_ON;
	outcome = upload_check(p);
	if (outcome != PUSH_GOES_ON)
		return outcome;
	return wants_session(p) ? accepted(p) : upload_seal(p, e);
}

static enum push_outcome done(struct push *p, struct err *e)
{
	const struct change *change = &p->change.commit.change;

	if (change->kind != CHANGE_MOUNT)
		return upload_done(p);
	if (change->rc == 0)
		return upload_created(p, &change->digest);
	if (change->err.code == ERR_ABSENT) /* deleted since begin() found it */
		return answer_session(p, committer_store(p->service->committer), e);
	return push_refuse(p, "BLOB_UNKNOWN", &change->err);
}

const struct push_handler upload_start = { begin, run, done };
