/*
 * The sink of `moat import`. Must never make a set visible before all of it is durable, or write a
 * byte before signatures, version and space have been checked.
 */
#include "mirror-tool/media/import.h"

#include <stdlib.h>
#include <time.h>

#include "mirror-tool/media/signatures.h"
#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/banned.h"

#define RESUME_MIN (8u << 20) /* bytes: smaller blobs are copied again after a stop */
#define SPACE_MARGIN (8u << 20) /* bytes: the database and directories grow too */

/* The signatures that the set will have here. */
struct holding {
	struct set_signature items[VOLUME_SIGNATURES_MAX];
	size_t count;
};

struct import {
	struct store *store;
	const struct medium *medium; /* once all of it is here */
	struct set_offer offer;
	struct holding held; /* of the offer */
	const struct import_terms *terms;
	const struct import_events *events;
	struct set_changes told; /* compared before the first byte */
	struct signers signers; /* of the set of the medium, as judged last */
	bool said;
	bool dry; /* nothing is written: trust the records of the store */
	struct blob_batch *batch;
	struct blob_writer *writer; /* of the current blob, or of a cut blob between its parts */
	struct chunk chunk; /* the current one, of the writer */
	uint64_t skip; /* bytes of it that the stage has already */
	bool between; /* between two parts of a blob */
	bool again; /* a blob has to be read again from its beginning */
};

static void import_release(struct import *im)
{
	set_changes_release(&im->told);
	blob_abort(&im->writer);
	batch_free(&im->batch);
}

/* --- may it come in? ------------------------------------------------------------------------- */

static int newest_time(void *ctx, const struct set_info *info, struct err *e)
{
	int64_t *newest = ctx;

	(void)e;
	if (info->accepted > *newest)
		*newest = info->accepted;
	return 0;
}

/* Take the later of clock and the time of the last accepted set: clocks inside are often wrong. */
static int time_floor(struct store *s, int64_t *now, struct err *e)
{
	*now = clock_now();
	return list_sets(s, newest_time, now, e);
}

/* Report changes, unless the same have been reported. */
static void tell(void *ctx, const struct set_changes *c)
{
	const struct import *im = ctx;

	if (im->events->changes && (!im->said || !set_changes_eq(&im->told, c)))
		im->events->changes(im->events->ctx, c);
}

static void make_offer(struct import *im, const struct medium *m, struct set_offer *out)
{
	*out = (struct set_offer){ .digest = &m->head.digest,
		.activate = im->terms->activate,
		.older = im->terms->older,
		.take = im->terms->take,
		.take_count = im->terms->take_count,
		.tell = tell,
		.ctx = im };
}

/* Compare before anything is copied; accepting compares again. */
static int compare(struct import *im, const struct medium *m, struct err *e)
{
	struct set_offer offer;

	set_changes_release(&im->told);
	make_offer(im, m, &offer);
	if (set_compare(im->store, &m->head.set, &offer, &im->told, e) < 0)
		return -1;
	return signers_check(im->store, m, &im->told.newest, &im->signers, e);
}

/* --- what is needed? ------------------------------------------------------------------------- */

static void add(uint64_t *count, uint64_t *bytes, uint64_t size)
{
	++*count;
	*bytes += size;
}

/* Is the line on no volume? Blobs of the head are on each. */
static bool is_left_out(const struct medium *m, size_t line)
{
	return !medium_find_line(m, line) &&
	       !head_find(&m->head, &m->head.inventory.lines[line].digest);
}

static int count_once(struct import *im, struct medium *m, struct import_report *r, struct err *e)
{
	const struct inventory *v = &m->head.inventory;

	for (size_t i = 0; i < v->count; i++) {
		uint64_t size = 0;
		int rc =
			(im->dry ? blob_stat : blob_held)(im->store, &v->lines[i].digest, &size, e);

		if (rc < 0)
			return -1;
		m->arrived[i] |= rc > 0;
		if (rc == 0 && is_left_out(m, i))
			add(&r->lacking_blobs, &r->lacking_bytes, v->lines[i].size);
		else if (rc == 0)
			add(&r->blobs, &r->bytes, v->lines[i].size);
		else
			add(&r->held_blobs, &r->held_bytes, v->lines[i].size);
	}
	return 0;
}

/* Read all bytes when the set seems complete already, or when anything was bad: it is imported
 * again because something is wrong. */
static int count_needed(struct import *im, struct medium *m, struct import_report *r, struct err *e)
{
	size_t bad = store_found_bad(im->store), size = m->head.inventory.count * sizeof(bool);
	AUTO(mem_free) bool *arrived = mem_alloc(size);
	struct import_report again = *r;

	memcpy(arrived, m->arrived, size);
	if (count_once(im, m, r, e) < 0)
		return -1;
	if (im->dry || (r->blobs && store_found_bad(im->store) == bad))
		return 0;
	store_suspect(im->store);
	*r = again;
	memcpy(m->arrived, arrived, size);
	return count_once(im, m, r, e);
}

/* Find a set that the medium builds on and the store does not hold: 1, 0, -1. */
static int find_absent_base(
	struct import *im, const struct medium *m, const struct base_set **out, struct err *e)
{
	for (size_t x = 0; x < m->export_count; x++) {
		const struct base *b = &m->exports[x].base;

		for (size_t i = 0; i < b->count; i++) {
			char text[DIGEST_TEXT_SIZE];
			struct set_info info;
			int rc = set_find(
				im->store, digest_text(&b->sets[i].digest, text), &info, e);

			*out = &b->sets[i];
			if (rc <= 0)
				return rc < 0 ? -1 : 1;
		}
	}
	return 0;
}

/* Refuse a delta when neither it nor the store has all that it needs: before a byte is written. */
static int check_lacking(
	struct import *im, const struct medium *m, const struct import_report *r, struct err *e)
{
	AUTO(buf_release) struct buf what = BUF_INIT;
	const struct base_set *base = NULL;
	const struct set *s = &m->head.set;
	int rc;

	if (r->lacking_blobs == 0)
		return 0;
	rc = find_absent_base(im, m, &base, e);
	if (rc < 0)
		return -1;
	medium_say_base(m, &what);
	err_set(e, ERR_INCOMPLETE,
		"set %s %s is %s: %llu blob%s (%llu bytes) of it %s neither on this medium nor in "
		"this store",
		s->name, s->version, what.data, (unsigned long long)r->lacking_blobs,
		r->lacking_blobs == 1 ? "" : "s", (unsigned long long)r->lacking_bytes,
		r->lacking_blobs == 1 ? "is" : "are");
	AUTO(mem_free) char *fact = mem_strdup(e->text);
	if (rc > 0)
		return err_set(e, ERR_INCOMPLETE,
			"%s, which does not hold %s %s; import that first, or export all; nothing "
			"was "
			"written",
			fact, base->name, base->version);
	return err_set(e, ERR_INCOMPLETE,
		"%s; `moat need --medium` writes what to ask for; nothing was written", fact);
}

static int check_space(struct import *im, uint64_t bytes, struct err *e)
{
	uint64_t available, need = bytes + SPACE_MARGIN;

	if (store_free_bytes(im->store, &available, e) < 0)
		return -1;
	if (bytes == 0 || available >= need)
		return 0;
	return err_set(e, ERR_FULL,
		"the store: %llu bytes are needed and %llu are free; nothing was written, %llu "
		"bytes are missing",
		(unsigned long long)need, (unsigned long long)available,
		(unsigned long long)(need - available));
}

static bool is_signature(const struct head *h, const struct digest *d)
{
	for (size_t i = 0; i < h->signature_count; i++)
		if (digest_eq(&h->signatures[i].digest, d))
			return true;
	return false;
}

/* Write the set and the inventory, which every volume has. Signatures follow when it is known which
 * to record. */
static int put_head(struct import *im, const struct medium *m, struct err *e)
{
	for (size_t i = 0; i < m->head.count; i++) {
		const struct head_blob *b = &m->head.blobs[i];
		struct digest got;

		if (!is_signature(&m->head, &b->digest) &&
			blob_put(im->store, im->batch, buf_span(&b->bytes), &got, e) < 0)
			return -1;
	}
	return 0;
}

static void say_signers(struct import *im)
{
	if (im->events->signers)
		im->events->signers(im->events->ctx, &im->signers);
}

static void say(struct import *im, const struct import_report *r)
{
	if (im->events->begin)
		im->events->begin(im->events->ctx, r);
	say_signers(im);
	tell(im, &im->told);
	im->said = true;
}

static int prepare(struct import *im, struct medium *m, struct err *e)
{
	struct import_report r = { .head = &m->head, .volumes = m->volumes };

	if (medium_check_excuses(m, e) < 0 || compare(im, m, e) < 0 ||
		count_needed(im, m, &r, e) < 0 || check_lacking(im, m, &r, e) < 0 ||
		check_space(im, r.bytes, e) < 0)
		return -1;
	say(im, &r);
	return 0;
}

static int begin(void *ctx, struct medium *m, struct err *e)
{
	struct import *im = ctx;

	return prepare(im, m, e) < 0 ? -1 : put_head(im, m, e);
}

/* --- blobs ----------------------------------------------------------------------------------- */

/* Does this part continue the open writer? */
static bool goes_on(const struct import *im, const struct chunk *p)
{
	return im->writer && p->at && p->line == im->chunk.line &&
	       p->at == im->chunk.at + im->chunk.len;
}

static int chunk(void *ctx, const struct chunk *p, struct err *e)
{
	struct import *im = ctx;
	bool on = goes_on(im, p);
	unsigned flags = p->size >= RESUME_MIN || p->len < p->size ? BLOB_RESUME : 0;
	uint64_t staged;
	int rc;

	if (!on) {
		blob_abort(&im->writer);
		rc = blob_begin(im->store, &p->digest, p->size, flags, &im->writer, e);
		if (rc != 0)
			return rc < 0 ? -1 : CHUNK_HELD;
	}
	im->chunk = *p;
	im->between = false;
	staged = blob_offset(im->writer);
	if (staged < p->at) {
		blob_abort(&im->writer);
		return CHUNK_EARLY;
	}
	im->skip = staged - p->at < p->len ? staged - p->at : p->len;
	return CHUNK_TAKE;
}

static int bytes(void *ctx, struct span data, struct err *e)
{
	struct import *im = ctx;
	size_t known = im->skip < data.len ? (size_t)im->skip : data.len;

	im->skip -= known;
	if (im->events->moved)
		im->events->moved(im->events->ctx, data.len);
	if (data.len > known)
		blob_write(im->writer, data.data + known, data.len - known);
	if (blob_failed(im->writer)) /* the commit fails with the reason */
		return blob_commit(&im->writer, im->batch, NULL, e);
	return 0;
}

static int end(void *ctx, struct err *e)
{
	struct import *im = ctx;

	im->between = im->chunk.at + im->chunk.len < im->chunk.size;
	if (im->between)
		return 0;
	if (fault("import.blob", e) < 0)
		return -1;
	if (blob_commit(&im->writer, im->batch, NULL, e) == 0)
		return 1;
	im->again = im->writer != NULL;
	return -1;
}

static const struct volume_sink import_sink = { chunk, bytes, end };

/* --- the end --------------------------------------------------------------------------------- */

static int volume(void *ctx, struct medium *m, const char *name, uint32_t number, struct err *e)
{
	struct import *im = ctx;

	if (fault("import.volume", e) < 0 || batch_flush(im->batch, e) < 0)
		return -1;
	if (im->events->volume)
		im->events->volume(im->events->ctx, name, number, m->volumes);
	return 0;
}

/* Join manifests under one tag: an older moat that sealed with two keys wrote two. */
static int hold(struct import *im, struct holding *h, struct set_signature *sig, struct err *e)
{
	size_t i = 0;

	while (i < h->count && (!*sig->tag || strcmp(h->items[i].tag, sig->tag) != 0))
		i++;
	if (i < h->count && signature_merge(im->store, im->batch, &h->items[i], sig, e) < 0)
		return -1;
	h->items[i] = *sig;
	h->count += i == h->count;
	return 0;
}

/* Is it recorded already, or joined with one that is? */
static bool has_place(
	const struct set_signature *have, size_t count, const struct set_signature *sig)
{
	for (size_t i = 0; i < count; i++)
		if (*sig->tag ? strcmp(have[i].tag, sig->tag) == 0
			      : digest_eq(&have[i].digest, &sig->digest))
			return true;
	return false;
}

/* Add a signature, joined with those that the set has here. */
static int join_signature(struct import *im, const struct medium *m, struct set_signature *sig,
	const struct buf *manifest, struct err *e)
{
	if (blob_put(im->store, im->batch, buf_span(manifest), &sig->digest, e) < 0 ||
		signature_join(im->store, im->batch, &m->head.digest, sig, buf_span(manifest), e) <
			0)
		return -1;
	return hold(im, &im->held, sig, e);
}

/* Refuse a set when no signature would be recorded: it could not be exported, and any trusted key
 * could sign its next version. A courier can cause that: a manifest without a config is not
 * rewritten with fewer layers. */
static int check_kept(const struct medium *m, size_t kept, struct err *e)
{
	const struct set *s = &m->head.set;

	if (kept)
		return 0;
	return err_set(e, ERR_UNTRUSTED,
		"set %s %s: none of its signatures can be kept: they stand beside some that do not "
		"count, in manifests without a config",
		s->name, s->version);
}

/* Add the signatures whose signers count. Leave out more than a medium can have: one signature can
 * be written in many ways, and the set could never be exported. */
static int join_signatures(struct import *im, const struct medium *m, struct err *e)
{
	AUTO(mem_free) struct set_signature *have = NULL;
	const struct head *h = &m->head;
	size_t have_count = 0, total;

	im->held.count = 0;
	if (set_signatures(im->store, &h->digest, &have, &have_count, e) < 0)
		return -1;
	total = have_count;
	for (size_t i = 0; i < h->signature_count; i++) {
		AUTO(buf_release) struct buf manifest = BUF_INIT;
		struct set_signature sig = h->signatures[i];
		int rc = signers_keep(&im->signers, m, i, &manifest, e);
		bool fresh;

		if (rc < 0)
			return -1;
		fresh = !has_place(have, have_count, &sig);
		if (rc == 0 || (fresh && total >= VOLUME_SIGNATURES_MAX))
			continue;
		total += fresh;
		if (join_signature(im, m, &sig, &manifest, e) < 0)
			return -1;
	}
	return check_kept(m, total, e) < 0 ? -1 : batch_flush(im->batch, e);
}

/* Compare again each time: other processes may have accepted sets and signatures meanwhile. */
static int judge(void *ctx, const struct set_changes *c, struct err *e)
{
	struct import *im = ctx;
	struct signers before = im->signers;

	if (signers_check(im->store, im->medium, &c->newest, &im->signers, e) < 0 ||
		join_signatures(im, im->medium, e) < 0 || fault("import.accept", e) < 0)
		return -1;
	if (!signers_eq(&before, &im->signers))
		say_signers(im);
	im->offer.signatures = im->held.items;
	im->offer.signature_count = im->held.count;
	return 0;
}

static int accept_set(struct import *im, const struct medium *m, struct err *e)
{
	if (im->events->accept && im->events->accept(im->events->ctx, m, e) < 0)
		return -1;
	im->medium = m;
	make_offer(im, m, &im->offer);
	im->offer.judge = judge;
	return set_accept(im->store, &im->offer, NULL, e);
}

static int read_all(struct import *im, struct medium *m, struct err *e)
{
	static const struct medium_events events = { begin, volume, NULL };

	*m = (struct medium){ .trust = im->terms->trust,
		.allow_expired = im->terms->expired,
		.documents = im->store,
		.sink = &import_sink,
		.ctx = im };
	if (time_floor(im->store, &m->now, e) < 0)
		return -1;
	if (medium_read(m, im->terms->paths, im->terms->path_count, &events, e) == 0)
		return 0;
	if (im->between && e->code == ERR_CORRUPT)
		blob_discard(&im->writer); /* the stored part may be the damaged one */
	return -1;
}

int import_medium(struct store *s, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e)
{
	AUTO(import_release)
	struct import im = { .store = s, .terms = terms, .events = events, .batch = batch_new(s) };
	int rc = read_all(&im, m, e);

	/* Begin the volume again: bytes come in order only. */
	if (rc < 0 && im.again && strcmp(terms->paths[0], "-") != 0) {
		medium_release(m);
		err_clear(e);
		rc = read_all(&im, m, e);
	}
	if (rc < 0 ||
		medium_check_complete(m, "; what came is kept, nothing was made visible", e) < 0 ||
		batch_flush(im.batch, e) < 0)
		return -1;
	return accept_set(&im, m, e);
}

int import_preview(struct store *s, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e)
{
	AUTO(import_release)
	struct import im = { .store = s, .terms = terms, .events = events, .dry = true };

	*m = (struct medium){
		.trust = terms->trust, .allow_expired = terms->expired, .documents = s
	};
	if (time_floor(s, &m->now, e) < 0 ||
		medium_read_head(m, terms->paths, terms->path_count, e) < 0)
		return -1;
	return prepare(&im, m, e);
}
