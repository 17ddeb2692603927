/* GET and HEAD of a blob, by digest, in one repository. Must never serve a blob that is in the store but not
 * linked to the repository asked for. */
#include "registry/api/context.h"
#include "storage/base/banned.h"

#define READ_AHEAD                                                                                 \
	(4 << 20) /* asked of the kernel when a file is opened, so that it does not
				begin at the first sendfile */

static int find(struct context *ctx, const struct route *route, const char *repo,
	struct content *hint, struct content **out, struct err *e)
{
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	const char *cache_control = context_cache_control(ctx);
	uint64_t size;
	int rc = repo_has_blob(ctx->store, repo, &route->digest, &size, e);

	if (rc <= 0)
		return rc;
	if (checker_blocks(ctx->checker, &route->digest))
		return 0;
	if (checker_unsure(ctx->checker, &route->digest)) {
		ctx->waits = true;
		ctx->wait_for = route->digest;
		return err_set(e, ERR_BUSY, "its bytes were not read yet");
	}
	if (hint && digest_eq(&hint->digest, &route->digest) && hint->size == size &&
		hint->cache_control == cache_control &&
		!checker_was_bad(ctx->checker, &route->digest)) {
		*out = content_ref(hint);
		return 1;
	}
	rc = blob_open(ctx->store, &route->digest, &file, e);
	if (rc < 0)
		context_suspect(ctx, &route->digest, e);
	if (rc <= 0)
		return rc;
	reader_ahead(&file, READ_AHEAD);
	*out = content_file(&route->digest, MEDIA_BLOB, &file, route->ns);
	(*out)->cache_control = cache_control;
	return 1;
}

int get_blob(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	AUTO(content_unref) struct content *c = NULL;
	char text[DIGEST_TEXT_SIZE];
	int rc = context_find(ctx, q, find, &c, e);

	if (rc < 0)
		return err_ctx(e, "blob %s", digest_text(&q->route.digest, text));
	if (rc == 0)
		return reply_error(r, 404, "BLOB_UNKNOWN", "%s: no blob %s here", q->route.name,
			digest_text(&q->route.digest, text));
	reply_content(r, q, c);
	return 0;
}
