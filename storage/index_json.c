/*
 * index.json: the accepted sets with their signatures, the active pins, the tags. It makes the store
 * an OCI layout that others can read, and holds what a rebuild needs (S6). Written after the commit
 * that changed it, as a whole; a writer that died in between is made up for by the next open. Must
 * never hold all of it in memory, nor keep others from writing while it is made.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/fault.h"
#include "storage/index_json.h"
#include "storage/base/banned.h"

#define ITEM_ANNOTATIONS 11
#define PIECE (64u << 10) /* bytes that are gathered before they are handed on */

struct listing {
	struct store *store;
	text_fn *fn;
	void *ctx;
	struct buf out; /* not yet handed on */
	size_t count;
	char last[REF_TEXT_SIZE]; /* the last reference: what comes under the same one is hidden */
};

static void listing_release(struct listing *l)
{
	buf_release(&l->out);
}

static int hand_on(struct listing *l, struct err *e)
{
	int rc = l->fn(l->ctx, buf_span(&l->out), e);

	buf_clear(&l->out);
	return rc;
}

/* A descriptor with few annotations. */
struct item {
	struct descriptor d;
	struct annotation notes[ITEM_ANNOTATIONS];
};

static void note(struct item *item, const char *key, const char *value)
{
	struct annotations *a = &item->d.annotations;

	if (a->count == ITEM_ANNOTATIONS)
		BUG("too many annotations in index.json");
	a->items = item->notes;
	a->items[a->count++] = (struct annotation){ key, value };
}

static int add_removed(void *ctx, const char *name, const char *version, struct err *e)
{
	struct buf *out = ctx;

	(void)e;
	buf_printf(out, "%s%s:%s", out->len ? " " : "", name, version);
	return 0;
}

/* Write what is before the entries. */
static int begin(struct listing *l, struct err *e)
{
	AUTO(buf_release) struct buf removed = BUF_INIT;
	struct index_state state;

	if (meta_index_state(l->store->db, &state, e) < 0 ||
		meta_removed_each(l->store->db, add_removed, &removed, e) < 0)
		return -1;
	buf_printf(&l->out, INDEX_BEGIN INDEX_SERIAL "%" PRIu64, state.changed);
	if (removed.len)
		buf_printf(&l->out, INDEX_REMOVED "%s", removed.data);
	buf_str(&l->out, INDEX_SERIAL_END INDEX_LIST);
	return 0;
}

static int add(struct listing *l, const struct item *item, struct err *e)
{
	buf_str(&l->out, l->count++ ? ",\n" : "\n");
	descriptor_write(&l->out, &item->d);
	return l->out.len < PIECE ? 0 : hand_on(l, e);
}

/* Recorded, also of what is not held any more. */
static int size_of(struct listing *l, const struct digest *d, uint64_t *size, struct err *e)
{
	struct store *s = l->store;
	struct blob_row row;

	if (meta_blob_get(s->db, d, &row, e) < 0)
		return -1;
	*size = row.size;
	return 0;
}

/* --- sets ----------------------------------------------------------------------------------- */

static int list_signatures(struct listing *l, const struct set_info *info, struct err *e)
{
	AUTO(mem_free) struct set_signature *sigs = NULL;
	char subject[DIGEST_TEXT_SIZE];
	size_t count = 0;

	if (set_signatures(l->store, &info->digest, &sigs, &count, e) < 0)
		return -1;
	digest_text(&info->digest, subject);
	for (size_t i = 0; i < count; i++) {
		struct item item = { .d = { .digest = sigs[i].digest,
					     .media_type = sigs[i].media_type } };
		AUTO(mem_free) char *repo = mem_printf("%s/set/%s", SET_HOST, info->name);
		AUTO(mem_free) char *ref = mem_printf("%s:%s", repo, sigs[i].tag);

		if (size_of(l, &sigs[i].digest, &item.d.size, e) < 0)
			return -1;
		note(&item, NOTE_SUBJECT, subject);
		note(&item, sigs[i].tag[0] ? NOTE_REF : NOTE_REPOSITORY,
			sigs[i].tag[0] ? ref : repo);
		if (add(l, &item, e) < 0)
			return -1;
	}
	return 0;
}

struct history {
	struct buf generations, back; /* NOTE_HISTORY, NOTE_BACK */
};

static void history_release(struct history *h)
{
	buf_release(&h->generations);
	buf_release(&h->back);
}

static int add_generation(void *ctx, const struct generation *g, struct err *e)
{
	struct history *h = ctx;
	struct buf *out = &h->generations;

	(void)e;
	buf_printf(out, "%s%" PRId64 ":%" PRIu64 ":%" PRId64, out->len ? " " : "", g->order,
		g->number, g->when);
	if (*g->takes)
		buf_printf(out, ":%s", g->takes);
	buf_printf(&h->back, "%s%" PRIu64 ":%" PRId64, h->back.len ? " " : "", g->number, g->back);
	return 0;
}

static int list_set(void *ctx, const struct set_row *row, struct err *e)
{
	struct listing *l = ctx;
	struct store *s = l->store;
	const struct set_info *info = &row->info;
	struct item item = { .d = { .digest = info->digest,
				     .media_type = MEDIA_OCI_INDEX,
				     .artifact_type = MEDIA_MOAT_SET } };
	AUTO(mem_free) char *ref = mem_printf("%s/set/%s:%s", SET_HOST, info->name, info->version);
	AUTO(history_release) struct history history = { BUF_INIT, BUF_INIT };
	char accepted[24], order[24], generation[24], activation[24];

	if (size_of(l, &info->digest, &item.d.size, e) < 0 ||
		meta_generations(s->db, info->name, row->id, add_generation, &history, e) < 0)
		return -1;
	snprintf(accepted, sizeof(accepted), "%" PRId64, info->accepted);
	snprintf(order, sizeof(order), "%" PRId64, row->id);
	snprintf(generation, sizeof(generation), "%" PRIu64, info->generation);
	snprintf(activation, sizeof(activation), "%" PRId64, row->activation);
	note(&item, NOTE_REF, ref);
	note(&item, NOTE_SET_NAME, info->name);
	note(&item, NOTE_SET_VERSION, info->version);
	note(&item, NOTE_ACCEPTED, accepted);
	note(&item, NOTE_ORDER, order);
	if (history.generations.len) {
		note(&item, NOTE_HISTORY, history.generations.data);
		note(&item, NOTE_BACK, history.back.data);
	}
	if (info->active) {
		note(&item, NOTE_GENERATION, generation);
		note(&item, NOTE_ACTIVATION, activation);
	}
	if (add(l, &item, e) < 0)
		return -1;
	return list_signatures(l, info, e);
}

/* --- pins and tags -------------------------------------------------------------------------- */

static int list_name(void *ctx, const struct name_row *row, struct err *e)
{
	struct listing *l = ctx;
	struct item item = { .d = { .digest = row->info.digest,
				     .size = row->info.size,
				     .media_type = row->info.media_type } };
	AUTO(mem_free) char *ref = mem_printf("%s:%s", row->repo, row->tag);

	if (row->tag[0] && strcmp(ref, l->last) != 0) {
		note(&item, NOTE_REF, ref);
		note(&item, NOTE_CONTAINERD, ref);
	} else {
		note(&item, NOTE_REPOSITORY, row->repo);
	}
	if (!row->pin)
		note(&item, NOTE_TAG, ref);
	if (!row->pin && row->links != LINKS_ALL)
		note(&item, NOTE_SPARSE,
			row->links == LINKS_ALONE ? NOTE_SPARSE_ALONE : NOTE_SPARSE_FOREIGN);
	snprintf(l->last, sizeof(l->last), "%s", ref);
	return add(l, &item, e);
}

/* --- the file ------------------------------------------------------------------------------- */

int index_json_text(struct store *s, text_fn *fn, void *ctx, struct err *e)
{
	AUTO(listing_release)
	struct listing l = { .store = s, .fn = fn, .ctx = ctx, .out = BUF_INIT };

	if (begin(&l, e) < 0 || meta_set_each(s->db, NULL, list_set, &l, e) < 0 ||
		meta_index_names(s->db, list_name, &l, e) < 0)
		return -1;
	buf_str(&l.out, l.count ? "\n]}\n" : "]}\n");
	return hand_on(&l, e);
}

struct index_flush {
	struct store *store;
	struct stage *stage;
	uint64_t at;
	uint64_t state; /* what the stage shows */
};

void index_flush_drop(struct index_flush **list)
{
	struct index_flush *l = STEAL(*list);

	if (!l)
		return;
	stage_close(&l->stage, false);
	free(l);
}

static int write_chunk(void *ctx, struct span chunk, struct err *e)
{
	struct index_flush *l = ctx;

	l->at += chunk.len;
	return stage_write(l->stage, l->at - chunk.len, chunk.data, chunk.len, e);
}

/* 1: index.json shows an earlier state than this one. */
static int is_stale(struct index_flush *l, struct err *e)
{
	struct store *s = l->store;
	struct index_state now;

	if (meta_index_state(s->db, &now, e) < 0)
		return -1;
	l->state = now.changed;
	return now.changed != now.written;
}

/* Write the list of one state while others write. 1 it is in the stage, 0 there is nothing new. */
static int write_stage(struct index_flush *l, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;
	struct store *s = l->store;
	int rc = tx_snapshot(s, &snapshot, e);

	if (rc == 0)
		rc = is_stale(l, e);
	if (rc <= 0)
		return rc;
	if (blobs_index_stage(s->blobs, &l->stage, e) < 0 ||
		index_json_text(s, write_chunk, l, e) < 0)
		return -1;
	tx_abort(&snapshot);
	return stages_sync(s->blobs, &l->stage, 1, e) < 0 ? -1 : 1;
}

int index_flush_begin(struct store *s, struct index_flush **out, struct err *e)
{
	AUTO(index_flush_drop) struct index_flush *l = mem_alloc(sizeof(*l));
	int rc;

	l->store = s;
	/* Ask without a snapshot first: mostly there is nothing to do. */
	rc = is_stale(l, e);
	if (rc > 0 && store_may_write(s, e) < 0)
		rc = -1;
	if (rc > 0)
		rc = write_stage(l, e);
	if (rc < 0)
		return err_ctx(e, "index.json");
	if (rc > 0)
		*out = STEAL(l);
	else
		s->index_dirty = false;
	return rc;
}

/* Put it in place within a transaction, so that of two writers the newer list wins. */
static int put_in_place(struct index_flush *l, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	struct store *s = l->store;
	int rc = tx_begin(s, &tx, e);

	if (rc == 0)
		rc = meta_index_written(s->db, l->state, e);
	if (rc <= 0)
		return rc;
	if (fault("index.write", e) < 0 || stage_put_index(l->stage, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

int index_flush_end(struct index_flush **list, struct err *e)
{
	AUTO(index_flush_drop) struct index_flush *l = STEAL(*list);

	if (put_in_place(l, e) < 0)
		return err_ctx(e, "index.json");
	l->store->index_dirty = false;
	return 0;
}

int index_json_write(struct store *s, struct err *e)
{
	AUTO(index_flush_drop) struct index_flush *l = NULL;
	int rc = index_flush_begin(s, &l, e);

	return rc > 0 ? index_flush_end(&l, e) : rc;
}
