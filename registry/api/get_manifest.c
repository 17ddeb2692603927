/* GET and HEAD of a manifest, by tag or digest. Must never convert the stored bytes (S7). */
#include <stdio.h>

#include "registry/api/context.h"
#include "storage/base/banned.h"

static int load(struct context *ctx, const struct route *route, const struct manifest_info *info,
	struct content **out, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	int rc;

	if (info->size <= CACHE_CONTENT_MAX) {
		rc = blob_read(ctx->store, &info->digest, CACHE_CONTENT_MAX, &bytes, e);
		if (rc < 0)
			context_suspect(ctx, &info->digest, e);
		if (rc <= 0)
			return rc;
		*out = content_bytes(&info->digest, info->media_type, &bytes, route->ns);
		return 1;
	}
	rc = blob_open(ctx->store, &info->digest, &file, e);
	if (rc < 0)
		context_suspect(ctx, &info->digest, e);
	if (rc <= 0)
		return rc;
	*out = content_file(&info->digest, info->media_type, &file, route->ns);
	return 1;
}

static int find(struct context *ctx, const struct route *route, const char *repo,
	struct content *hint, struct content **out, struct err *e)
{
	const char *cache_control = *route->tag ? NULL : context_cache_control(ctx);
	struct manifest_info info;
	int rc = *route->tag ? manifest_by_tag(ctx->store, repo, route->tag, &info, e)
			     : manifest_by_digest(ctx->store, repo, &route->digest, &info, e);

	if (rc <= 0)
		return rc;
	if (checker_blocks(ctx->checker, &info.digest))
		return 0;
	if (hint && digest_eq(&hint->digest, &info.digest) &&
		strcmp(hint->media_type, info.media_type) == 0 &&
		hint->cache_control == cache_control &&
		!checker_was_bad(ctx->checker, &info.digest)) {
		*out = content_ref(hint);
		return 1;
	}
	rc = load(ctx, route, &info, out, e);
	if (rc > 0)
		(*out)->cache_control = cache_control;
	return rc;
}

/* --- what is not here ------------------------------------------------------------------------ */

static const struct descriptor *child_of(const struct manifest *index, const struct digest *d)
{
	for (size_t i = 0; i < index->count; i++)
		if (digest_eq(&index->items[i].digest, d))
			return &index->items[i];
	return NULL;
}

/* Name the platform that the index gives for this child, or "this manifest". */
static int name_platform(struct context *ctx, const struct manifest_info *info,
	const struct digest *d, char text[PLATFORM_TEXT_SIZE], struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(manifest_release) struct manifest index = MANIFEST_INIT;
	const struct descriptor *child;

	snprintf(text, PLATFORM_TEXT_SIZE, "this manifest");
	if (info->size > CACHE_CONTENT_MAX)
		return 0; /* a refusal is not worth reading a large index */
	if (blob_read(ctx->store, &info->digest, CACHE_CONTENT_MAX, &bytes, e) < 0 ||
		manifest_parse(&index, "index", info->media_type, buf_span(&bytes), e) < 0)
		return -1;
	child = child_of(&index, d);
	if (child && child->has_platform)
		platform_text(&child->platform, text);
	return 0;
}

/* Was this manifest left out on purpose, as a platform of an index that is here? 1 and the reply is
 * filled. */
static int left_out(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	char platform[PLATFORM_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	const struct route *route = &q->route;
	struct manifest_info info;

	for (size_t i = 0; i < ctx->repos.count; i++) {
		const char *repo = ctx->repos.name[i];
		int rc = manifest_index_of(ctx->store, repo, &route->digest, &info, e);

		if (rc < 0 ||
			(rc > 0 && name_platform(ctx, &info, &route->digest, platform, e) < 0))
			return -1;
		if (rc == 0)
			continue;
		reply_error(r, 404, "MANIFEST_UNKNOWN",
			"%s: %s was not mirrored: the index lists it as %s, and the set that was "
			"brought here holds other platforms only",
			repo, platform, digest_text(&route->digest, text));
		return 1;
	}
	return 0;
}

static int unknown(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	const struct route *route = &q->route;
	char text[DIGEST_TEXT_SIZE];
	int rc = *route->tag ? 0 : left_out(ctx, q, r, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (*route->tag)
		return reply_error(r, 404, "MANIFEST_UNKNOWN", "%s:%s is not mirrored here",
			route->name, route->tag);
	return reply_error(r, 404, "MANIFEST_UNKNOWN", "%s@%s is not mirrored here", route->name,
		digest_text(&route->digest, text));
}

int get_manifest(struct context *ctx, const struct request *q, struct reply *r, struct err *e)
{
	AUTO(content_unref) struct content *c = NULL;
	int rc = context_find(ctx, q, find, &c, e);

	if (rc == 0)
		rc = unknown(ctx, q, r, e);
	else if (rc > 0)
		reply_content(r, q, c);
	return rc < 0 ? err_ctx(e, "manifest") : 0;
}
