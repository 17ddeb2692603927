/* Manifests: GET and HEAD, by tag or digest. The stored bytes, never converted (S7). */
#include "registry/site.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

static int load(struct site *s, const struct route *route, const struct manifest_info *info,
	struct content **out, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(fd_close) int fd = -1;
	uint64_t size;
	int rc;

	if (info->size <= CACHE_CONTENT_MAX) {
		rc = blob_read(s->store, &info->digest, CACHE_CONTENT_MAX, &bytes, e);
		if (rc <= 0)
			return rc;
		*out = content_bytes(&info->digest, info->media_type, &bytes, route->ns);
		return 1;
	}
	rc = blob_open(s->store, &info->digest, &fd, &size, e);
	if (rc <= 0)
		return rc;
	*out = content_file(&info->digest, info->media_type, STEAL_FD(fd), size, route->ns);
	return 1;
}

static int find(struct site *s, const struct route *route, const char *repo, struct content *hint,
	struct content **out, struct err *e)
{
	struct manifest_info info;
	int rc = *route->tag ? manifest_by_tag(s->store, repo, route->tag, &info, e)
			     : manifest_by_digest(s->store, repo, &route->digest, &info, e);

	if (rc <= 0)
		return rc;
	if (hint && digest_eq(&hint->digest, &info.digest) &&
		strcmp(hint->media_type, info.media_type) == 0) {
		*out = content_ref(hint);
		return 1;
	}
	rc = load(s, route, &info, out, e);
	if (rc > 0)
		(*out)->immutable = !*route->tag;
	return rc;
}

static int unknown(const struct route *route, struct reply *r)
{
	char text[DIGEST_TEXT_SIZE];

	if (*route->tag)
		return reply_error(r, 404, "MANIFEST_UNKNOWN", "%s:%s is not mirrored here",
			route->name, route->tag);
	return reply_error(r, 404, "MANIFEST_UNKNOWN", "%s@%s is not mirrored here", route->name,
		digest_text(&route->digest, text));
}

int get_manifest(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	AUTO(content_unref) struct content *c = NULL;
	int rc = site_find(s, q, find, &c, e);

	if (rc < 0)
		return err_ctx(e, "manifest");
	if (rc == 0)
		return unknown(q->route, r);
	reply_content(r, q, c);
	return 0;
}
