/* What `moat pin` and `moat pull` tell of references, as members of a result. The documents themselves, in list/,
 * are not printed. */
#ifndef MOAT_PIN_REPORT_H
#define MOAT_PIN_REPORT_H

#include "mirror-tool/list/drift.h"
#include "mirror-tool/report.h"

/* "drift", an array, and lines for people: the kind, the reference, before and after. */
void drifts_report(struct report *r, const struct drifts *d);

/* "failed", an array; they are sorted. For people tool_failures() tells them. */
void failures_report(struct report *r, struct failures *f);

/* "skipped", an array of what was left out; nothing for people. */
void skips_report(struct report *r, const struct skips *s);

#endif
