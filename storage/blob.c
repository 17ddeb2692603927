/*
 * Blob writers, batches, and reading blobs. Everything that becomes visible passes publish(), in the
 * order of S2: bytes, name, directory, row. Must never trust a digest that it has not computed.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdlib.h>

#include "storage/base/fault.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define COPY_SIZE (256u << 10)

struct blob_writer {
	struct store *store;
	struct blob_writer *next; /* of the handle's open ones */
	struct stage *stage;
	struct digest expect; /* DIGEST_NONE: the commit tells */
	uint64_t size; /* announced, or BLOB_SIZE_UNKNOWN */
	uint64_t at; /* bytes in the stage */
	unsigned flags;
	struct hasher hash;
	bool patched; /* some bytes are of another attempt */
	bool restarted; /* was given all bytes again */
	bool failed;
	bool lost; /* a sync failed: nothing makes these bytes durable any more */
	struct err err; /* when failed */
	struct digest digest; /* of the bytes, once committed to a batch or sealed */
	bool listed; /* among the handle's open ones */
	bool sealed; /* verified, and its bytes durable */
	struct finding beside; /* once sealed: what lay under its digest then, by its bytes */
	struct {
		uint64_t at;
		struct hasher hash;
		bool set;
	} mark;
};

struct blob_batch {
	struct store *store;
	struct blob_batch *next; /* of the handle's */
	struct blob_writer *items[BATCH_BLOBS_MAX];
	size_t count;
	uint64_t bytes;
};

static unsigned long long ull(uint64_t n)
{
	return n;
}

static int blob_ctx(const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	return d->alg ? err_ctx(e, "blob %s", digest_text(d, text)) : err_ctx(e, "new blob");
}

/* --- reading -------------------------------------------------------------------------------- */

int blob_stat(struct store *s, const struct digest *d, uint64_t *size, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0)
		return rc;
	*size = row.size;
	return row_held(s, d, &row, e);
}

static int open_held(struct store *s, const struct digest *d, uint64_t size, struct blob_reader *r,
	struct err *e)
{
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	int rc = blobs_open(s->blobs, d, &file, e);

	if (rc == 0)
		err_set(e, ERR_CORRUPT, "recorded as held, but its file is missing");
	else if (rc > 0 && file.size != size)
		rc = err_set(e, ERR_CORRUPT, "%llu bytes recorded, its file has %llu", ull(size),
			ull(file.size));
	if (rc <= 0)
		return blob_ctx(d, e);
	*r = STEAL_READER(file);
	return 1;
}

int blob_open(struct store *s, const struct digest *d, struct blob_reader *r, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return open_held(s, d, row.size, r, e);
}

int blob_read_held(struct store *s, const struct digest *d, uint64_t size, size_t limit,
	struct buf *out, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	struct digest got;

	if (open_held(s, d, size, &r, e) < 0)
		return -1;
	if (size > limit) {
		err_set(e, ERR_INPUT, "%llu bytes, more than the limit of %zu", ull(size), limit);
		return blob_ctx(d, e);
	}
	buf_reserve(out, (size_t)size);
	if (reader_read(&r, 0, out->data + out->len, (size_t)size, e) < 0)
		return blob_ctx(d, e);
	digest_of(&got, d->alg, (struct span){ out->data + out->len, (size_t)size });
	if (!digest_eq(&got, d)) {
		err_set(e, ERR_CORRUPT, "its file has other bytes");
		return blob_ctx(d, e);
	}
	out->len += (size_t)size;
	if (out->cap)
		out->data[out->len] = '\0';
	return 1;
}

int blob_read(struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	return blob_read_held(s, d, row.size, limit, out, e);
}

int blob_read_or_lose(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	rc = blob_read_held(s, d, row.size, limit, out, e);
	return rc < 0 && err_is_loss(e->code) ? meta_blob_lost(s->db, d, e) : rc;
}

/* --- publishing ----------------------------------------------------------------------------- */

/* The row of a file whose bytes were read, within a transaction. */
static int record_row(struct store *s, const struct digest *d, uint64_t size, struct err *e)
{
	struct blob_file file;
	int rc = blobs_stat(s->blobs, d, &file, e);

	if (rc == 0)
		err_set(e, ERR_IO, "its file has gone");
	return rc <= 0 ? -1 : meta_blob_proved(s->db, d, size, file.stamp, e);
}

static int record_one(struct store *s, const struct digest *d, uint64_t size, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;

	if (tx_begin(s, &tx, e) < 0 || record_row(s, d, size, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

/* 1: the store has it, if need be by giving an orphan its row. */
static int already_there(struct store *s, const struct digest *d, uint64_t announced,
	enum blob_look how, struct err *e)
{
	uint64_t size = 0;
	int rc = blob_held_by(s, d, how, &size, e);

	if (rc == 0) {
		rc = orphan_held(s, d, &size, e);
		if (rc > 0 && (blobs_sync(s->blobs, d, e) < 0 || record_one(s, d, size, e) < 0))
			return -1;
	}
	if (rc > 0 && announced != BLOB_SIZE_UNKNOWN && announced != size)
		return err_set(e, ERR_CORRUPT, "%llu bytes announced, it has %llu", ull(announced),
			ull(size));
	return rc;
}

/* The name is taken: 1 by a file that may stay, 0 the bad one that was there has gone. One that was read
 * when the writer was sealed need not be read again; else a live blob of that size came meanwhile, by
 * another writer who read it, and an orphan has to prove itself. */
static int taken_by_good(struct store *s, struct blob_writer *w, struct err *e)
{
	uint64_t size = 0;
	struct blob_row row;
	int rc = 0;

	if (w->sealed && w->beside.fault == BLOB_GOOD && w->beside.read)
		return 1;
	if (w->sealed && w->beside.fault != BLOB_GOOD && w->beside.fault != BLOB_MISSING)
		rc = blob_settle(s, &w->beside, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	rc = meta_blob_get(s->db, &w->digest, &row, e);
	if (rc > 0 && row.live && row.size == w->at)
		return 1;
	return rc < 0 ? -1 : orphan_held(s, &w->digest, &size, e);
}

static int link_one(struct store *s, struct blob_writer *w, struct err *e)
{
	int rc;

	if (fault("blob.link", e) < 0)
		return -1;
	rc = stage_publish(w->stage, &w->digest, e);
	if (rc == 0)
		rc = taken_by_good(s, w, e);
	else
		return rc < 0 ? -1 : 0;
	if (rc == 0)
		rc = stage_publish(w->stage, &w->digest, e);
	return rc < 0 ? -1 : 0;
}

int writer_record(struct store *s, const struct blob_writer *w, struct err *e)
{
	if (fault("blob.row", e) < 0 || record_row(s, &w->digest, w->at, e) < 0)
		return blob_ctx(&w->digest, e);
	return 0;
}

static int record(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;

	if (tx_begin(s, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (writer_record(s, items[i], e) < 0)
			return -1;
	return tx_commit(&tx, e);
}

/* Those that were sealed are durable already. */
static int sync_stages(
	struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	struct stage *stages[BATCH_BLOBS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!items[i]->sealed)
			stages[n++] = items[i]->stage;
	return n ? stages_sync(s->blobs, stages, n, e) : 0;
}

/* Does one before it bring the same bytes? Then they have their name. */
static bool is_repeated(struct blob_writer *const items[], size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_eq(&items[k]->digest, &items[i]->digest))
			return true;
	return false;
}

int writers_publish(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	if (fault("blob.sync", e) < 0 || sync_stages(s, items, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!is_repeated(items, i) && link_one(s, items[i], e) < 0)
			return blob_ctx(&items[i]->digest, e);
	if (fault("blob.names", e) < 0)
		return -1;
	return blobs_sync_names(s->blobs, e);
}

/* S2, for one blob or for many: bytes, names, directories, rows. The stages' own names go last. */
static int publish(struct store *s, struct blob_writer *const items[], size_t count, struct err *e)
{
	if (writers_publish(s, items, count, e) < 0 || record(s, items, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (fault("blob.unstage", e) < 0)
			return -1;
		stage_close(&items[i]->stage, false);
	}
	return 0;
}

/* --- writers -------------------------------------------------------------------------------- */

static void writer_free(struct blob_writer **wp, bool keep)
{
	struct blob_writer *w = *wp;
	struct blob_writer **link;

	if (!w)
		return;
	if (w->listed) {
		for (link = &w->store->writers; *link != w; link = &(*link)->next)
			;
		*link = w->next;
	}
	if (w->stage)
		stage_close(&w->stage, keep);
	hasher_release(&w->hash);
	hasher_release(&w->mark.hash);
	free(w);
	*wp = NULL;
}

void blob_abort(struct blob_writer **w)
{
	writer_free(w, *w && (*w)->flags & BLOB_RESUME);
}

void blob_discard(struct blob_writer **w)
{
	writer_free(w, false);
}

static bool written_here(const struct store *s, const struct digest *d, unsigned flags)
{
	for (const struct blob_writer *w = s->writers; w; w = w->next)
		if (digest_eq(&w->expect, d) && w->flags & flags & BLOB_RESUME)
			return true;
	return false;
}

static int flush_all(struct store *s, struct err *e)
{
	for (struct blob_batch *b = s->batches; b; b = b->next)
		if (batch_flush(b, e) < 0)
			return -1;
	return 0;
}

/* Our own batches hold locks too: whoever waits gives them up first. */
static int open_stage(struct blob_writer *w, uint64_t *have, struct err *e)
{
	struct stage_want want = {
		.name = w->flags & BLOB_RESUME ? &w->expect : NULL,
		.size = w->size,
	};

	if (fault("blob.stage", e) < 0)
		return -1;
	if (stage_open(w->store->blobs, &want, &w->stage, have, e) == 0)
		return 0;
	if (e->code != ERR_BUSY || w->flags & BLOB_TRY || flush_all(w->store, e) < 0)
		return -1;
	want.wait_ms = STORE_BUSY_MS;
	return stage_open(w->store->blobs, &want, &w->stage, have, e);
}

static int hash_stage(struct blob_writer *w, uint64_t len, struct err *e)
{
	AUTO(mem_free) char *piece = mem_alloc(COPY_SIZE);

	hasher_init(&w->hash, w->expect.alg);
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < COPY_SIZE ? (size_t)(len - at) : COPY_SIZE;

		if (stage_read(w->stage, at, piece, n, e) < 0)
			return -1;
		hasher_add(&w->hash, piece, n);
		at += n;
	}
	return 0;
}

/* Empty the stage and give the hash a new start. */
static int start_over(struct blob_writer *w, struct err *e)
{
	if (stage_cut(w->stage, 0, e) < 0)
		return -1;
	hasher_init(&w->hash, w->hash.alg);
	w->at = 0;
	w->patched = false;
	return 0;
}

/* Go on from an earlier attempt's bytes; more than were announced cannot be of this blob. */
static int resume(struct blob_writer *w, uint64_t have, struct err *e)
{
	if (have > w->size)
		return start_over(w, e);
	if (have && hash_stage(w, have, e) < 0)
		return -1;
	w->at = have;
	w->patched = have > 0;
	return 0;
}

static int begin(struct blob_writer **wp, struct err *e)
{
	struct blob_writer *w = *wp;
	uint64_t have = 0;
	int rc;

	if (open_stage(w, &have, e) < 0)
		return -1;
	if (w->flags & BLOB_RESUME) {
		/* Whoever held the stage before us may have finished. */
		rc = already_there(w->store, &w->expect, w->size, LOOK_TOUCHED, e);
		if (rc != 0) {
			blob_discard(wp);
			return rc;
		}
	}
	hasher_init(&w->hash, w->expect.alg ? w->expect.alg : DIGEST_SHA256);
	return resume(w, have, e);
}

int blob_begin(struct store *s, const struct digest *expect, uint64_t size, unsigned flags,
	struct blob_writer **out, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc = store_may_write(s, e);

	*out = NULL;
	if (expect && rc == 0)
		rc = already_there(
			s, expect, size, flags & BLOB_CHECK ? LOOK_BYTES : LOOK_TOUCHED, e);
	for (struct blob_batch *b = s->batches; b && expect && rc == 0; b = b->next)
		if (batch_has(b, expect))
			rc = batch_flush(b, e) < 0 ? -1 : 1;
	if (rc == 0 && expect && written_here(s, expect, flags))
		rc = err_set(e, ERR_BUSY, "this handle is writing it already");
	if (rc == 0) {
		w = mem_alloc(sizeof(*w));
		w->store = s;
		w->size = size;
		w->flags = expect ? flags : 0;
		if (expect)
			w->expect = *expect;
		rc = begin(&w, e);
	}
	if (rc != 0)
		return rc < 0 && expect ? blob_ctx(expect, e) : rc;
	w->listed = true;
	w->next = s->writers;
	s->writers = w;
	*out = STEAL(w);
	return 0;
}

/* Touches nothing of the handle but its engine and mode, which do not change. */
int blob_begin_unnamed(
	struct store *s, enum digest_alg alg, struct blob_writer **out, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	uint64_t have = 0;

	*out = NULL;
	if (store_may_write(s, e) < 0)
		return -1;
	w = mem_alloc(sizeof(*w));
	w->store = s;
	w->size = BLOB_SIZE_UNKNOWN;
	if (open_stage(w, &have, e) < 0)
		return err_ctx(e, "new blob");
	hasher_init(&w->hash, alg);
	*out = STEAL(w);
	return 0;
}

uint64_t blob_offset(const struct blob_writer *w)
{
	return w->at;
}

uint64_t blob_resume_at(struct blob_writer *w)
{
	w->patched = w->patched || w->at > 0;
	return w->at;
}

bool blob_failed(const struct blob_writer *w)
{
	return w->failed;
}

int blob_error(const struct blob_writer *w, struct err *e)
{
	if (!w->failed)
		return 0;
	*e = w->err;
	return -1;
}

void blob_mark(struct blob_writer *w)
{
	if (w->failed)
		return; /* where it was good is where to go back to */
	w->mark.at = w->at;
	hasher_copy(&w->mark.hash, &w->hash);
	w->mark.set = true;
}

int blob_rewind(struct blob_writer *w, struct err *e)
{
	if (!w->mark.set)
		BUG("a blob is rewound that was never marked");
	if (w->lost)
		return blob_error(w, e);
	if (stage_cut(w->stage, w->mark.at, e) < 0)
		return -1;
	hasher_copy(&w->hash, &w->mark.hash);
	w->at = w->mark.at;
	w->failed = w->sealed = false;
	return 0;
}

/* May `len` bytes come at `at`? */
static bool room_for(struct blob_writer *w, uint64_t at, size_t len)
{
	if (w->failed)
		return false;
	if (w->size == BLOB_SIZE_UNKNOWN || (at <= w->size && len <= w->size - at))
		return true;
	err_set(&w->err, ERR_CORRUPT, "%llu bytes announced, more arrived", ull(w->size));
	w->failed = true;
	return false;
}

void blob_write(struct blob_writer *w, const void *data, size_t len)
{
	if (!room_for(w, w->at, len))
		return;
	if (stage_write(w->stage, w->at, data, len, &w->err) < 0) {
		w->failed = true;
		return;
	}
	hasher_add(&w->hash, data, len);
	w->at += len;
}

/* Size and digest as announced? The computed digest is in w->digest afterwards. The state is ended as
 * a copy: a client that named the wrong digest may go on. */
static int verify(struct blob_writer *w, struct err *e)
{
	AUTO(hasher_release) struct hasher end = HASHER_INIT;
	char text[DIGEST_TEXT_SIZE];

	if (w->size != BLOB_SIZE_UNKNOWN && w->at != w->size)
		return err_set(e, ERR_CORRUPT, "%llu bytes announced, %llu arrived", ull(w->size),
			ull(w->at));
	hasher_copy(&end, &w->hash);
	hasher_end(&end, &w->digest);
	if (w->expect.alg && !digest_eq(&w->expect, &w->digest))
		return err_set(e, ERR_CORRUPT, "the bytes that arrived are %s",
			digest_text(&w->digest, text));
	return 0;
}

/* The digest of the whole by another algorithm than the one that ran along. */
static int hash_again(struct blob_writer *w, enum digest_alg alg, struct err *e)
{
	w->expect.alg = alg;
	return hash_stage(w, w->at, e);
}

/* A second fsync would succeed, whatever became of the bytes. */
static int sync_sealed(struct blob_writer *w, struct err *e)
{
	if (fault("blob.seal", e) < 0)
		return -1;
	if (stages_sync(w->store->blobs, &w->stage, 1, e) == 0)
		return 0;
	w->failed = w->lost = true;
	w->err = *e;
	return -1;
}

int blob_seal(struct blob_writer *w, const struct digest *expect, struct err *e)
{
	struct digest wanted = *expect;

	if (blob_error(w, e) < 0)
		return -1;
	if (w->hash.alg != wanted.alg && hash_again(w, wanted.alg, e) < 0)
		return -1;
	w->expect = wanted;
	if (verify(w, e) < 0 || sync_sealed(w, e) < 0 ||
		file_examine(w->store, &wanted, &(struct blob_row){ .size = w->at }, LOOK_BYTES,
			NULL, &w->beside, e) < 0)
		return blob_ctx(&wanted, e);
	w->sealed = true;
	return 0;
}

int writer_end(struct blob_writer *w, struct err *e)
{
	return w->sealed ? 0 : verify(w, e);
}

bool writer_holds(const struct blob_writer *w, const struct digest *d)
{
	return w && w->sealed && digest_eq(&w->digest, d);
}

/* May the bytes of another attempt be what is wrong? Once: then all are of one attempt. */
static bool may_start_over(const struct blob_writer *w)
{
	return !w->failed && w->patched && !w->restarted &&
	       (w->at == w->size || w->size == BLOB_SIZE_UNKNOWN);
}

static int batch_take(struct blob_batch *b, struct blob_writer **w, struct err *e)
{
	if (batch_has(b, &(*w)->digest)) {
		blob_discard(w);
		return 0;
	}
	hasher_release(&(*w)->hash);
	b->bytes += (*w)->at;
	b->items[b->count++] = STEAL(*w);
	if (b->count < BATCH_BLOBS_MAX && b->bytes < BATCH_BYTES_MAX)
		return 0;
	return batch_flush(b, e);
}

int blob_commit(
	struct blob_writer **wp, struct blob_batch *batch, struct digest *got, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = STEAL(*wp);
	struct digest expect = w->expect;

	if (blob_error(w, e) < 0 || verify(w, e) < 0) {
		if (may_start_over(w) && start_over(w, e) == 0) {
			w->restarted = true;
			*wp = STEAL(w);
		} else if (e->code == ERR_CORRUPT) {
			blob_discard(&w);
		}
		return blob_ctx(&expect, e);
	}
	if (got)
		*got = w->digest;
	return batch ? batch_take(batch, &w, e) : publish(w->store, &w, 1, e);
}

int blob_put(struct store *s, struct blob_batch *batch, struct span bytes, struct digest *got,
	struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc;

	digest_of(got, DIGEST_SHA256, bytes);
	if (batch && batch_has(batch, got))
		return 0;
	rc = blob_begin(s, got, bytes.len, BLOB_CHECK, &w, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	blob_write(w, bytes.data, bytes.len);
	return blob_commit(&w, batch, NULL, e);
}

/* --- batches -------------------------------------------------------------------------------- */

struct blob_batch *batch_new(struct store *s)
{
	struct blob_batch *b = mem_alloc(sizeof(*b));

	b->store = s;
	b->next = s->batches;
	s->batches = b;
	return b;
}

bool batch_has(const struct blob_batch *b, const struct digest *d)
{
	for (size_t i = 0; i < b->count; i++)
		if (digest_eq(&b->items[i]->digest, d))
			return true;
	return false;
}

static void batch_clear(struct blob_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		blob_abort(&b->items[i]);
	b->count = 0;
	b->bytes = 0;
}

int batch_flush(struct blob_batch *b, struct err *e)
{
	int rc = b->count ? publish(b->store, b->items, b->count, e) : 0;

	batch_clear(b);
	return rc;
}

void batch_free(struct blob_batch **bp)
{
	struct blob_batch **link;

	if (!*bp)
		return;
	batch_clear(*bp);
	for (link = &(*bp)->store->batches; *link != *bp; link = &(*link)->next)
		;
	*link = (*bp)->next;
	free(*bp);
	*bp = NULL;
}
