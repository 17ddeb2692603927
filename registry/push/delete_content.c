/*
 * DELETE of a tag, a manifest or a blob: out of the repository at once; the bytes stay, as others may
 * need them. Must never take away what a set holds: the store refuses it.
 */
#include "registry/push/writing.h"
#include "storage/base/banned.h"

static int begin(struct writing *w, enum change_kind kind)
{
	w->commit.change = (struct change){ .kind = kind,
		.repo = w->repo,
		.digest = w->route.digest,
		.tags = w->tags,
		.tag_count = kind == CHANGE_UNTAG };
	w->tags[0] = w->route.tag;
	return 0;
}

static int begin_manifest(
	struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	(void)s, (void)step, (void)e;
	return begin(w, *w->route.tag ? CHANGE_UNTAG : CHANGE_DELETE_MANIFEST);
}

static int begin_blob(struct context *s, struct writing *w, enum writing_step *step, struct err *e)
{
	(void)s, (void)step, (void)e;
	return begin(w, CHANGE_DELETE_BLOB);
}

static int done(struct writing *w, const char *absent)
{
	const struct change *change = &w->commit.change;

	if (change->rc < 0)
		writing_refused(w, absent, &change->err);
	else
		w->reply.status = 202;
	return 0;
}

static int done_manifest(struct writing *w, struct err *e)
{
	(void)e;
	return done(w, "MANIFEST_UNKNOWN");
}

static int done_blob(struct writing *w, struct err *e)
{
	(void)e;
	return done(w, "BLOB_UNKNOWN");
}

const struct write_handler delete_manifest = { begin_manifest, NULL, done_manifest };
const struct write_handler delete_blob = { begin_blob, NULL, done_blob };
