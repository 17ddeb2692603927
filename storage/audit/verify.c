/*
 * The chain, checked from its first record to its last. After a break the check goes on from the record that it came
 * to, so that one edit is one problem. Must never take a line for good that the next one does not answer for.
 */
#include "storage/audit/audit_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/number.h"
#include "storage/base/banned.h"

#define SENTENCE_SIZE 400
#define BOOT_SIZE 64
#define TIME_SIZE 64

/* A line of the log. */
struct place {
	char file[AUDIT_NAME_SIZE];
	uint64_t line;
};

struct checking {
	const struct audit_head *wanted;
	audit_problem_fn *problem;
	void *ctx;
	struct audit_report *report;
	struct place last; /* the last record */
	struct place
		rest; /* the first line behind it that is none; line 0: there is no such line */
	uint64_t rest_bytes, rest_feeds;
	struct hasher rest_hash;
	bool found; /* the record of `wanted` was met */
	char boot[BOOT_SIZE], time[TIME_SIZE]; /* of the last record */
};

static void checking_release(struct checking *c)
{
	hasher_release(&c->rest_hash);
}

PRINTF_LIKE(4, 5)
static void complain(struct checking *c, const char *file, uint64_t line, const char *fmt, ...)
{
	char text[SENTENCE_SIZE];
	va_list ap;

	c->report->problems++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->problem)
		c->problem(c->ctx, file, line, text);
}

static struct place place_of(const struct audit_line *l)
{
	struct place p = { .line = l->number };

	snprintf(p.file, sizeof(p.file), "%s", l->file);
	return p;
}

/* --- lines that are no records ---------------------------------------------------------------- */

static void begin_rest(struct checking *c, const struct audit_line *l)
{
	c->rest = place_of(l);
	c->rest_bytes = c->rest_feeds = 0;
	hasher_init(&c->rest_hash, DIGEST_SHA256);
}

static void add_rest(struct checking *c, const struct audit_line *l)
{
	if (!c->rest.line)
		begin_rest(c, l);
	hasher_add(&c->rest_hash, l->text.data, l->text.len);
	if (l->whole)
		hasher_add(&c->rest_hash, "\n", 1);
	c->rest_bytes += l->text.len + l->whole;
	c->rest_feeds += l->whole;
}

/* Does this record, which comes behind them, name these lines as what is left of one that was cut short? Nothing of
 * what could be read may be lost that way, so it must be one line, and follow on the last record. */
static bool names_rest(
	const struct checking *c, const struct audit_line *l, const struct digest *got)
{
	const char *torn = audit_get(l, "torn"), *bytes = audit_get(l, "rest_bytes");
	struct err ignored = ERR_INIT;
	struct digest said;
	uint64_t count;

	return c->rest_feeds == 1 && torn && bytes &&
	       digest_from_hex(&said, DIGEST_SHA256, span_of(torn), &ignored) == 0 &&
	       digest_eq(&said, got) && number_parse(span_of(bytes), INT64_MAX, &count) &&
	       count + 1 == c->rest_bytes;
}

/* End the lines that are no records at the record that comes behind them. True: they are a problem, which what is
 * missing between the records belongs to. */
static bool judge_rest(struct checking *c, const struct audit_line *l)
{
	struct digest got;
	bool named;

	if (!c->rest.line)
		return false;
	hasher_end(&c->rest_hash, &got);
	named = names_rest(c, l, &got);
	if (named)
		c->report->torn++;
	else
		complain(c, c->rest.file, c->rest.line, "is no record of the log");
	c->rest.line = 0;
	return !named;
}

/* --- records ---------------------------------------------------------------------------------- */

static bool follows(const struct checking *c, const struct audit_line *l)
{
	const struct audit_head *head = &c->report->head;

	return l->seq == head->seq + 1 && digest_eq(&l->prev, &head->hash);
}

static void check_order(struct checking *c, const struct audit_line *l)
{
	uint64_t next = c->report->head.seq + 1;

	if (l->seq == next)
		complain(c, c->last.line ? c->last.file : l->file,
			c->last.line ? c->last.line : l->number,
			"was changed: record %" PRIu64 ", %s:%" PRIu64 ", follows another one",
			l->seq, l->file, l->number);
	else if (l->seq == next + 1)
		complain(c, l->file, l->number, "record %" PRIu64 " is missing in front of it",
			next);
	else if (l->seq > next)
		complain(c, l->file, l->number,
			"records %" PRIu64 " to %" PRIu64 " are missing in front of it", next,
			l->seq - 1);
	else
		complain(c, l->file, l->number, "record %" PRIu64 " stands behind record %" PRIu64,
			l->seq, next - 1);
}

/* The clock may go back, and that is no edit; the order is that of the numbers. */
static void compare_clock(struct checking *c, const struct audit_line *l)
{
	const char *boot = audit_get(l, "boot"), *time = audit_get(l, "time");

	if (boot && time && strcmp(boot, c->boot) == 0 && strcmp(time, c->time) < 0)
		c->report->clock_back++;
	snprintf(c->boot, sizeof(c->boot), "%s", boot ? boot : "");
	snprintf(c->time, sizeof(c->time), "%s", time ? time : "");
}

static void compare_head(struct checking *c, const struct audit_line *l)
{
	if (!c->wanted || l->seq != c->wanted->seq || c->found)
		return;
	c->found = true;
	if (!digest_eq(&l->hash, &c->wanted->hash))
		complain(c, l->file, l->number,
			"record %" PRIu64 " is another one than the head names", l->seq);
}

static int check_line(void *ctx, const struct audit_line *l, struct err *e)
{
	struct checking *c = ctx;

	(void)e;
	if (!l->is_record) {
		add_rest(c, l);
		return 0;
	}
	if (!judge_rest(c, l) && !follows(c, l))
		check_order(c, l);
	compare_head(c, l);
	compare_clock(c, l);
	c->report->head = (struct audit_head){ l->seq, l->hash };
	c->report->records++;
	c->last = place_of(l);
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int check_files(struct checking *c, const char *store, struct err *e)
{
	AUTO(mem_free) unsigned *numbers = NULL;
	AUTO(fd_close) int dir = -1;
	char name[AUDIT_NAME_SIZE];
	size_t count = 0;
	unsigned next = 1;
	int rc = audit_open_folder(store, &dir, e);

	if (rc < 0 || (rc > 0 && audit_files(dir, &numbers, &count, e) < 0))
		return -1;
	for (size_t i = 0; i < count; i++) {
		for (; next < numbers[i] && c->report->problems < AUDIT_RECORDS_MAX; next++)
			complain(c, audit_name(next, name), 0, "is missing");
		next = numbers[i] + 1;
	}
	c->report->files = count;
	return 0;
}

/* A line that is being written, or that a power cut ended, has no line feed yet; the next append will name it. */
static void check_end(struct checking *c)
{
	const struct audit_head *head = &c->report->head;

	if (c->rest.line && c->rest_feeds == 0)
		c->report->torn++;
	else if (c->rest.line)
		complain(c, c->rest.file, c->rest.line, "is no record of the log");
	if (c->wanted && c->wanted->seq > head->seq)
		complain(c, c->last.line ? c->last.file : AUDIT_FOLDER, c->last.line,
			"the log ends at record %" PRIu64 ": records to %" PRIu64
			", which the head names, are missing",
			head->seq, c->wanted->seq);
	else if (c->wanted && c->wanted->seq && !c->found)
		complain(c, AUDIT_FOLDER, 0, "record %" PRIu64 ", which the head names, is missing",
			c->wanted->seq);
}

int audit_verify(const char *store, const struct audit_head *head, audit_problem_fn *problem,
	void *ctx, struct audit_report *report, struct err *e)
{
	AUTO(checking_release)
	struct checking c = { .wanted = head,
		.problem = problem,
		.ctx = ctx,
		.report = report,
		.rest_hash = HASHER_INIT };

	*report = (struct audit_report){ .head.hash.alg = DIGEST_SHA256 };
	if (check_files(&c, store, e) < 0 || audit_read(store, check_line, &c, e) < 0)
		return -1;
	check_end(&c);
	return 0;
}
