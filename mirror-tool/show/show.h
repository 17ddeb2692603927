/*
 * A set, a reference or a repository as the members of one object: what `moat show` prints. Of a store or of a
 * medium that was not imported; nothing is verified but signatures, where keys are known. Errors: ERR_CORRUPT names the manifest, ERR_IO. After an
 * error the report is of no use.
 */
#ifndef MOAT_SHOW_H
#define MOAT_SHOW_H

#include "mirror-tool/list/lock.h"
#include "mirror-tool/view/view.h"
#include "mirror-tool/report.h"
#include "mirror-tool/sign/sign.h"

/* What is shown, and where it is said. Both borrowed. */
struct page {
	struct view *view;
	struct report *report;
	const struct trust *trust; /* keys that signatures are verified by; NULL: none are known */
	bool sets_only; /* the view has only what was asked for: what was pushed is not looked for */
};

/* Find what a word of the command line means, in the order of moatd, and show it: a set, a reference, or the tags of
 * a repository. ERR_ABSENT: none of these. */
MUST int show_meant(struct page *p, const char *which, struct err *e);

/* --- parts of it ----------------------------------------------------------------------------------------- */

/* Members of a set: facts, chain, signatures, excuses, entries, conflicts. Loads it. Warns of conflicts on stderr, but not
 * with --json. */
MUST int show_set(struct page *p, struct view_set *s, struct err *e);
/* What sets and locks have in common (show_lock.c): how many references; platforms that are held; items of "excused". */
struct show_count {
	size_t images, files, attached;
};
void show_counts(struct report *r, const struct show_count *count);
void show_platforms(struct report *r, const struct lock *l);
void show_excused(struct report *r, const struct lock *l);
/* Member of a set: its signatures, and whether they hold under the page's keys, for the name and version that it says. */
MUST int show_signatures(struct page *p, const struct view_set *s, struct err *e);
/* Members of a set: what came before it and behind it, as far as that is in the view. */
MUST int show_chain(struct page *p, const struct view_set *s, struct err *e);
/* Members of a lock: what it pins, and what it leaves out. */
void show_lock(struct report *r, const struct lock *l);
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
