/* The words of a switch, before it and after it. Decides nothing. */
#include "mirror-tool/switch.h"

#include "storage/base/banned.h"

void switch_release(struct switching *w)
{
	report_release(&w->changes);
}

void switch_tell(void *ctx, const struct set_changes *c)
{
	struct switching *w = ctx;

	w->switched = c->activates;
	changes_note(w->tool, w->name, w->version, c);
	report_part_begin(&w->changes);
	changes_report(&w->changes, c);
}

static void say(struct report *r, const struct switching *w, const struct switch_result *res)
{
	const char *word = res->dry ? "not switched" : w->switched ? "active" : "active already";
	char digest[DIGEST_TEXT_SIZE];

	if (res->now)
		report_line(r, "%s %s %s: %s", res->set, res->now->version,
			digest_text(&res->now->digest, digest), word);
	else
		report_line(r, "%s: %s", res->set, res->dry ? "not switched" : "not active");
}

int switch_report(struct switching *w, const struct switch_result *res, struct err *e)
{
	AUTO(report_release) struct report r = REPORT_INIT(w->tool);
	static const struct digest none;

	report_object(&r, NULL);
	report_text(&r, "set", res->set);
	report_text(&r, "version", res->now ? res->now->version : "");
	report_digest(&r, "digest", res->now ? &res->now->digest : &none);
	report_flag(&r, "active", res->now && res->now->active);
	report_number(&r, "generation", res->now ? res->now->generation : 0);
	report_flag(&r, "switched", w->switched && !res->dry);
	report_insert(&r, &w->changes);
	say(&r, w, res);
	report_end(&r);
	return report_print(&r, e);
}
