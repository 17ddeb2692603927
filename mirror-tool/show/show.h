/*
 * A set, a reference or a repository as the members of one object: what `moat show` prints. Of a store or of a
 * medium that was not imported; nothing is verified. Errors: ERR_CORRUPT names the manifest, ERR_IO. After an
 * error the report is of no use.
 */
#ifndef MOAT_SHOW_H
#define MOAT_SHOW_H

#include "mirror-tool/view/view.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/sign.h"

/* What is shown, and where it is said. Both borrowed. */
struct page {
	struct view *view;
	struct report *report;
};

/* Find what a word of the command line means, in the order of moatd, and show it: a set, a reference, or the tags of
 * a repository. ERR_ABSENT: none of these. */
MUST int show_meant(struct page *p, const char *which, struct err *e);

/* --- parts of it ----------------------------------------------------------------------------------------- */

/* Members of a set: facts, signatures, excuses, entries, conflicts. Loads it. Warns of conflicts on stderr, but not
 * with --json. */
MUST int show_set(struct page *p, struct view_set *s, struct err *e);
/* Add the keys that a signature says it is by; none when it says nothing or is not here. */
MUST int show_keys(
	struct view *view, const struct set_signature *sig, struct trust *keys, struct err *e);
/* An entry as an item of an array. */
void show_entry(struct report *r, const struct set_entry *entry);
/* "active" and "generation". info: of the set that has it; NULL: it was pushed. */
void show_state(struct page *p, const struct set_info *info);

/* A reference that was found. All borrowed. */
struct shown {
	struct page *page;
	struct view_set *set; /* that pins or holds it; NULL: it was pushed */
	const struct set_entry *entry;
	bool served; /* moatd answers with it */
};
/* Members of a reference: facts, owner, other sets that pin it, manifests with layers, what is attached. */
MUST int show_reference(struct shown *shown, struct err *e);

/* The entry of the set with the same name and tag, or NULL. */
const struct set_entry *show_find_tag(const struct set *s, const struct set_entry *like);

#endif
