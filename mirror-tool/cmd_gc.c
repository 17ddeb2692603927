/*
 * `moat gc`: a store -> the same without what nothing refers to. Must never take what a set, a tag, a lock, a running
 * cluster or a promise within the grace keeps, nor a version of a set that a rule keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mirror-tool/gc/in_use.h"
#include "mirror-tool/gc/rules_text.h"
#include "mirror-tool/gc/version_log.h"
#include "mirror-tool/list/lock.h"
#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/gc.h"
#include "storage/store_write.h"
#include "storage/base/clock.h"
#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define GC_OPTIONS(OPTION, S)                                                                      \
	OPTION(S, FLAG, dry_run, "dry-run", NULL, NULL,                                            \
		"change nothing: say what would go, and why the rest stays")                       \
	OPTION(S, TEXT, grace, "grace", "TIME", NULL,                                              \
		"how long stays what nothing refers to, like 90m, 24h (default: as saved, or "     \
		"24h)")                                                                            \
	OPTION(S, COUNT, keep_versions, "keep-versions", "N", NULL,                                \
		"remove old versions of sets, but for the N newest of each, what is active, and "  \
		"what a rollback goes to",                                                         \
		.min = 1, .max = GC_KEEP_MAX)                                                      \
	OPTION(S, COUNT, keep_days, "keep-days", "N", NULL,                                        \
		"the same, but for what was accepted within N days; with both, what either keeps " \
		"stays",                                                                           \
		.min = 1, .max = GC_KEEP_MAX)                                                      \
	OPTION(S, FLAG, keep_all, "keep-all", NULL, NULL,                                          \
		"remove no version of a set, whatever rules were saved")                           \
	OPTION(S, TEXTS, locks, "lock", "FILE", NULL, "keep what this lock pins; may be repeated") \
	OPTION(S, TEXTS, in_use, "in-use", "FILE", NULL,                                           \
		"keep what runs, by `kubectl get pods -A -o json`, `crictl images -o json` or "    \
		"`crictl ps -o json`; may be repeated")                                            \
	OPTION(S, FLAG, now, "now", NULL, NULL, "empty the trash at once, not after an hour")      \
	OPTION(S, FLAG, orphans, "orphans", NULL, NULL,                                            \
		"look for files of which no row tells, too: lists every file")                     \
	OPTION(S, COUNT, quarantine_days, "quarantine-days", "N", NULL,                            \
		"remove from quarantine what lies there for more than so many days", .max = 36500) \
	OPTION(S, FLAG, save, "save", NULL, NULL,                                                  \
		"save the grace and the rules for later runs, and for moatd")
struct gc_command {
	GC_OPTIONS(SETTING_FIELD, gc_command)
};
static const struct setting options[] = { GC_OPTIONS(SETTING_ROW, gc_command) };

#define DAY 86400
#define MARK_TRIES 3
#define TAGS_MAX 1000 /* of one blob that are counted */
#define LARGE_MAX 20 /* blobs of which it is told why they stay */

/* One run. */
struct collecting {
	struct tool *tool;
	const struct gc_command *given;
	int64_t now;
	struct store *store;
	struct gc_rules rules; /* those that hold: saved, and then given */
	struct gc_keep *keep;
	size_t keep_count;
	char **reasons; /* the texts of keep[].why */
	size_t reason_count;
	struct in_use in_use;
	struct gc_versions versions; /* that no rule keeps */
	struct gc_plan *plan;
	struct gc_done done;
	struct tool_audit audit;
	struct gc_count trash, stages, quarantine, orphans;
};

static void collecting_release(struct collecting *c)
{
	gc_plan_free(&c->plan);
	gc_versions_release(&c->versions);
	tool_audit_release(&c->audit);
	in_use_release(&c->in_use);
	for (size_t i = 0; i < c->reason_count; i++)
		free(c->reasons[i]);
	free(c->reasons);
	free(c->keep);
	store_close(&c->store);
}

/* --- the rules -------------------------------------------------------------------------------------- */

static int read_grace(const char *text, int64_t *seconds, struct err *e)
{
	struct {
		uint64_t grace;
	} value = { 0 };
	static const struct setting row = {
		.name = "grace", .type = SETTING_DURATION, .max = (uint64_t)3650 * DAY
	};
	const struct settings s = { &row, 1, &value };

	if (setting_read(&s, &row, text, false, e) < 0)
		return err_ctx(e, "--grace");
	*seconds = (int64_t)value.grace;
	return 0;
}

static int read_rules(struct collecting *c, struct store *s, struct err *e)
{
	const struct gc_command *g = c->given;

	if (gc_rules_read(s, &c->rules, e) < 0 ||
		(g->grace && read_grace(g->grace, &c->rules.grace, e) < 0))
		return -1;
	if (g->keep_all)
		c->rules.keep_versions = c->rules.keep_days = 0;
	if (g->keep_versions)
		c->rules.keep_versions = (int64_t)g->keep_versions;
	if (g->keep_days)
		c->rules.keep_days = (int64_t)g->keep_days;
	return 0;
}

static int save_rules(struct collecting *c, struct err *e)
{
	if (c->given->save && c->given->dry_run)
		tool_note(c->tool, "a dry run saves nothing");
	return c->given->save && !c->given->dry_run ? gc_rules_save(c->store, &c->rules, e) : 0;
}

/* --- what stays --------------------------------------------------------------------------------------- */

static const char *add_reason(struct collecting *c, const char *kind, const char *file)
{
	char *text = mem_printf("%s %s", kind, file);

	*VEC_PUSH(c->reasons, c->reason_count) = text;
	return text;
}

static void add_keep(struct collecting *c, const struct digest *d, const char *why)
{
	*VEC_PUSH(c->keep, c->keep_count) = (struct gc_keep){ *d, why };
}

static void keep_pin(struct collecting *c, const struct lock_pin *pin, const char *why)
{
	add_keep(c, &pin->digest, why);
	for (size_t i = 0; i < pin->attached_count; i++)
		add_keep(c, &pin->attached[i].digest, why);
	for (size_t i = 0; i < pin->file_count; i++)
		add_keep(c, &pin->files[i].digest, why);
}

static int keep_lock(struct collecting *c, const char *path, struct err *e)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	const char *why = add_reason(c, "lock", path);
	int rc = lock_read(&lock, path, e);

	if (rc <= 0)
		return rc < 0 ? -1 : err_set(e, ERR_ABSENT, "%s is not there", path);
	for (size_t i = 0; i < lock.count; i++)
		keep_pin(c, &lock.pins[i], why);
	return 0;
}

static int read_keeps(struct collecting *c, struct err *e)
{
	const struct gc_command *g = c->given;

	for (size_t i = 0; i < g->locks.count; i++)
		if (keep_lock(c, g->locks.items[i], e) < 0)
			return -1;
	for (size_t i = 0; i < g->in_use.count; i++)
		if (in_use_read(&c->in_use, g->in_use.items[i], e) < 0)
			return err_ctx(e, "--in-use");
	for (size_t i = 0; i < c->in_use.count; i++)
		add_keep(c, &c->in_use.images[i].digest,
			add_reason(c, "in use", c->in_use.images[i].name));
	return 0;
}

/* --- the work ------------------------------------------------------------------------------------------- */

/* Versions that go count as removed already, so that a dry run says the same and what is refused is refused before. */
static int mark_without(struct collecting *c, struct err *e)
{
	const struct gc_versions *v = &c->versions;
	AUTO(mem_free) struct digest *without = mem_alloc((v->count + 1) * sizeof(*without));
	const struct gc_options o = { .now = c->now,
		.grace = c->rules.grace,
		.keep = c->keep,
		.keep_count = c->keep_count,
		.without = without,
		.without_count = v->count };

	for (size_t i = 0; i < v->count; i++)
		without[i] = v->items[i].info.digest;
	return gc_mark(c->store, &o, &c->plan, e);
}

/* Again when somebody removed such a version between the two. */
static int mark(struct collecting *c, struct err *e)
{
	int rc = -1;

	for (unsigned tries = 0; rc < 0 && tries < MARK_TRIES; tries++) {
		if (tries && e->code != ERR_ABSENT)
			return -1;
		err_clear(e);
		if (gc_versions_find(c->store, &c->rules, c->now, &c->versions, e) < 0)
			return -1;
		rc = mark_without(c, e);
	}
	return rc;
}

/* What lies about and is no blob, so that no database need be asked; of trash what went there before a time. It comes first,
 * for space. */
static int purge_litter(struct collecting *c, struct store *s, int64_t trash, struct err *e)
{
	const struct gc_command *g = c->given;
	int64_t old = c->now - (int64_t)g->quarantine_days * DAY;

	if (gc_purge(s, LITTER_TRASH, trash, g->dry_run, &c->trash, e) < 0 ||
		gc_purge(s, LITTER_STAGES, c->now - c->rules.grace, g->dry_run, &c->stages, e) < 0)
		return -1;
	return g->quarantine_days
		       ? gc_purge(s, LITTER_QUARANTINE, old, g->dry_run, &c->quarantine, e)
		       : 0;
}

static int purge(struct collecting *c, struct err *e)
{
	const struct gc_command *g = c->given;

	if (purge_litter(c, c->store, c->now - GC_TRASH_AGE, e) < 0)
		return -1;
	return g->orphans
		       ? gc_orphans(c->store, c->now - c->rules.grace, g->dry_run, &c->orphans, e)
		       : 0;
}

static int remove_versions(struct collecting *c, struct err *e)
{
	AUTO(version_log_release) struct version_log log = { .audit = &c->audit };
	struct err lost = ERR_INIT;
	int rc;

	if (!c->versions.count)
		return 0;
	if (version_log_begin(&log, &c->versions, e) < 0)
		return -1;
	rc = gc_versions_remove(c->store, &c->rules, c->now, &c->versions, e);
	if (version_log_end(&log, &c->versions, rc < 0 ? &lost : e) < 0)
		return -1;
	return rc;
}

static int empty_trash(struct collecting *c, struct err *e)
{
	/* With what was just moved there; a clock that jumps leaves it for the next run. */
	return gc_purge(c->store, LITTER_TRASH, clock_now(), false, &c->trash, e);
}

/* Files are moved before their rows go: on a full disk trash is emptied for the rows, as long as that frees some. */
static int remove_files(struct collecting *c, struct err *e)
{
	struct err full;

	while (gc_remove(c->store, &c->done, e) < 0) {
		uint64_t before = c->trash.blobs;

		if (e->code != ERR_FULL)
			return -1;
		full = *e;
		err_clear(e);
		if (empty_trash(c, e) < 0)
			return -1;
		if (c->trash.blobs == before) {
			*e = full;
			return -1;
		}
	}
	return 0;
}

/* On a full disk, what was condemned goes for good, so that there is room to condemn more: 1, and what is left is marked
 * again; 0 nothing had been condemned, and e stays; -1. */
static int go_on_when_full(
	struct collecting *c, uint64_t before, struct gc_plan **plan, struct err *e)
{
	const struct gc_options o = {
		.now = c->now, .grace = c->rules.grace, .keep = c->keep, .keep_count = c->keep_count
	};

	if (e->code != ERR_FULL || c->done.condemned.blobs == before)
		return 0;
	err_clear(e);
	tool_warn("the disk is full: %llu blobs go for good now, so that the rest can go",
		(unsigned long long)c->done.condemned.blobs);
	if (remove_files(c, e) < 0 || empty_trash(c, e) < 0)
		return -1;
	gc_plan_free(plan);
	return gc_mark(c->store, &o, plan, e) < 0 ? -1 : 1;
}

static int condemn(struct collecting *c, struct err *e)
{
	AUTO(gc_plan_free) struct gc_plan *again = NULL;
	uint64_t before = 0;

	while (gc_condemn(c->store, again ? again : c->plan, &c->done, e) < 0) {
		if (go_on_when_full(c, before, &again, e) <= 0)
			return -1;
		before = c->done.condemned.blobs;
	}
	return 0;
}

static int remove_all(struct collecting *c, struct err *e)
{
	if (remove_versions(c, e) < 0 || condemn(c, e) < 0 || remove_files(c, e) < 0)
		return -1;
	return c->given->now ? empty_trash(c, e) : 0;
}

static int collect(struct collecting *c, struct err *e)
{
	if (purge(c, e) < 0 || save_rules(c, e) < 0 || mark(c, e) < 0)
		return -1;
	return c->given->dry_run ? 0 : remove_all(c, e);
}

/* Before the store is opened. That takes some space, and rows are written before a file goes: of a full disk the log's
 * reserve is given up for them. */
static int open_log(struct collecting *c, struct err *e)
{
	uint64_t left;
	AUTO(fd_close) int dir = fs_open_dir(c->tool->store, e);

	if (dir < 0 || fs_free_bytes(dir, &left, e) < 0 ||
		tool_audit_open(&c->audit, c->tool, "gc", e) < 0)
		return -1;
	c->audit.frees = true;
	if (left < AUDIT_RESERVE_BYTES)
		tool_audit_give_room(&c->audit);
	return 0;
}

/* 1 something went; 0 there was nothing; -1. */
static int make_room(struct collecting *c, struct err *e)
{
	AUTO(store_close) struct store *bare = NULL;

	if (store_open_bare(&bare, c->tool->store, STORE_WRITE, e) < 0 ||
		read_rules(c, bare, e) < 0 || purge_litter(c, bare, clock_now(), e) < 0)
		return -1;
	return c->trash.blobs + c->stages.blobs + c->quarantine.blobs > 0;
}

/* On a disk without a byte left, whose reserve is gone, not even the database opens for writing. */
static int open_store(struct collecting *c, struct err *e)
{
	struct tool *t = c->tool;
	struct err full;
	int rc;

	if (c->given->dry_run)
		return tool_store_read(t, &c->store, e);
	if (tool_store_write(t, &c->store, e) == 0)
		return 0;
	if (e->code != ERR_FULL)
		return -1;
	full = *e;
	err_clear(e);
	rc = make_room(c, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(e, ERR_FULL,
			"%s; nothing can go without the database, so about 1 MiB must be freed by "
			"hand (moat-gc(1), A FULL DISK)",
			full.text);
	tool_warn("the disk is full: trash and what dead writers left went for good, so that the "
		  "database opens");
	return tool_store_write(t, &c->store, e);
}

/* A dry run changes nothing, and is not recorded. */
static int collect_recorded(struct collecting *c, struct err *e)
{
	struct log_field begun[] = { { "grace", NULL, (uint64_t)c->rules.grace },
		{ "keep_versions", NULL, (uint64_t)c->rules.keep_versions },
		{ "keep_days", NULL, (uint64_t)c->rules.keep_days },
		{ c->given->save ? "saved" : NULL, "yes", 0 }, { NULL, NULL, 0 } };
	int rc;

	if (c->given->dry_run)
		return collect(c, e);
	if (tool_audit_begin(&c->audit, begun, e) < 0)
		return -1;
	rc = collect(c, e);
	return tool_audit_end(&c->audit, rc,
		(const struct log_field[]){ { "versions", NULL, c->versions.removed },
			{ "blobs", NULL, c->done.condemned.blobs },
			{ "bytes", NULL, c->done.condemned.bytes }, { NULL, NULL, 0 } },
		e);
}

/* --- telling ---------------------------------------------------------------------------------------------- */

static void report_count(struct report *r, const char *key, const struct gc_count *count)
{
	report_object(r, key);
	report_number(r, "blobs", count->blobs);
	report_number(r, "bytes", count->bytes);
	report_end(r);
}

static const struct report_column set_columns[] = {
	{ "set", "SET" },
	{ "version", "VERSION" },
	{ "onlyBytes", "ONLY" },
	{ "sharedBytes", "SHARED" },
	{ NULL, "STATE" },
};

static bool is_spared(const struct collecting *c, const struct digest *d)
{
	for (size_t i = 0; i < c->versions.count; i++)
		if (digest_eq(&c->versions.items[i].info.digest, d))
			return c->versions.items[i].spared;
	return false;
}

/* The table of sets, while it is told. */
struct set_table {
	const struct collecting *collecting;
	struct report *report;
};

static int report_set(void *ctx, const struct gc_set *set, struct err *e)
{
	const struct set_table *table = ctx;
	const struct collecting *c = table->collecting;
	struct report *r = table->report;
	bool goes = set->goes && !is_spared(c, &set->info->digest);
	const char *went = c->given->dry_run ? "goes" : "went";

	(void)e;
	report_row(r, true);
	report_text(r, "set", set->info->name);
	report_text(r, "version", set->info->version);
	report_digest(r, "digest", &set->info->digest);
	report_bytes(r, "onlyBytes", set->only.bytes);
	report_bytes(r, "sharedBytes", set->shared.bytes);
	report_flag(r, "active", set->info->active);
	report_flag(r, "goes", goes);
	report_cell(r, "STATE",
		goes                ? went
		: set->info->active ? "active"
		: set->info->back   ? "rollback goes here"
				    : "-");
	report_end(r);
	return 0;
}

static const struct report_column large_columns[] = {
	{ "digest", "LARGE BLOB" },
	{ "bytes", "SIZE" },
	{ "why", "STAYS FOR" },
};

/* The first tag by which a blob is reached, and how many there are. */
struct tag_search {
	char *first; /* "team/app:dev" */
	unsigned count;
};

static void tag_search_release(struct tag_search *t)
{
	free(t->first);
}

static int see_tag(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct tag_search *t = ctx;

	(void)e;
	if (!*tag)
		return 0;
	if (t->count++ == 0)
		t->first = mem_printf("%s:%s", repo, tag);
	return 0;
}

/* Append "tag team/app:dev and 3 others". */
static int name_tags(struct store *s, const struct digest *d, struct buf *out, struct err *e)
{
	AUTO(tag_search_release) struct tag_search t = { NULL, 0 };

	if (blob_users(s, d, TAGS_MAX, see_tag, &t, e) < 0)
		return -1;
	if (!t.first)
		buf_str(out, "a tag"); /* it moved since it was marked */
	else
		buf_printf(out, "tag %s", t.first);
	if (t.count > 1)
		buf_printf(out, " and %s%u other%s", t.count == TAGS_MAX ? "at least " : "",
			t.count - 1, t.count == 2 ? "" : "s");
	return 0;
}

static int name_reason(
	struct store *s, const struct gc_reason *reason, struct buf *out, struct err *e)
{
	if (reason->why == GC_WHY_TAG)
		return name_tags(s, &reason->digest, out, e);
	if (reason->why == GC_WHY_SET)
		buf_printf(out, "set %s:%s", reason->set->name, reason->set->version);
	else
		buf_str(out, reason->why == GC_WHY_KEEP ? reason->keep : "its grace");
	return 0;
}

static int report_reason(void *ctx, const struct gc_reason *reason, struct err *e)
{
	AUTO(buf_release) struct buf why = BUF_INIT;
	const struct set_table *table = ctx;
	struct report *r = table->report;

	if (name_reason(table->collecting->store, reason, &why, e) < 0)
		return -1;
	report_row(r, true);
	report_digest(r, "digest", &reason->digest);
	report_bytes(r, "bytes", reason->size);
	report_text(r, "why", why.data);
	report_flag(r, "shared", reason->shared);
	report_end(r);
	return 0;
}

/* Images that run, and that this store does not have. */
static int report_not_held(struct collecting *c, struct report *r, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];
	uint64_t size;

	report_section(r, "notHeld", "Seen running, and not held here:", false);
	for (size_t i = 0; i < c->in_use.count; i++) {
		const struct in_use_image *image = &c->in_use.images[i];
		int rc = blob_stat(c->store, &image->digest, &size, e);

		if (rc < 0)
			return -1;
		if (rc > 0)
			continue;
		report_object(r, NULL);
		report_text(r, "image", image->name);
		report_digest(r, "digest", &image->digest);
		report_line(r, "%s %s", image->name, digest_text(&image->digest, text));
		report_end(r);
	}
	report_end(r);
	report_section(r, "unknown", "Asked for by a tag, and nothing says what runs:", false);
	for (size_t i = 0; i < c->in_use.tag_count; i++) {
		report_text(r, NULL, c->in_use.tags[i]);
		report_line(r, "%s", c->in_use.tags[i]);
	}
	report_end(r);
	return 0;
}

static void report_sum(struct collecting *c, struct report *r)
{
	const struct gc_totals *t = gc_totals(c->plan);
	const struct gc_count *gone = c->given->dry_run ? &t->unused : &c->done.condemned;
	char size[SIZE_TEXT_SIZE], held[SIZE_TEXT_SIZE];

	report_line(r, "%s: %llu of %llu blobs %s, %s of %s", c->tool->store,
		(unsigned long long)gone->blobs, (unsigned long long)t->held.blobs,
		c->given->dry_run ? "would go" : "went", size_text(gone->bytes, size),
		size_text(t->held.bytes, held));
	if (c->done.spared)
		report_line(r, "%llu that came into use meanwhile stay",
			(unsigned long long)c->done.spared);
	if (c->trash.blobs || c->orphans.blobs || c->stages.blobs || c->quarantine.blobs)
		report_line(r,
			"%s %llu of trash, %llu of stage, %llu of quarantine, %llu without a row",
			c->given->dry_run ? "would remove" : "removed",
			(unsigned long long)c->trash.blobs, (unsigned long long)c->stages.blobs,
			(unsigned long long)c->quarantine.blobs,
			(unsigned long long)c->orphans.blobs);
}

static void report_counts(struct collecting *c, struct report *r)
{
	const struct gc_totals *t = gc_totals(c->plan);
	const struct {
		const char *key;
		const struct gc_count *count;
	} counts[] = { { "held", &t->held }, { "unused", &t->unused },
		{ "unfinished", &t->condemned }, { "bySets", &t->sets }, { "byTags", &t->tagged },
		{ "byFiles", &t->kept }, { "byGrace", &t->graced }, { "bySeveral", &t->shared },
		{ "condemned", &c->done.condemned }, { "removed", &c->done.removed },
		{ "trash", &c->trash }, { "stages", &c->stages }, { "quarantine", &c->quarantine },
		{ "orphans", &c->orphans } };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		report_count(r, counts[i].key, counts[i].count);
}

static void report_rules(struct collecting *c, struct report *r)
{
	const struct gc_versions *v = &c->versions;
	AUTO(buf_release) struct buf text = BUF_INIT;
	size_t count = c->given->dry_run ? v->count : v->removed;

	report_number(r, "keepVersions", (uint64_t)c->rules.keep_versions);
	report_number(r, "keepDays", (uint64_t)c->rules.keep_days);
	report_number(r, "versions", count);
	rules_text(&c->rules, &text);
	if (text.len)
		report_line(r, "%s: %zu version%s of sets %s: %s", c->tool->store, count,
			count == 1 ? "" : "s", c->given->dry_run ? "would go" : "went", text.data);
	if (!c->given->dry_run && v->count > v->removed)
		report_line(r, "%zu that somebody removed or switched to meanwhile were left",
			v->count - v->removed);
}

static int report(struct collecting *c, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(c->tool);
	struct set_table sets = { c, &r };

	report_object(&r, NULL);
	report_flag(&r, "dryRun", c->given->dry_run);
	report_number(&r, "graceSeconds", (uint64_t)c->rules.grace);
	report_rules(c, &r);
	report_counts(c, &r);
	report_number(&r, "manifests",
		c->given->dry_run ? gc_totals(c->plan)->manifests : c->done.manifests);
	report_number(&r, "spared", c->done.spared);
	report_number(&r, "repositories", c->done.repos);
	report_sum(c, &r);
	report_table(&r, "sets", set_columns, ARRAY_SIZE(set_columns), false);
	if (gc_sets(c->plan, report_set, &sets, e) < 0)
		return -1;
	report_end(&r);
	report_table(&r, "large", large_columns, ARRAY_SIZE(large_columns), false);
	if (c->given->dry_run &&
		gc_large(c->store, c->plan, LARGE_MAX, report_reason, &sets, e) < 0)
		return -1;
	report_end(&r);
	if (report_not_held(c, &r, e) < 0)
		return -1;
	report_end(&r);
	return report_print(&r, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	AUTO(collecting_release)
	struct collecting c = {
		.tool = t, .given = given, .now = clock_now(), .audit = TOOL_AUDIT_INIT
	};

	if (args->count)
		return tool_usage(e, "gc takes no arguments");
	if (c.given->keep_all && (c.given->keep_versions || c.given->keep_days))
		return tool_usage(e, "--keep-all excludes --keep-versions and --keep-days");
	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 ||
		(!c.given->dry_run && open_log(&c, e) < 0) || open_store(&c, e) < 0 ||
		read_rules(&c, c.store, e) < 0 || read_keeps(&c, e) < 0 ||
		collect_recorded(&c, e) < 0)
		return -1;
	return report(&c, e);
}

const struct command cmd_gc = {
	.name = "gc",
	.args = "[--dry-run] [--grace TIME] [--keep-versions N] [--keep-days N] [--lock FILE]... "
		"[--in-use FILE]... [--save]",
	.summary = "remove from the store what nothing refers to",
	.about = "What sets, tags, locks, a running cluster and promises to clients keep stays; "
		 "beside\n"
		 "it anybody may go on pushing, pulling and importing. --dry-run says what would "
		 "go,\n"
		 "what each set keeps, and why each large blob stays.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct gc_command),
	.run = run,
};
