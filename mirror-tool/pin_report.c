/* Drift, failures and what was skipped, as parts of a result. Decides nothing. */
#include "mirror-tool/pin_report.h"

#include "storage/base/banned.h"

static void drift_report(struct report *r, const struct drift *d)
{
	report_object(r, NULL);
	report_text(r, "kind", drift_name(d->kind));
	report_text(r, "ref", d->ref);
	report_text(r, "from", d->from);
	report_text(r, "to", d->to);
	report_line(r, "%-9s  %s", drift_name(d->kind), d->ref);
	if (*d->from)
		report_line(r, "           - %s", d->from);
	if (*d->to)
		report_line(r, "           + %s", d->to);
	report_end(r);
}

void drifts_report(struct report *r, const struct drifts *d)
{
	report_array(r, "drift");
	for (size_t i = 0; i < d->count; i++)
		drift_report(r, &d->items[i]);
	report_end(r);
}

static void reason_report(struct report *r, const char *ref, const char *error)
{
	report_object(r, NULL);
	report_text(r, "ref", ref);
	report_text(r, "error", error);
	report_end(r);
}

void failures_report(struct report *r, struct failures *f)
{
	failures_sort(f);
	report_array(r, "failed");
	for (size_t i = 0; i < f->count; i++)
		reason_report(r, f->items[i].item, f->items[i].text);
	report_end(r);
}

void skips_report(struct report *r, const struct skips *s)
{
	report_array(r, "skipped");
	for (size_t i = 0; i < s->count; i++)
		reason_report(r, s->items[i].ref, s->items[i].why);
	report_end(r);
}
