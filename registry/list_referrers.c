/*
 * GET NAME/referrers/DIGEST: always 200 for a valid digest, whatever is here, because clients take
 * a 404 as "this registry has no such API" (distribution-spec, "Listing Referrers").
 */
#include "registry/site.h"
#include "storage/base/banned.h"

#define REFERRERS_BYTES_MAX (4u << 20) /* what clients read at most, in one page */

struct list {
	struct site *site;
	const struct route *route;
	struct buf json;
	bool cut; /* the answer would have been too large */
};

static void list_release(struct list **l)
{
	buf_release(&(*l)->json);
}

static bool is_wanted(const struct route *route, const char *type)
{
	for (unsigned i = 0; i < route->types; i++)
		if (strcmp(route->type[i], type) == 0)
			return true;
	return route->types == 0;
}

/* The descriptor carries the manifest's annotations, so the manifest is read. */
static int add(void *ctx, const struct referrer *referrer, struct err *e)
{
	struct list *l = ctx;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	const struct manifest_info *info = &referrer->info;
	char text[DIGEST_TEXT_SIZE];
	struct descriptor d;
	int rc;

	if (!is_wanted(l->route, referrer->artifact_type) || l->cut)
		return 0;
	digest_text(&info->digest, text);
	rc = blob_read(l->site->store, &info->digest, MANIFEST_MAX, &bytes, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "referrer %s is listed but not held", text);
	if (manifest_parse(&m, text, info->media_type, buf_span(&bytes), e) < 0)
		return -1;
	d = (struct descriptor){ .digest = info->digest,
		.size = info->size,
		.media_type = info->media_type,
		.artifact_type = *referrer->artifact_type ? referrer->artifact_type : NULL,
		.annotations = m.annotations };
	rc = (int)(l->json.len > 0);
	if (rc)
		buf_char(&l->json, ',');
	descriptor_write(&l->json, &d);
	l->cut = l->json.len > REFERRERS_BYTES_MAX;
	return 0;
}

int list_referrers_of(struct site *s, const struct request *q, struct reply *r, struct err *e)
{
	struct list list = { .site = s, .route = q->route, .json = BUF_INIT };
	AUTO(list_release) struct list *l = &list;
	struct candidates names;

	names_find(s->names, q->route->name, q->route->ns, &names);
	for (size_t i = 0; i < names.count && l->json.len == 0; i++)
		if (list_referrers(s->store, names.name[i], &q->route->digest, add, l, e) < 0)
			return err_ctx(e, "referrers in %s", names.name[i]);
	if (l->cut)
		return err_set(
			e, ERR_UNSUPPORTED, "more than %u bytes of referrers", REFERRERS_BYTES_MAX);
	reply_header(r, "Content-Type", MEDIA_OCI_INDEX);
	if (q->route->types > 0)
		reply_header(r, "OCI-Filters-Applied", "artifactType");
	buf_str(&r->bytes,
		"{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[");
	buf_add(&r->bytes, l->json.data, l->json.len);
	buf_str(&r->bytes, "]}");
	return 0;
}
