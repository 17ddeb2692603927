/*
 * What a set changes in a store, in words and as JSON: which tags move, vanish or change their owner;
 * and where two active sets pin one tag to different images.
 */
#ifndef MOAT_CHANGES_H
#define MOAT_CHANGES_H

#include "mirror-tool/report.h"
#include "mirror-tool/tool.h"
#include "storage/store_write.h"

/* Notes for people: one line of counts, then the first changes. */
void changes_note(const struct tool *t, const struct set *s, const struct set_changes *c);

/* Members "changes" (counts), "gap" and "tags" (each change). */
void changes_report(struct report *r, const struct set_changes *c);

/* Say how many pins are not served because another active set pins the tag too, and the first of
 * them. Nothing when there are none. */
MUST int conflicts_note(struct store *s, struct err *e);

/* A member "conflicts": an array, empty when there are none. s: NULL for a medium, which has none. set:
 * NULL, or only those that have to do with the set of this name. */
MUST int conflicts_report(struct report *r, struct store *s, const char *set, struct err *e);

#endif
