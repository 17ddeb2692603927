/*
 * `moat log`: the audit log of a store -> what was done, by whom, with what result; and `moat log verify`: is its chain
 * whole? Must never write, nor keep more than a record in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include "mirror-tool/media/medium.h"
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/audit/audit.h"
#include "storage/base/fs.h"
#include "storage/base/number.h"
#include "storage/base/banned.h"

#define HEAD_FILE_MAX 256 /* bytes of a file that holds a head */
#define PROBLEM_LINES_MAX 100
#define FOLLOW_MS 500 /* between two looks */
#define NO_STORE "`moat pull`, `moat import` and a `moatd` that may write make one"

#define LOG_OPTIONS(OPTION, S)                                                                     \
	OPTION(S, TEXT, since, "since", "TIME", NULL,                                              \
		"only what was recorded since then: 2026-12-01, 2026-12-01T09:30, in UTC")         \
	OPTION(S, TEXT, action, "action", "A", NULL, "only this action: import, activate, push")   \
	OPTION(S, TEXT, set, "set", "NAME", NULL, "only what concerns this set")                   \
	OPTION(S, COUNT, last, "last", "N", NULL, "only the last N of these", .min = 1)            \
	OPTION(S, FLAG, follow, "follow", NULL, NULL,                                              \
		"then go on with what is recorded, until SIGINT or SIGTERM")
struct log_options {
	LOG_OPTIONS(SETTING_FIELD, log_options)
};
static const struct setting log_options[] = { LOG_OPTIONS(SETTING_ROW, log_options) };

#define VERIFY_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, TEXTS, heads, "head", "HEAD", NULL,                                              \
		"a head that was kept: HEX@NUMBER, a file with it, or a medium that carries it; "  \
		"repeatable")                                                                      \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"trust this public key for the head of a medium; repeatable (default: " TRUST_DIR  \
		"/*.pub)")
struct log_verify_options {
	VERIFY_OPTIONS(SETTING_FIELD, log_verify_options)
};
static const struct setting verify_options[] = { VERIFY_OPTIONS(SETTING_ROW, log_verify_options) };

/* --- the records --------------------------------------------------------------------------------- */

/* One run. */
struct showing {
	struct tool *tool;
	const struct log_options *options;
	struct report report; /* of --follow: of one record at a time */
	struct audit_place at_place; /* up to where the chain was read */
	size_t since_len; /* of --since without its Z, so that the fractions of its second count */
	uint64_t matching; /* records that the options choose */
	uint64_t skip; /* of them, in front of the last N */
	uint64_t at; /* how many of them were met */
	uint64_t other; /* lines that are no records */
};

static void showing_release(struct showing *s)
{
	report_release(&s->report);
}

static const char *fact(const struct audit_line *l, const char *key)
{
	const char *text = audit_get(l, key);

	return text ? text : "";
}

static bool matches(const struct showing *s, const struct audit_line *l)
{
	const struct log_options *o = s->options;

	if (o->since && strncmp(fact(l, "time"), o->since, s->since_len) < 0)
		return false;
	if (o->action && strcmp(fact(l, "action"), o->action) != 0)
		return false;
	return !o->set || strcmp(fact(l, "set"), o->set) == 0;
}

/* Members that are texts in JSON, and numbers. */
static const char *const texts[] = { "time", "action", "result", "user", "login", "sudo", "host",
	"tty", "account", "peer", "set", "version", "digest", "repository", "reference", "medium",
	"override", "keys", "head", "why" };
static const char *const numbers[] = { "seq", "status", "begun", "count" };

static void report_json(struct report *r, const struct audit_line *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		report_text(r, texts[i], fact(l, texts[i]));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t value = 0;

		(void)!number_parse(span_of(fact(l, numbers[i])), INT64_MAX, &value);
		report_number(r, numbers[i], value);
	}
	report_flag(r, "chained", l->is_record);
}

static void add_word(struct buf *out, const char *before, const char *text, const char *after)
{
	if (*text)
		buf_printf(out, "%s%s%s", before, text, after);
}

/* What it was about: a set, a reference of a repository, a medium. */
static void add_subject(struct buf *out, const struct audit_line *l)
{
	const char *reference = fact(l, "reference");

	add_word(out, " ", fact(l, "set"), "");
	add_word(out, " ", fact(l, "version"), "");
	add_word(out, " ", fact(l, "repository"), "");
	add_word(out, strchr(reference, ':') ? "@" : ":", reference, "");
	add_word(out, " ", fact(l, "medium"), "");
	add_word(out, " x", fact(l, "count"), "");
}

static void add_who(struct buf *out, const struct audit_line *l)
{
	const char *account = fact(l, "account"), *peer = fact(l, "peer");

	if (*account || *peer) {
		add_word(out, " by ", *account ? account : "anyone", "");
		add_word(out, " from ", peer, "");
		return;
	}
	add_word(out, " by ", fact(l, "user"), "");
	if (strcmp(fact(l, "login"), fact(l, "user")) != 0)
		add_word(out, " (login ", fact(l, "login"), ")");
}

static void report_people(struct report *r, const struct audit_line *l)
{
	AUTO(buf_release) struct buf text = BUF_INIT;

	add_word(&text, "", fact(l, "seq"), " ");
	buf_printf(&text, "%.19s %s %s", fact(l, "time"), fact(l, "action"), fact(l, "result"));
	add_subject(&text, l);
	add_who(&text, l);
	add_word(&text, ": ", fact(l, "why"), "");
	report_line(r, "%s%s", text.data, l->is_record ? "" : " (not chained)");
}

/* Of --follow: a record stands by itself, and is not kept back. */
static int print_now(struct showing *s, struct err *e)
{
	if (report_print(&s->report, e) < 0)
		return -1;
	if (fflush(s->tool->out) != 0)
		return err_sys(e, "write results");
	s->report = (struct report)REPORT_INIT(s->tool);
	return 0;
}

static int show_line(void *ctx, const struct audit_line *l, struct err *e)
{
	struct showing *s = ctx;

	if (!*fact(l, "action")) {
		s->other++;
		return 0;
	}
	if (!matches(s, l) || s->at++ < s->skip)
		return 0;
	report_object(&s->report, NULL);
	report_json(&s->report, l);
	report_people(&s->report, l);
	report_end(&s->report);
	return s->options->follow ? print_now(s, e) : 0;
}

static int count_line(void *ctx, const struct audit_line *l, struct err *e)
{
	struct showing *s = ctx;

	(void)e;
	s->matching += *fact(l, "action") && matches(s, l);
	return 0;
}

/* What was recorded before there was a chain comes first. */
static int read_all(struct showing *s, audit_line_fn *fn, struct err *e)
{
	if (audit_read_older(s->tool->store, fn, s, e) < 0)
		return -1;
	if (!s->options->follow)
		return audit_read(s->tool->store, fn, s, e);
	s->at_place = (struct audit_place){ .file = 0 };
	return audit_read_on(s->tool->store, &s->at_place, fn, s, e);
}

static int check_since(const char *since, struct err *e)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S",
		"%Y-%m-%dT%H:%M:%SZ" };

	for (size_t i = 0; since && i < ARRAY_SIZE(forms); i++) {
		struct tm tm = { .tm_mday = 0 };
		const char *end = strptime(since, forms[i], &tm);

		if (end && !*end && strlen(since) >= strlen("2026-12-01"))
			return 0;
	}
	return since ? tool_usage(e,
			       "--since %s: a time as 2026-12-01 or 2026-12-01T09:30 is needed",
			       since)
		     : 0;
}

static void warn_of_others(struct showing *s)
{
	if (s->other)
		tool_warn("%" PRIu64 " line%s of the log %s; `moat log verify` tells more",
			s->other, s->other == 1 ? "" : "s",
			s->other == 1 ? "is no record" : "are no records");
	s->other = 0;
}

/* Block the signals that end --follow, and have a descriptor that tells of them. */
static int open_signals(struct err *e)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return err_sys(e, "block signals");
	fd = signalfd(-1, &ends, SFD_CLOEXEC);
	return fd < 0 ? err_sys(e, "signalfd") : fd;
}

/* Look for records until a signal comes, or nobody reads the results any more. A file that is grown by another machine makes
 * no event here, so it is looked at. */
static int follow(struct showing *s, struct err *e)
{
	AUTO(fd_close) int signals = open_signals(e);
	struct pollfd ends[] = { { .fd = signals, .events = POLLIN },
		{ .fd = fileno(s->tool->out), .events = 0 } };

	if (signals < 0)
		return -1;
	for (;;) {
		int rc = poll(ends, ARRAY_SIZE(ends), FOLLOW_MS);

		if (rc < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (rc > 0)
			return 0;
		if (audit_read_on(s->tool->store, &s->at_place, show_line, s, e) < 0)
			return -1;
		warn_of_others(s);
	}
}

static int show_all(struct showing *s, struct err *e)
{
	if (s->options->follow) {
		if (read_all(s, show_line, e) < 0)
			return -1;
		warn_of_others(s);
		return follow(s, e);
	}
	report_list(&s->report, NULL);
	if (read_all(s, show_line, e) < 0)
		return -1;
	report_end(&s->report);
	warn_of_others(s);
	return report_print(&s->report, e);
}

static int show(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct log_options *o = given;
	AUTO(showing_release)
	struct showing s = { .tool = t, .options = o, .report = REPORT_INIT(t) };

	if (args->count)
		return tool_usage(e, "log takes no arguments; `moat log verify` checks the chain");
	if (check_since(o->since, e) != 0)
		return TOOL_USAGE;
	s.since_len = o->since ? strcspn(o->since, "Z") : 0;
	if (tool_store_there(t, NO_STORE, e) < 0 || (o->last && read_all(&s, count_line, e) < 0))
		return -1;
	s.skip = s.matching > o->last && o->last ? s.matching - o->last : 0;
	return show_all(&s, e);
}

/* --- the chain ----------------------------------------------------------------------------------- */

struct proving {
	struct tool *tool;
	FILE *out; /* for problems */
	struct audit_report report;
	uint64_t lines;
};

static void problem(void *ctx, const char *file, uint64_t line, const char *text)
{
	struct proving *p = ctx;

	if (p->lines++ >= PROBLEM_LINES_MAX)
		return;
	if (line)
		fprintf(p->out, "%s:%" PRIu64 ": %s\n", file, line, text);
	else
		fprintf(p->out, "%s: %s\n", file, text);
}

static int report_chain(const struct proving *p, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(p->tool);
	const struct audit_report *a = &p->report;
	char head[AUDIT_HEAD_SIZE];

	audit_head_text(&a->head, head);
	report_object(&r, NULL);
	report_number(&r, "records", a->records);
	report_number(&r, "files", a->files);
	report_number(&r, "torn", a->torn);
	report_number(&r, "clockBack", a->clock_back);
	report_number(&r, "problems", a->problems);
	report_text(&r, "head", head);
	if (a->torn)
		report_line(&r,
			"%" PRIu64 " line%s cut short by a stop of the machine or a full disk",
			a->torn, a->torn == 1 ? " was" : "s were");
	if (a->clock_back)
		report_line(&r, "the clock went back %" PRIu64 " time%s", a->clock_back,
			a->clock_back == 1 ? "" : "s");
	if (!a->problems)
		report_line(&r, "%s: %" PRIu64 " records, the chain is whole", p->tool->store,
			a->records);
	report_label(&r, "head", head);
	report_end(&r);
	return report_print(&r, e);
}

/* The head that a medium carries, which a trusted key signed. */
static int head_of_medium(const struct tool *t, struct audit_head *head, const char *path,
	const struct texts *keys, struct err *e)
{
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	AUTO(store_close) struct store *documents = tool_store_beside(t);
	AUTO(medium_release)
	struct medium m = { .trust = &trust, .now = 0, .documents = documents };

	if (tool_trust_load(&trust, keys, e) < 0 || medium_read_head(&m, &path, 1, e) < 0)
		return -1;
	if (!m.audit_head.seq)
		return err_set(e, ERR_ABSENT, "%s: its signature names no audit log", path);
	*head = m.audit_head;
	return 0;
}

static int find_head(const struct tool *t, struct audit_head *head, const char *text,
	const struct texts *keys, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct span rest;
	struct stat st;

	if (stat(text, &st) < 0)
		return audit_head_parse(head, span_of(text), e);
	if (S_ISDIR(st.st_mode) || st.st_size > HEAD_FILE_MAX)
		return head_of_medium(t, head, text, keys, e);
	if (fs_read_file(AT_FDCWD, text, HEAD_FILE_MAX, &bytes, e) < 0)
		return -1;
	rest = buf_span(&bytes);
	return audit_head_parse(head, span_until(&rest, '\n'), e);
}

/* Compare with each head; without one only look at the chain itself. */
static int prove(struct proving *p, const struct log_verify_options *o, struct err *e)
{
	size_t i = 0;

	do {
		struct audit_head head = { .seq = 0 };

		if (o->heads.count && find_head(p->tool, &head, o->heads.items[i], &o->keys, e) < 0)
			return err_ctx(e, "--head");
		p->lines = 0;
		if (audit_verify(
			    p->tool->store, head.seq ? &head : NULL, problem, p, &p->report, e) < 0)
			return -1;
	} while (!p->report.problems && ++i < o->heads.count);
	return 0;
}

static int verify(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	struct proving p = { .tool = t, .out = t->json ? stderr : t->out };

	if (args->count)
		return tool_usage(e, "log verify takes no arguments; --head HEAD compares");
	if (tool_store_there(t, NO_STORE, e) < 0 || prove(&p, given, e) < 0 ||
		report_chain(&p, e) < 0)
		return -1;
	if (p.report.problems)
		return err_set(e, ERR_CORRUPT, "%s: %" PRIu64 " problem%s in the audit log",
			t->store, p.report.problems, p.report.problems == 1 ? "" : "s");
	return 0;
}

const struct command cmd_log = {
	.name = "log",
	.args = "[--since TIME] [--action A] [--set NAME] [--last N] [--follow]",
	.summary = "show what was done to a store, and by whom",
	.about =
		"The records of the store's audit log, the oldest first. What was recorded before\n"
		"there was a chained log comes in front.",
	.options = log_options,
	.option_count = ARRAY_SIZE(log_options),
	.options_size = sizeof(struct log_options),
	.run = show,
};

const struct command cmd_log_verify = {
	.name = "log verify",
	.args = "[--head HEAD]... [--key PUB]...",
	.summary = "check that nothing in the audit log was changed",
	.about = "Each record has the hash of the one before. What was cut off at the end shows "
		 "only\n"
		 "beside a head that was kept elsewhere; the last line printed is the head of now.",
	.options = verify_options,
	.option_count = ARRAY_SIZE(verify_options),
	.options_size = sizeof(struct log_verify_options),
	.run = verify,
};
