/*
 * Images: manifests and what they need, put into a repository (S3). A manifest row is only made when
 * config and layers are live; a child of an index that is not whole stays absent. Must never write a
 * manifest's bytes.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "storage/base/fault.h"
#include "storage/walk.h"
#include "storage/base/banned.h"

struct put {
	struct record *record;
	int64_t repo;
	const struct inventory *held; /* NULL: what is live counts */
	unsigned root; /* its number, in known.put and known.seen */
	struct err missing; /* the first thing that was */
	bool again; /* after a rebuild: it was whole once, so what is missing is named, and misses nothing */
};

/* Say what makes the image incomplete: 0, with e for a caller that takes it as a failure. */
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

static int same_size(const struct descriptor *d, const struct known *k, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	if (k->size == d->size)
		return 0;
	/* Not how many it has: a client that pushes need not be allowed to read. */
	return err_set(e, ERR_INPUT, "says that %s has %llu bytes, which is not so",
		digest_text(&d->digest, text), (unsigned long long)d->size);
}

/* --- rows ----------------------------------------------------------------------------------- */

/* A manifest with all that it names; what of it is linked is the caller's to say. */
static void record_image(struct record *r, struct known *k, const struct manifest *m, bool whole)
{
	const char *artifact = manifest_artifact_type(m);
	struct known *subject = NULL;

	if (m->has_subject)
		subject = record_know(r, &m->subject.digest, m->subject.size);
	record_manifest(r, k, m->media_type, artifact ? artifact : "", subject, whole);
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		if (edge.role != EDGE_SUBJECT)
			record_edge(
				r, k, record_know(r, &edge.to->digest, edge.to->size), edge.role);
	}
}

/* Of a manifest without bytes: its name, type and place. */
static void record_name(struct record *r, int64_t repo, struct known *k, const char *media_type)
{
	if (!k->media_type)
		record_manifest(r, k, media_type ? media_type : "", "", NULL, false);
	record_link(r, repo, k, RECORD_SELF);
}

/* Its bytes, when it is held: 1, 0, -1. lose: what proves to be lost is recorded so, and 0. */
static int read_known(struct record *r, struct known *k, bool lose, struct buf *out, struct err *e)
{
	int rc = k->live ? blob_read_held(r->store, &k->digest, k->size, MANIFEST_MAX, out, e) : 0;

	return rc < 0 && lose && err_is_loss(e->code) ? record_lost(r, k, e) : rc;
}

/* --- the walk -------------------------------------------------------------------------------- */

static int put_read(void *ctx, const struct digest *d, struct buf *out, struct err *e)
{
	const struct put *p = ctx;

	return read_known(p->record, digest_map_find(&p->record->known, d), p->again, out, e);
}

static int put_gone(void *ctx, const struct walk_node *n, struct err *e)
{
	struct put *p = ctx;
	struct known *k = digest_map_find(&p->record->known, &n->edge.to->digest);

	if (!p->again) {
		missing("manifest", &n->edge.to->digest, e);
		return -1;
	}
	k->put = p->root;
	record_name(p->record, p->repo, k, n->edge.to->media_type);
	return 0;
}

/* What it names is asked for at once. */
static int put_enter(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct put *p = ctx;

	(void)n;
	record_know_edges(p->record, m);
	return record_ask(p->record, e);
}

/* The fetch of the image checked the children that were wanted: this one was not, and is here as
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
static bool is_whole(const struct walk_node *n, const struct known *k)
{
	const char *type = n->edge.to->media_type;

	return n->edge.role == EDGE_CHILD && k->whole && type && k->media_type &&
	       media_kind_of(type) == MEDIA_IMAGE && strcmp(type, k->media_type) == 0;
}

/* Of another size than was said: is it the file that is bad, or was something else said? The row ends to
 * be live when it is. */
static int drop_if_bad(struct put *p, struct known *k, struct err *e)
{
	struct finding f;

	if (file_examine(p->record->store, &k->digest, NULL, BLOB_CHECK_BYTES, NULL, &f, e) < 0)
		return -1;
	return f.fault == BLOB_GOOD ? 0 : record_lost(p->record, k, e);
}

/* 1, 0, -1. */
static int find_held(struct put *p, const struct descriptor *d, struct known *k, struct err *e)
{
	int rc = record_held(p->record, k, e);

	if (rc > 0 && p->again && k->size != d->size) {
		if (drop_if_bad(p, k, e) < 0)
			return -1;
		rc = record_held(p->record, k, e);
	}
	return rc > 0 && same_size(d, k, e) < 0 ? -1 : rc;
}

static int put_held(void *ctx, const struct walk_node *n, struct err *e)
{
	struct put *p = ctx;
	struct known *k = digest_map_find(&p->record->known, &n->edge.to->digest);
	int rc = find_held(p, n->edge.to, k, e);

	if (rc < 0)
		return -1;
	k->seen = p->root;
	if (rc == 0 && edge_is_manifest(&n->edge) && p->again)
		return put_gone(p, n, e);
	if (rc == 0 && n->edge.role == EDGE_CHILD && !p->again)
		return put_misses(p, "manifest", &n->edge.to->digest, NULL, e);
	if (rc == 0 || !p->held || !is_whole(n, k))
		return rc;
	k->put = p->root;
	record_link(p->record, p->repo, k, RECORD_IMAGE);
	return 0;
}

/* Is the manifest in the set only as a blob of another image? Then what it needs was not put into the inventory. */
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
		struct known *k = digest_map_find(&p->record->known, &edge.to->digest);

		if (edge.role != EDGE_CONFIG && edge.role != EDGE_LAYER)
			continue;
		if (is_by_chance(p, n, &edge.to->digest))
			return 0;
		if (k->held != HELD_YES && !p->again)
			return put_misses(
				p, edge_name(edge.role), &edge.to->digest, &n->edge.to->digest, e);
	}
	return 1;
}

static int put_image(struct put *p, const struct walk_node *n, struct known *k,
	const struct manifest *m, struct err *e)
{
	int rc = has_needs(p, n, m, e);

	if (rc <= 0)
		return rc;
	if (fault("image.manifest", e) < 0)
		return -1;
	record_image(p->record, k, m, true);
	record_link(p->record, p->repo, k, RECORD_IMAGE);
	k->put = p->root;
	return 0;
}

/* A blob by itself in an index. */
static void put_plain(struct put *p, const struct edge *edge, struct known *k)
{
	if (k->seen != p->root || (k->held != HELD_YES && !p->again) || edge_is_manifest(edge))
		return;
	k->put = p->root;
	record_link(p->record, p->repo, k, RECORD_SELF);
}

static int put_index(struct put *p, struct known *k, const struct manifest *m, struct err *e)
{
	size_t whole = 0;

	if (fault("image.index", e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		struct edge edge = { EDGE_CHILD, &m->items[i] };
		struct known *child = digest_map_find(&p->record->known, &edge.to->digest);

		put_plain(p, &edge, child);
		whole += child->put == p->root;
	}
	/* An inventory may leave out all that an index within an index lists. */
	if (m->count && !whole && !p->held)
		return put_misses(p, "manifest", &m->items[0].digest, NULL, e);
	record_image(p->record, k, m, true);
	record_link(p->record, p->repo, k, RECORD_SELF);
	k->put = p->root;
	return 0;
}

static int put_leave(void *ctx, const struct walk_node *n, const struct manifest *m, struct err *e)
{
	struct put *p = ctx;
	struct known *k = digest_map_find(&p->record->known, &n->edge.to->digest);

	return m->kind == MEDIA_INDEX ? put_index(p, k, m, e) : put_image(p, n, k, m, e);
}

/* 1 put, 0 something that it needs is missing, and e says what; -1. */
static int put_root(struct put *p, const struct descriptor *root, struct err *e)
{
	static const struct walk_ops ops = { .read = put_read,
		.wanted = put_wanted,
		.held = put_held,
		.missing = put_gone,
		.untrue = put_untrue,
		.enter = put_enter,
		.leave = put_leave };
	const struct known *k;

	if (walk(&ops, p, root, e) < 0)
		return -1;
	k = digest_map_find(&p->record->known, &root->digest);
	if (k->put == p->root)
		return 1;
	*e = p->missing;
	return 0;
}

int image_put_tx(struct record *r, int64_t repo, const struct digest *d, const char *media_type,
	const struct inventory *held, struct known **out, struct err *e)
{
	struct put p = { .record = r, .repo = repo, .held = held, .root = ++r->roots };
	struct descriptor root = { .digest = *d, .media_type = media_type };
	struct known *k = record_ask_one(r, d, 0, e);
	int rc = k ? record_held(r, k, e) : -1;

	if (rc <= 0)
		return rc < 0 ? -1 : missing("manifest", d, e);
	root.size = k->size;
	*out = k;
	return put_root(&p, &root, e);
}

/* --- pushed ones ----------------------------------------------------------------------------- */

/* One thing that a pushed manifest names. What is not linked to the repository is as good as absent,
 * so nothing is said about it that the repository does not hold. *whole: false when it must be there. */
static int check_pushed(
	struct record *r, const struct edge *edge, enum put_check check, bool *whole, struct err *e)
{
	struct known *k = digest_map_find(&r->known, &edge->to->digest);
	int linked = k->linked ? record_held(r, k, e) : 0;

	if (linked < 0 || (linked > 0 && check != PUT_AS_IT_IS && same_size(edge->to, k, e) < 0))
		return -1;
	if (!linked && check == PUT_STRICT && edge->role != EDGE_FOREIGN) {
		missing(edge->role == EDGE_CHILD ? "manifest" : edge_name(edge->role),
			&edge->to->digest, e);
		return -1;
	}
	if (!linked && (edge->role == EDGE_CONFIG || edge->role == EDGE_LAYER))
		*whole = false;
	return 0;
}

static int check_all_pushed(struct record *r, const struct manifest *m, enum put_check check,
	bool *whole, struct err *e)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		if (edge.role != EDGE_SUBJECT && check_pushed(r, &edge, check, whole, e) < 0)
			return -1;
	}
	return 0;
}

int manifest_put_tx(struct record *r, const struct manifest *m, const struct digest *d,
	enum put_check check, struct known **out, struct err *e)
{
	struct known *k = record_know(r, d, 0);
	bool whole = true;

	record_know_edges(r, m);
	if (record_ask(r, e) < 0)
		return -1;
	*out = k;
	/* Whole may have been said of another repository, so strict looks again. */
	if (k->linked && k->live && k->whole && check != PUT_STRICT && k->media_type &&
		strcmp(k->media_type, m->media_type) == 0)
		return 0;
	if (fault("push.manifest", e) < 0 || check_all_pushed(r, m, check, &whole, e) < 0 ||
		fault("push.link", e) < 0)
		return -1;
	record_image(r, k, m, whole);
	record_link(r, r->repo, k, RECORD_SELF);
	return 0;
}

/* --- after a rebuild ------------------------------------------------------------------------- */

/* 1 put, 0 it is not what it was said to be and nothing was gathered, -1. */
static int remake_whole(struct record *r, int64_t repo, const struct descriptor *d,
	const struct inventory *held, struct known *k, struct err *e)
{
	struct put p = {
		.record = r, .repo = repo, .held = held, .root = ++r->roots, .again = true
	};
	struct descriptor root = {
		.digest = d->digest, .media_type = d->media_type, .size = k->size
	};
	const struct record_mark mark = r->n;

	if (!k->live) {
		record_name(r, repo, k, d->media_type);
		return 1;
	}
	if (put_root(&p, &root, e) > 0)
		return 1;
	record_undo(r, &mark);
	return e->code == ERR_INPUT || e->code == ERR_INCOMPLETE ? 0 : -1;
}

int image_remake_tx(struct record *r, int64_t repo, const struct descriptor *d,
	const struct inventory *held, struct known **out, struct err *e)
{
	struct known *k = record_ask_one(r, &d->digest, d->size, e);
	int rc = k ? remake_whole(r, repo, d, held, k, e) : -1;

	if (rc == 0)
		record_name(r, repo, k, d->media_type);
	*out = k;
	return rc < 0 ? -1 : 0;
}

/* A pushed manifest's bytes, if they are here, good and a manifest: 1, 0, -1. */
static int read_left(
	struct record *r, struct known *k, struct manifest *m, struct buf *bytes, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = read_known(r, k, true, bytes, e);

	if (rc <= 0)
		return rc;
	if (manifest_parse(m, digest_text(&k->digest, text), NULL, buf_span(bytes), e) == 0)
		return 1;
	return e->code == ERR_INPUT ? 0 : -1;
}

/* Its edges are written; once they are linked it may be whole. */
static int link_pushed(struct record *r, const struct manifest *m, int64_t id,
	const struct digest *d, struct err *e)
{
	AUTO(record_release) struct record then = { .store = NULL };
	struct known *k;

	record_init(&then, r->store, r->repo);
	if (meta_link_needed(r->store->db, r->repo, id, e) < 0 ||
		manifest_put_tx(&then, m, d, PUT_AS_IT_IS, &k, e) < 0)
		return -1;
	return record_flush(&then, 0, e);
}

/* By its rows as a push makes them, so nothing is linked that was not. */
static int remake_pushed(struct record *r, const struct descriptor *d, enum links links,
	struct known *k, struct err *e)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	int rc = read_left(r, k, &m, &bytes, e);

	if (rc < 0)
		return -1;
	if (rc == 0) {
		record_name(r, r->repo, k, d->media_type);
		return 0;
	}
	if (manifest_put_tx(r, &m, &d->digest, PUT_AS_IT_IS, &k, e) < 0 ||
		record_flush(r, 0, e) < 0)
		return -1;
	return links == LINKS_ALONE ? 0 : link_pushed(r, &m, k->id, &d->digest, e);
}

/* A pushed manifest's descriptors may be wrong (no manifest, another type or size): they were not checked,
 * and must not keep the store from opening now. */
static int remake(struct record *r, const struct descriptor *d, enum links links, struct known *k,
	struct err *e)
{
	int rc = links == LINKS_ALL ? remake_whole(r, r->repo, d, NULL, k, e) : 0;

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return remake_pushed(r, d, links == LINKS_ALL ? LINKS_NEEDED : links, k, e);
}

static int restore(struct record *r, const char *tag, const struct descriptor *d, enum links links,
	struct err *e)
{
	struct known *k = record_ask_one(r, &d->digest, d->size, e);

	if (!k || remake(r, d, links, k, e) < 0)
		return -1;
	if (tag)
		record_tag(r, r->repo, tag, k);
	return record_flush(r, 0, e);
}

int image_restore(struct store *s, const char *repo, const char *tag, const struct descriptor *d,
	enum links links, struct err *e)
{
	AUTO(record_release) struct record r = { .store = NULL };
	int64_t id = 0;
	int rc = repo_check(repo, e) < 0 ? -1 : meta_repo_make(s->db, repo, &id, e);

	record_init(&r, s, id);
	if (rc < 0 || restore(&r, tag, d, links, e) < 0)
		return err_ctx(e, "%s%s%s", repo, tag ? ":" : "", tag ? tag : "");
	return 0;
}

static int put_item(struct record *r, int64_t repo, const struct image_item *item, struct err *e)
{
	struct known *k = NULL;

	if (image_put_tx(r, repo, item->digest, item->media_type, NULL, &k, e) <= 0)
		return -1;
	if (item->tag)
		record_tag(r, repo, item->tag, k);
	return 0;
}

static int item_err(const struct image_item *item, struct err *e)
{
	return err_ctx(e, "%s%s%s", item->repo, item->tag ? ":" : "", item->tag ? item->tag : "");
}

static int put_items(struct record *r, const struct image_item items[], size_t count, struct err *e)
{
	AUTO(rowset_release) struct rowset names = ROWSET_INIT(1);
	AUTO(mem_free) int64_t *repos = mem_grow(NULL, count, sizeof(*repos));

	for (size_t i = 0; i < count; i++) {
		rowset_text(&names, items[i].repo);
		(void)record_know(r, items[i].digest, 0);
	}
	if (meta_repos_make(r->store->db, &names, repos, e) < 0 || record_ask(r, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (put_item(r, repos[i], &items[i], e) < 0)
			return item_err(&items[i], e);
	return 0;
}

int images_put(struct store *s, const struct image_item items[], size_t count, struct err *e)
{
	AUTO(record_release) struct record r = { .store = NULL };
	AUTO(tx_abort) struct store *tx = NULL;

	for (size_t i = 0; i < count; i++)
		if (repo_check(items[i].repo, e) < 0 ||
			(items[i].tag && ref_check_tag(span_of(items[i].tag), e) < 0))
			return -1;
	if (touched_flush(s, e) < 0 || tx_begin(s, &tx, e) < 0)
		return -1;
	record_init(&r, s, 0);
	if (put_items(&r, items, count, e) < 0)
		return -1;
	if (record_flush(&r, 0, e) < 0)
		return count == 1 ? item_err(&items[0], e) : -1;
	s->index_dirty = true;
	return tx_commit(&tx, e);
}
