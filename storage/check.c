/*
 * S1-S6 as code: what the database says against the files, and the files against their names. Must
 * never repair anything.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "storage/base/banned.h"

struct check {
	struct store *store;
	bool deep;
	const struct check_events *events;
	struct check_report *report;
	struct check_progress at; /* files before the one at hand, and its chunks */
};

static void problem(struct check *c, const char *invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void problem(struct check *c, const char *invariant, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->report->problems++;
	c->report->absent += strcmp(invariant, "S3") == 0 || strcmp(invariant, "S5") == 0;
	if (c->events->problem)
		c->events->problem(c->events->ctx, invariant, text);
}

/* Does the failure concern one file, so that the others can be checked? */
static bool is_unread(const struct err *e)
{
	return e->code == ERR_RIGHTS || e->code == ERR_IO;
}

/* Tell that a file cannot be read: 0; -1 when that failure concerns more than this file. */
static int unread(struct check *c, const char *invariant, const char *what, struct err *e)
{
	if (!is_unread(e))
		return -1;
	problem(c, invariant, "%s cannot be read: %s", what, e->text);
	c->report->denied += e->code == ERR_RIGHTS;
	err_clear(e);
	return 0;
}

static int unread_blob(
	struct check *c, const char *invariant, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *what = mem_printf("blob %s: its file", digest_text(d, text));

	return unread(c, invariant, what, e);
}

/* Check the file of a live row: it is there, and as long as recorded (S2). */
static int check_row(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct check *c = ctx;
	struct blob_row row = { .size = size, .live = true };
	char text[DIGEST_TEXT_SIZE];
	struct finding f;

	c->report->blobs++;
	c->report->bytes += size;
	if (file_examine(c->store, d, &row, BLOB_CHECK_LENGTH, NULL, &f, e) < 0)
		return unread_blob(c, "S2", d, e);
	if (f.fault != BLOB_GOOD)
		problem(c, "S2", "blob %s is recorded as held, its file %s", digest_text(d, text),
			f.text);
	return 0;
}

static void tell(const struct check *c)
{
	if (c->events->moved)
		c->events->moved(c->events->ctx, &c->at);
}

static int count_file(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct check *c = ctx;

	(void)d, (void)e;
	c->at.blobs_total++;
	c->at.bytes_total += size == BLOB_SIZE_UNKNOWN ? 0 : size;
	return 0;
}

static int pass_stray(void *ctx, const char *what, struct err *e)
{
	(void)ctx, (void)what, (void)e;
	return 0;
}

static int count_chunk(void *ctx, size_t bytes, struct err *e)
{
	struct check *c = ctx;

	(void)e;
	c->at.bytes += bytes;
	tell(c);
	return 0;
}

/* Check a file: its bytes are what its name says (S1). */
static int check_file(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct check *c = ctx;
	const struct throttle throttle = { count_chunk, c, true };
	uint64_t end = c->at.bytes + (size == BLOB_SIZE_UNKNOWN ? 0 : size);
	char text[DIGEST_TEXT_SIZE];
	struct finding f;
	int rc;

	if (!c->deep)
		return 0;
	rc = file_examine(c->store, d, NULL, BLOB_CHECK_BYTES, &throttle, &f, e);
	c->at.blobs++;
	c->at.bytes = end; /* also when it could not be read, or had another length by then */
	tell(c);
	if (rc < 0)
		return unread_blob(c, "S1", d, e);
	if (f.fault != BLOB_GOOD && f.fault != BLOB_MISSING)
		problem(c, "S1", "blob %s: its file %s", digest_text(d, text), f.text);
	return 0;
}

static int check_stray(void *ctx, const char *what, struct err *e)
{
	(void)e;
	problem(ctx, "S1", "\"%.200s\" among the blobs is none", what);
	return 0;
}

static int check_rows(void *ctx, const char *invariant, const char *text, struct err *e)
{
	(void)e;
	problem(ctx, invariant, "%s", text);
	return 0;
}

static int check_files(struct check *c, struct err *e)
{
	int rc = 0;

	if (c->deep)
		rc = blobs_scan(c->store->blobs, count_file, pass_stray, c, e);
	if (rc == 0)
		rc = blobs_scan(c->store->blobs, check_file, check_stray, c, e);
	return rc < 0 ? unread(c, "S1", "the folder of blobs", e) : 0;
}

struct comparison {
	struct blob_reader file;
	uint64_t at;
	bool differs;
	struct err unread; /* of the file: what is compared with it has failures of its own */
};

static void comparison_release(struct comparison *c)
{
	reader_close(&c->file);
}

static int compare_chunk(void *ctx, struct span chunk, struct err *e)
{
	struct comparison *c = ctx;
	AUTO(mem_free) char *have = NULL;

	c->differs = c->differs || chunk.len > c->file.size - c->at;
	if (c->differs)
		return 0;
	have = mem_alloc(chunk.len);
	(void)e;
	c->differs = reader_read(&c->file, c->at, have, chunk.len, &c->unread) < 0 ||
		     memcmp(have, chunk.data, chunk.len) != 0;
	c->at += chunk.len;
	return 0;
}

/* Check that index.json is what the sets and tags say (S6), unless the next writing opening rewrites it. */
static int check_index(struct check *c, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;
	struct store *s = c->store;
	AUTO(comparison_release)
	struct comparison index = { .file = BLOB_READER_INIT, .unread = ERR_INIT };
	struct standing st;
	struct err why;
	int rc = store_is_current(s, &why, e);

	if (rc == 0)
		problem(c, "S6", "%s", why.text);
	if (rc <= 0)
		return rc;
	if (tx_snapshot(s, &snapshot, e) < 0 || standing_find(s, &st, e) < 0)
		return -1;
	/* One that an older moat wrote has no number, and is rewritten by the next writing opening. */
	if (st.now.changed != st.now.written || (st.index.lists && !st.index.serial))
		return 0;
	rc = blobs_index_open(s->blobs, &index.file, e);
	if (rc > 0 && index_json_text(s, compare_chunk, &index, e) < 0)
		return -1;
	if (rc < 0)
		return -1;
	if (is_unread(&index.unread))
		return unread(c, "S6", "index.json", &index.unread);
	if (rc == 0)
		problem(c, "S6", "index.json is missing");
	else if (index.differs || index.at != index.file.size)
		problem(c, "S6", "index.json is not what the sets and tags say");
	return 0;
}

int store_check(struct store *s, bool deep, const struct check_events *events,
	struct check_report *report, struct err *e)
{
	struct check c = { .store = s, .deep = deep, .events = events, .report = report };

	*report = (struct check_report){ .problems = 0 };
	if (meta_blob_each(s->db, check_row, &c, e) < 0 || check_files(&c, e) < 0 ||
		meta_broken(s->db, check_rows, &c, e) < 0)
		return -1;
	return check_index(&c, e) < 0 ? unread(&c, "S6", "index.json", e) : 0;
}
