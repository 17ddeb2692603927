/*
 * Is what is held good, and what happens when it is not: look at one blob's file, and turn what was
 * found into a state. A bad file goes to quarantine with its reason; its blob counts as absent, so good
 * bytes take its place as any new blob does. Must never throw a file away, and never touch one that is
 * not the one that was looked at.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdio.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/fault.h"
#include "storage/base/tree.h"
#include "storage/base/banned.h"

#define CHUNK_SIZE (256u << 10)
#define TRIES 4 /* at a file that is replaced while it is checked */

static unsigned long long ull(uint64_t n)
{
	return n;
}

/* --- checking ---------------------------------------------------------------------------------- */

static void fault_set(struct finding *f, enum blob_fault fault, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static void fault_set(struct finding *f, enum blob_fault fault, const char *fmt, ...)
{
	va_list ap;

	f->fault = fault;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* Does the failure say nothing about the file, but speak of this process, its rights or the moment? */
static bool is_ours(const struct err *e)
{
	return e->code == ERR_BUSY || e->code == ERR_FULL || e->code == ERR_LIMIT ||
	       e->code == ERR_RIGHTS;
}

/* Hash the whole file: 0 and f->got; 1 it cannot be read, and the finding says so; -1. */
static int hash_file(
	struct finding *f, struct blob_reader *r, const struct throttle *throttle, struct err *e)
{
	AUTO(hasher_release) struct hasher h = HASHER_INIT;
	AUTO(mem_free) char *chunk = mem_alloc(CHUNK_SIZE);

	hasher_init(&h, f->digest.alg);
	if (throttle && !throttle->cache)
		reader_cold(r);
	for (uint64_t at = 0; at < f->size;) {
		size_t n = f->size - at < CHUNK_SIZE ? (size_t)(f->size - at) : CHUNK_SIZE;

		if (reader_read(r, at, chunk, n, e) < 0) {
			if (is_ours(e))
				return -1;
			fault_set(f, BLOB_UNREADABLE, "cannot be read: %.150s", e->text);
			return 1;
		}
		if (throttle && throttle->read(throttle->ctx, n, e) < 0)
			return -1;
		hasher_add(&h, chunk, n);
		at += n;
	}
	hasher_end(&h, &f->got);
	return 0;
}

static int examine_bytes(
	struct store *s, const struct throttle *throttle, struct finding *f, struct err *e)
{
	AUTO(reader_close) struct blob_reader r = BLOB_READER_INIT;
	int rc = blobs_open(s->blobs, &f->digest, &r, e);

	if (rc < 0 && is_ours(e))
		return -1;
	if (rc < 0)
		fault_set(f, BLOB_UNREADABLE, "cannot be opened: %.150s", e->text);
	else if (rc == 0)
		fault_set(f, BLOB_MISSING, "is missing");
	else if (r.size != f->size)
		fault_set(f, BLOB_LENGTH, "has %llu bytes instead of %llu", ull(r.size),
			ull(f->size));
	if (rc <= 0 || f->fault != BLOB_GOOD)
		return 0;
	rc = hash_file(f, &r, throttle, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	f->read = true;
	if (!digest_eq(&f->got, &f->digest))
		fault_set(f, BLOB_BYTES, "has other bytes");
	return 0;
}

static void examine_length(struct finding *f, const struct blob_row *row)
{
	if (!f->file.regular)
		fault_set(f, BLOB_NO_FILE, "is no regular file");
	else if (row && f->file.size != row->size)
		fault_set(f, BLOB_LENGTH, "has %llu bytes instead of %llu", ull(f->file.size),
			ull(row->size));
}

int file_examine(struct store *s, const struct digest *d, const struct blob_row *row,
	enum blob_check how, const struct throttle *throttle, struct finding *f, struct err *e)
{
	int rc;

	*f = (struct finding){ .digest = *d, .fault = BLOB_GOOD };
	rc = blobs_stat(s->blobs, d, &f->file, e);
	f->size = row ? row->size : f->file.size;
	f->touched = row ? row->touched : 0;
	if (rc < 0)
		return -1;
	if (rc == 0)
		fault_set(f, BLOB_MISSING, "is missing");
	else
		examine_length(f, row);
	f->changed = row && row->stamp && row->stamp != f->file.stamp;
	if (f->fault != BLOB_GOOD || how == BLOB_CHECK_LENGTH ||
		(how == BLOB_CHECK_CHANGED && row && row->stamp == f->file.stamp))
		return 0;
	return examine_bytes(s, throttle, f, e);
}

int blob_examine(struct store *s, const struct digest *d, enum blob_check how,
	const struct throttle *throttle, struct finding *f, struct err *e)
{
	struct blob_row row;
	int rc = meta_blob_get(s->db, d, &row, e);

	if (rc <= 0 || !row.live)
		return rc < 0 ? -1 : 0;
	if (file_examine(s, d, &row, how, throttle, f, e) < 0)
		return -1;
	if (f->fault != BLOB_MISSING)
		return 1;
	/* It may have been collected since its row was read. */
	rc = meta_blob_get(s->db, d, &row, e);
	return rc < 0 ? -1 : rc > 0 && row.live;
}

int row_held(struct store *s, const struct digest *d, const struct blob_row *row, struct err *e)
{
	struct finding f;

	if (!row->live)
		return 0;
	if (file_examine(s, d, row, BLOB_CHECK_LENGTH, NULL, &f, e) < 0)
		return -1;
	return f.fault == BLOB_GOOD;
}

/* --- good files are recorded ------------------------------------------------------------------- */

struct passing {
	const struct passed *passed;
	struct rowset good; /* digest, size, stamp */
};

static void passing_release(struct passing *p)
{
	rowset_release(&p->good);
}

/* Skip what another process found bad or replaced meanwhile. */
static void add_passed(void *ctx, size_t at, const struct blob_row *row, bool linked)
{
	struct passing *p = ctx;
	const struct passed *f = &p->passed[at];

	(void)linked;
	if (!row->live || row->size != f->size)
		return;
	rowset_digest(&p->good, &f->digest);
	rowset_int(&p->good, (int64_t)f->size);
	rowset_int(&p->good, (int64_t)f->stamp);
}

static int record_passed(struct store *s, struct err *e)
{
	AUTO(passing_release)
	struct passing p = { .passed = s->passed, .good = ROWSET_INIT(3) };
	AUTO(rowset_release) struct rowset digests = ROWSET_INIT(1);
	AUTO(tx_abort) struct store *tx = NULL;

	for (size_t i = 0; i < s->passed_count; i++)
		rowset_digest(&digests, &s->passed[i].digest);
	if (tx_begin(s, &tx, e) < 0 || meta_blobs_get(s->db, &digests, 0, add_passed, &p, e) < 0 ||
		meta_blobs_proved(s->db, &p.good, false, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

/* What is not recorded is only read again some day. */
void passed_flush(struct store *s)
{
	struct err ignored = ERR_INIT;

	if (s->passed_count)
		(void)!record_passed(s, &ignored);
	s->passed_count = 0;
}

static void queue_passed(struct store *s, const struct finding *f)
{
	if (!s->passed)
		s->passed = mem_grow(NULL, PASSED_MAX, sizeof(*s->passed));
	s->passed[s->passed_count++] = (struct passed){ f->digest, f->size, f->file.stamp };
	if (s->passed_count == PASSED_MAX)
		passed_flush(s);
}

/* --- what is relied on is touched --------------------------------------------------------------- */

int touched_flush(struct store *s, struct err *e)
{
	AUTO(rowset_release) struct rowset rows = ROWSET_INIT(1);
	AUTO(tx_abort) struct store *tx = NULL;
	uint64_t touched;

	if (!s->touched_count)
		return 0;
	for (size_t i = 0; i < s->touched_count; i++)
		rowset_digest(&rows, &s->touched[i]);
	s->touched_count = 0;
	/* Of what has gone meanwhile whoever needs it says so: its row is asked again when something refers to it. */
	if (tx_begin(s, &tx, e) < 0 || fault("touch.rows", e) < 0 ||
		meta_blobs_touch(s->db, &rows, &touched, e) < 0)
		return -1;
	return tx_commit(&tx, e);
}

/* --- bad files go ------------------------------------------------------------------------------- */

static bool same_file(const struct blob_file *a, const struct blob_file *b)
{
	return a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

/* Record the blob as absent, unless another file lies there by now: its writer writes the row after us. */
static int forget_row(struct store *s, const struct finding *f, struct err *e)
{
	AUTO(tx_abort) struct store *tx = NULL;
	struct blob_file now;
	struct blob_row row;
	int rc;

	if (fault("mend.row", e) < 0 || tx_begin(s, &tx, e) < 0)
		return -1;
	rc = blobs_stat(s->blobs, &f->digest, &now, e);
	if (rc <= 0 || !same_file(&now, &f->file))
		return rc < 0 ? -1 : 0;
	rc = meta_blob_get(s->db, &f->digest, &row, e);
	if (rc < 0 || (rc > 0 && row.live && meta_blob_lost(s->db, &f->digest, e) < 0))
		return -1;
	return tx_commit(&tx, e) < 0 ? -1 : 1;
}

static const char *fault_name(enum blob_fault fault)
{
	static const char *const names[] = { [BLOB_GOOD] = "none",
		[BLOB_MISSING] = "missing",
		[BLOB_NO_FILE] = "no-file",
		[BLOB_LENGTH] = "length",
		[BLOB_BYTES] = "bytes",
		[BLOB_UNREADABLE] = "unreadable" };

	return names[fault];
}

void finding_json(const struct store *s, const struct finding *f, struct buf *out)
{
	char text[DIGEST_TEXT_SIZE], now[CLOCK_TEXT_SIZE];

	buf_printf(out, "{\"time\":\"%s\"", clock_text(clock_now(), now));
	buf_printf(out, ",\"digest\":\"%s\",\"operation\":", digest_text(&f->digest, text));
	json_quote(out, s->care.operation ? s->care.operation : "write", false);
	buf_printf(out, ",\"fault\":\"%s\",\"expected\":{\"bytes\":%llu},\"found\":{",
		fault_name(f->fault), ull(f->size));
	if (f->file.regular)
		buf_printf(out, "\"bytes\":%llu%s", ull(f->file.size), f->read ? "," : "");
	if (f->read)
		buf_printf(out, "\"digest\":\"%s\"", digest_text(&f->got, text));
	buf_str(out, "},\"text\":");
	json_quote(out, f->text, false);
	buf_str(out, "}\n");
}

static int quarantine(struct store *s, const struct finding *f, struct err *e)
{
	AUTO(buf_release) struct buf reason = BUF_INIT;
	char where[QUARANTINE_NAME_SIZE];
	int rc = forget_row(s, f, e);

	if (rc <= 0)
		return rc;
	finding_json(s, f, &reason);
	if (fault("mend.quarantine", e) < 0)
		return -1;
	rc = blobs_quarantine(s->blobs, &f->digest, &f->file, buf_span(&reason), where, e);
	if (rc <= 0)
		return rc;
	s->found_bad++;
	store_suspect(s);
	if (s->care.found)
		s->care.found(s->care.ctx, f, where);
	return 1;
}

int blob_apply_finding(struct store *s, const struct finding *f, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc = store_may_write(s, e) < 0 ? -1 : 1;

	if (rc > 0 && f->fault == BLOB_GOOD && f->read)
		queue_passed(s, f);
	else if (rc > 0 && f->fault != BLOB_GOOD && f->fault != BLOB_MISSING)
		rc = quarantine(s, f, e);
	return rc < 0 ? err_ctx(e, "blob %s", digest_text(&f->digest, text)) : rc;
}

/* --- held? -------------------------------------------------------------------------------------- */

/* Ask for the row each time: a bad file costs the blob its row. */
static int check_and_apply(struct store *s, const struct digest *d, enum blob_check how,
	struct finding *f, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < TRIES && rc == 0; i++) {
		rc = blob_examine(s, d, how, NULL, f, e);
		if (rc <= 0)
			return rc;
		rc = blob_apply_finding(s, f, e);
	}
	return rc ? rc : err_set(e, ERR_BUSY, "its file is being replaced all the time");
}

/* Found, so its caller relies on it. One that was touched lately is safe for as long as matters. */
static int queue_touch(struct store *s, const struct finding *f, struct err *e)
{
	if (s->mode != STORE_WRITE || f->touched > clock_now() - touch_after(s))
		return 0;
	if (!s->touched)
		s->touched = mem_grow(NULL, TOUCHED_MAX, sizeof(*s->touched));
	s->touched[s->touched_count++] = f->digest;
	return s->touched_count == TOUCHED_MAX ? touched_flush(s, e) : 0;
}

int blob_held_by(
	struct store *s, const struct digest *d, enum blob_check how, uint64_t *size, struct err *e)
{
	struct finding f;
	int rc;

	if (s->care.check || s->suspected)
		how = BLOB_CHECK_BYTES;
	rc = check_and_apply(s, d, how, &f, e);
	if (rc <= 0)
		return rc;
	*size = f.size;
	if (f.fault != BLOB_GOOD)
		return 0;
	return queue_touch(s, &f, e) < 0 ? -1 : 1;
}

int blob_held(struct store *s, const struct digest *d, uint64_t *size, struct err *e)
{
	struct blob_file file;
	int rc = blobs_stat(s->blobs, d, &file, e);

	/* Without a file it is not held, whatever its row says: the database need not be asked. */
	return rc > 0 ? blob_held_by(s, d, BLOB_CHECK_CHANGED, size, e) : rc;
}

int blob_drop_bad(struct store *s, const struct digest *d, struct err *e)
{
	uint64_t size;

	return blob_held_by(s, d, BLOB_CHECK_BYTES, &size, e) < 0 ? -1 : 0;
}

/* A writer died between link and row, or between row and quarantine: only the bytes tell which. */
int orphan_held(struct store *s, const struct digest *d, uint64_t *size, struct err *e)
{
	struct finding f;

	if (file_examine(s, d, NULL, BLOB_CHECK_BYTES, NULL, &f, e) < 0)
		return -1;
	*size = f.size;
	if (f.fault == BLOB_GOOD)
		return 1;
	return blob_apply_finding(s, &f, e) < 0 ? -1 : 0;
}

void store_set_care(struct store *s, const struct store_care *care)
{
	s->care = *care;
}

void store_record_findings(struct store *s)
{
	passed_flush(s);
}

void store_suspect(struct store *s)
{
	s->suspected = true;
}

int list_quarantine(struct store *s, quarantine_fn *fn, void *ctx, struct err *e)
{
	return blobs_each_quarantined(s->blobs, fn, ctx, e);
}

size_t store_found_bad(const struct store *s)
{
	return s->found_bad;
}
