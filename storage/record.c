/* Rows of many images, asked for and written at once. Must never decide what is put: image.c and set.c do. */
#define MOAT_STORE_PART
#include "storage/record.h"
#include "storage/store_private.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void known_done(void *item)
{
	free(((struct known *)item)->media_type);
}

void record_init(struct record *r, struct store *s, int64_t repo)
{
	*r = (struct record){ .store = s, .repo = repo, .known = { .done = known_done } };
}

static void drop_manifests(struct record *r, size_t from)
{
	for (size_t i = from; i < r->n.manifests; i++) {
		free(r->manifests[i].media_type);
		free(r->manifests[i].artifact_type);
		free(r->manifests[i].was_type);
	}
	r->n.manifests = from;
}

void record_release(struct record *r)
{
	drop_manifests(r, 0);
	free(r->unasked);
	free(r->fresh);
	free(r->manifests);
	free(r->edges);
	free(r->links);
	free(r->tags);
	free(r->pins);
	digest_map_release(&r->known);
}

/* --- asking --------------------------------------------------------------------------------- */

struct known *record_know(struct record *r, const struct digest *d, uint64_t size)
{
	size_t before = r->known.count;
	struct known *k = digest_map_add(&r->known, d, sizeof(*k));

	if (r->known.count != before) {
		k->size = size;
		*VEC_PUSH(r->unasked, r->unasked_count) = k;
	}
	return k;
}

void record_know_edges(struct record *r, const struct manifest *m)
{
	for (size_t i = 0; i < graph_edges(m); i++) {
		struct edge edge = graph_edge(m, i);

		(void)record_know(r, &edge.to->digest, edge.to->size);
	}
}

static void take_row(void *ctx, size_t at, const struct blob_row *row, bool linked)
{
	struct record *r = ctx;
	struct known *k = r->unasked[at];

	k->id = row->id;
	k->size = row->size;
	k->live = row->live;
	k->linked = linked;
	k->whole = row->whole;
	k->media_type = *row->media_type ? mem_strdup(row->media_type) : NULL;
}

int record_ask(struct record *r, struct err *e)
{
	AUTO(rowset_release) struct rowset digests = ROWSET_INIT(1);

	if (!r->unasked_count)
		return 0;
	for (size_t i = 0; i < r->unasked_count; i++)
		rowset_digest(&digests, &r->unasked[i]->digest);
	if (meta_blobs_get(r->store->db, &digests, r->repo, take_row, r, e) < 0)
		return -1;
	free(STEAL(r->unasked));
	r->unasked_count = 0;
	return 0;
}

struct known *record_ask_one(struct record *r, const struct digest *d, uint64_t size, struct err *e)
{
	struct known *k = record_know(r, d, size);

	return record_ask(r, e) < 0 ? NULL : k;
}

int record_held(struct record *r, struct known *k, struct err *e)
{
	const struct blob_row row = { .size = k->size, .live = k->live };
	int rc;

	if (k->held == HELD_UNKNOWN) {
		rc = row_held(r->store, &k->digest, &row, e);
		if (rc < 0)
			return -1;
		k->held = rc > 0 ? HELD_YES : HELD_NOT;
	}
	return k->held == HELD_YES;
}

int record_lost(struct record *r, struct known *k, struct err *e)
{
	k->live = false;
	k->held = HELD_NOT;
	return meta_blob_lost(r->store->db, &k->digest, e);
}

/* --- gathering ------------------------------------------------------------------------------ */

static void use(struct record *r, struct known *k)
{
	if (!k->id && !k->used)
		*VEC_PUSH(r->fresh, r->n.fresh) = k;
	k->used = true;
}

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

/* Each once: a statement must not change a row twice. */
void record_manifest(struct record *r, struct known *k, const char *media_type,
	const char *artifact_type, struct known *subject, bool whole)
{
	struct record_manifest *m;

	if (k->manifest) {
		m = &r->manifests[k->manifest - 1];
		m->whole = m->whole || whole;
	} else {
		m = VEC_PUSH(r->manifests, r->n.manifests);
		k->manifest = r->n.manifests;
		*m = (struct record_manifest){ .of = k,
			.subject = subject,
			.media_type = mem_strdup(media_type),
			.artifact_type = mem_strdup(artifact_type),
			.whole = whole,
			.was_whole = k->whole };
		m->was_type = STEAL(k->media_type);
		if (m->was_type && strcmp(m->was_type, media_type) == 0)
			m->whole = m->whole || k->whole;
		k->media_type = copy(*media_type ? media_type : NULL);
		use(r, k);
		if (subject)
			use(r, subject);
	}
	k->whole = m->whole;
}

void record_edge(struct record *r, struct known *manifest, struct known *to, enum edge_role role)
{
	*VEC_PUSH(r->edges, r->n.edges) = (struct record_edge){ manifest, to, role };
	use(r, manifest);
	use(r, to);
}

void record_link(struct record *r, int64_t repo, struct known *to, enum record_link what)
{
	*VEC_PUSH(r->links, r->n.links) =
		(struct record_row){ .repo = repo, .link = what, .to = to };
	use(r, to);
}

void record_tag(struct record *r, int64_t repo, const char *tag, struct known *to)
{
	*VEC_PUSH(r->tags, r->n.tags) = (struct record_row){ .repo = repo, .tag = tag, .to = to };
	use(r, to);
}

void record_pin(struct record *r, int64_t repo, const char *tag, struct known *to)
{
	*VEC_PUSH(r->pins, r->n.pins) = (struct record_row){ .repo = repo, .tag = tag, .to = to };
	use(r, to);
}

void record_undo(struct record *r, const struct record_mark *mark)
{
	for (size_t i = r->n.manifests; i > mark->manifests; i--) {
		struct record_manifest *m = &r->manifests[i - 1];

		free(m->of->media_type);
		m->of->media_type = STEAL(m->was_type);
		m->of->whole = m->was_whole;
		m->of->manifest = 0;
	}
	drop_manifests(r, mark->manifests);
	for (size_t i = mark->fresh; i < r->n.fresh; i++)
		r->fresh[i]->used = false;
	r->n = *mark;
}

/* --- writing -------------------------------------------------------------------------------- */

static void take_id(void *ctx, const struct digest *d, int64_t id)
{
	const struct record *r = ctx;

	((struct known *)digest_map_find(&r->known, d))->id = id;
}

int record_flush_blobs(struct record *r, struct err *e)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(2);

	for (size_t i = 0; i < r->n.fresh; i++) {
		rowset_digest(&rows, &r->fresh[i]->digest);
		rowset_int(&rows, (int64_t)r->fresh[i]->size);
	}
	if (r->n.fresh && meta_blobs_want(r->store->db, &rows, take_id, r, e) < 0)
		return -1;
	r->n.fresh = 0;
	return 0;
}

static int flush_manifests(struct record *r, struct err *e)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(5);

	for (size_t i = 0; i < r->n.manifests; i++) {
		const struct record_manifest *m = &r->manifests[i];

		rowset_int(&rows, m->of->id);
		rowset_text(&rows, m->media_type);
		rowset_text(&rows, m->artifact_type);
		if (m->subject)
			rowset_int(&rows, m->subject->id);
		else
			rowset_null(&rows);
		rowset_int(&rows, m->whole);
	}
	return meta_manifests_add(r->store->db, &rows, e);
}

static int flush_edges(struct record *r, struct err *e)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(3);

	for (size_t i = 0; i < r->n.edges; i++) {
		rowset_int(&rows, r->edges[i].manifest->id);
		rowset_int(&rows, r->edges[i].to->id);
		rowset_int(&rows, r->edges[i].role);
	}
	return meta_edges_add(r->store->db, &rows, e);
}

static int flush_links(struct record *r, struct err *e)
{
	AUTO(rowset_release) struct rowset blobs = ROWSET_INIT(2);
	AUTO(rowset_release) struct rowset images = ROWSET_INIT(2);

	for (size_t i = 0; i < r->n.links; i++) {
		const struct record_row *l = &r->links[i];

		rowset_int(&blobs, l->repo);
		rowset_int(&blobs, l->to->id);
		if (l->link == RECORD_IMAGE) {
			rowset_int(&images, l->repo);
			rowset_int(&images, l->to->id);
		}
	}
	return meta_links_add(r->store->db, &blobs, &images, e);
}

static void add_names(struct rowset *rows, const struct record_row *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		rowset_int(rows, names[i].repo);
		rowset_text(rows, names[i].tag);
		rowset_int(rows, names[i].to->id);
	}
}

static int flush_names(struct record *r, int64_t set, struct err *e)
{
	AUTO(rowset_release) struct rowset tags = ROWSET_INIT(3);
	AUTO(rowset_release) struct rowset pins = ROWSET_INIT(3);

	add_names(&tags, r->tags, r->n.tags);
	add_names(&pins, r->pins, r->n.pins);
	if (meta_tags_put(r->store->db, &tags, e) < 0)
		return -1;
	return meta_pins_add(r->store->db, set, &pins, e);
}

int record_flush(struct record *r, int64_t set, struct err *e)
{
	if (record_flush_blobs(r, e) < 0 || flush_manifests(r, e) < 0 || flush_edges(r, e) < 0 ||
		flush_links(r, e) < 0 || flush_names(r, set, e) < 0)
		return -1;
	for (size_t i = 0; i < r->n.manifests; i++)
		r->manifests[i].of->manifest = 0;
	drop_manifests(r, 0);
	r->n = (struct record_mark){ .fresh = 0 };
	return 0;
}
