/*
 * Blob writers: bytes into a stage, hashed on the way. Must never trust a digest that it has not computed.
 */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include <stdlib.h>

#include "storage/base/fault.h"
#include "storage/base/banned.h"

#define CHUNK_SIZE (256u << 10)

static unsigned long long ull(uint64_t n)
{
	return n;
}

int blob_ctx(const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	return d->alg ? err_ctx(e, "blob %s", digest_text(d, text)) : err_ctx(e, "new blob");
}

/* --- life ---------------------------------------------------------------------------------- */

struct blob_writer *writer_new(
	struct store *s, const struct digest *expect, uint64_t size, unsigned flags)
{
	struct blob_writer *w = mem_alloc(sizeof(*w));

	w->store = s;
	w->size = size;
	w->flags = expect ? flags : 0;
	if (expect)
		w->expect = *expect;
	return w;
}

void writer_list(struct blob_writer *w)
{
	w->listed = true;
	LIST_INSERT_HEAD(&w->store->writers, w, entry);
}

static void writer_free(struct blob_writer **wp, bool retain)
{
	struct blob_writer *w = *wp;

	if (!w)
		return;
	if (w->listed)
		LIST_REMOVE(w, entry);
	if (w->stage)
		stage_close(&w->stage, retain);
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

bool writer_is_open(const struct store *s, const struct digest *d, unsigned flags)
{
	const struct blob_writer *w;

	LIST_FOREACH(w, &s->writers, entry)
		if (digest_eq(&w->expect, d) && w->flags & flags & BLOB_RESUME)
			return true;
	return false;
}

int writer_open(struct blob_writer *w, unsigned wait_ms, uint64_t *have, struct err *e)
{
	struct stage_want want = {
		.name = w->flags & BLOB_RESUME ? &w->expect : NULL,
		.size = w->size,
		.wait_ms = wait_ms,
	};

	if (fault("blob.stage", e) < 0)
		return -1;
	return stage_open(w->store->blobs, &want, &w->stage, have, e);
}

/* --- bytes --------------------------------------------------------------------------------- */

static int hash_stage(struct blob_writer *w, uint64_t len, struct err *e)
{
	AUTO(mem_free) char *chunk = mem_alloc(CHUNK_SIZE);

	hasher_init(&w->hash, w->expect.alg);
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < CHUNK_SIZE ? (size_t)(len - at) : CHUNK_SIZE;

		if (stage_read(w->stage, at, chunk, n, e) < 0)
			return -1;
		hasher_add(&w->hash, chunk, n);
		at += n;
	}
	return 0;
}

/* Empty the stage and give the hash a new start. */
static int empty(struct blob_writer *w, struct err *e)
{
	if (stage_cut(w->stage, 0, e) < 0)
		return -1;
	hasher_init(&w->hash, w->hash.alg);
	w->at = 0;
	w->patched = false;
	return 0;
}

int writer_resume(struct blob_writer *w, uint64_t have, struct err *e)
{
	hasher_init(&w->hash, w->expect.alg ? w->expect.alg : DIGEST_SHA256);
	if (have > w->size)
		return empty(w, e);
	if (have && hash_stage(w, have, e) < 0)
		return -1;
	w->at = have;
	w->patched = have > 0;
	return 0;
}

/* Uses nothing of the handle but its blobs and mode, which do not change: so any thread may. */
int blob_begin_unnamed(
	struct store *s, enum digest_alg alg, struct blob_writer **out, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	uint64_t have = 0;

	*out = NULL;
	if (store_may_write(s, e) < 0)
		return -1;
	w = writer_new(s, NULL, BLOB_SIZE_UNKNOWN, 0);
	if (writer_open(w, 0, &have, e) < 0)
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
		return; /* leave the mark where the writer was good */
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

/* May `len` bytes come at `at`? False, and the writer has failed. */
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

/* --- the end ------------------------------------------------------------------------------- */

/* Ends a copy of the hash: a client that named the wrong digest may go on. */
int writer_verify(struct blob_writer *w, struct err *e)
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

int writer_start_over(struct blob_writer *w, struct err *e)
{
	bool whole = w->at == w->size || w->size == BLOB_SIZE_UNKNOWN;

	if (w->failed || !w->patched || w->restarted || !whole)
		return 0;
	w->restarted = true; /* then all bytes are of one attempt */
	return empty(w, e) < 0 ? -1 : 1;
}

/* Hash all bytes by another algorithm than the one that ran along. */
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
	if (writer_verify(w, e) < 0 || sync_sealed(w, e) < 0 ||
		file_examine(w->store, &wanted, &(struct blob_row){ .size = w->at },
			BLOB_CHECK_BYTES, NULL, &w->beside, e) < 0)
		return blob_ctx(&wanted, e);
	w->sealed = true;
	return 0;
}

int writer_end(struct blob_writer *w, struct err *e)
{
	return w->sealed ? 0 : writer_verify(w, e);
}

bool writer_holds(const struct blob_writer *w, const struct digest *d)
{
	return w && w->sealed && digest_eq(&w->digest, d);
}
