/*
 * What `moat activate` and its relatives share: what is about to change is said before, and the result once.
 * One thread at a time.
 */
#ifndef MOAT_SWITCH_H
#define MOAT_SWITCH_H

#include "mirror-tool/changes.h"

/* One switch of a set's name. Begins as SWITCH_INIT. */
struct switching {
	const struct tool *tool; /* borrowed */
	const char *name, *version; /* of the set that is spoken of; borrowed */
	struct report changes; /* members of the result, as they were told last */
	bool switched; /* something does change */
};
#define SWITCH_INIT(t)                                                                             \
	{                                                                                          \
		.tool = (t), .changes = REPORT_INIT(t)                                             \
	}
void switch_release(struct switching *w); /* for AUTO */

/* set_offer.tell, with a struct switching: say what will change. */
void switch_tell(void *ctx, const struct set_changes *c);

/* What became of it. */
struct switch_result {
	const char *set; /* name; borrowed, as the rest */
	const struct set_info *now; /* what stands for the name now; NULL: nothing is active */
	bool dry; /* nothing was done */
};

/* Print the result. ERR_IO. */
MUST int switch_report(struct switching *w, const struct switch_result *r, struct err *e);

#endif
