/*
 * DELETE of a tag, a manifest or a blob: out of the repository at once; the bytes stay, as others may
 * need them. Must never take away what a set holds: the store refuses it.
 */
#define MOAT_PUSH_PART
#include "registry/push/push_private.h"
#include "storage/base/banned.h"

static enum push_outcome begin(struct push *p, enum change_kind kind)
{
	struct push_change *change = &p->change;

	change->tags[0] = p->request.route.tag;
	change->commit.change = (struct change){ .kind = kind,
		.repo = p->target.repo,
		.digest = p->request.route.digest,
		.tags = change->tags,
		.tag_count = kind == CHANGE_UNTAG };
	return PUSH_GOES_ON;
}

static enum push_outcome begin_manifest(struct context *s, struct push *p, struct err *e)
{
	(void)s, (void)e;
	return begin(p, *p->request.route.tag ? CHANGE_UNTAG : CHANGE_DELETE_MANIFEST);
}

static enum push_outcome begin_blob(struct context *s, struct push *p, struct err *e)
{
	(void)s, (void)e;
	return begin(p, CHANGE_DELETE_BLOB);
}

static enum push_outcome done(struct push *p, const char *absent_code)
{
	const struct change *change = &p->change.commit.change;

	if (change->rc < 0)
		return push_refuse(p, absent_code, &change->err);
	p->reply.status = 202;
	return PUSH_ANSWERED;
}

static enum push_outcome done_manifest(struct push *p, struct err *e)
{
	(void)e;
	return done(p, "MANIFEST_UNKNOWN");
}

static enum push_outcome done_blob(struct push *p, struct err *e)
{
	(void)e;
	return done(p, "BLOB_UNKNOWN");
}

const struct push_handler delete_manifest = { begin_manifest, NULL, done_manifest };
const struct push_handler delete_blob = { begin_blob, NULL, done_blob };
