/* The way of a switch: opened, recorded, said before and after. Decides nothing. */
#include "mirror-tool/switch.h"

#include <stdio.h>
#include <time.h>

#include "mirror-tool/node/node_hosts.h"
#include "mirror-tool/tool_audit.h"
#include "storage/base/banned.h"
#include "storage/base/clock.h"

void switch_release(struct switching *w)
{
	report_release(&w->changes);
}

void switch_tell(void *ctx, const struct set_changes *c)
{
	struct switching *w = ctx;

	w->switched = c->activates || w->off;
	changes_note(w->tool, w->info.name, w->info.version, c);
	report_part_begin(&w->changes);
	changes_report(&w->changes, c);
}

bool switch_expired(const struct set_info *info)
{
	return set_info_expired(info, clock_now());
}

int switch_find(struct store *s, const char *which, struct set_info *out, struct err *e)
{
	int rc = set_find(s, which, out, e);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return err_set(e, ERR_ABSENT,
		"set %s is not accepted here: `moat import` brings it, `moat list "
		"--all-versions` tells what is here",
		which);
}

/* --- the result -------------------------------------------------------------------------------- */

static const char *state_word(const struct switching *w)
{
	if (w->dry)
		return "not switched";
	if (w->off)
		return "not active any more";
	return w->switched ? "active" : "active already";
}

static int report(struct switching *w, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(w->tool);
	const struct set_info *info = &w->info;
	char digest[DIGEST_TEXT_SIZE];

	report_object(&r, NULL);
	report_text(&r, "set", info->name);
	report_text(&r, "version", info->version);
	report_digest(&r, "digest", &info->digest);
	report_flag(&r, "active", info->active);
	report_number(&r, "generation", info->generation);
	report_flag(&r, "switched", w->switched && !w->dry);
	report_insert(&r, &w->changes);
	report_line(&r, "%s %s %s: %s", info->name, info->version,
		digest_text(&info->digest, digest), state_word(w));
	report_end(&r);
	return report_print(&r, e);
}

/* --- the run ----------------------------------------------------------------------------------- */

struct acting {
	struct switching *words;
	const struct switch_run *run;
	struct store *store;
	/* Of the set, for the record: as asked, then as found. */
	char name[DIGEST_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
};
_Static_assert(DIGEST_TEXT_SIZE > SET_NAME_MAX, "a set's name or digest fits");

/* The record has the name and the version apart, also when NAME:VERSION was asked for. */
static void name_asked(struct acting *a, const char *asked)
{
	size_t len = strcspn(asked, ":");
	struct err ignored = ERR_INIT;
	struct digest d;

	if (!asked[len] || digest_parse(&d, span_of(asked), &ignored) == 0) {
		snprintf(a->name, sizeof(a->name), "%s", asked);
		return;
	}
	snprintf(a->name, sizeof(a->name), "%.*s", (int)len, asked);
	snprintf(a->words->info.version, sizeof(a->words->info.version), "%s", asked + len + 1);
}

static int act(void *ctx, struct err *e)
{
	struct acting *a = ctx;
	int rc = a->run->act(a->run->ctx, a->store, e);

	if (a->words->info.digest.alg) {
		digest_text(&a->words->info.digest, a->digest);
		snprintf(a->name, sizeof(a->name), "%s", a->words->info.name);
	}
	return rc;
}

/* On record; without one when nothing is done. */
static int act_on_record(struct switching *w, struct tool *t, struct acting *a, struct err *e)
{
	struct log_field facts[TOOL_AUDIT_FACTS_MAX + 1] = { { "set", a->name, 0 },
		{ "version", w->info.version, 0 }, { "digest", a->digest, 0 } };
	size_t count = 3;

	for (const struct log_field *f = a->run->facts; f && f->key; f++)
		facts[count++] = *f;
	facts[count] = (struct log_field){ NULL, NULL, 0 };
	if (w->dry)
		return act(a, e);
	return tool_audited(t, a->run->action, facts, act, a, e);
}

/* What became of the set. */
static int look_again(struct switching *w, struct store *s, struct err *e)
{
	char digest[DIGEST_TEXT_SIZE];

	return switch_find(s, digest_text(&w->info.digest, digest), &w->info, e);
}

int switch_run(struct switching *w, struct tool *t, const struct switch_run *r, struct err *e)
{
	AUTO(store_close) struct store *s = NULL;
	struct acting a = { .words = w, .run = r };

	if (tool_store_there(t, TOOL_STORE_MAKERS, e) < 0 ||
		(w->dry ? tool_store_read : tool_store_write)(t, &s, e) < 0)
		return -1;
	a.store = s;
	name_asked(&a, r->name);
	if (act_on_record(w, t, &a, e) < 0 || look_again(w, s, e) < 0 || report(w, e) < 0)
		return -1;
	return node_hosts_note(t, s, e) < 0 ? -1 : conflicts_note(s, e);
}
