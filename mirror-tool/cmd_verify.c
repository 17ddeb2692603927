/* `moat verify`: a medium, or a store -> does every byte hold? Must never write. */
#include <time.h>

#include "mirror-tool/base_report.h"
#include "mirror-tool/changes.h"
#include "mirror-tool/media/verify.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"
#include "storage/base/clock.h"

#define VERIFY_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"trust this public key; repeatable (default: " TRUST_DIR "/*.pub)")
struct verify_options {
	VERIFY_OPTIONS(SETTING_FIELD, verify_options)
};
static const struct setting options[] = { VERIFY_OPTIONS(SETTING_ROW, verify_options) };

/* --- a medium ------------------------------------------------------------------------------ */

struct checking {
	struct verify_sink sink; /* first: the sink's ctx */
	const struct tool *t;
	struct err first; /* failure */
	unsigned failures;
	struct progress bar;
	struct progress_state state;
};

static void checking_release(struct checking *c)
{
	progress_end(&c->bar);
	verify_sink_release(&c->sink);
}

static int show_bytes(void *ctx, struct span bytes, struct err *e)
{
	struct checking *c = ctx;

	c->state.bytes += bytes.len;
	progress_show(&c->bar, &c->state);
	return verify_sink.bytes(ctx, bytes, e);
}

static int begin(void *ctx, struct medium *m, struct err *e)
{
	struct checking *c = ctx;
	char size[SIZE_TEXT_SIZE], head[AUDIT_HEAD_SIZE];

	(void)e;
	c->state = (struct progress_state){ .total = m->volumes, .bytes_total = m->head.set.bytes };
	for (size_t i = 0; i < m->trust->count; i++)
		if (medium_is_signed_by(m, m->trust->keys[i]))
			tool_note(c->t, "set %s %s: signed by %s", m->head.set.name,
				m->head.set.version, verify_key_name(m->trust->keys[i]));
	if (m->audit_head.seq)
		tool_note(c->t, "audit log of where it was sealed: %s",
			audit_head_text(&m->audit_head, head));
	tool_note(c->t, "%u volume%s, %s in %zu blobs", m->volumes, m->volumes == 1 ? "" : "s",
		size_text(m->head.set.bytes, size), m->head.inventory.count);
	return 0;
}

static int volume(void *ctx, struct medium *m, const char *name, uint32_t n, struct err *e)
{
	struct checking *c = ctx;

	(void)e;
	c->state.done++;
	progress_end(&c->bar);
	tool_note(c->t, "volume %u of %u: %s holds", n, m->volumes, name);
	return 0;
}

/* Go on with the other volumes: a damaged one is made again alone (M4). Skip the other parts of a blob that it cut, or
 * a sound volume would be blamed for it. */
static int failed(void *ctx, const char *name, const struct err *why, struct err *e)
{
	struct checking *c = ctx;

	(void)name;
	(void)e;
	c->sink.cut = (struct chunk){ .at = 0 };
	progress_end(&c->bar);
	if (c->failures++)
		tool_warn("%s", why->text);
	else
		c->first = *why;
	return 0;
}

static int report_medium(const struct tool *t, const struct medium *m, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	const struct set *set = &m->head.set;
	AUTO(buf_release) struct buf base = BUF_INIT;
	char digest[DIGEST_TEXT_SIZE], head[AUDIT_HEAD_SIZE];
	const struct base *bases[EXPORTS_MAX];
	struct left_out left_out;

	left_out.blobs = medium_left_out(m, &left_out.bytes);
	for (size_t i = 0; i < m->export_count; i++)
		bases[i] = &m->exports[i].base;
	medium_say_base(m, &base);
	report_object(&r, NULL);
	report_text(&r, "set", set->name);
	report_text(&r, "version", set->version);
	report_digest(&r, "digest", &m->head.digest);
	report_number(&r, "volumes", m->volumes);
	report_number(&r, "bytes", set->bytes);
	report_text(&r, "auditHead", audit_head_text(&m->audit_head, head));
	base_report(&r, bases, m->export_count, &left_out);
	digest_text(&m->head.digest, digest);
	if (base.len)
		report_line(&r, "%s %s %s: signed, every byte verified; %s: %llu blob%s not on it",
			set->name, set->version, digest, base.data,
			(unsigned long long)left_out.blobs, left_out.blobs == 1 ? " is" : "s are");
	else
		report_line(&r, "%s %s %s: signed, complete, every byte verified", set->name,
			set->version, digest);
	report_end(&r);
	return report_print(&r, e);
}

static int verify_medium(
	struct tool *t, const struct trust *trust, const struct texts *paths, struct err *e)
{
	static const struct medium_events events = { begin, volume, failed };
	const struct volume_sink sink = { verify_sink.chunk, show_bytes, verify_sink.end };
	AUTO(checking_release) struct checking c = { .sink = VERIFY_SINK_INIT, .t = t };
	AUTO(store_close) struct store *documents = tool_store_beside(t);
	AUTO(medium_release)
	struct medium m = {
		.trust = trust, .now = clock_now(), .documents = documents, .sink = &sink, .ctx = &c
	};

	progress_begin(&c.bar, t, "verify", "volumes");
	if (medium_read(&m, paths->items, paths->count, &events, e) < 0)
		return -1;
	if (c.failures) {
		*e = c.first;
		return -1;
	}
	if (medium_check_complete(&m, "", e) < 0)
		return -1;
	progress_end(&c.bar);
	return report_medium(t, &m, e);
}

/* --- a store ------------------------------------------------------------------------------- */

struct proving {
	FILE *out; /* for problems */
	struct progress bar;
};

static void proving_release(struct proving *p)
{
	progress_end(&p->bar);
}

static void problem(void *ctx, const char *invariant, const char *text)
{
	struct proving *p = ctx;

	progress_end(&p->bar);
	fprintf(p->out, "%s: %s\n", invariant, text);
}

static void moved(void *ctx, const struct check_progress *at)
{
	struct proving *p = ctx;

	progress_show(&p->bar, &(struct progress_state){ at->blobs, at->blobs_total, at->bytes,
				       at->bytes_total, false });
}

static int count_quarantined(void *ctx, const char *where, const char *reason, struct err *e)
{
	size_t *count = ctx;

	(void)where, (void)reason, (void)e;
	++*count;
	return 0;
}

static int count_mark(void *ctx, const struct digest *d, struct err *e)
{
	size_t *count = ctx;

	(void)d, (void)e;
	++*count;
	return 0;
}

/* Tell how many files are in quarantine, and how many are marked for it. */
static int tell_quarantined(
	const struct tool *t, struct store *s, size_t *quarantined, struct err *e)
{
	size_t marks = 0;

	if (list_quarantine(s, count_quarantined, quarantined, e) < 0 ||
		list_marks(s, count_mark, &marks, e) < 0)
		return -1;
	if (*quarantined)
		tool_note(t,
			"%zu file%s in %s/quarantine proved bad earlier; the reasons are beside "
			"them, and "
			"they may be removed",
			*quarantined, *quarantined == 1 ? "" : "s", t->store);
	if (marks)
		tool_note(t,
			"%zu blob%s marked as bad by a moatd that only reads; the next import or "
			"pull "
			"looks at them",
			marks, marks == 1 ? " is" : "s are");
	return 0;
}

/* Damage comes before a lack of rights, that before what is known to be missing. */
static enum err_code verdict(const struct check_report *r)
{
	if (r->problems > r->denied + r->absent)
		return ERR_CORRUPT;
	return r->denied ? ERR_RIGHTS : ERR_INCOMPLETE;
}

static int report_store(
	const struct tool *t, const struct check_report *found, size_t quarantined, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(t);
	char size[SIZE_TEXT_SIZE];

	report_object(&r, NULL);
	report_number(&r, "blobs", found->blobs);
	report_number(&r, "bytes", found->bytes);
	report_number(&r, "problems", found->problems);
	report_number(&r, "quarantined", quarantined);
	if (found->problems == 0)
		report_line(&r, "%s: %llu blobs, %s, every byte verified", t->store,
			(unsigned long long)found->blobs, size_text(found->bytes, size));
	report_end(&r);
	return report_print(&r, e);
}

static int judge_store(const struct tool *t, const struct check_report *r, struct err *e)
{
	if (r->problems == 0)
		return 0;
	if (verdict(r) == ERR_RIGHTS)
		return err_set(e, ERR_RIGHTS,
			"%s: %llu problem%s; this user has no right to read %llu of the files",
			t->store, (unsigned long long)r->problems, r->problems == 1 ? "" : "s",
			(unsigned long long)r->denied);
	return err_set(e, verdict(r),
		"%s: %llu problem%s; missing and bad blobs are restored by `moat import --check` "
		"of a medium that holds them, by `moat pull --check`, or by a push",
		t->store, (unsigned long long)r->problems, r->problems == 1 ? "" : "s");
}

static int verify_store(struct tool *t, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(proving_release) struct proving p = { .out = t->json ? stderr : t->out };
	const struct check_events events = { problem, moved, &p };
	struct check_report r = { .problems = 0 };
	size_t quarantined = 0;

	progress_begin(&p.bar, t, "verify", "blobs");
	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 ||
		store_open(&s, t->store, STORE_READ, e) < 0 ||
		store_check(s, true, &events, &r, e) < 0)
		return -1;
	progress_end(&p.bar);
	if (tell_quarantined(t, s, &quarantined, e) < 0 || conflicts_note(s, e) < 0)
		return -1;
	return report_store(t, &r, quarantined, e) < 0 ? -1 : judge_store(t, &r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct verify_options *o = given;
	AUTO(trust_release) struct trust trust = TRUST_INIT;

	if (args->count == 0 && t->store_given)
		return verify_store(t, e);
	if (args->count == 0)
		return tool_usage(e, "a medium is needed (a folder, volumes, or - for stdin), or "
				     "--store DIR");
	if (tool_trust_load(&trust, &o->keys, e) < 0)
		return -1;
	return verify_medium(t, &trust, args, e);
}

const struct command cmd_verify = {
	.name = "verify",
	.args = "[--key PUB]... PATH...|-   or: moat verify --store DIR",
	.summary = "check every byte of a medium or a store",
	.about = "A medium: signature, structure, completeness and every byte, as import does it,\n"
		 "but nothing is written. A store: every blob is hashed, and what the database "
		 "says\n"
		 "is compared with the files. Documents that a delta builds on are looked for in\n"
		 "the store (--store, else MOAT_STORE), which is not checked beside a medium.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct verify_options),
	.run = run,
};
