/*
 * S1-S6 as code: what the database says against the files, and the files against their names. Must
 * never repair anything.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "storage/base/fs.h"
#include "storage/base/banned.h"

struct check {
	struct store *store;
	bool deep;
	problem_fn *fn;
	void *ctx;
	struct check_report *report;
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
	if (c->fn)
		c->fn(c->ctx, invariant, text);
}

/* A live row: its file is there, as long as recorded (S2). */
static int check_row(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct check *c = ctx;
	struct blob_row row = { .size = size, .live = true };
	char text[DIGEST_TEXT_SIZE];
	struct finding f;

	if (file_examine(c->store, d, &row, LOOK_LENGTH, NULL, &f, e) < 0)
		return -1;
	c->report->blobs++;
	if (f.fault != BLOB_GOOD)
		problem(c, "S2", "blob %s is recorded as held, its file %s", digest_text(d, text),
			f.text);
	c->report->bytes += size;
	return 0;
}

/* A file: its bytes are what its name says (S1). */
static int check_file(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct check *c = ctx;
	char text[DIGEST_TEXT_SIZE];
	struct finding f;

	(void)size;
	if (!c->deep)
		return 0;
	if (file_examine(c->store, d, NULL, LOOK_BYTES, NULL, &f, e) < 0)
		return -1;
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

struct comparison {
	int fd;
	uint64_t at, size;
	bool differs;
};

static int compare_piece(void *ctx, struct span piece, struct err *e)
{
	struct comparison *c = ctx;
	AUTO(mem_free) char *have = NULL;

	c->differs = c->differs || piece.len > c->size - c->at;
	if (c->differs)
		return 0;
	have = mem_alloc(piece.len);
	if (fs_pread_all(c->fd, have, piece.len, c->at, "index.json", e) < 0)
		return -1;
	c->differs = memcmp(have, piece.data, piece.len) != 0;
	c->at += piece.len;
	return 0;
}

/* index.json is what the sets and tags say (S6), unless the next writing open will rewrite it. */
static int check_index(struct check *c, struct err *e)
{
	AUTO(tx_abort) struct store *look = NULL;
	struct store *s = c->store;
	struct comparison index = { .fd = -1 };
	AUTO(fd_close) int fd = -1;
	struct standing st;
	struct err why;
	int rc = store_is_current(s, &why, e);

	if (rc == 0)
		problem(c, "S6", "%s", why.text);
	if (rc <= 0)
		return rc;
	if (tx_look(s, &look, e) < 0 || standing_find(s, &st, e) < 0)
		return -1;
	/* An older moat's has no number, and is written again by the next writing opening. */
	if (st.now.changed != st.now.written || (st.index.lists && !st.index.serial))
		return 0;
	rc = BLOBS(s, index_open, &fd, &index.size, e);
	index.fd = fd;
	if (rc > 0 && index_json_text(s, compare_piece, &index, e) < 0)
		return -1;
	if (rc < 0)
		return -1;
	if (rc == 0)
		problem(c, "S6", "index.json is missing");
	else if (index.differs || index.at != index.size)
		problem(c, "S6", "index.json is not what the sets and tags say");
	return 0;
}

int store_check(struct store *s, bool deep, problem_fn *fn, void *ctx, struct check_report *report,
	struct err *e)
{
	struct check c = { s, deep, fn, ctx, report };

	*report = (struct check_report){ .problems = 0 };
	if (META(s, blob_each, check_row, &c, e) < 0 ||
		BLOBS(s, scan, check_file, check_stray, &c, e) < 0 ||
		META(s, broken, check_rows, &c, e) < 0)
		return -1;
	return check_index(&c, e);
}
