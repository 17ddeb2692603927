/*
 * DELETE of a tag, a manifest or a blob: out of the repository at once; the bytes stay, as others may
 * need them. Must never take away what a set holds: the store refuses it.
 */
#include "registry/push/push.h"
#include "storage/base/banned.h"

static int begin(struct push *p, enum change_kind kind)
{
	p->commit.change = (struct change){ .kind = kind,
		.repo = p->repo,
		.digest = p->request.route.digest,
		.tags = p->tags,
		.tag_count = kind == CHANGE_UNTAG };
	p->tags[0] = p->request.route.tag;
	return 0;
}

static int begin_manifest(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	(void)s, (void)step, (void)e;
	return begin(p, *p->request.route.tag ? CHANGE_UNTAG : CHANGE_DELETE_MANIFEST);
}

static int begin_blob(struct context *s, struct push *p, enum push_step *step, struct err *e)
{
	(void)s, (void)step, (void)e;
	return begin(p, CHANGE_DELETE_BLOB);
}

static int done(struct push *p, const char *absent)
{
	const struct change *change = &p->commit.change;

	if (change->rc < 0)
		push_refused(p, absent, &change->err);
	else
		p->reply.status = 202;
	return 0;
}

static int done_manifest(struct push *p, struct err *e)
{
	(void)e;
	return done(p, "MANIFEST_UNKNOWN");
}

static int done_blob(struct push *p, struct err *e)
{
	(void)e;
	return done(p, "BLOB_UNKNOWN");
}

const struct push_handler delete_manifest = { begin_manifest, NULL, done_manifest };
const struct push_handler delete_blob = { begin_blob, NULL, done_blob };
