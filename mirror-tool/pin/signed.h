/*
 * Apply `verify:` of a list: which images must be signed upstream, by which keys, and whether they
 * are. Both forms of cosign, with given keys; the signatures are those that attach.c found.
 */
#ifndef MOAT_SIGNED_H
#define MOAT_SIGNED_H

#include "mirror-tool/list/list.h"
#include "mirror-tool/sign/sign.h"

struct task;

/* The list's rules with their keys. */
struct signed_rules {
	const struct list *list; /* borrowed */
	struct trust *trust; /* one for each rule */
};

/* Read the keys of all rules. folder: base of relative paths. Errors: ERR_ABSENT, ERR_INPUT with
 * the line of the rule. *r is overwritten, borrows the list, and owns nothing on failure. */
MUST int signed_rules_load(
	struct signed_rules *r, const struct list *list, const char *folder, struct err *e);
void signed_rules_release(struct signed_rules *r); /* for AUTO */
/* Does any rule apply to this image? */
bool signed_rules_apply(const struct signed_rules *r, const struct ref *ref);

/* What was fetched to judge one image; NULL in a task until then. */
struct evidence;
void evidence_free(struct evidence **ev); /* sets it to NULL */

/* Fetch the signatures of the pin of a task; each request holds the task. root: the manifest of the
 * pin, borrowed until signed_judge(). The caller owns the result. */
struct evidence *signed_fetch(struct task *t, struct span root);

/* Check that each rule that applies has one signature that holds. ERR_UNTRUSTED says why none does. */
MUST int signed_judge(const struct signed_rules *r, const struct task *t, const struct evidence *ev,
	struct err *e);

#endif
