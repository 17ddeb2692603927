/*
 * `moat pin`: list -> lock. A new lock is written; an existing one is compared, and only changed with
 * --update. Must never write a lock that lacks something the list wants.
 */
#include <fcntl.h>
#include <time.h>

#include "mirror-tool/list/list_diff.h"
#include "mirror-tool/pin/resolve.h"
#include "mirror-tool/pin_report.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/banned.h"

#define PIN_OPTIONS(OPTION, S)                                                                     \
	OPTION(S, TEXT, list, "list", "FILE", "moat.yaml", "what is wanted, see moat.yaml(5)")     \
	OPTION(S, TEXT, lock, "lock", "FILE", "moat.lock", "where it is pinned, see moat.lock(5)") \
	OPTION(S, FLAG, update, "update", NULL, NULL,                                              \
		"take changes into an existing lock: of each REF, or of everything")               \
	OPTION(S, TEXT, authfile, "authfile", "FILE", NULL,                                        \
		"credentials (default: the usual places)")                                         \
	OPTION(S, TEXTS, certs_dirs, "certs-dir", "DIR", NULL,                                     \
		"folder of HOST:PORT folders with certificates")
struct pin_options {
	PIN_OPTIONS(SETTING_FIELD, pin_options)
};
static const struct setting options[] = { PIN_OPTIONS(SETTING_ROW, pin_options) };

/* One run. */
struct pinning {
	struct tool *tool;
	const struct pin_options *options;
	struct choice only; /* what was asked for, then what the list wants otherwise now */
	size_t asked;
	struct list list;
	struct lock old, now;
	bool had_lock;
	struct failures failures;
	struct drifts drifts;
};

static void pinning_release(struct pinning *p)
{
	list_release(&p->list);
	choice_release(&p->only);
	lock_release(&p->old);
	lock_release(&p->now);
	failures_release(&p->failures);
	drifts_release(&p->drifts);
}

static int read_list(struct pinning *p, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	const char *path = p->options->list;
	int rc = fs_read_file(AT_FDCWD, path, LIST_BYTES_MAX, &bytes, e);

	if (rc == 0)
		return err_set(e, ERR_ABSENT, "%s is not there; see moat.yaml(5)", path);
	if (rc < 0 || list_parse(&p->list, path, buf_span(&bytes), e) < 0)
		return -1;
	memcpy(p->now.name, p->list.name, sizeof(p->now.name));
	memcpy(p->now.version, p->list.version, sizeof(p->now.version));
	digest_of(&p->now.list, DIGEST_SHA256, buf_span(&bytes));
	p->now.list_text = buf_detach(&bytes);
	registry_confs_copy(&p->now.registries, &p->list.registries);
	return 0;
}

static int resolve(struct pinning *p, struct err *e)
{
	AUTO(session_end) struct session s = { .upstream = NULL };
	struct session_options how = {
		.authfile = p->options->authfile,
		.certs_dirs = &p->options->certs_dirs,
		.registries = &p->list.registries,
		.base = p->options->list,
		.verb = "pin",
		.things = "references",
	};

	if (session_begin(&s, p->tool, &how, e) < 0)
		return -1;
	return resolve_list(&s, &p->list, &p->now, &p->failures, e);
}

static void stamp(struct lock *l)
{
	clock_text(clock_now(), l->created);
}

static int write_lock(struct pinning *p, struct err *e)
{
	AUTO(buf_release) struct buf bytes = BUF_INIT;

	stamp(&p->now);
	lock_write(&p->now, &bytes);
	return fs_replace_file(AT_FDCWD, p->options->lock, buf_span(&bytes), 0644, e);
}

/* --- telling ------------------------------------------------------------------------------- */

/* ", 1 skipped, 3 excuses in all", or nothing. */
static void print_left(const struct lock *l, struct buf *out)
{
	size_t excuses = lock_excuses(l);

	if (l->skipped.count)
		buf_printf(out, ", %zu skipped", l->skipped.count);
	if (excuses)
		buf_printf(out, ", %zu excuse%s in all", excuses, excuses == 1 ? "" : "s");
}

static int report(struct pinning *p, bool written, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(p->tool);
	AUTO(buf_release) struct buf left = BUF_INIT;
	const char *lock = p->options->lock;

	report_object(&r, NULL);
	report_text(&r, "lock", lock);
	report_number(&r, "pins", p->now.count);
	report_flag(&r, "written", written);
	drifts_report(&r, &p->drifts);
	failures_report(&r, &p->failures);
	report_number(&r, "excuses", lock_excuses(&p->now));
	skips_report(&r, &p->now.skipped);
	print_left(&p->now, &left);
	if (written)
		report_line(&r, "%s: %zu pin%s written%s", lock, p->now.count,
			p->now.count == 1 ? "" : "s", left.data);
	else if (p->had_lock && !p->drifts.count && !p->failures.count)
		report_line(&r, "%s: %zu pin%s, nothing has changed%s", lock, p->now.count,
			p->now.count == 1 ? "" : "s", left.data);
	report_end(&r);
	return report_print(&r, e);
}

static size_t attempted(const struct pinning *p)
{
	return p->now.count + p->now.skipped.count + p->failures.count;
}

/* Fail when every image would be skipped: that is the network, not the images. */
static int check_any(const struct pinning *p, struct err *e)
{
	const struct skips *s = &p->now.skipped;

	if (p->now.count || !s->count || p->failures.count)
		return 0;
	return err_set(e, ERR_INCOMPLETE, "each of %zu references would be skipped; %s: %s",
		s->count, s->items[0].ref, s->items[0].why);
}

/* Failures that no drift explains fail always; the others only when the lock would be written. */
static int judge(struct pinning *p, struct err *e)
{
	bool may_write = !p->had_lock || (p->options->update && p->drifts.count);

	if (drift_unexplained(&p->drifts, &p->failures) || (may_write && p->failures.count)) {
		if (report(p, false, e) < 0)
			return -1;
		return tool_failures(&p->failures, attempted(p), "references", e);
	}
	if (check_any(p, e) < 0 || (may_write && write_lock(p, e) < 0) ||
		report(p, may_write, e) < 0)
		return -1;
	if (may_write || !p->drifts.count)
		return 0;
	return err_set(e, ERR_DIFFERS, "%zu changes since %s was written; --update takes them in",
		p->drifts.count, p->options->lock);
}

static void note_skipped(const struct pinning *p)
{
	const struct skips *s = &p->now.skipped;

	for (size_t i = 0; i < s->count; i++)
		tool_note(p->tool, "skipped: %s: %s", s->items[i].ref, s->items[i].why);
}

/* --- only some references ----------------------------------------------------------------------- */

/* Choose what changed in the list since, too: a lock is of its whole list. */
static int add_changed(struct pinning *p, struct err *e)
{
	AUTO(list_release) struct list before = LIST_ZERO;
	const char *lock = p->options->lock, *list = p->options->list;

	if (digest_eq(&p->old.list, &p->now.list))
		return 0;
	if (list_parse(&before, "the list in it", span_of(p->old.list_text), e) < 0)
		return err_ctx(e,
			"cannot tell what changed in %s since %s was written; run `moat pin` "
			"without references",
			list, lock);
	list_diff(&p->only, &before, &p->list);
	if (p->only.count > p->asked)
		tool_note(p->tool,
			"%s has changed since %s was written; what it adds, changes or "
			"drops is resolved too",
			list, lock);
	return 0;
}

/* Resolve only what was asked for; the rest stays as it is locked. */
static int limit(struct pinning *p, struct err *e)
{
	p->asked = p->only.count;
	if (!p->only.count)
		return 0;
	if (!p->had_lock)
		return err_set(e, ERR_INPUT,
			"%s is not there; the first `moat pin` takes no references",
			p->options->lock);
	p->list.only = &p->only;
	return add_changed(p, e);
}

/* Text of a skip or failure: a reference, or a name and a pattern behind a blank. */
static bool is_chosen_text(const struct ref *wanted, const char *text)
{
	const char *blank = strchr(text, ' ');
	struct span name = { text, blank ? (size_t)(blank - text) : strlen(text) };
	struct err e = ERR_INIT;
	struct ref ref;

	if (ref_parse(&ref, name, &e) < 0)
		return false;
	return blank ? choice_has_name(&(struct choice){ (struct ref *)wanted, 1 }, &ref)
		     : ref_chooses(wanted, &ref, &ref.digest);
}

static bool is_chosen_skip(const struct pinning *p, const char *text)
{
	for (size_t i = 0; i < p->only.count; i++)
		if (is_chosen_text(&p->only.items[i], text))
			return true;
	return false;
}

static bool is_known(const struct pinning *p, const struct ref *wanted)
{
	for (size_t i = 0; i < p->old.count; i++)
		if (ref_chooses(wanted, &p->old.pins[i].ref, &p->old.pins[i].digest))
			return true;
	for (size_t i = 0; i < p->now.count; i++)
		if (ref_chooses(wanted, &p->now.pins[i].ref, &p->now.pins[i].digest))
			return true;
	for (size_t i = 0; i < p->now.skipped.count; i++)
		if (is_chosen_text(wanted, p->now.skipped.items[i].ref))
			return true;
	return p->failures.count > 0;
}

/* Copy what was not asked for from a second reading of the lock. */
static int copy_others(struct pinning *p, struct err *e)
{
	AUTO(lock_release) struct lock locked = LOCK_INIT;
	char text[REF_TEXT_SIZE];

	for (size_t i = 0; i < p->asked; i++)
		if (!is_known(p, &p->only.items[i]))
			return err_set(e, ERR_ABSENT, "%s has no such reference: %s",
				p->options->list, ref_text(&p->only.items[i], text));
	if (!p->only.count)
		return 0;
	if (lock_read(&locked, p->options->lock, e) < 0)
		return -1;
	for (size_t i = 0; i < locked.count; i++)
		if (!choice_has(&p->only, &locked.pins[i].ref, &locked.pins[i].digest))
			lock_move(&p->now, &locked.pins[i]);
	for (size_t i = 0; i < locked.skipped.count; i++)
		if (!is_chosen_skip(p, locked.skipped.items[i].ref))
			skips_add(&p->now.skipped, locked.skipped.items[i].ref,
				locked.skipped.items[i].why);
	return 0;
}

static int pin(struct pinning *p, struct err *e)
{
	int rc;

	if (read_list(p, e) < 0)
		return -1;
	rc = lock_read(&p->old, p->options->lock, e);
	if (rc < 0)
		return -1;
	p->had_lock = rc > 0;
	if (limit(p, e) < 0 || resolve(p, e) < 0 || copy_others(p, e) < 0)
		return -1;
	lock_sort(&p->now);
	note_skipped(p);
	if (p->had_lock)
		drift_find(&p->drifts, &p->old, &p->now, &p->failures);
	return judge(p, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(pinning_release) struct pinning p = { .tool = t, .options = given };

	if (choice_read(&p.only, args->items, args->count, e) < 0)
		return TOOL_USAGE;
	return pin(&p, e);
}

const struct command cmd_pin = {
	.name = "pin",
	.args = "[--list FILE] [--lock FILE] [--update] [REF]...",
	.summary = "resolve a list to digests: moat.yaml -> moat.lock",
	.about = "Tags, globs and ranges become digests; signatures, attestations and SBOMs are "
		 "found\n"
		 "and recorded. With an existing lock the changes upstream are reported, and "
		 "nothing is\n"
		 "written without --update: exit status 0 nothing has changed, 10 something has.\n"
		 "With REF only these references are looked at, and what changed in the list; all\n"
		 "others stay as they are locked.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct pin_options),
	.run = run,
};
