/*
 * Sets: accepting one makes all its images, links and pins in one transaction, which may switch its
 * channel to it, too (S4). Must never decide whether a set may be trusted: that was done above (T1).
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct accept {
	struct store *store;
	const struct set_offer *offer;
	struct set set;
	struct inventory held;
	struct record record; /* of one transaction */
	int64_t repo; /* the set's own */
	struct known *index; /* the set index */
	int64_t id; /* its row, 0 until it is made */
	int64_t when; /* accepted; seconds since the epoch */
	bool again; /* after a rebuild: what is missing is counted, and no reason to fail */
	uint64_t missing, was_missing; /* blobs; by its row */
};

static void accept_release(struct accept *a)
{
	set_release(&a->set);
	inventory_release(&a->held);
	record_release(&a->record);
}

/* --- reading the set ------------------------------------------------------------------------ */

/* A blob that must be there. */
static int read_held(struct accept *a, const struct digest *d, const char *what, size_t limit,
	struct buf *out, struct err *e)
{
	struct store *s = a->store;
	char text[DIGEST_TEXT_SIZE];
	int rc = a->again ? blob_read_or_lose(s, d, limit, out, e) : blob_read(s, d, limit, out, e);

	if (rc == 0)
		return err_set(
			e, ERR_INCOMPLETE, "the %s %s is not held", what, digest_text(d, text));
	return rc < 0 ? -1 : 0;
}

static int read_inventory(struct accept *a, struct err *e)
{
	const struct set_entry *entry = set_role_entry(&a->set, SET_INVENTORY);
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(buf_release) struct buf text = BUF_INIT, lines = BUF_INIT;

	if (read_held(a, &entry->digest, "inventory", MANIFEST_MAX, &text, e) < 0 ||
		manifest_parse(&m, "inventory", entry->media_type, buf_span(&text), e) < 0)
		return -1;
	if (m.kind != MEDIA_IMAGE || m.count != 1)
		return err_set(e, ERR_INPUT, "the inventory must have one layer");
	if (read_held(a, &m.items[0].digest, "inventory's list", INVENTORY_BYTES_MAX, &lines, e) <
		0)
		return -1;
	return inventory_parse(&a->held, "inventory", buf_span(&lines), e);
}

static int read_index(struct accept *a, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE];

	if (read_held(a, a->offer->digest, "set index", SET_BYTES_MAX, &text, e) < 0)
		return -1;
	return set_parse(&a->set, digest_text(a->offer->digest, digest), buf_span(&text), e);
}

static int read_set(struct accept *a, struct err *e)
{
	return read_index(a, e) < 0 ? -1 : read_inventory(a, e);
}

/* --- accepting ------------------------------------------------------------------------------ */

/* Is it live and of that size? 1, 0, -1. */
static int line_held(struct accept *a, const struct inventory_line *line, struct err *e)
{
	struct known *k = record_know(&a->record, &line->digest, line->size);
	char text[DIGEST_TEXT_SIZE];
	int rc = record_held(&a->record, k, e);

	if (rc <= 0 || k->size == line->size)
		return rc;
	if (a->again)
		return record_lost(&a->record, k, e); /* it was of that size once */
	return err_set(e, ERR_CORRUPT, "the inventory says that %s has %llu bytes, it has %llu",
		digest_text(&line->digest, text), (unsigned long long)line->size,
		(unsigned long long)k->size);
}

/* Every line of the inventory is held, also of a set that was accepted before. */
static int complete(struct accept *a, struct err *e)
{
	const struct inventory_line *first = NULL;
	char text[DIGEST_TEXT_SIZE];

	a->missing = 0;
	for (size_t i = 0; i < a->held.count; i++)
		(void)record_know(&a->record, &a->held.lines[i].digest, a->held.lines[i].size);
	if (record_ask(&a->record, e) < 0)
		return -1;
	for (size_t i = 0; i < a->held.count; i++) {
		int rc = line_held(a, &a->held.lines[i], e);

		if (rc < 0)
			return -1;
		if (rc == 0 && !a->missing++)
			first = &a->held.lines[i];
	}
	if (!a->missing || a->again)
		return 0;
	return err_set(e, ERR_INCOMPLETE, "%llu of %zu blobs are not held, the first is %s",
		(unsigned long long)a->missing, a->held.count, digest_text(&first->digest, text));
}

/* 1: this very set is here already, a->id is its row. */
static int known(struct accept *a, struct err *e)
{
	struct store *s = a->store;
	char text[DIGEST_TEXT_SIZE];
	struct set_row row;
	int rc = meta_set_get(s->db, NULL, a->set.name, a->set.version, &row, e);

	if (rc <= 0)
		return rc;
	if (!digest_eq(&row.info.digest, a->offer->digest))
		return err_set(e, ERR_UNTRUSTED, "this version is held with another digest, %s",
			digest_text(&row.info.digest, text));
	a->id = row.id;
	a->was_missing = row.info.missing;
	return 1;
}

static int own_rows(struct accept *a, uint64_t size, struct err *e)
{
	struct store *s = a->store;
	struct ref ref;
	char repo[REF_TEXT_SIZE];

	set_ref(&a->set, &ref);
	if (meta_repo_make(s->db, ref_name(&ref, repo), &a->repo, e) < 0)
		return -1;
	a->index = record_ask_one(&a->record, a->offer->digest, size, e);
	return a->index ? 0 : -1;
}

/* Behind the images, as its row refers to the set index and pins refer to it. */
static int add_set(struct accept *a, struct err *e)
{
	struct store *s = a->store;
	struct set_info info = { .bytes = a->set.bytes,
		.accepted = a->when,
		.missing = a->missing,
		.created = clock_seconds(a->set.created),
		.expires = clock_seconds(a->set.expires) };

	snprintf(info.name, sizeof(info.name), "%s", a->set.name);
	snprintf(info.version, sizeof(info.version), "%s", a->set.version);
	for (size_t i = 0; i < a->set.count; i++)
		info.pins += a->set.entries[i].role == SET_PIN;
	if (a->id)
		return meta_set_update(s->db, a->id, &info, &a->set.previous, e);
	if (fault("set.row", e) < 0)
		return -1;
	record_manifest(&a->record, a->index, MEDIA_OCI_INDEX, MEDIA_MOAT_SET, NULL, true);
	record_link(&a->record, a->repo, a->index, RECORD_SELF);
	record_tag(&a->record, a->repo, a->set.version, a->index);
	if (record_flush_blobs(&a->record, e) < 0)
		return -1;
	return meta_set_add(s->db, a->index->id, &info, &a->set.previous, &a->id, e);
}

static int put_image(struct accept *a, int64_t repo, const struct descriptor *d,
	const struct inventory *held, struct known **out, struct err *e)
{
	struct record *r = &a->record;

	if (a->again)
		return image_remake_tx(r, repo, d, held, out, e);
	return image_put_tx(r, repo, &d->digest, d->media_type, held, out, e) > 0 ? 0 : -1;
}

static int add_entry(struct accept *a, const struct set_entry *entry, int64_t repo, struct err *e)
{
	const struct descriptor d = {
		.digest = entry->digest, .size = entry->size, .media_type = entry->media_type
	};
	struct known *k = NULL;

	if (fault("set.entry", e) < 0 || put_image(a, repo, &d, &a->held, &k, e) < 0)
		return err_ctx(e, "%s%s%s", entry->name, *entry->tag ? ":" : "", entry->tag);
	record_edge(&a->record, a->index, k, EDGE_CHILD);
	if (entry->role == SET_PIN)
		record_pin(&a->record, repo, entry->tag, k);
	return 0;
}

static int add_entries(struct accept *a, struct err *e)
{
	AUTO(rowset_release) struct rowset names = ROWSET_INIT(1);
	AUTO(mem_free) int64_t *repos = mem_grow(NULL, a->set.count + 1, sizeof(*repos));

	for (size_t i = 0; i < a->set.count; i++)
		rowset_text(&names, a->set.entries[i].name);
	if (meta_repos_make(a->store->db, &names, repos, e) < 0)
		return -1;
	for (size_t i = 0; i < a->set.count; i++)
		if (add_entry(a, &a->set.entries[i], repos[i], e) < 0)
			return -1;
	return 0;
}

static int add_signature(
	struct accept *a, const struct set_signature *sig, struct known **out, struct err *e)
{
	const struct descriptor d = { .digest = sig->digest, .media_type = sig->media_type };

	if (put_image(a, a->repo, &d, NULL, out, e) < 0)
		return err_ctx(e, "signature");
	if (sig->tag[0])
		record_tag(&a->record, a->repo, sig->tag, *out);
	return 0;
}

/* all: the set and its images; else only the signatures. */
static int add_all(
	struct accept *a, bool all, const struct set_signature *sigs, size_t count, struct err *e)
{
	AUTO(mem_free) struct known **signatures = mem_grow(NULL, count + 1, sizeof(*signatures));

	if (all && add_entries(a, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (add_signature(a, &sigs[i], &signatures[i], e) < 0)
			return -1;
	if ((all && add_set(a, e) < 0) || record_flush(&a->record, a->id, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (meta_signature_add(a->store->db, a->id, signatures[i]->id, &sigs[i], e) < 0)
			return -1;
	return 0;
}

static int accept_tx(struct accept *a, struct err *e)
{
	const struct set_offer *o = a->offer;
	int rc = known(a, e);

	record_release(&a->record);
	record_init(&a->record, a->store, 0);
	if (rc < 0 || complete(a, e) < 0 || own_rows(a, 0, e) < 0)
		return -1;
	return add_all(a, rc == 0 || a->was_missing, o->signatures, o->signature_count, e);
}

static int write_tx(void *ctx, const struct set_changes *c, struct err *e)
{
	struct accept *a = ctx;

	if (accept_tx(a, e) < 0 ||
		(c->activates && set_forward_tx(a->store, a->set.name, a->id, a->offer, e) < 0))
		return err_ctx(e, "set %s:%s", a->set.name, a->set.version);
	return 0;
}

int set_accept(
	struct store *s, const struct set_offer *offer, struct set_changes *out, struct err *e)
{
	AUTO(accept_release) struct accept a = { .store = s,
		.offer = offer,
		.set = SET_INIT,
		.held = INVENTORY_INIT,
		.when = clock_now() };
	struct set_turn turn = { .set = &a.set, .offer = offer, .write = write_tx, .ctx = &a };
	int rc;

	if (out)
		*out = (struct set_changes)SET_CHANGES_INIT;
	if (touched_flush(s, e) < 0 || read_set(&a, e) < 0)
		return err_ctx(e, "accept a set");
	rc = set_turn(s, &turn, out, e);
	if (rc != 0)
		return rc;
	/* What it brought may be what others lack. */
	return sets_remake(s, e) < 0 ? -1 : index_json_write(s, e);
}

/* --- after a rebuild ------------------------------------------------------------------------- */

/* 1 read, 0 not all of what tells what it holds is here and good, -1. */
static int read_left(struct accept *a, struct err *e)
{
	int rc = read_set(a, e);

	if (rc == 0)
		return 1;
	if (e->code != ERR_INCOMPLETE && e->code != ERR_CORRUPT && e->code != ERR_INPUT)
		return -1;
	accept_release(a);
	a->set = (struct set)SET_INIT;
	a->held = (struct inventory)INVENTORY_INIT;
	return 0;
}

/* Is there one of this digest, or of this name and version? */
static int is_there(struct store *s, const struct accept *a, struct err *e)
{
	struct set_row row;
	int rc = meta_set_get(s->db, a->offer->digest, NULL, NULL, &row, e);

	return rc != 0 ? rc : meta_set_get(s->db, NULL, a->set.name, a->set.version, &row, e);
}

int set_restore(struct store *s, struct set_row *row, uint64_t size,
	const struct set_signature *signatures, size_t count, struct err *e)
{
	struct set_offer offer = { .digest = &row->info.digest };
	AUTO(accept_release) struct accept a = { .store = s,
		.offer = &offer,
		.set = SET_INIT,
		.held = INVENTORY_INIT,
		.when = row->info.accepted,
		.again = true };
	int rc = read_left(&a, e), there;

	if (rc == 0) {
		snprintf(a.set.name, sizeof(a.set.name), "%s", row->info.name);
		snprintf(a.set.version, sizeof(a.set.version), "%s", row->info.version);
		a.missing = 1;
	}
	there = rc < 0 ? -1 : is_there(s, &a, e);
	row->id = 0;
	if (there != 0)
		return there < 0 ? -1 : 0;
	record_init(&a.record, s, 0);
	if ((rc > 0 && complete(&a, e) < 0) || own_rows(&a, size, e) < 0 ||
		add_all(&a, true, signatures, count, e) < 0)
		return -1;
	row->id = a.id;
	return 0;
}

/* Nothing, unless more or less of it is here than was recorded. */
static int remake(struct store *s, const struct set_row *row, struct err *e)
{
	struct set_offer offer = { .digest = &row->info.digest };
	AUTO(accept_release) struct accept a = { .store = s,
		.offer = &offer,
		.set = SET_INIT,
		.held = INVENTORY_INIT,
		.id = row->id,
		.again = true };
	AUTO(tx_abort) struct store *tx = NULL;
	int rc;

	if (tx_begin(s, &tx, e) < 0)
		return -1;
	record_init(&a.record, s, 0);
	rc = read_left(&a, e);
	if (rc < 0 || (rc > 0 && complete(&a, e) < 0))
		return -1;
	if (rc > 0 && (a.missing != row->info.missing || !row->info.pins) &&
		(own_rows(&a, 0, e) < 0 || add_all(&a, true, NULL, 0, e) < 0))
		return -1;
	return tx_commit(&tx, e);
}

/* What a set says of itself, of one that was accepted before that was recorded. What cannot be read now is read by a
 * later writer. It is read before the transaction, which looks for its row again. */
static int learn(struct store *s, const struct set_row *row, struct err *e)
{
	struct set_offer offer = { .digest = &row->info.digest };
	AUTO(accept_release) struct accept a = {
		.store = s, .offer = &offer, .set = SET_INIT, .held = INVENTORY_INIT
	};
	AUTO(tx_abort) struct store *tx = NULL;
	struct err unread = ERR_INIT;
	struct set_row now;
	int rc;

	if (read_index(&a, &unread) < 0)
		return 0;
	if (tx_begin(s, &tx, e) < 0)
		return -1;
	rc = meta_set_get(s->db, &row->info.digest, NULL, NULL, &now, e);
	if (rc <= 0 || !now.unread)
		return rc < 0 ? -1 : 0;
	now.info.created = clock_seconds(a.set.created);
	now.info.expires = clock_seconds(a.set.expires);
	if (meta_set_update(s->db, now.id, &now.info, &a.set.previous, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

struct broken_sets {
	struct set_row *rows;
	size_t count;
};

static void broken_sets_release(struct broken_sets *b)
{
	free(b->rows);
}

static int gather_broken(void *ctx, const struct set_row *row, struct err *e)
{
	struct broken_sets *b = ctx;

	(void)e;
	if (!row->info.missing && !row->unread)
		return 0;
	*VEC_PUSH(b->rows, b->count) = *row;
	return 0;
}

int sets_remake(struct store *s, struct err *e)
{
	AUTO(broken_sets_release) struct broken_sets b = { .count = 0 };

	if (meta_set_each(s->db, NULL, gather_broken, &b, e) < 0)
		return -1;
	for (size_t i = 0; i < b.count; i++)
		if ((b.rows[i].info.missing ? remake : learn)(s, &b.rows[i], e) < 0)
			return err_ctx(e, "set %s:%s", b.rows[i].info.name, b.rows[i].info.version);
	return 0;
}

/* --- finding -------------------------------------------------------------------------------- */

bool set_info_expired(const struct set_info *info, int64_t now)
{
	return info->expires && (now > info->accepted ? now : info->accepted) > info->expires;
}

struct set_caller {
	set_fn *fn;
	void *ctx;
};

static int hand_over(void *ctx, const struct set_row *row, struct err *e)
{
	const struct set_caller *caller = ctx;

	return caller->fn(caller->ctx, &row->info, e);
}

int list_sets(struct store *s, set_fn *fn, void *ctx, struct err *e)
{
	struct set_caller caller = { fn, ctx };

	return meta_set_each(s->db, NULL, hand_over, &caller, e);
}

int list_active_sets(struct store *s, set_fn *fn, void *ctx, struct err *e)
{
	struct set_caller caller = { fn, ctx };

	return meta_set_each_active(s->db, hand_over, &caller, e);
}

/* Is it written like a digest? */
static bool find_digest(const char *which, struct digest *d)
{
	struct err ignored = ERR_INIT;

	return digest_parse(d, span_of(which), &ignored) == 0;
}

int set_find(struct store *s, const char *which, struct set_info *out, struct err *e)
{
	struct span version = span_of(which);
	struct span span = span_until(&version, ':');
	AUTO(mem_free) char *name = mem_strndup(span.data, span.len);
	struct set_row row;
	struct digest d;
	int rc;

	if (find_digest(which, &d))
		rc = meta_set_get(s->db, &d, NULL, NULL, &row, e);
	else
		rc = meta_set_get(s->db, NULL, *which ? name : NULL,
			strchr(which, ':') ? version.data : NULL, &row, e);
	if (rc > 0)
		*out = row.info;
	return rc;
}
