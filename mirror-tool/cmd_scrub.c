/*
 * `moat scrub`: a store -> the same, every held blob read, those that were read longest ago first, and the bad ones in
 * quarantine, or replaced from elsewhere. Must never delete a file, and never say that a blob is good that was not read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mirror-tool/progress.h"
#include "mirror-tool/repair/repair.h"
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "mirror-tool/tool_audit.h"
#include "storage/store_write.h"
#include "storage/base/clock.h"
#include "storage/base/throttle.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define SCRUB_OPTIONS(OPTION, S)                                                                   \
	OPTION(S, SIZE, rate, "rate", "SIZE", NULL,                                                \
		"read at most so many bytes a second, like 16M (default: no limit)", .min = 1,     \
		.max = 1ull << 40)                                                                 \
	OPTION(S, DURATION, older_than, "older-than", "TIME", NULL,                                \
		"only what was not read for so long, like 12h, 30d (default: all)",                \
		.max = 3650ull * 86400)                                                            \
	OPTION(S, TEXTS, sources, "repair-from", "SOURCE", NULL,                                   \
		"store:DIR, medium:PATH or registry:[http://]HOST[/PREFIX] that has good bytes; "  \
		"may be repeated")                                                                 \
	OPTION(S, TEXT, authfile, "authfile", "FILE", NULL,                                        \
		"credentials for registries (default: the usual places)")                          \
	OPTION(S, TEXTS, certs_dirs, "certs-dir", "DIR", NULL,                                     \
		"folder of HOST:PORT folders with certificates")
struct scrub_options {
	SCRUB_OPTIONS(SETTING_FIELD, scrub_options)
};
static const struct setting options[] = { SCRUB_OPTIONS(SETTING_ROW, scrub_options) };

#define PAGE 64 /* blobs that are asked for at once */
#define RECORD_MS                                                                                  \
	1000 /* between two records of what was read: as much a run that is killed reads again */
#define TRIES 4 /* at a file that is replaced while it is read */
#define IMAGES_MAX 1000 /* that are told of each bad blob */

/* One run. */
struct scrubbing {
	struct tool *tool;
	const struct scrub_options *given;
	struct store *store;
	struct progress bar;
	struct progress_state state; /* .bytes: that were read */
	int64_t chunk_us, record_ms; /* when this chunk began; when the next record is due */
	uint64_t blobs, bad;
	char where[QUARANTINE_NAME_SIZE]; /* of the file at hand; "" it stays */
	struct report report;
	size_t images; /* of the bad blob at hand */
	struct digest page[PAGE];
	size_t page_count;
	struct digest *marked; /* that a server found bad, and could only mark */
	size_t marked_count;
	struct repair repair; /* of all that is told */
	struct finding *absent; /* since before this run */
	size_t absent_count;
};

static void scrubbing_release(struct scrubbing *s)
{
	progress_end(&s->bar);
	report_release(&s->report);
	repair_release(&s->repair);
	store_close(&s->store);
	free(s->marked);
	free(s->absent);
}

/* --- what a bad blob is part of ---------------------------------------------------------------- */

/* The set's own repository says no more than the set. */
static int add_image(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct scrubbing *s = ctx;

	(void)e;
	if (s->images++ == IMAGES_MAX ||
		strncmp(repo, SET_HOST "/set/", strlen(SET_HOST "/set/")) == 0)
		return 0;
	report_object(&s->report, NULL);
	report_text(&s->report, "repository", repo);
	report_text(&s->report, "tag", tag);
	report_line(&s->report, "  image %s%s%s", repo, *tag ? ":" : "", tag);
	report_end(&s->report);
	return 0;
}

static int add_set(void *ctx, const struct set_info *info, struct err *e)
{
	struct scrubbing *s = ctx;

	(void)e;
	report_object(&s->report, NULL);
	report_text(&s->report, "set", info->name);
	report_text(&s->report, "version", info->version);
	report_digest(&s->report, "digest", &info->digest);
	report_flag(&s->report, "active", info->active);
	report_line(&s->report,
		"  set %s:%s%s: `moat import --check MEDIUM` of it brings the right bytes",
		info->name, info->version, info->active ? ", active" : "");
	report_end(&s->report);
	s->images++;
	return 0;
}

/* Say what it is, and who needs it: its row and what refers to it stay when its file goes. */
static int tell_users(struct scrubbing *s, const struct finding *f, struct err *e)
{
	struct report *r = &s->report;
	char text[DIGEST_TEXT_SIZE];

	s->bad++;
	repair_want(&s->repair, &f->digest, f->size);
	report_object(r, NULL);
	report_digest(r, "digest", &f->digest);
	report_number(r, "bytes", f->size);
	report_text(r, "file", f->text);
	report_text(r, "quarantine", s->where);
	report_line(r, "%s: its file %s", digest_text(&f->digest, text), f->text);
	s->images = 0;
	report_list(r, "images");
	if (blob_users(s->store, &f->digest, IMAGES_MAX + 1, add_image, s, e) < 0)
		return -1;
	report_end(r);
	report_flag(r, "moreImages", s->images > IMAGES_MAX);
	if (s->images > IMAGES_MAX)
		report_line(r, "  and more images");
	s->images = 0;
	report_list(r, "sets");
	if (blob_sets(s->store, &f->digest, add_set, s, e) < 0)
		return -1;
	report_end(r);
	if (!s->images)
		report_line(r, "  in no set: a push or a pull brings the right bytes");
	report_end(r);
	return 0;
}

/* --- one blob ------------------------------------------------------------------------------------ */

/* Rest after a chunk, until the rate holds for it. */
static int after_chunk(void *ctx, size_t bytes, struct err *e)
{
	struct scrubbing *s = ctx;
	const struct throttle_limit limit = { s->given->rate, 100 };
	int64_t left = s->chunk_us + throttle_us(&limit, bytes, 0) - clock_us();
	struct timespec rest;

	(void)e;
	s->state.bytes += bytes;
	progress_show(&s->bar, &s->state);
	for (; left > 0; left = s->chunk_us + throttle_us(&limit, bytes, 0) - clock_us()) {
		rest = (struct timespec){ left / 1000000, left % 1000000 * 1000 };
		(void)!nanosleep(&rest, NULL);
	}
	s->chunk_us = clock_us();
	return 0;
}

static void found(void *ctx, const struct finding *f, const char *where)
{
	struct scrubbing *s = ctx;
	char text[DIGEST_TEXT_SIZE];

	snprintf(s->where, sizeof(s->where), "%s", where);
	progress_end(&s->bar);
	tool_warn(
		"blob %s: its file %s; it is now quarantine/%s in the store, the reason beside it",
		digest_text(&f->digest, text), f->text, where);
}

/* Act on a bad file: a missing one changes nothing, it may come back. 1; 0: another one lies there by now. */
static int take_bad(struct scrubbing *s, const struct finding *f, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	int rc;

	*s->where = '\0';
	rc = blob_apply_finding(s->store, f, e);
	if (rc <= 0)
		return rc;
	if (!*s->where) {
		progress_end(&s->bar);
		tool_warn("blob %s: its file %s", digest_text(&f->digest, text), f->text);
	}
	return tell_users(s, f, e) < 0 ? -1 : 1;
}

static int scrub_blob(struct scrubbing *s, const struct digest *d, struct err *e)
{
	const struct throttle throttle = { .read = after_chunk, .ctx = s };
	struct finding f;
	int rc = 0;

	for (unsigned i = 0; i < TRIES && rc == 0; i++) {
		s->chunk_us = clock_us();
		rc = blob_examine(s->store, d, BLOB_CHECK_BYTES, &throttle, &f, e);
		if (rc == 0)
			return 0; /* it was removed meanwhile */
		if (rc > 0 && f.fault == BLOB_GOOD)
			rc = blob_apply_finding(s->store, &f, e);
		else if (rc > 0)
			rc = take_bad(s, &f, e);
	}
	s->blobs += rc > 0;
	return rc ? rc : err_set(e, ERR_BUSY, "its file is being replaced all the time");
}

/* --- what was marked ------------------------------------------------------------------------------ */

static int add_marked(void *ctx, const struct digest *d, struct err *e)
{
	struct scrubbing *s = ctx;

	(void)e;
	*VEC_PUSH(s->marked, s->marked_count) = *d;
	return 0;
}

/* Before the store is opened for writing: that takes the marked files to quarantine, and the marks go. A store that
 * cannot be read has none to tell of; opening it for writing says the rest. */
static int read_marks(struct scrubbing *s, struct err *e)
{
	AUTO(store_close) struct store *store = NULL;
	struct err ignored = ERR_INIT;

	if (store_open(&store, s->tool->store, STORE_READ, &ignored) < 0)
		return 0;
	return list_marks(store, add_marked, s, e);
}

/* Those whose files were bad indeed. */
static int tell_marked(struct scrubbing *s, struct err *e)
{
	for (size_t i = 0; i < s->marked_count; i++) {
		struct finding f = { .digest = s->marked[i],
			.text = "proved bad when a server read it, and is in quarantine" };
		int rc = blob_stat(s->store, &f.digest, &f.size, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		*s->where = '\0';
		if (tell_users(s, &f, e) < 0)
			return -1;
	}
	return 0;
}

/* --- what was found before ------------------------------------------------------------------------ */

static int add_absent(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct scrubbing *s = ctx;

	(void)e;
	*VEC_PUSH(s->absent, s->absent_count) =
		(struct finding){ .digest = *d, .size = size, .text = "was missed before" };
	return 0;
}

/* Once it is to be repaired: what is needed and known not to be held. */
static int tell_absent(struct scrubbing *s, struct err *e)
{
	if (!s->given->sources.count)
		return 0;
	if (blobs_absent(s->store, add_absent, s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->absent_count; i++) {
		*s->where = '\0';
		if (!repair_find(&s->repair, &s->absent[i].digest) &&
			tell_users(s, &s->absent[i], e) < 0)
			return -1;
	}
	return 0;
}

/* --- repairing --------------------------------------------------------------------------------------- */

static void tell_repair(struct report *r, const struct repair_blob *b)
{
	char text[DIGEST_TEXT_SIZE];

	digest_text(&b->digest, text);
	report_object(r, NULL);
	report_digest(r, "digest", &b->digest);
	report_flag(r, "held", b->held);
	report_text(r, "from", b->from ? b->from : "");
	if (b->from)
		report_line(r, "%s: repaired from %s", text, b->from);
	else if (b->held)
		report_line(r, "%s: is held again", text);
	else
		report_line(r, "%s: not repaired", text);
	report_array(r, "answers");
	for (size_t i = 0; i < b->try_count; i++) {
		report_object(r, NULL);
		report_text(r, "source", b->tries[i].source);
		report_text(r, "answer", b->tries[i].answer);
		report_line(r, "  %s: %s", b->tries[i].source, b->tries[i].answer);
		report_end(r);
	}
	report_end(r);
	report_end(r);
}

/* Ask each source for what the ones before did not bring. */
static int repair(struct scrubbing *s, struct err *e)
{
	const struct texts *sources = &s->given->sources;

	for (size_t i = 0; i < sources->count && s->repair.left; i++)
		if (repair_from(&s->repair, sources->items[i], e) < 0)
			return -1;
	report_list(&s->report, "repairs");
	for (size_t i = 0; i < s->repair.count && sources->count; i++)
		tell_repair(&s->report, s->repair.blobs[i]);
	report_end(&s->report);
	return 0;
}

static int check_sources(const struct scrubbing *s, struct err *e)
{
	for (size_t i = 0; i < s->given->sources.count; i++)
		if (repair_check_source(s->tool, s->given->sources.items[i], e) < 0)
			return err_ctx(e, "--repair-from %s", s->given->sources.items[i]);
	return 0;
}

/* --- all of them --------------------------------------------------------------------------------- */

static int add_to_page(void *ctx, const struct digest *d, uint64_t size, struct err *e)
{
	struct scrubbing *s = ctx;

	(void)size, (void)e;
	s->page[s->page_count++] = *d;
	return 0;
}

static int scrub_page(struct scrubbing *s, struct err *e)
{
	for (size_t i = 0; i < s->page_count; i++) {
		if (scrub_blob(s, &s->page[i], e) < 0)
			return -1;
		s->state.done++;
		progress_show(&s->bar, &s->state);
		if (clock_ms() >= s->record_ms) {
			store_record_findings(s->store);
			s->record_ms = clock_ms() + RECORD_MS;
		}
	}
	return 0;
}

/* What is read in this run is younger than its beginning, so it does not come again. */
static int scrub(struct scrubbing *s, struct err *e)
{
	struct blob_cursor at = { .by_age = true,
		.before = clock_now() - (int64_t)s->given->older_than };
	int rc;

	report_list(&s->report, "found");
	if (tell_marked(s, e) < 0)
		return -1;
	do {
		s->page_count = 0;
		rc = blobs_after(s->store, &at, PAGE, add_to_page, s, e);
		if (rc > 0 && scrub_page(s, e) < 0)
			rc = -1;
	} while (rc > 0);
	store_record_findings(s->store);
	if (rc < 0 || tell_absent(s, e) < 0)
		return -1;
	report_end(&s->report);
	progress_end(&s->bar);
	return repair(s, e);
}

static int begin(struct scrubbing *s, struct err *e)
{
	struct store_totals totals;

	if (tool_store_there(s->tool, TOOL_STORE_MAKERS, e) < 0 || check_sources(s, e) < 0 ||
		read_marks(s, e) < 0 || tool_store_write(s->tool, &s->store, e) < 0 ||
		store_totals(s->store, &totals, e) < 0)
		return -1;
	s->repair.store = s->store;
	store_set_care(
		s->store, &(struct store_care){ .operation = "scrub", .found = found, .ctx = s });
	if (!s->given->older_than)
		s->state = (struct progress_state){ .total = totals.blobs,
			.bytes_total = totals.bytes };
	progress_begin(&s->bar, s->tool, "scrub", "blobs");
	return 0;
}

static void say_sources(const struct scrubbing *s, struct buf *out)
{
	for (size_t i = 0; i < s->given->sources.count; i++)
		buf_printf(out, "%s%s", i ? "," : "", s->given->sources.items[i]);
}

static uint64_t repaired(const struct scrubbing *s)
{
	return s->repair.count - s->repair.left;
}

/* Scrub between the two records of it. */
static int scrub_recorded(struct scrubbing *s, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	AUTO(buf_release) struct buf from = BUF_INIT;
	struct log_field facts[6] = { { NULL, NULL, 0 } };
	int rc;

	say_sources(s, &from);
	if (from.len)
		facts[0] = (struct log_field){ "from", from.data, 0 };
	if (tool_audit_open(&log, s->tool, "scrub", e) < 0 || tool_audit_begin(&log, facts, e) < 0)
		return -1;
	rc = scrub(s, e);
	progress_end(&s->bar);
	facts[0] = (struct log_field){ "blobs", NULL, s->blobs };
	facts[1] = (struct log_field){ "bytes", NULL, s->state.bytes };
	facts[2] = (struct log_field){ "bad", NULL, s->bad };
	if (from.len) {
		facts[3] = (struct log_field){ "repaired", NULL, repaired(s) };
		facts[4] = (struct log_field){ "from", from.data, 0 };
	}
	return tool_audit_end(&log, rc, facts, e);
}

/* --- telling --------------------------------------------------------------------------------------- */

static int report(struct scrubbing *s, struct err *e)
{
	struct report *r = &s->report;
	char size[SIZE_TEXT_SIZE];

	report_number(r, "blobs", s->blobs);
	report_number(r, "bytes", s->state.bytes);
	report_number(r, "bad", s->bad);
	report_number(r, "repaired", repaired(s));
	report_line(r, "%s: %llu blob%s read, %s, %llu bad%s", s->tool->store,
		(unsigned long long)s->blobs, s->blobs == 1 ? "" : "s",
		size_text(s->state.bytes, size), (unsigned long long)s->bad,
		s->bad && !s->repair.left ? ", all repaired" : "");
	report_end(r);
	return report_print(r, e);
}

static int judge(const struct scrubbing *s, struct err *e)
{
	unsigned long long left = s->repair.left;

	if (!left)
		return 0;
	return err_set(e, ERR_CORRUPT, "%s: %llu blob%s bad or missing; nothing was deleted",
		s->tool->store, left, left == 1 ? " is" : "s are");
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(scrubbing_release)
	struct scrubbing s = { .tool = t, .given = given, .report = REPORT_INIT(t) };

	s.repair = (struct repair){
		.tool = t, .authfile = s.given->authfile, .certs_dirs = &s.given->certs_dirs
	};

	if (args->count)
		return tool_usage(e, "scrub takes no words; --store DIR says which");
	report_object(&s.report, NULL);
	if (begin(&s, e) < 0 || scrub_recorded(&s, e) < 0 || report(&s, e) < 0)
		return -1;
	return judge(&s, e);
}

const struct command cmd_scrub = {
	.name = "scrub",
	.args = "[--rate SIZE] [--older-than TIME] [--repair-from SOURCE]...",
	.summary = "read every blob of a store again, the oldest read first",
	.about = "Beside moatd and all else. What is bad goes to quarantine and is served no more; "
		 "nothing\n"
		 "is deleted. Images and sets that need it are named, and `moat import --check "
		 "MEDIUM` of\n"
		 "such a set repairs it, or --repair-from another place. A run that was stopped is "
		 "gone on with by the next, with\n"
		 "--older-than to the end of it: what was read longest ago comes first.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct scrub_options),
	.run = run,
};
