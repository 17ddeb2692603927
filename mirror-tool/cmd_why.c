/* `moat why`: a digest, a reference or a file -> what holds it, and what wants that. Must never write. */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/report.h"
#include "mirror-tool/show/show.h"
#include "mirror-tool/view/operand.h"
#include "mirror-tool/why/why.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define TAGS_MAX 100000 /* of one blob */

#define WHY_OPTIONS(OPTION, S)                                                                     \
	OPTION(S, TEXTS, from, "from", "MEDIUM", NULL,                                             \
		"a folder or volume file instead of the store; may be repeated")
struct why_options {
	WHY_OPTIONS(SETTING_FIELD, why_options)
};
static const struct setting options[] = { WHY_OPTIONS(SETTING_ROW, why_options) };

/* One run. */
struct asking {
	struct view *view;
	struct report *report;
	struct why_targets targets;
	struct why why;
	bool no_tags; /* one set was named, so pushed tags are not asked for */
	bool lost; /* what a set holds has no good bytes here */
	size_t tags; /* that were pushed */
};

static void asking_release(struct asking *a)
{
	why_targets_release(&a->targets);
	why_release(&a->why);
}

/* --- the bytes ------------------------------------------------------------------------------- */

/* Where one blob lies in quarantine: the last place that is told. */
struct aside {
	char prefix[DIGEST_TEXT_SIZE + 1]; /* "sha256-HEX." */
	char where[QUARANTINE_NAME_SIZE];
};

static int compare_aside(void *ctx, const char *where, const char *reason, struct err *e)
{
	struct aside *a = ctx;

	(void)reason;
	(void)e;
	if (strncmp(where, a->prefix, strlen(a->prefix)) == 0)
		snprintf(a->where, sizeof(a->where), "%s", where);
	return 0;
}

static bool is_wanted(const struct asking *a, const struct digest *d)
{
	for (size_t i = 0; i < a->why.count; i++) {
		const struct why_use *use = &a->why.uses[i];

		if (digest_eq(&use->chain[use->count - 1].digest, d))
			return true;
	}
	for (size_t i = 0; i < a->view->count; i++)
		if (a->why.holds[i] && inventory_find(&a->view->sets[i].held, d))
			return true;
	return false;
}

/* What became of the bytes, and how many there are. A medium's are not looked at. */
static int find_state(struct asking *a, const struct digest *d, const char **state, uint64_t *size,
	struct aside *aside, struct err *e)
{
	struct store *s = a->view->store;
	char hex[DIGEST_HEX_SIZE];
	int rc = s ? blob_stat(s, d, size, e) : 0;

	snprintf(aside->prefix, sizeof(aside->prefix), "%s-%s.", digest_alg_name(d->alg),
		digest_hex(d, hex));
	if (rc == 0 && s && list_quarantine(s, compare_aside, aside, e) < 0)
		return -1;
	if (rc > 0)
		*state = "held";
	else if (*aside->where)
		*state = "quarantined";
	else if (is_wanted(a, d))
		*state = s ? "lost" : "medium";
	else
		*state = "absent";
	a->lost = a->lost || (rc == 0 && s && is_wanted(a, d));
	return rc < 0 ? -1 : 0;
}

static int report_target(struct asking *a, const struct digest *d, struct err *e)
{
	char text[DIGEST_TEXT_SIZE], bytes[SIZE_TEXT_SIZE];
	struct aside aside = { .where = "" };
	struct report *r = a->report;
	const char *state = "";
	uint64_t size = 0;

	if (find_state(a, d, &state, &size, &aside, e) < 0)
		return -1;
	/* Of a file there are two digests, and nobody asked for the one that is nowhere. */
	if (a->targets.count > 1 && strcmp(state, "absent") == 0 && d != a->targets.items)
		return 0;
	report_object(r, NULL);
	report_digest(r, "digest", d);
	report_text(r, "state", state);
	report_number(r, "size", size);
	report_text(r, "quarantine", aside.where);
	report_line(r, "%s  %s%s%s", digest_text(d, text), state, size ? ", " : "",
		size ? size_text(size, bytes) : "");
	report_label(r, "  quarantine", aside.where);
	report_end(r);
	return 0;
}

static int report_targets(struct asking *a, struct err *e)
{
	report_section(a->report, "digests", "bytes", true);
	for (size_t i = 0; i < a->targets.count; i++)
		if (report_target(a, &a->targets.items[i], e) < 0)
			return -1;
	report_end(a->report);
	return 0;
}

/* --- uses ------------------------------------------------------------------------------------ */

static void report_chain(struct report *r, const struct why_use *use)
{
	char text[DIGEST_TEXT_SIZE];

	report_array(r, "chain");
	for (size_t i = 0; i < use->count; i++) {
		const struct why_link *link = &use->chain[i];

		report_object(r, NULL);
		report_digest(r, "digest", &link->digest);
		report_text(r, "role", link->role);
		report_text(r, "platform", link->platform);
		report_line(r, "    %-8s %s%s%s", link->role, digest_text(&link->digest, text),
			*link->platform ? "  " : "", link->platform);
		report_end(r);
	}
	report_end(r);
}

static void report_use(struct report *r, const struct why_use *use)
{
	const struct set_info *info = &use->set->info;
	char reference[REF_TEXT_SIZE] = "";

	if (use->entry)
		view_reference(use->entry, reference);
	report_object(r, NULL);
	report_text(r, "set", info->name);
	report_text(r, "version", info->version);
	report_text(r, "kind", use->kind);
	report_text(r, "reference", reference);
	report_number(r, "line", use->line);
	report_text(r, "wants", use->wants);
	report_line(r, "  %s:%s  %s%s%s", info->name, info->version, use->kind,
		*reference ? "  " : "", reference);
	if (use->line)
		report_line(r, "    moat.yaml:%u  %s", use->line, use->wants);
	report_chain(r, use);
	report_end(r);
}

static void report_uses(struct asking *a)
{
	report_section(a->report, "uses", "used by", false);
	for (size_t i = 0; i < a->why.count; i++)
		report_use(a->report, &a->why.uses[i]);
	report_end(a->report);
}

/* --- sets ------------------------------------------------------------------------------------ */

static int find_keys(struct view *view, const struct view_set *s, struct trust *keys, struct err *e)
{
	char digest[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < s->signature_count; i++)
		if (show_keys(view, &s->signatures[i], keys, e) < 0)
			return err_ctx(
				e, "signature %s", digest_text(&s->signatures[i].digest, digest));
	return 0;
}

static int report_set(struct asking *a, const struct view_set *s, struct err *e)
{
	AUTO(trust_release) struct trust keys = TRUST_INIT;
	AUTO(buf_release) struct buf names = BUF_INIT;
	char hex[DIGEST_HEX_SIZE];
	struct report *r = a->report;

	if (find_keys(a->view, s, &keys, e) < 0)
		return -1;
	report_object(r, NULL);
	report_text(r, "set", s->info.name);
	report_text(r, "version", s->info.version);
	report_digest(r, "digest", &s->info.digest);
	report_flag(r, "active", s->info.active);
	report_array(r, "keys");
	for (size_t i = 0; i < keys.count; i++) {
		report_text(r, NULL, digest_hex(verify_key_id(keys.keys[i]), hex));
		buf_printf(&names, "%s %s", i ? "," : "", hex);
	}
	report_end(r);
	report_line(r, "  %s:%s  %ssigned by key%s", s->info.name, s->info.version,
		s->info.active ? "active, " : "", keys.count ? names.data : " unnamed");
	report_end(r);
	return 0;
}

static int report_sets(struct asking *a, struct err *e)
{
	report_section(a->report, "sets", "held by", false);
	for (size_t i = 0; i < a->view->count; i++)
		if (a->why.holds[i] && report_set(a, &a->view->sets[i], e) < 0)
			return -1;
	report_end(a->report);
	return 0;
}

/* --- pushed tags ----------------------------------------------------------------------------- */

struct names {
	struct texts repos, tags;
};

static void names_release(struct names *n)
{
	texts_release(&n->repos);
	texts_release(&n->tags);
}

static int add_name(void *ctx, const char *repo, const char *tag, struct err *e)
{
	struct names *n = ctx;

	(void)e;
	/* Sets are tags of their own, and what they hold is in the chains. */
	if (!*tag || strncmp(repo, SET_HOST "/set/", strlen(SET_HOST "/set/")) == 0)
		return 0;
	texts_add(&n->repos, repo);
	texts_add(&n->tags, tag);
	return 0;
}

/* Tags that a set owns are in the chains. */
static int report_tag(struct asking *a, const char *repo, const char *tag, struct err *e)
{
	AUTO(mem_free) char *reference = mem_printf("%s:%s", repo, tag);
	struct tag_owner owner;
	int rc = tag_owner_get(a->view->store, repo, tag, &owner, e);

	if (rc <= 0 || *owner.set)
		return rc < 0 ? -1 : 0;
	a->tags++;
	report_object(a->report, NULL);
	report_text(a->report, "reference", reference);
	report_digest(a->report, "digest", &owner.digest);
	report_line(a->report, "  %s", reference);
	report_end(a->report);
	return 0;
}

static int report_tags(struct asking *a, struct err *e)
{
	AUTO(names_release) struct names n = { .repos = { .items = NULL } };

	for (size_t i = 0; i < a->targets.count && a->view->store && !a->no_tags; i++)
		if (blob_users(a->view->store, &a->targets.items[i], TAGS_MAX, add_name, &n, e) < 0)
			return -1;
	report_section(a->report, "tags", "pushed tags that use it", false);
	for (size_t i = 0; i < n.tags.count; i++)
		if (report_tag(a, n.repos.items[i], n.tags.items[i], e) < 0)
			return -1;
	report_end(a->report);
	return 0;
}

/* --- the run --------------------------------------------------------------------------------- */

static bool is_held_by_any(const struct asking *a)
{
	for (size_t i = 0; i < a->view->count; i++)
		if (a->why.holds[i])
			return true;
	return a->tags > 0;
}

static int answer(struct asking *a, const char *which, struct err *e)
{
	report_object(a->report, NULL);
	report_text(a->report, "asked", which);
	if (report_targets(a, e) < 0)
		return -1;
	report_uses(a);
	if (report_sets(a, e) < 0 || report_tags(a, e) < 0)
		return -1;
	report_end(a->report);
	if (report_print(a->report, e) < 0)
		return -1;
	if (!is_held_by_any(a))
		return err_set(
			e, ERR_DIFFERS, "%s: no set has it, and no pushed tag uses it", which);
	if (a->lost)
		return err_set(
			e, ERR_INCOMPLETE, "%s: a set has it, and its bytes are not here", which);
	return 0;
}

/* Open what is searched: all that the store or the medium has, or what is named alone. */
static int open_where(const struct tool *t, const struct why_options *o, const char *where,
	struct operand *out, struct err *e)
{
	int rc = operand_open(t, &o->from, where, out, e);

	if (rc < 0 || !where)
		return rc;
	operand_narrow(out);
	return out->count ? 0 : operand_need_set(out, e);
}

static int run(struct tool *t, const void *given, const struct texts *args, struct err *e)
{
	const char *where = args->count == 2 ? args->items[0] : NULL;
	AUTO(operand_release) struct operand searched = OPERAND_INIT;
	AUTO(report_release) struct report report = REPORT_INIT(t);
	AUTO(asking_release)
	struct asking a = { .view = &searched.view, .report = &report, .why = WHY_INIT };
	const char *what;
	int rc;

	if (args->count != 1 && args->count != 2)
		return tool_usage(
			e, "why takes one digest, reference or file, and where to look in front");
	what = args->items[args->count - 1];
	rc = open_where(t, given, where, &searched, e);
	if (rc < 0)
		return rc;
	a.no_tags = searched.kind == OPERAND_SET;
	if (why_meant(a.view, what, &a.targets, e) < 0 ||
		why_find(a.view, &a.targets, &a.why, e) < 0)
		return -1;
	return answer(&a, what, e);
}

const struct command cmd_why = {
	.name = "why",
	.args = "[--store DIR | --from MEDIUM...] [WHERE] DIGEST|REF|FILE",
	.summary = "which sets hold a blob, by what chain, and which line of the list wants it",
	.about = "WHERE is a set of the store, a store, a medium or what set:, store: or medium: "
		 "in front says;\n"
		 "without it every set is asked. Of a file on disk its bytes are hashed first. "
		 "Says who signed the sets, which "
		 "pushed\n"
		 "tags use it, and whether its bytes are held, in quarantine or lost. Exit status\n"
		 "10: nothing here has it; 4: a set has it, and its bytes are not here.",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.options_size = sizeof(struct why_options),
	.run = run,
};
