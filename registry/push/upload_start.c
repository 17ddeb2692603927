/*
 * POST NAME/blobs/uploads/: begin a session, or a whole blob in one request (?digest=), or mount one
 * from another repository (?mount=, with or without from=). Must never answer differently for a
 * source that is not there and one that the caller may not read.
 */
#include <stdio.h>

#include "registry/push/upload_reply.h"
#include "registry/push/writing.h"
#include "storage/base/banned.h"

/* --- mounts ---------------------------------------------------------------------------------- */

struct source {
	struct context *context;
	struct writing *writing;
	char *repo; /* NAME_MAX_BYTES + 1 */
};

static int first_readable(void *ctx, const char *name, struct err *e)
{
	struct source *src = ctx;

	(void)e;
	if (!context_may(src->context, &src->writing->request, name, name, ACTION_PULL))
		return 0;
	snprintf(src->repo, NAME_MAX_BYTES + 1, "%s", name);
	return 1;
}

/* The repository to mount from, as the store names it: 1, 0 none, -1. */
static int find_source(
	struct context *s, struct writing *w, char repo[NAME_MAX_BYTES + 1], struct err *e)
{
	struct source src = { s, w, repo };
	struct candidates names;
	uint64_t size;
	int rc = 0;

	if (context_may(s, &w->request, w->route.name, w->repo, ACTION_PULL))
		rc = repo_has_blob(s->store, w->repo, &w->route.mount, &size, e);
	if (rc != 0) {
		snprintf(repo, NAME_MAX_BYTES + 1, "%s", w->repo);
		return rc;
	}
	if (!*w->route.from) {
		rc = repos_with_blob(s->store, &w->route.mount, first_readable, &src, e);
		return rc;
	}
	names_find(s->names, w->route.from, "", &names);
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		if (!context_may(s, &w->request, w->route.from, names.name[i], ACTION_PULL))
			continue;
		rc = repo_has_blob(s->store, names.name[i], &w->route.mount, &size, e);
		if (rc > 0)
			snprintf(repo, NAME_MAX_BYTES + 1, "%s", names.name[i]);
	}
	return rc;
}

/* --- sessions -------------------------------------------------------------------------------- */

static void too_many(struct writing *w)
{
	reply_error(&w->reply, 429, "TOOMANYREQUESTS", "too many uploads are open");
	reply_header(&w->reply, "Retry-After", "10");
}

/* 1 with a session taken; 0 and the reply says why not. */
static int open_session(struct writing *w, struct store *s, struct err *e)
{
	const struct route *route = &w->route;
	enum digest_alg alg = route->alg ? route->alg : DIGEST_SHA256;
	uint64_t more = w->request.length == LENGTH_UNKNOWN ? 0 : w->request.length;
	struct upload *gone = NULL;
	int rc;

	if (route->has_digest && route->digest.alg)
		alg = route->digest.alg;
	if (more > w->shared->upload_max)
		return upload_too_large(w);
	rc = writing_room(w, s, e);
	if (rc <= 0)
		return rc;
	if (uploads_begin(w->shared->uploads, w->repo, w->who, alg, w->now_ms, &w->upload, &gone) !=
		UPLOADS_OK) {
		too_many(w);
		return 0;
	}
	if (gone)
		uploads_free_later(gone, w->shared->jobs);
	snprintf(w->session, sizeof(w->session), "%s", w->upload->id);
	return 1;
}

static int accepted(struct writing *w)
{
	w->unannounced = false;
	writing_give_back(w);
	w->reply.status = 202;
	writing_session_headers(w, 0);
	return 0;
}

static int answer_session(struct writing *w, struct store *s, struct err *e)
{
	int rc = open_session(w, s, e);

	return rc <= 0 ? rc : accepted(w);
}

static int begin_session(
	struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	*step = WRITING_ANSWERED;
	return answer_session(w, s->store, e);
}

static int begin_whole(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	int rc;

	if (!w->route.digest.alg) {
		*step = WRITING_ANSWERED;
		return reply_error(&w->reply, 400, "DIGEST_INVALID", "digest: not a digest");
	}
	rc = open_session(w, s->store, e);
	if (rc <= 0)
		*step = WRITING_ANSWERED;
	w->want = BODY_UPLOAD;
	w->unannounced = true;
	return rc < 0 ? -1 : 0;
}

static int begin_mount(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	int rc;

	w->from = mem_alloc(NAME_MAX_BYTES + 1);
	rc = find_source(s, w, w->from, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return begin_session(s, w, step, e);
	w->commit.change = (struct change){
		.kind = CHANGE_MOUNT, .repo = w->repo, .digest = w->route.mount, .from = w->from
	};
	return 0;
}

static int begin(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	if (w->route.mount.alg)
		return begin_mount(s, w, step, e);
	if (w->route.has_digest)
		return begin_whole(s, w, step, e);
	return begin_session(s, w, step, e);
}

/* A body of no bytes that is not the blob: whoever sent it wants to go on in a session. */
static bool wants_session(const struct writing *w)
{
	struct digest empty;

	digest_of(&empty, w->route.digest.alg, (struct span){ "", 0 });
	return w->received == 0 && !digest_eq(&empty, &w->route.digest);
}

static int run(struct writing *w, enum writing_step *step, struct err *e)
{
	if (w->commit.change.kind == CHANGE_MOUNT)
		return 0;
	if (!upload_check(w)) {
		*step = WRITING_ANSWERED;
		return 0;
	}
	if (wants_session(w)) {
		*step = WRITING_ANSWERED;
		return accepted(w);
	}
	return upload_seal(w, step, e);
}

static int done(struct writing *w, struct err *e)
{
	const struct change *change = &w->commit.change;

	if (change->kind != CHANGE_MOUNT)
		return upload_done(w);
	if (change->rc == 0)
		return upload_created(w, &change->digest);
	if (change->err.code == ERR_ABSENT) /* deleted since we looked */
		return answer_session(w, committer_store(w->shared->committer), e);
	writing_refused(w, "BLOB_UNKNOWN", &change->err);
	return 0;
}

const struct write_handler upload_start = { begin, run, done };
