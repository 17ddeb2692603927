/* What is seen through a repository: manifests, blobs, referrers, pages of names. Reads only. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/banned.h"

int repo_check(const char *repo, struct err *e)
{
	struct span rest = span_of(repo);
	struct span host = span_until(&rest, '/');

	if (ref_is_repo(span_of(repo)))
		return 0; /* pushed here under a bare name, or host/name without a port */
	if (ref_check_host(host, e) < 0 || ref_check_repo(rest, e) < 0)
		return err_ctx(e, "repository \"%s\"", repo);
	return 0;
}

/* The owner is looked for first: what is not pinned, was put. */
static int find_owner(
	struct store *s, const char *repo, const char *tag, struct tag_owner *out, struct err *e)
{
	struct manifest_info info;
	struct set_info set;
	int rc = meta_tag_pinned(s->db, repo, tag, &set, &out->digest, e);

	if (rc > 0) {
		memcpy(out->set, set.name, sizeof(out->set));
		memcpy(out->version, set.version, sizeof(out->version));
	}
	if (rc != 0)
		return rc;
	rc = manifest_by_tag(s, repo, tag, &info, e);
	if (rc > 0)
		out->digest = info.digest;
	return rc;
}

int tag_owner_get(
	struct store *s, const char *repo, const char *tag, struct tag_owner *out, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;

	*out = (struct tag_owner){ .set = "" };
	return tx_snapshot(s, &snapshot, e) < 0 ? -1 : find_owner(s, repo, tag, out, e);
}

/* --- pages ---------------------------------------------------------------------------------- */

/* One name more than wanted is asked for: it tells whether any remain. */
struct page {
	name_fn *fn;
	void *ctx;
	unsigned left;
	bool more;
};

static int page_name(void *ctx, const char *name, struct err *e)
{
	struct page *p = ctx;

	if (p->left == 0) {
		p->more = true;
		return 0;
	}
	p->left--;
	return p->fn(p->ctx, name, e);
}

int page_tags(struct store *s, const char *repo, const char *after, unsigned max, name_fn *fn,
	void *ctx, bool *more, struct err *e)
{
	struct page p = { fn, ctx, max, false };
	int rc = repo_exists(s, repo, e);

	*more = false;
	if (rc <= 0)
		return rc;
	rc = meta_tags_after(s->db, repo, after ? after : "", max + 1, page_name, &p, e);
	*more = p.more;
	return rc < 0 ? rc : 1;
}

int page_repos(struct store *s, const char *after, unsigned max, name_fn *fn, void *ctx, bool *more,
	struct err *e)
{
	struct page p = { fn, ctx, max, false };
	int rc = meta_repos_after(s->db, after ? after : "", max + 1, page_name, &p, e);

	*more = p.more;
	return rc < 0 ? rc : 1;
}
