/*
 * What a set changes in a store, for people and as members of a result: which tags move, vanish or change their
 * owner; and where two active sets pin one tag to different images. Reads only. One thread at a time.
 */
#ifndef MOAT_CHANGES_H
#define MOAT_CHANGES_H

#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/store_write.h"

/* Print notes on stderr: a line of counts, then the first changes. name, version: of the set; c: compared with the
 * store. */
void changes_note(
	const struct tool *t, const char *name, const char *version, const struct set_changes *c);

/* Append "--take a --take b" for the sets whose tags it needs consent to take; nothing when it needs none. */
void changes_options(const struct set_changes *c, struct buf *out);

/* Add the member "needs": those sets. */
void changes_report_needs(struct report *r, const struct set_changes *c);

/* Add the members "changes" (counts), "gap" and "tags" (each change). */
void changes_report(struct report *r, const struct set_changes *c);

/* Warn on stderr how many pins are not served because another active set pins the tag too, and name the first.
 * Nothing when there are none. ERR_IO. */
MUST int conflicts_note(struct store *s, struct err *e);

/*
 * Add the member "conflicts", an array.
 *
 * s:   NULL for a medium, which has none.
 * set: only conflicts that this set takes part in; NULL: all.
 */
MUST int conflicts_report(struct report *r, struct store *s, const char *set, struct err *e);

#endif
