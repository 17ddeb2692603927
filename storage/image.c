/*
 * Images: manifests and what they need, put into a repository (S3). A manifest row is only made when
 * config and layers are live; a child of an index that is not whole stays absent. Must never write a
 * manifest's bytes.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/oci/digest_map.h"
#include "storage/walk.h"
#include "storage/base/banned.h"

/* A blob that the image reaches. */
struct put_row {
	struct digest digest;
	int64_t id;
	bool live;
	bool put; /* a manifest that has its rows and links, or a blob that an index lists */
};

struct put {
	struct store *store;
	int64_t repo;
	const struct inventory *held; /* NULL: what is live counts */
	struct digest_map rows; /* struct put_row */
	struct err missing; /* the first thing that was */
	bool again; /* after a rebuild: it was whole once, so what is missing is named, and misses nothing */
};

static void put_release(struct put *p)
{
	digest_map_release(&p->rows);
}

/* A fact that makes the image incomplete: 0, with e for whoever takes it as a failure. */
static int missing(const char *what, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_set(e, ERR_INCOMPLETE, "%s %s is not held", what, digest_text(d, text));
	return 0;
}

/* The same within `in`. What the inventory lists must be whole; else only the first is noted. */
static int put_misses(struct put *p, const char *what, const struct digest *d,
	const struct digest *in, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	missing(what, d, e);
	if (in)
		err_ctx(e, "manifest %s", digest_text(in, text));
	if (p->missing.code == ERR_OK)
		p->missing = *e;
	return p->held ? -1 : 0;
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

/* --- rows ----------------------------------------------------------------------------------- */

static int add_manifest(
	struct store *s, const struct manifest *m, int64_t id, bool whole, struct err *e)
{
	struct blob_row subject = { .id = 0 };

	if (m->has_subject &&
		meta_blob_want(s->db, &m->subject.digest, m->subject.size, &subject, e) < 0)
		return -1;
	return meta_manifest_add(
		s->db, id, m->media_type, manifest_artifact_type(m), subject.id, whole, e);
}

/* The row of a descriptor, made when there is none. NULL: failed. */
static struct put_row *row_of(
	struct put *p, const struct descriptor *d, struct blob_row *blob, struct err *e)
{
	struct store *s = p->store;
	struct put_row *row;
	int held;

	if (meta_blob_want(s->db, &d->digest, d->size, blob, e) < 0)
		return NULL;
	held = row_held(s, &d->digest, blob, e);
	if (held < 0)
		return NULL;
	blob->live = held > 0;
	row = digest_map_add(&p->rows, &d->digest, sizeof(*row));
	row->id = blob->id;
	row->live = blob->live;
	return row;
}

/* Of a manifest without bytes: its name, type and place. */
static int name_manifest(
	struct store *s, int64_t repo, const struct descriptor *d, int64_t *id, struct err *e)
{
	struct blob_row row;

	if (meta_blob_want(s->db, &d->digest, d->size, &row, e) < 0)
		return -1;
	*id = row.id;
	if (!*row.media_type && meta_manifest_add(s->db, row.id, d->media_type ? d->media_type : "",
					"", 0, false, e) < 0)
		return -1;
	return meta_link_add(s->db, repo, row.id, e);
}

/* --- the walk -------------------------------------------------------------------------------- */

static int put_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct put *p = ctx;
	struct store *s = p->store;

	return p->again ? blob_read_or_lose(s, d, MANIFEST_MAX, out, e)
			: blob_read(s, d, MANIFEST_MAX, out, e);
}

static int put_gone(void *ctx, const struct walk_node *n, struct err *e)
{
	struct put *p = ctx;
	struct put_row *row = digest_map_find(&p->rows, &n->edge.to->digest);

	if (!p->again) {
		missing("manifest", &n->edge.to->digest, e);
		return -1;
	}
	row->live = false;
	row->put = true;
	return name_manifest(p->store, p->repo, n->edge.to, &row->id, e);
}

/* Whoever fetched the image checked the children that were wanted: this one was not, and is here as
 * something else. */
static int put_untrue(void *ctx, const struct walk_node *n, struct err *e)
{
	struct put *p = ctx;

	(void)n;
	if (p->missing.code == ERR_OK)
		p->missing = *e;
	return 0;
}

/* What the inventory leaves out stays absent even when it happens to be live (P4). */
static bool put_wanted(void *ctx, const struct walk_node *n)
{
	const struct put *p = ctx;

	return !n->parent || n->edge.role != EDGE_CHILD || !p->held ||
	       inventory_find(p->held, &n->edge.to->digest) != NULL;
}

/* An image of a set that has its row already is whole (S3), and all that the inventory names was looked
 * at: only its links may be new. An index may have got more children since. */
static bool is_whole(const struct walk_node *n, const struct blob_row *row)
{
	const char *type = n->edge.to->media_type;

	return n->edge.role == EDGE_CHILD && row->whole && type &&
	       media_kind_of(type) == MEDIA_IMAGE && strcmp(type, row->media_type) == 0;
}

/* Of another size than was said: is it the file that is bad, or was something else said? The row ends to
 * be live when it is. */
static int drop_if_bad(
	struct put *p, const struct descriptor *d, struct blob_row *row, struct err *e)
{
	struct store *s = p->store;
	struct finding f;

	if (file_examine(s, &d->digest, NULL, BLOB_CHECK_BYTES, NULL, &f, e) < 0)
		return -1;
	if (f.fault == BLOB_GOOD)
		return 0;
	row->live = false;
	return meta_blob_lost(s->db, &d->digest, e);
}

static int put_held(void *ctx, const struct walk_node *n, struct err *e)
{
	struct put *p = ctx;
	struct store *s = p->store;
	struct blob_row blob;
	struct put_row *row = row_of(p, n->edge.to, &blob, e);

	if (!row || (p->again && blob.live && blob.size != n->edge.to->size &&
			    drop_if_bad(p, n->edge.to, &blob, e) < 0))
		return -1;
	row->live = blob.live;
	if (blob.live && same_size(n->edge.to, &blob, e) < 0)
		return -1;
	if (!blob.live && edge_is_manifest(&n->edge) && p->again)
		return put_gone(p, n, e);
	if (!blob.live && n->edge.role == EDGE_CHILD && !p->again)
		return put_misses(p, "manifest", &n->edge.to->digest, NULL, e);
	if (!blob.live || !p->held || !is_whole(n, &blob))
		return blob.live;
	row->put = true;
	return meta_link_image(s->db, p->repo, row->id, e);
}

static int put_edge(struct put *p, int64_t id, const struct edge *edge, bool *put, struct err *e)
{
	struct put_row *row = digest_map_find(&p->rows, &edge->to->digest);
	struct store *s = p->store;
	struct blob_row blob;

	if (!row)
		row = row_of(p, edge->to, &blob, e); /* a child that is not wanted */
	*put = row && row->put;
	return row ? meta_edge_add(s->db, id, row->id, edge->role, e) : -1;
}

/* Is the manifest in the set only as somebody's blob? Then what it needs was not put into the inventory. */
static bool is_by_chance(const struct put *p, const struct walk_node *n, const struct digest *need)
{
	return n->parent && p->held && !inventory_find(p->held, need);
}

/* Does it have all that must be there? 1, 0, -1. */
static int has_needs(
	struct put *p, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);
		const struct put_row *row = digest_map_find(&p->rows, &edge.to->digest);

		if (edge.role != EDGE_CONFIG && edge.role != EDGE_LAYER)
			continue;
		if (is_by_chance(p, n, &edge.to->digest))
			return 0;
		if (!row->live && !p->again)
			return put_misses(
				p, edge_name(edge.role), &edge.to->digest, &n->edge.to->digest, e);
	}
	return 1;
}

static int put_image(struct put *p, const struct walk_node *n, struct put_row *row,
	const struct manifest *m, struct err *e)
{
	struct store *s = p->store;
	int rc = has_needs(p, n, m, e);

	if (rc <= 0)
		return rc;
	if (fault("image.manifest", e) < 0 || add_manifest(s, m, row->id, true, e) < 0)
		return -1;
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);
		bool put;

		if (edge.role != EDGE_SUBJECT && put_edge(p, row->id, &edge, &put, e) < 0)
			return -1;
	}
	row->put = true;
	return meta_link_image(s->db, p->repo, row->id, e);
}

/* A blob by itself in an index. */
static int put_plain(struct put *p, const struct edge *edge, struct err *e)
{
	struct put_row *row = digest_map_find(&p->rows, &edge->to->digest);
	struct store *s = p->store;

	if (!row || (!row->live && !p->again) || edge_is_manifest(edge))
		return 0;
	row->put = true;
	return meta_link_add(s->db, p->repo, row->id, e);
}

static int put_index(struct put *p, struct put_row *row, const struct manifest *m, struct err *e)
{
	struct store *s = p->store;
	size_t whole = 0;

	if (fault("image.index", e) < 0 || add_manifest(s, m, row->id, true, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		struct edge edge = { EDGE_CHILD, &m->items[i] };
		bool put = false;

		if (put_plain(p, &edge, e) < 0 || put_edge(p, row->id, &edge, &put, e) < 0)
			return -1;
		whole += put;
	}
	/* An inventory may leave out all that an index within an index lists. */
	if (m->count && !whole && !p->held)
		return put_misses(p, "manifest", &m->items[0].digest, NULL, e);
	row->put = true;
	return meta_link_add(s->db, p->repo, row->id, e);
}

static int put_leave(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct put *p = ctx;
	struct put_row *row = digest_map_find(&p->rows, &n->edge.to->digest);

	return m->kind == MEDIA_INDEX ? put_index(p, row, m, e) : put_image(p, n, row, m, e);
}

/* 1 put, 0 something that it needs is missing, and e says what; -1. */
static int put_root(struct put *p, const struct descriptor *root, int64_t *id, struct err *e)
{
	static const struct walk_ops ops = { .read = put_read,
		.wanted = put_wanted,
		.held = put_held,
		.missing = put_gone,
		.untrue = put_untrue,
		.leave = put_leave };
	const struct put_row *row;

	if (walk(&ops, p, root, e) < 0)
		return -1;
	row = digest_map_find(&p->rows, &root->digest);
	*id = row->id;
	if (!row->put)
		*e = p->missing;
	return row->put;
}

int image_put_tx(struct store *s, int64_t repo, const struct digest *d, const char *media_type,
	const struct inventory *held, int64_t *id, struct err *e)
{
	AUTO(put_release) struct put p = { .store = s, .repo = repo, .held = held };
	struct descriptor root = { .digest = *d, .media_type = media_type };
	struct blob_row blob;
	int rc = meta_blob_get(s->db, d, &blob, e);

	if (rc > 0)
		rc = row_held(s, d, &blob, e);
	if (rc <= 0)
		return rc < 0 ? -1 : missing("manifest", d, e);
	root.size = blob.size;
	return put_root(&p, &root, id, e);
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
	int linked = repo_has_blob(s, p->repo, &d->digest, &size, e);

	if (linked < 0 || meta_blob_want(s->db, &d->digest, d->size, &row, e) < 0)
		return -1;
	if (linked > 0)
		linked = row_held(s, &d->digest, &row, e);
	if (linked < 0)
		return -1;
	if (linked > 0 && p->check != PUT_AS_IT_IS && same_size(d, &row, e) < 0)
		return -1;
	if (!linked && p->check == PUT_STRICT && role != EDGE_FOREIGN) {
		missing(role == EDGE_CHILD ? "manifest" : edge_name(role), &d->digest, e);
		return -1;
	}
	if (!linked && (role == EDGE_CONFIG || role == EDGE_LAYER))
		p->whole = false;
	return meta_edge_add(s->db, p->manifest, row.id, role, e);
}

static int push_edges(struct push *p, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		if (edge.role != EDGE_SUBJECT && push_edge(p, edge.to, edge.role, e) < 0)
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
	int linked = repo_has_blob(s, repo, d, &size, e);

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
	return fault("push.link", e) < 0 ? -1 : meta_link_add(s->db, repo_id, row->id, e);
}

/* --- after a rebuild ------------------------------------------------------------------------- */

static int remake_root(struct put *p, const struct descriptor *d, int64_t *id, struct err *e)
{
	struct store *s = p->store;
	struct descriptor root = { .digest = d->digest, .media_type = d->media_type };
	struct blob_row blob;

	if (meta_blob_want(s->db, &d->digest, d->size, &blob, e) < 0)
		return -1;
	if (!blob.live)
		return name_manifest(s, p->repo, d, id, e) < 0 ? -1 : 1;
	root.size = blob.size;
	return put_root(p, &root, id, e);
}

/* As a part of the transaction: 1 put, 0 it is not what it was said to be and nothing was changed, -1. */
static int remake_whole(struct store *s, int64_t repo, const struct descriptor *d,
	const struct inventory *held, int64_t *id, struct err *e)
{
	AUTO(put_release)
	struct put p = { .store = s, .repo = repo, .held = held, .again = true };
	struct err why = ERR_INIT;

	if (db_savepoint(s->db, e) < 0)
		return -1;
	if (remake_root(&p, d, id, &why) > 0)
		return db_savepoint_release(s->db, e) < 0 ? -1 : 1;
	if (db_savepoint_undo(s->db, e) < 0)
		return -1;
	*e = why;
	return why.code == ERR_INPUT || why.code == ERR_INCOMPLETE ? 0 : -1;
}

/* A pushed manifest's bytes, if they are here, good and a manifest: 1, 0, -1. */
static int read_left(struct store *s, const struct descriptor *d, struct manifest *m,
	struct buf *bytes, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = blob_read_or_lose(s, &d->digest, MANIFEST_MAX, bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(m, digest_text(&d->digest, text), NULL, buf_span(bytes), e) == 0)
		return 1;
	return e->code == ERR_INPUT ? 0 : -1;
}

int image_remake_tx(struct store *s, int64_t repo, const struct descriptor *d,
	const struct inventory *held, int64_t *id, struct err *e)
{
	int rc = remake_whole(s, repo, d, held, id, e);

	if (rc == 0)
		return name_manifest(s, repo, d, id, e);
	return rc < 0 ? -1 : 0;
}

/* By its rows as a push makes them, so nothing is linked that was not. */
static int remake_pushed(struct store *s, const char *repo, int64_t repo_id,
	const struct descriptor *d, enum links links, int64_t *id, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct blob_row row;
	int rc = read_left(s, d, &m, &bytes, e);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return name_manifest(s, repo_id, d, id, e);
	if (meta_blob_get(s->db, &d->digest, &row, e) < 0 ||
		manifest_put_tx(s, repo, repo_id, &m, &row, &d->digest, PUT_AS_IT_IS, e) < 0)
		return -1;
	*id = row.id;
	if (links == LINKS_ALONE)
		return 0;
	/* Its edges are known now; once they are linked it may be whole. */
	if (meta_link_needed(s->db, repo_id, row.id, e) < 0)
		return -1;
	return manifest_put_tx(s, repo, repo_id, &m, &row, &d->digest, PUT_AS_IT_IS, e);
}

/* A push may say of what it names what is not so (no manifest, another type or size): no check
 * was made then, and it must not keep the store from opening now. */
static int remake(struct store *s, const char *repo, int64_t repo_id, const struct descriptor *d,
	enum links links, int64_t *id, struct err *e)
{
	int rc = links == LINKS_ALL ? remake_whole(s, repo_id, d, NULL, id, e) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return remake_pushed(s, repo, repo_id, d, links == LINKS_ALL ? LINKS_NEEDED : links, id, e);
}

int image_restore(struct store *s, const char *repo, const char *tag, const struct descriptor *d,
	enum links links, struct err *e)
{
	int64_t repo_id = 0, id = 0;

	if (repo_check(repo, e) < 0 || meta_repo_make(s->db, repo, &repo_id, e) < 0 ||
		remake(s, repo, repo_id, d, links, &id, e) < 0 ||
		(tag && meta_tag_put(s->db, repo_id, tag, id, e) < 0))
		return err_ctx(e, "%s%s%s", repo, tag ? ":" : "", tag ? tag : "");
	return 0;
}

int image_put(struct store *s, const char *repo, const char *tag, const struct digest *d,
	const char *media_type, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	int64_t repo_id = 0, id = 0;

	if (repo_check(repo, e) < 0 || (tag && ref_check_tag(span_of(tag), e) < 0) ||
		tx_begin(s, &tx, e) < 0 || meta_repo_make(s->db, repo, &repo_id, e) < 0)
		return -1;
	if (image_put_tx(s, repo_id, d, media_type, NULL, &id, e) <= 0 ||
		(tag && meta_tag_put(s->db, repo_id, tag, id, e) < 0))
		return err_ctx(e, "%s%s%s", repo, tag ? ":" : "", tag ? tag : "");
	s->index_dirty = true;
	return tx_commit(&tx, e);
}
