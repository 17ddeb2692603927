/* `moat import`: medium -> store, verified while it is copied. Must never accept or activate a set without a record of it. */
#include <time.h>

#include "mirror-tool/changes.h"
#include "mirror-tool/import_audit.h"
#include "mirror-tool/media/chain.h"
#include "mirror-tool/media/import.h"
#include "mirror-tool/node/node_hosts.h"
#include "mirror-tool/progress.h"
#include "mirror-tool/tool.h"
#include "storage/base/banned.h"
#include "storage/base/clock.h"

#define IMPORT_OPTIONS(OPTION, S)                                                                  \
	OPTION(S, TEXTS, keys, "key", "PUB", NULL,                                                 \
		"trust this public key; repeatable (default: " TRUST_DIR "/*.pub)")                \
	OPTION(S, TEXTS, new_signers, "allow-signer", "NAME", NULL,                                \
		"let this trusted key sign a set that others signed; repeatable")                  \
	OPTION(S, FLAG, check, "check", NULL, NULL,                                                \
		"read the bytes of what the store holds already, and replace what is bad")         \
	OPTION(S, FLAG, activate, "activate", NULL, NULL,                                          \
		"make the set active, too: what it pins is served from then on")                   \
	OPTION(S, TEXTS, take, "take", "SET", NULL,                                                \
		"with --activate: take tags that this active set pins to something else")          \
	OPTION(S, FLAG, allow_older, "allow-older", NULL, NULL,                                    \
		"also a set that is older than one that is here; needs --yes")                     \
	OPTION(S, FLAG, allow_expired, "allow-expired", NULL, NULL,                                \
		"also a set that has expired; needs --yes")                                        \
	OPTION(S, FLAG, yes, "yes", NULL, NULL,                                                    \
		"with --allow-older, --allow-expired: that is meant")                              \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL,                                            \
		"only say what would be copied and what would change")                             \
	OPTION(S, FLAG, strict, "strict", NULL, NULL,                                              \
		"refuse a set that leaves out anything its list wants")
struct import_options {
	IMPORT_OPTIONS(SETTING_FIELD, import_options)
};
static const struct setting options[] = { IMPORT_OPTIONS(SETTING_ROW, import_options) };

/* One run. */
struct importing {
	const struct tool *t;
	const struct set *set; /* of the medium; from begin() on */
	struct import_report r;
	struct report changes, signers; /* members of the result, as they were told last */
	bool active; /* the set is or becomes so */
	struct buf needs; /* options that activating it needs */
	enum set_way way; /* how it is activated */
	bool passed; /* a later set of its name comes behind it in this run */
	bool dry; /* nothing is done */
	bool check; /* read what is held already */
	struct import_audit *log; /* borrowed */
	size_t bad; /* files that were bad */
	struct progress bar;
	struct progress_state state;
};

static void importing_release(struct importing *p)
{
	progress_end(&p->bar);
	report_release(&p->changes);
	report_release(&p->signers);
	buf_release(&p->needs);
}

static void begin(void *ctx, const struct import_report *r)
{
	struct importing *p = ctx;
	char copy[SIZE_TEXT_SIZE], held[SIZE_TEXT_SIZE];

	p->r = *r;
	p->set = &r->head->set;
	p->state = (struct progress_state){ .total = r->volumes, .bytes_total = r->bytes };
	tool_note(p->t,
		"set %s %s: %s to copy (%llu bytes in %llu blobs), %s held already (%llu blobs)",
		p->set->name, p->set->version, size_text(r->bytes, copy),
		(unsigned long long)r->bytes, (unsigned long long)r->blobs,
		size_text(r->held_bytes, held), (unsigned long long)r->held_blobs);
}

static void report_signer(struct report *r, const struct signer *s)
{
	char hex[DIGEST_HEX_SIZE];

	report_object(r, NULL);
	report_text(r, "key", verify_key_name(s->key));
	report_text(r, "fingerprint", digest_hex(verify_key_id(s->key), hex));
	report_flag(r, "new", s->is_new);
	report_flag(r, "counts", s->counts);
	report_end(r);
}

/* Tell of a key that may sign the next versions from now on, or that may not though it signed this one. */
static void note_signer(const struct importing *p, const struct signer *s)
{
	struct span name = signer_name(s->key);

	if (s->counts)
		tool_note(p->t, "set %s: %s may sign the next versions", p->set->name,
			verify_key_name(s->key));
	else
		tool_warn("set %s %s is also signed by %s, which did not sign the version before: "
			  "its signature is left out, and it may not sign the next versions; if "
			  "that is meant: --allow-signer %.*s",
			p->set->name, p->set->version, verify_key_name(s->key), (int)name.len,
			name.data);
}

static void signers(void *ctx, const struct signers *by)
{
	struct importing *p = ctx;

	progress_end(&p->bar);
	report_part_begin(&p->signers);
	report_array(&p->signers, "signers");
	for (size_t i = 0; i < by->count; i++) {
		report_signer(&p->signers, &by->items[i]);
		if (by->items[i].is_new && (!by->first || by->count > 1))
			note_signer(p, &by->items[i]);
	}
	report_end(&p->signers);
}

static void changes(void *ctx, const struct set_changes *c)
{
	struct importing *p = ctx;

	p->active = c->active || (c->activates && !p->dry);
	p->way = c->way;
	buf_clear(&p->needs);
	changes_options(c, &p->needs);
	progress_end(&p->bar);
	changes_note(p->t, p->set->name, p->set->version, c);
	report_part_begin(&p->changes);
	changes_report_needs(&p->changes, c);
	changes_report(&p->changes, c);
}

static int accept_set(void *ctx, const struct medium *m, struct err *e)
{
	struct importing *p = ctx;

	progress_end(&p->bar);
	return import_audit_begin(p->log, m, e);
}

static void volume(void *ctx, const char *name, uint32_t n, uint32_t volumes)
{
	struct importing *p = ctx;

	p->state.done++;
	progress_end(&p->bar);
	tool_note(p->t, "volume %u of %u: %s", n, volumes, name);
}

static void moved(void *ctx, uint64_t bytes)
{
	struct importing *p = ctx;

	p->state.bytes += bytes;
	progress_show(&p->bar, &p->state);
}

static size_t count_pins(const struct set *s)
{
	size_t pins = 0;

	for (size_t i = 0; i < s->count; i++)
		pins += s->entries[i].role == SET_PIN;
	return pins;
}

static const char *state_word(const struct importing *p)
{
	return p->dry ? "not imported" : p->active ? "active" : "accepted";
}

/* " --allow-older --allow-expired --yes", as far as activating it needs them. */
static void add_overrides(struct buf *out, bool older, bool expired)
{
	if (older)
		buf_str(out, " --allow-older");
	if (expired)
		buf_str(out, " --allow-expired");
	if (older || expired)
		buf_str(out, " --yes");
}

/* The line that makes it what is served, to be copied. */
static void report_activation(struct report *r, const struct importing *p, const struct set *s)
{
	AUTO(buf_release) struct buf line = BUF_INIT;
	bool back = p->way == SET_WAY_BACK;
	char now[CLOCK_TEXT_SIZE];

	buf_printf(&line, "moat %s", back ? "rollback" : "activate");
	if (p->t->store_given)
		buf_printf(&line, " --store %s", p->t->store);
	if (p->needs.len)
		buf_printf(&line, " %s", p->needs.data);
	if (back)
		buf_printf(&line, " --to %s %s", s->version, s->name);
	else {
		add_overrides(&line, p->way == SET_WAY_OLDER,
			*s->expires && strcmp(clock_text(clock_now(), now), s->expires) > 0);
		buf_printf(&line, " %s:%s", s->name, s->version);
	}
	report_line(r, "to serve it: %s", line.data);
}

static int report(struct importing *p, const struct medium *m, struct err *e)
{
	const struct head *h = &m->head;
	AUTO(report_release) struct report r = REPORT_INIT(p->t);
	char digest[DIGEST_TEXT_SIZE], excuses[EXCUSES_TEXT_SIZE], head[AUDIT_HEAD_SIZE];
	size_t pins = count_pins(&h->set);

	report_object(&r, NULL);
	report_text(&r, "set", h->set.name);
	report_text(&r, "version", h->set.version);
	report_digest(&r, "digest", &h->digest);
	report_flag(&r, "active", p->active);
	report_number(&r, "references", pins);
	report_number(&r, "copied", p->r.bytes);
	report_number(&r, "held", p->r.held_bytes);
	report_number(&r, "quarantined", p->bad);
	report_number(&r, "excuses", h->set.excuses);
	report_text(&r, "auditHead", audit_head_text(&m->audit_head, head));
	report_insert(&r, &p->signers);
	report_insert(&r, &p->changes);
	report_line(&r, "%s %s %s: %s, %zu reference%s%s", h->set.name, h->set.version,
		digest_text(&h->digest, digest), state_word(p), pins, pins == 1 ? "" : "s",
		excuses_text(h->set.excuses, excuses));
	if (!p->dry && !p->active && !p->passed)
		report_activation(&r, p, &h->set);
	report_end(&r);
	return report_print(&r, e);
}

/* Say what an import would say before the first byte. The store is there. */
static int preview(struct tool *t, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;

	if (tool_store_there(t, "`moat import` makes it", e) < 0 ||
		store_open(&s, t->store, STORE_READ, e) < 0)
		return -1;
	return import_preview(s, terms, events, m, e);
}

static int import(struct tool *t, const struct import_terms *terms,
	const struct import_events *events, struct medium *m, struct err *e)
{
	struct importing *p = events->ctx;
	AUTO(store_close) struct store *s = NULL;
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	struct import_audit audit = { terms->paths, terms->path_count,
		tool_audit_override(terms->older, terms->expired), &log };

	if (tool_store_write(t, &s, e) < 0 || tool_audit_open(&log, t, "import", e) < 0)
		return -1;
	p->log = &audit;
	tool_store_care(t, s, p->check);
	if (import_audit_end(&audit, m, import_medium(s, terms, events, m, e), e) < 0)
		return -1;
	p->bad = store_found_bad(s);
	return node_hosts_note(t, s, e) < 0 ? -1 : conflicts_note(s, e);
}

/* Import one set, and say what came of it. passed: a later one of its name follows. */
static int import_set(struct tool *t, const struct import_options *o,
	const struct import_terms *terms, bool passed, struct err *e)
{
	AUTO(medium_release) struct medium m = { .trusted = false };
	AUTO(importing_release) struct importing p = { .t = t,
		.changes = REPORT_INIT(t),
		.signers = REPORT_INIT(t),
		.needs = BUF_INIT,
		.passed = passed,
		.dry = o->dry_run,
		.check = o->check };
	struct import_events events = { begin, signers, changes, accept_set, volume, moved, &p };
	int rc;

	progress_begin(&p.bar, t, "import", "volumes");
	rc = (o->dry_run ? preview : import)(t, terms, &events, &m, e);
	progress_end(&p.bar);
	return rc < 0 ? -1 : report(&p, &m, e);
}

/* Import sets one after the other, each behind what it builds on. Only the last of a name becomes active. What was accepted stays so
 * when a later one is refused, and those behind it are told. */
static int import_chain(struct tool *t, const struct import_options *o, const struct chain *c,
	const struct import_terms *terms, struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		struct import_terms of_set = *terms;
		bool passed = chain_goes_on(c, i);

		of_set.paths = c->sets[i].paths;
		of_set.path_count = c->sets[i].path_count;
		of_set.activate = terms->activate && !passed;
		if (import_set(t, o, &of_set, passed, e) == 0)
			continue;
		while (++i < c->count)
			tool_warn("set %s %s is not imported: one before it was not",
				c->sets[i].name, c->sets[i].version);
		return -1;
	}
	return 0;
}

/* Record that the paths hold nothing that could be looked at, which *e says. */
static int record_refusal(const struct tool *t, const struct import_terms *terms, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	AUTO(tool_audit_release) struct tool_audit log = TOOL_AUDIT_INIT;
	struct import_audit audit = { terms->paths, terms->path_count, NULL, &log };
	const struct medium none = { .trusted = false };
	struct err unwritten = ERR_INIT;

	if (tool_store_write(t, &s, &unwritten) < 0 ||
		tool_audit_open(&log, t, "import", &unwritten) < 0)
		return -1;
	return import_audit_end(&audit, &none, -1, e);
}

/* Import what the paths hold: one set, or several. */
static int import_paths(struct tool *t, const struct import_options *o,
	const struct import_terms *terms, struct err *e)
{
	AUTO(chain_release) struct chain c = CHAIN_INIT;

	if (strcmp(terms->paths[0], "-") != 0 &&
		chain_find(&c, terms->paths, terms->path_count, e) < 0)
		return o->dry_run ? -1 : record_refusal(t, terms, e);
	if (c.count < 2)
		return import_set(t, o, terms, false, e);
	if (o->dry_run)
		return err_set(e, ERR_INPUT,
			"--dry-run looks at one set, and these are volumes of %zu: the second may "
			"build on the first",
			c.count);
	return import_chain(t, o, &c, terms, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const struct import_options *o = given;
	AUTO(trust_release) struct trust trust = TRUST_INIT;
	struct import_terms terms = { .trust = &trust,
		.paths = args->items,
		.path_count = args->count,
		.activate = o->activate,
		.older = o->allow_older,
		.expired = o->allow_expired,
		.take = o->take.items,
		.take_count = o->take.count };

	if (args->count == 0)
		return tool_usage(e, "a medium is needed: a folder, volumes, or - for stdin");
	if ((o->allow_older || o->allow_expired) != o->yes)
		return tool_usage(
			e, "--yes and one of --allow-older, --allow-expired need each other");
	if (o->take.count && !o->activate)
		return tool_usage(e, "--take is for --activate; later `moat activate` has it, too");
	if (o->dry_run && strcmp(args->items[0], "-") == 0)
		return tool_usage(e, "--dry-run cannot read stdin: name a folder or volumes");
	if (tool_trust_load(&trust, &o->keys, e) < 0)
		return -1;
	trust.strict = o->strict;
	trust.new_signers = o->new_signers.items;
	trust.new_signer_count = o->new_signers.count;
	return import_paths(t, o, &terms, e);
}

const struct command cmd_import = {
	.name = "import",
	.args = "[--key PUB]... [--allow-signer NAME]... [--check] [--strict] "
		"[--activate [--take SET]...] [--allow-older] [--allow-expired] [--yes] "
		"[--dry-run] PATH...|-",
	.summary = "verify a medium and accept its set",
	.about = "PATH is a folder that holds volumes, or volumes in any order; - reads them one\n"
		 "behind the other from stdin. Everything is verified while it is copied, and\n"
		 "the set is accepted when all of it is there. Stopped, it goes on where it was.\n"
		 "Several sets, as a base and deltas on it, come in one after the other.\n"
		 "Which tags would move, vanish or change their owner is said before; `moat "
		 "activate`,\n"
		 "or --activate here, makes it so.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct import_options),
	.run = run,
};
