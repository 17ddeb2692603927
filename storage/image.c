/*
 * Images: manifests and what they need, put into a repository (S3). A manifest row is only made when
 * config and layers are live; a child of an index that is not whole stays absent. Must never write a
 * manifest's bytes.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/base/banned.h"

#define DEPTH_MAX 8 /* indexes within indexes */

struct put {
	struct store *store;
	int64_t repo;
	const struct inventory *held; /* NULL: what is live counts */
	unsigned depth;
};

static int put_any(
	struct put *p, const struct digest *d, const char *media_type, int64_t *id, struct err *e);

/* A fact that makes the image incomplete: 0, with e for whoever takes it as a failure. */
static int missing(const char *what, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_set(e, ERR_INCOMPLETE, "%s %s is not held", what, digest_text(d, text));
	return 0;
}

static int same_size(const struct descriptor *d, const struct blob_row *row, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (row->size == d->size)
		return 0;
	/* Not how many it has: who pushes need not be allowed to read. */
	return err_set(e, ERR_INPUT, "says that %s has %llu bytes, which is not so",
		digest_text(&d->digest, text), (unsigned long long)d->size);
}

/* --- one blob of an image ------------------------------------------------------------------- */

struct need {
	int64_t id;
	enum edge_role role;
};

/* 1 it is live, or may be absent; 0 it is missing. */
static int need_blob(struct put *p, const struct descriptor *d, enum edge_role role,
	struct need *out, struct err *e)
{
	struct store *s = p->store;
	struct blob_row row;

	if (META(s, blob_want, &d->digest, d->size, &row, e) < 0)
		return -1;
	*out = (struct need){ row.id, role };
	if (!row.live && role != EDGE_FOREIGN)
		return missing(role == EDGE_CONFIG ? "config" : "layer", &d->digest, e);
	if (row.live && same_size(d, &row, e) < 0)
		return -1;
	return 1;
}

static int need_all(
	struct put *p, const struct manifest *m, struct need *needs, size_t *count, struct err *e)
{
	size_t n = 0;
	int rc = 1;

	if (m->has_config)
		rc = need_blob(p, &m->config, EDGE_CONFIG, &needs[n++], e);
	for (size_t i = 0; rc > 0 && i < m->count; i++) {
		const struct descriptor *d = &m->items[i];
		bool foreign = d->has_urls || media_is_foreign(d->media_type);

		rc = need_blob(p, d, foreign ? EDGE_FOREIGN : EDGE_LAYER, &needs[n++], e);
	}
	*count = n;
	return rc;
}

/* --- rows ----------------------------------------------------------------------------------- */

static int add_manifest(
	struct store *s, const struct manifest *m, int64_t id, bool whole, struct err *e)
{
	struct blob_row subject = { .id = 0 };

	if (m->has_subject &&
		META(s, blob_want, &m->subject.digest, m->subject.size, &subject, e) < 0)
		return -1;
	return META(s, manifest_add, id, m->media_type, manifest_artifact_type(m), subject.id,
		whole, e);
}

static int put_image(struct put *p, const struct manifest *m, int64_t id, struct err *e)
{
	AUTO(mem_free) struct need *needs = mem_grow(NULL, m->count + 1, sizeof(*needs));
	struct store *s = p->store;
	size_t count = 0;
	int rc = need_all(p, m, needs, &count, e);

	if (rc <= 0)
		return rc;
	if (fault("image.manifest", e) < 0 || add_manifest(s, m, id, true, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (META(s, edge_add, id, needs[i].id, needs[i].role, e) < 0)
			return -1;
	return META(s, link_image, p->repo, id, e) < 0 ? -1 : 1;
}

/* --- indexes -------------------------------------------------------------------------------- */

/* A child that is neither image nor index: a blob, held or not. */
static int put_plain(struct put *p, const struct descriptor *d, int64_t *id, struct err *e)
{
	struct store *s = p->store;
	struct blob_row row;

	if (META(s, blob_want, &d->digest, d->size, &row, e) < 0)
		return -1;
	*id = row.id;
	if (!row.live)
		return missing("blob", &d->digest, e);
	return META(s, link_add, p->repo, row.id, e) < 0 ? -1 : 1;
}

/* 1 put, 0 absent or not whole; *id is its row either way. */
static int put_child(struct put *p, const struct descriptor *d, int64_t *id, struct err *e)
{
	struct store *s = p->store;
	struct blob_row row;
	int rc;

	if (META(s, blob_want, &d->digest, d->size, &row, e) < 0)
		return -1;
	*id = row.id;
	if (p->held && !inventory_find(p->held, &d->digest))
		return missing("manifest", &d->digest, e);
	if (row.live && same_size(d, &row, e) < 0)
		return -1;
	if (media_kind_of(d->media_type) == MEDIA_OTHER)
		return put_plain(p, d, id, e);
	rc = put_any(p, &d->digest, d->media_type, id, e);
	if (rc == 0 && p->held)
		return -1; /* the inventory promised it */
	return rc;
}

static int put_index(struct put *p, const struct manifest *m, int64_t id, struct err *e)
{
	struct store *s = p->store;
	struct err first = ERR_INIT;
	size_t whole = 0;

	if (fault("image.index", e) < 0 || add_manifest(s, m, id, true, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		int64_t child = 0;
		int rc = put_child(p, &m->items[i], &child, e);

		if (rc < 0 || META(s, edge_add, id, child, EDGE_CHILD, e) < 0)
			return -1;
		whole += (size_t)rc;
		if (rc == 0 && first.code == ERR_OK)
			first = *e;
	}
	if (m->count && !whole) {
		*e = first;
		return 0;
	}
	return META(s, link_add, p->repo, id, e) < 0 ? -1 : 1;
}

static int put_bytes(
	struct put *p, const struct digest *d, const char *media_type, int64_t id, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	int rc;

	if (blob_read(p->store, d, MANIFEST_MAX, &bytes, e) < 0 ||
		manifest_parse(&m, digest_text(d, text), media_type, buf_span(&bytes), e) < 0)
		return -1;
	if (++p->depth > DEPTH_MAX)
		rc = err_set(e, ERR_INPUT, "%s: indexes more than %d deep", text, DEPTH_MAX);
	else
		rc = m.kind == MEDIA_INDEX ? put_index(p, &m, id, e) : put_image(p, &m, id, e);
	p->depth--;
	if (rc <= 0)
		err_ctx(e, "manifest %s", digest_text(d, text));
	return rc;
}

/* An image that has its row already is whole (S3): only its links may be new. An index may have
 * got more children since. */
static int put_any(
	struct put *p, const struct digest *d, const char *media_type, int64_t *id, struct err *e)
{
	struct store *s = p->store;
	struct blob_row row;
	int rc = META(s, blob_get, d, &row, e);

	if (rc < 0)
		return -1;
	if (rc == 0 || !row.live)
		return missing("manifest", d, e);
	*id = row.id;
	if (row.whole && media_type && media_kind_of(media_type) == MEDIA_IMAGE &&
		strcmp(media_type, row.media_type) == 0)
		return META(s, link_image, p->repo, row.id, e) < 0 ? -1 : 1;
	return put_bytes(p, d, media_type, row.id, e);
}

int image_put_tx(struct store *s, int64_t repo, const struct digest *d, const char *media_type,
	const struct inventory *held, int64_t *id, struct err *e)
{
	struct put p = { .store = s, .repo = repo, .held = held };

	return put_any(&p, d, media_type, id, e);
}

/* --- pushed ones ----------------------------------------------------------------------------- */

struct push {
	struct store *store;
	const char *repo;
	int64_t manifest;
	enum put_check check;
	bool whole; /* so far, all that must be there is */
};

/* One thing that a pushed manifest names. What is not linked to the repository is as good as absent,
 * so nothing is said about it that the repository does not hold. */
static int push_edge(struct push *p, const struct descriptor *d, enum edge_role role, struct err *e)
{
	struct store *s = p->store;
	struct blob_row row;
	uint64_t size;
	int linked = META(s, repo_blob, p->repo, &d->digest, &size, e);

	if (linked < 0 || META(s, blob_want, &d->digest, d->size, &row, e) < 0)
		return -1;
	if (linked > 0 && p->check != PUT_AS_IT_IS && same_size(d, &row, e) < 0)
		return -1;
	if (!linked && p->check == PUT_STRICT && role != EDGE_FOREIGN) {
		missing(role == EDGE_CHILD    ? "manifest"
			: role == EDGE_CONFIG ? "config"
					      : "layer",
			&d->digest, e);
		return -1;
	}
	if (!linked && (role == EDGE_CONFIG || role == EDGE_LAYER))
		p->whole = false;
	return META(s, edge_add, p->manifest, row.id, role, e);
}

static int push_edges(struct push *p, const struct manifest *m, struct err *e)
{
	if (m->has_config && push_edge(p, &m->config, EDGE_CONFIG, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		const struct descriptor *d = &m->items[i];
		bool foreign = d->has_urls || media_is_foreign(d->media_type);
		enum edge_role role = m->kind == MEDIA_INDEX ? EDGE_CHILD
				      : foreign              ? EDGE_FOREIGN
							     : EDGE_LAYER;

		if (push_edge(p, d, role, e) < 0)
			return -1;
	}
	return 0;
}

int manifest_put_tx(struct store *s, const char *repo, int64_t repo_id, const struct manifest *m,
	const struct blob_row *row, const struct digest *d, enum put_check check, struct err *e)
{
	struct push p = {
		.store = s, .repo = repo, .manifest = row->id, .check = check, .whole = true
	};
	uint64_t size;
	int linked = META(s, repo_blob, repo, d, &size, e);

	if (linked < 0)
		return -1;
	/* Whole may have been said of another repository, so strict looks again. */
	if (linked > 0 && row->whole && check != PUT_STRICT &&
		strcmp(row->media_type, m->media_type) == 0)
		return 0;
	/* The row comes first, as edges refer to it; whole only when all were seen. */
	if (fault("push.manifest", e) < 0 || add_manifest(s, m, row->id, false, e) < 0 ||
		push_edges(&p, m, e) < 0)
		return -1;
	if (p.whole && add_manifest(s, m, row->id, true, e) < 0)
		return -1;
	return fault("push.link", e) < 0 ? -1 : META(s, link_add, repo_id, row->id, e);
}

/* By its rows as a push makes them, so nothing is linked that was not. */
static int restore(struct store *s, const char *repo, int64_t repo_id, const struct digest *d,
	enum links links, int64_t *id, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	char text[DIGEST_TEXT_SIZE];
	struct blob_row row;
	int rc = blob_read(s, d, MANIFEST_MAX, &bytes, e);

	if (rc == 0)
		(void)missing("manifest", d, e);
	if (rc <= 0)
		return -1;
	if (manifest_parse(&m, digest_text(d, text), NULL, buf_span(&bytes), e) < 0 ||
		META(s, blob_get, d, &row, e) < 0 ||
		manifest_put_tx(s, repo, repo_id, &m, &row, d, PUT_AS_IT_IS, e) < 0)
		return -1;
	*id = row.id;
	if (links == LINKS_ALONE)
		return 0;
	/* Its edges are known now; once they are linked it may be whole. */
	if (META(s, link_needed, repo_id, row.id, e) < 0)
		return -1;
	return manifest_put_tx(s, repo, repo_id, &m, &row, d, PUT_AS_IT_IS, e);
}

static int image_restore_pushed(struct store *s, const char *repo, const char *tag,
	const struct digest *d, enum links links, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	int64_t repo_id = 0, id = 0;

	if (repo_check(repo, e) < 0 || tx_begin(s, &tx, e) < 0 ||
		META(s, repo_make, repo, &repo_id, e) < 0 ||
		restore(s, repo, repo_id, d, links, &id, e) < 0 ||
		(tag && META(s, tag_put, repo_id, tag, id, e) < 0))
		return err_ctx(e, "%s%s%s", repo, tag ? ":" : "", tag ? tag : "");
	return tx_commit(&tx, e);
}

/* A push may say of what it names what is not so (no manifest, another type or size): nobody noticed
 * then, and it must not keep the store from opening now. */
int image_restore(struct store *s, const char *repo, const char *tag, const struct digest *d,
	const char *media_type, enum links links, struct err *e)
{
	if (links != LINKS_ALL)
		return image_restore_pushed(s, repo, tag, d, links, e);
	if (image_put(s, repo, tag, d, media_type, e) == 0)
		return 0;
	if (e->code != ERR_INPUT)
		return -1;
	return image_restore_pushed(s, repo, tag, d, LINKS_NEEDED, e);
}

int image_put(struct store *s, const char *repo, const char *tag, const struct digest *d,
	const char *media_type, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	int64_t repo_id = 0, id = 0;

	if (repo_check(repo, e) < 0 || (tag && ref_check_tag(span_of(tag), e) < 0) ||
		tx_begin(s, &tx, e) < 0 || META(s, repo_make, repo, &repo_id, e) < 0)
		return -1;
	if (image_put_tx(s, repo_id, d, media_type, NULL, &id, e) <= 0 ||
		(tag && META(s, tag_put, repo_id, tag, id, e) < 0))
		return err_ctx(e, "%s%s%s", repo, tag ? ":" : "", tag ? tag : "");
	s->names_changed = true;
	return tx_commit(&tx, e);
}
