/*
 * Fetch blobs and files by URL into the store: resumed by Range, joined when wanted twice, aborted
 * when larger than announced. Must never give the store a size or digest of the server: both come
 * from the caller.
 */
#include <stdio.h>
#include <search.h>
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/headers.h"
#include "storage/base/banned.h"

#define COALESCE (256u << 10) /* libcurl hands over 16 KiB at most */
#define PROGRESS_MIN (1u << 20) /* new bytes after which attempts count from 0 */

/* A caller that wants the blob, and where that caller says it is. */
struct want {
	struct want *next;
	struct ref ref;
	char *url; /* a file by URL; NULL: a blob of ref */
	bool strange; /* the URL is of a manifest */
	upstream_done_fn *done;
	void *ctx;
};

struct blob_fetch {
	struct upstream *up;
	struct digest digest;
	uint64_t size;
	struct store *store;
	struct blob_batch *batch;
	struct want *wants; /* the first one's source is tried */
	struct blob_writer *writer;
	struct buf pending; /* received, not yet in the writer */
	uint64_t skip; /* bytes to skip: sent again by the server */
	uint64_t best; /* furthest offset, for the count of attempts */
	uint64_t due; /* bytes of it in count.blob_due */
	bool whole; /* ranges of the server failed: fetch everything */
	bool waiting; /* for another process; told once */
};

static unsigned long long ull(uint64_t n)
{
	return n;
}

/* --- fetches on their way ------------------------------------------------------------------------ */

/* Digests are chosen by the registries that name them, so fetches are in a balanced tree. */
static int by_target(const void *a, const void *b)
{
	const struct blob_fetch *x = a, *y = b;
	int order = digest_cmp(&x->digest, &y->digest);

	if (order == 0)
		order = ((uintptr_t)x->store > (uintptr_t)y->store) -
			((uintptr_t)x->store < (uintptr_t)y->store);
	if (order == 0)
		order = ((uintptr_t)x->batch > (uintptr_t)y->batch) -
			((uintptr_t)x->batch < (uintptr_t)y->batch);
	return order;
}

static struct blob_fetch *fetch_find(
	struct upstream *up, const struct digest *d, struct store *s, struct blob_batch *batch)
{
	const struct blob_fetch key = { .digest = *d, .store = s, .batch = batch };
	struct blob_fetch *const *found = tfind(&key, &up->fetches, by_target);

	return found ? *found : NULL;
}

static void fetch_link(struct blob_fetch *f)
{
	if (!tsearch(f, &f->up->fetches, by_target))
		BUG("out of memory");
}

static void fetch_unlink(struct blob_fetch *f)
{
	struct blob_fetch *const *found = tfind(f, &f->up->fetches, by_target);

	if (found && *found == f) /* else it is not on its way */
		tdelete(f, &f->up->fetches, by_target);
}

static void set_due(struct blob_fetch *f, uint64_t due)
{
	f->up->count.blob_due = f->up->count.blob_due - f->due + due;
	f->due = due;
}

static void want_free(struct want *w)
{
	free(w->url);
	free(w);
}

static void blob_drop(struct exchange *x)
{
	struct blob_fetch *f = x->ctx;

	fetch_unlink(f);
	set_due(f, 0);
	for (struct want *w = f->wants, *next; w; w = next) {
		next = w->next;
		want_free(w);
	}
	blob_abort(&f->writer);
	buf_release(&f->pending);
	free(f);
}

/* --- into the store ------------------------------------------------------------------------------ */

static uint64_t offset_of(const struct blob_fetch *f)
{
	return f->writer ? blob_offset(f->writer) + f->pending.len : 0;
}

static void flush_pending(struct blob_fetch *f)
{
	if (f->pending.len)
		blob_write(f->writer, f->pending.data, f->pending.len);
	buf_clear(&f->pending);
}

static void add_bytes(struct blob_fetch *f, const char *data, size_t len)
{
	if (f->pending.len == 0 && len >= COALESCE) {
		blob_write(f->writer, data, len);
		return;
	}
	if (f->pending.cap == 0)
		buf_reserve(&f->pending, f->size < COALESCE ? (size_t)f->size : COALESCE);
	if (f->pending.len + len > COALESCE)
		flush_pending(f);
	buf_add(&f->pending, data, len);
}

static unsigned begin_flags(const struct blob_fetch *f)
{
	return f->size >= UPSTREAM_RESUME_MIN ? BLOB_RESUME | BLOB_TRY : 0;
}

/* Wait for another process that writes the blob. Flush our batch first: that process may be waiting
 * for blobs in it. */
static enum verdict wait_for_other(struct blob_fetch *f, struct err *e)
{
	if (!f->waiting)
		upstream_note(f->up, "%s", e->text);
	f->waiting = true;
	if (f->batch && batch_flush(f->batch, e) < 0)
		return VERDICT_FAIL;
	return VERDICT_LATER;
}

static enum verdict writer_begin(struct blob_fetch *f, struct err *e)
{
	int rc = blob_begin(f->store, &f->digest, f->size, begin_flags(f), &f->writer, e);

	if (rc > 0)
		return VERDICT_AGAIN;
	if (rc < 0 && e->code == ERR_BUSY)
		return wait_for_other(f, e);
	if (rc < 0)
		return VERDICT_FAIL;
	f->best = blob_offset(f->writer);
	return VERDICT_TAKE;
}

/* Commit the blob. When a writer is left afterwards, its stage was bad and one more transfer is
 * needed. */
static enum verdict commit(struct blob_fetch *f, struct err *e)
{
	flush_pending(f);
	if (blob_commit(&f->writer, f->batch, NULL, e) == 0)
		return VERDICT_TAKE;
	f->best = 0;
	return f->writer ? VERDICT_AGAIN : VERDICT_FAIL;
}

/* --- the exchange -------------------------------------------------------------------------------- */

static enum verdict blob_start(struct exchange *x, struct err *e)
{
	struct blob_fetch *f = x->ctx;
	enum verdict v = VERDICT_TAKE;
	uint64_t at;

	if (!f->writer) {
		if (f->batch && batch_has(f->batch, &f->digest))
			return VERDICT_AGAIN;
		v = writer_begin(f, e);
	}
	if (v != VERDICT_TAKE)
		return v;
	flush_pending(f);
	at = blob_resume_at(f->writer);
	set_due(f, f->size - at);
	f->skip = 0;
	x->range[0] = '\0';
	if (at == f->size) {
		v = commit(f, e);
		return v == VERDICT_TAKE ? VERDICT_AGAIN : v == VERDICT_AGAIN ? VERDICT_LATER : v;
	}
	if (at > 0 && !f->whole && !x->decode)
		snprintf(x->range, sizeof(x->range), "%llu-", ull(at));
	return VERDICT_TAKE;
}

static enum verdict check_range(
	struct blob_fetch *f, struct exchange *x, const struct http_head *head)
{
	struct content_range r;

	if (x->range[0] && content_range_parse(head->value[HTTP_CONTENT_RANGE], &r) &&
		r.first == offset_of(f) && r.last + 1 == f->size &&
		(r.total == f->size || r.total == UINT64_MAX))
		return VERDICT_TAKE;
	f->whole = true;
	return VERDICT_AGAIN;
}

static enum verdict blob_head(struct exchange *x, const struct http_head *head, struct err *e)
{
	struct blob_fetch *f = x->ctx;
	enum verdict v;

	if (head->status == 206 || head->status == 416) {
		v = head->status == 206 ? check_range(f, x, head) : VERDICT_AGAIN;
		f->whole = f->whole || v == VERDICT_AGAIN;
		if (v == VERDICT_AGAIN)
			err_set(e, ERR_NET, "a wrong answer to a range request (HTTP %d)",
				head->status);
		return v;
	}
	if (exchange_may_decode(x) && !(head->has_length && head->length == f->size)) {
		x->decode = true;
		err_set(e, ERR_NET, "gzip, which was not asked for");
		return VERDICT_AGAIN;
	}
	f->skip = offset_of(f);
	if (head->has_length && head->length != f->size)
		return err_set(e, ERR_CORRUPT, "%llu bytes announced by the server, %llu expected",
			ull(head->length), ull(f->size));
	return VERDICT_TAKE;
}

static int blob_data(struct exchange *x, const char *data, size_t len, struct err *e)
{
	struct blob_fetch *f = x->ctx;
	size_t over = len < f->skip ? len : (size_t)f->skip;

	f->skip -= over;
	data += over;
	len -= over;
	if (len > f->size - offset_of(f))
		return err_set(e, ERR_CORRUPT, "more than the expected %llu bytes", ull(f->size));
	if (len)
		add_bytes(f, data, len);
	f->up->count.blob_bytes += len;
	set_due(f, f->due - len);
	if (blob_failed(f->writer))
		return blob_commit(&f->writer, NULL, NULL, e);
	if (offset_of(f) > f->best + PROGRESS_MIN) {
		f->best = offset_of(f);
		x->tries = 0;
	}
	return 0;
}

static enum verdict blob_finish(struct exchange *x, struct err *e)
{
	struct blob_fetch *f = x->ctx;

	if (offset_of(f) < f->size) {
		err_set(e, ERR_NET, "the body ends after %llu of %llu bytes", ull(offset_of(f)),
			ull(f->size));
		return VERDICT_AGAIN;
	}
	return commit(f, e);
}

static void start_fetch(struct blob_fetch *f);

/* Try the next source that another caller gave. */
static void try_next_place(struct blob_fetch *f)
{
	struct blob_fetch *next = mem_alloc(sizeof(*next));
	struct want *wants = STEAL(f->wants);

	*next = (struct blob_fetch){ .up = f->up,
		.digest = f->digest,
		.size = f->size,
		.store = f->store,
		.batch = f->batch,
		.wants = wants,
		.pending = BUF_INIT };
	start_fetch(next);
}

static int absent(const struct exchange *x, struct err *e)
{
	AUTO(buf_release) struct buf shown = BUF_INIT;

	url_redacted(&shown, x->url.text);
	return err_set(e, ERR_ABSENT, "%s: HTTP 404", shown.data);
}

static void blob_done(struct exchange *x, int rc, struct err *e)
{
	struct blob_fetch *f = x->ctx;
	struct want *w = STEAL(f->wants);

	fetch_unlink(f);
	set_due(f, 0);
	if (rc == 0)
		rc = absent(x, e);
	if (rc < 0) {
		f->wants = w->next;
		w->next = NULL;
		if (f->wants)
			try_next_place(f);
	}
	for (struct want *next; w; w = next) {
		next = w->next;
		w->done(w->ctx, rc, e);
		want_free(w);
	}
}

static const struct exchange_ops blob_ops = { .begin = blob_start,
	.head = blob_head,
	.data = blob_data,
	.finish = blob_finish,
	.done = blob_done,
	.drop = blob_drop };

static void start_fetch(struct blob_fetch *f)
{
	const struct want *w = f->wants;
	struct exchange *x;

	fetch_link(f);
	set_due(f, f->size);
	if (w->url) {
		x = exchange_for_url(f->up, w->url, &blob_ops, f);
		x->strange = w->strange;
	} else {
		char digest[DIGEST_TEXT_SIZE];
		AUTO(mem_free)
		char *path = mem_printf("/blobs/%s", digest_text(&f->digest, digest));

		x = exchange_for_ref(f->up, &w->ref, path, &blob_ops, f);
	}
	x->bulk = true;
	schedule(x);
}

static void fetch_want(struct upstream *up, struct want *w, const struct digest *d, uint64_t size,
	struct store *s, struct blob_batch *batch)
{
	struct blob_fetch *f = fetch_find(up, d, s, batch);
	struct want **tail;

	if (!f || f->size != size) {
		f = mem_alloc(sizeof(*f));
		*f = (struct blob_fetch){ .up = up,
			.digest = *d,
			.size = size,
			.store = s,
			.batch = batch,
			.wants = w,
			.pending = BUF_INIT };
		start_fetch(f);
		return;
	}
	for (tail = &f->wants; *tail; tail = &(*tail)->next)
		;
	*tail = w;
}

void upstream_blob(struct upstream *up, const struct ref *ref, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx)
{
	struct want *w = mem_alloc(sizeof(*w));

	*w = (struct want){ .ref = *ref, .done = done, .ctx = ctx };
	fetch_want(up, w, d, size, s, batch);
}

void upstream_url(struct upstream *up, const char *url, const struct digest *d, uint64_t size,
	struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx)
{
	struct want *w = mem_alloc(sizeof(*w));

	*w = (struct want){ .url = mem_strdup(url), .done = done, .ctx = ctx };
	fetch_want(up, w, d, size, s, batch);
}

void upstream_foreign_url(struct upstream *up, const char *url, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx)
{
	struct want *w = mem_alloc(sizeof(*w));

	*w = (struct want){ .url = mem_strdup(url), .strange = true, .done = done, .ctx = ctx };
	fetch_want(up, w, d, size, s, batch);
}

/* --- in memory ------------------------------------------------------------------------------------ */

struct bytes_request {
	struct digest digest;
	uint64_t size;
	upstream_bytes_fn *done;
	void *ctx;
};

static int check_bytes(const struct bytes_request *b, struct span bytes, struct err *e)
{
	char is[DIGEST_TEXT_SIZE];
	struct digest d;

	if (bytes.len != b->size)
		return err_set(e, ERR_CORRUPT, "%zu bytes arrived, %llu expected", bytes.len,
			ull(b->size));
	digest_of(&d, b->digest.alg, bytes);
	if (!digest_eq(&d, &b->digest))
		return err_set(e, ERR_CORRUPT, "its bytes are %s", digest_text(&d, is));
	return 0;
}

static void bytes_done(struct exchange *x, int rc, struct err *e)
{
	struct bytes_request *b = x->ctx;
	char text[DIGEST_TEXT_SIZE];

	if (rc > 0 && check_bytes(b, buf_span(&x->body), e) < 0)
		rc = err_ctx(e, "blob %s", digest_text(&b->digest, text));
	b->done(b->ctx, rc, buf_span(&x->body), e);
}

static void bytes_drop(struct exchange *x)
{
	free(x->ctx);
}

static enum verdict bytes_start(struct exchange *x, struct err *e)
{
	const struct bytes_request *b = x->ctx;

	if (b->size > UPSTREAM_BYTES_MAX)
		return err_set(
			e, ERR_INPUT, "%llu bytes, at most %u", ull(b->size), UPSTREAM_BYTES_MAX);
	return VERDICT_TAKE;
}

static const struct exchange_ops bytes_ops = {
	.begin = bytes_start, .done = bytes_done, .drop = bytes_drop
};

void upstream_blob_bytes(struct upstream *up, const struct ref *ref, const struct digest *d,
	uint64_t size, upstream_bytes_fn *done, void *ctx)
{
	struct bytes_request *b = mem_alloc(sizeof(*b));
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *path = mem_printf("/blobs/%s", digest_text(d, text));
	struct exchange *x;

	*b = (struct bytes_request){ *d, size, done, ctx };
	x = exchange_for_ref(up, ref, path, &bytes_ops, b);
	x->body_max = size < UPSTREAM_BYTES_MAX ? (size_t)size : UPSTREAM_BYTES_MAX;
	schedule(x);
}
