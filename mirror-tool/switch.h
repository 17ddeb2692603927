/*
 * What `moat activate` and its relatives share: what is about to change is said before, and the result once.
 * One thread at a time.
 */
#ifndef MOAT_SWITCH_H
#define MOAT_SWITCH_H

#include "mirror-tool/changes.h"
#include "storage/base/log.h"

/* One switch of a set's name. Begins as SWITCH_INIT. */
struct switching {
	const struct tool *tool; /* borrowed */
	struct set_info info; /* the set that is spoken of: what is switched to, or off */
	struct report changes; /* members of the result, as they were told last */
	bool dry; /* nothing is done */
	bool off; /* nothing is active afterwards */
	bool switched; /* something does change */
};
#define SWITCH_INIT(t)                                                                             \
	{                                                                                          \
		.tool = (t), .changes = REPORT_INIT(t)                                             \
	}
void switch_release(struct switching *w); /* for AUTO */

/* set_offer.tell, with a struct switching: say what will change. */
void switch_tell(void *ctx, const struct set_changes *c);

/* Has it expired by now? */
bool switch_expired(const struct set_info *info);

/* Find an accepted set, as set_find(). ERR_ABSENT. */
MUST int switch_find(struct store *s, const char *which, struct set_info *out, struct err *e);

/*
 * Open the store, let `act` switch, on record unless w->dry, and print the result.
 *
 * action: of the audit log; a constant.
 * name:   of the set, borrowed; or NAME:VERSION, or its digest.
 * facts:  further ones, ended by a NULL key.
 * Fails:  as act; nothing is printed then.
 */
struct switch_run {
	const char *action, *name;
	const struct log_field *facts;
	int (*act)(void *ctx, struct store *s, struct err *e);
	void *ctx;
};
MUST int switch_run(struct switching *w, struct tool *t, const struct switch_run *r, struct err *e);

#endif
