/*
 * `verify:` of a list: which images must be signed upstream, by which keys, and whether they are.
 * cosign's two forms with keys of one's own; the signatures are those that attach.c found.
 */
#ifndef MOAT_SIGNED_H
#define MOAT_SIGNED_H

#include "mirror-tool/list/list.h"
#include "mirror-tool/sign/sign.h"

struct task;

/* The list's rules with their keys. */
struct signed_rules {
	const struct list *list; /* borrowed */
	struct trust *trust; /* one a rule */
};

/* folder: where relative paths of keys begin. On failure nothing is owned. */
MUST int signed_rules_load(
	struct signed_rules *r, const struct list *list, const char *folder, struct err *e);
void signed_rules_release(struct signed_rules *r); /* for AUTO */
bool signed_rules_apply(const struct signed_rules *r, const struct ref *ref);

/* What was fetched to judge one image by; NULL in a task until then. */
struct evidence;
void evidence_free(struct evidence **ev);

/* Fetch the signatures of a task's pin: holds and drops the task as attach.c does. root: the bytes
 * of the pin's manifest, borrowed until the judgement. */
struct evidence *signed_fetch(struct task *t, struct span root);

/* Every rule that applies needs one signature that holds. ERR_UNTRUSTED says why none does. */
MUST int signed_judge(const struct signed_rules *r, const struct task *t, const struct evidence *ev,
	struct err *e);

#endif
