/*
 * `moat pull`: lock -> store. Everything that is missing is fetched, what failed is listed; the same
 * command again goes on from there.
 */
#include "mirror-tool/pull/pull.h"

#include <stdlib.h>

#include "mirror-tool/list/choice.h"
#include "mirror-tool/pin_report.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"

#define PULL_OPTIONS(OPTION, S)                                                                    \
	OPTION(S, TEXT, lock, "lock", "FILE", "moat.lock", "what to pull, see moat.lock(5)")       \
	OPTION(S, TEXTS, only, "only", "REF", NULL,                                                \
		"only this reference of the lock; may be repeated")                                \
	OPTION(S, COUNT, jobs, "jobs", "N", "32",                                                  \
		"transfers at once, 1 to 256; 8 a host unless the list says otherwise", .min = 1,  \
		.max = 256)                                                                        \
	OPTION(S, FLAG, check, "check", NULL, NULL,                                                \
		"read the bytes of what the store holds already, and replace what is bad")         \
	OPTION(S, TEXT, authfile, "authfile", "FILE", NULL,                                        \
		"credentials (default: the usual places)")                                         \
	OPTION(S, TEXTS, certs_dirs, "certs-dir", "DIR", NULL,                                     \
		"folder of HOST:PORT folders with certificates")
struct pull_options {
	PULL_OPTIONS(SETTING_FIELD, pull_options)
};
static const struct setting options[] = { PULL_OPTIONS(SETTING_ROW, pull_options) };

/* One run. */
struct pulling {
	struct tool *tool;
	const struct pull_options *options;
	struct lock lock;
	const struct lock_pin **pins;
	size_t count;
	struct store *store;
	struct pull_report report;
	uint64_t received; /* bytes */
	struct failures failures;
};

static void pulling_release(struct pulling *p)
{
	pull_report_release(&p->report);
	failures_release(&p->failures);
	store_close(&p->store);
	free(p->pins);
	lock_release(&p->lock);
}

/* --- which pins ------------------------------------------------------------------------------ */

static int choose_one(struct pulling *p, const char *text, bool *chosen, struct err *e)
{
	bool found = false;
	struct ref wanted;

	if (ref_parse(&wanted, span_of(text), e) < 0)
		return err_ctx(e, "--only %s", text);
	for (size_t i = 0; i < p->lock.count; i++) {
		if (!ref_chooses(&wanted, &p->lock.pins[i].ref, &p->lock.pins[i].digest))
			continue;
		chosen[i] = found = true;
	}
	if (!found)
		return err_set(e, ERR_ABSENT, "--only %s: %s has no such reference", text,
			p->options->lock);
	return 0;
}

static int choose(struct pulling *p, struct err *e)
{
	AUTO(mem_free) bool *chosen = mem_alloc(p->lock.count * sizeof(*chosen));
	const struct texts *only = &p->options->only;

	for (size_t i = 0; i < only->count; i++)
		if (choose_one(p, only->items[i], chosen, e) < 0)
			return -1;
	p->pins = mem_alloc(p->lock.count * sizeof(*p->pins));
	for (size_t i = 0; i < p->lock.count; i++)
		if (chosen[i] || !only->count)
			p->pins[p->count++] = &p->lock.pins[i];
	return 0;
}

/* --- telling ------------------------------------------------------------------------------- */

static int report(struct pulling *p, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(p->tool);
	char size[SIZE_TEXT_SIZE];

	report_object(&r, NULL);
	report_number(&r, "pins", p->report.pins);
	report_number(&r, "bytes", p->received);
	report_array(&r, "foreign");
	for (size_t i = 0; i < p->report.foreign_count; i++)
		report_text(&r, NULL, p->report.foreign[i]);
	report_end(&r);
	report_number(&r, "quarantined", store_found_bad(p->store));
	failures_report(&r, &p->failures);
	report_line(&r, "%s: %zu of %zu pins held, %s received", p->tool->store, p->report.pins,
		p->count, size_text(p->received, size));
	report_end(&r);
	if (report_print(&r, e) < 0)
		return -1;
	for (size_t i = 0; i < p->report.foreign_count; i++)
		tool_warn("a foreign layer is not carried: %s", p->report.foreign[i]);
	return 0;
}

/* --- the run ------------------------------------------------------------------------------- */

static int pull(struct pulling *p, struct err *e)
{
	AUTO(session_end) struct session s = { .upstream = NULL };
	struct session_options how = {
		.authfile = p->options->authfile,
		.certs_dirs = &p->options->certs_dirs,
		.registries = &p->lock.registries,
		.base = p->options->lock,
		.jobs = p->options->jobs,
		.verb = "pull",
		.things = "pins",
		.blobs = true,
	};

	if (session_begin(&s, p->tool, &how, e) < 0 ||
		pull_pins(&s, p->store, p->pins, p->count, &p->report, &p->failures, e) < 0)
		return -1;
	p->received = s.received;
	if (report(p, e) < 0)
		return -1;
	return tool_failures(&p->failures, p->count, "pins", e);
}

/* Pull between the two records of it. */
static int pull_recorded(struct pulling *p, struct err *e)
{
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	struct log_field facts[] = { { "lock", p->options->lock, 0 }, { "pins", NULL, p->count },
		{ NULL, NULL, 0 }, { NULL, NULL, 0 } };
	int rc;

	if (tool_audit_open(&log, p->tool, "pull", e) < 0 || tool_audit_begin(&log, facts, e) < 0)
		return -1;
	rc = pull(p, e);
	facts[1].number = p->report.pins;
	facts[2] = (struct log_field){ "bytes", NULL, p->received };
	return tool_audit_end(&log, rc, facts, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(pulling_release) struct pulling p = { .tool = t, .options = given };
	int rc;

	if (args->count)
		return tool_usage(e, "pull takes no arguments; --only REF chooses");
	rc = lock_read(&p.lock, p.options->lock, e);
	if (rc == 0)
		return err_set(
			e, ERR_ABSENT, "%s is not there; `moat pin` makes it", p.options->lock);
	if (rc < 0 || choose(&p, e) < 0 || tool_store_write(t, &p.store, e) < 0)
		return -1;
	tool_store_care(t, p.store, p.options->check);
	return pull_recorded(&p, e);
}

const struct command cmd_pull = {
	.name = "pull",
	.args = "[--lock FILE] [--only REF]... [--jobs N] [--check]",
	.summary = "fetch what a lock pins into the store",
	.about = "Only what the store does not have is fetched, each blob once; a pull that was\n"
		 "interrupted goes on where it was. What failed is listed at the end and can be\n"
		 "retried alone with --only.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct pull_options),
	.run = run,
};
