/*
 * Calico's language of selectors, as Calico 3.32 reads it: `app == 'x' && !has(role)`, in, not in, contains, starts with,
 * ends with, all(), global(). Only blanks and tabs are white space; && binds closer than ||, ! to one term.
 */
#ifndef MOAT_POLICY_CALICO_SELECTOR_H
#define MOAT_POLICY_CALICO_SELECTOR_H

#include "mirror-tool/policy/cond.h"
#include "storage/base/err.h"

#define CALICO_SELECTOR_MAX 65536 /* bytes */
#define CALICO_SELECTOR_DEPTH 64 /* parentheses and ! */

/* Labels are looked up at `place`, apart from keys that Calico gives a meaning of its own. *global: it is global(), and
 * *out is then everything. An empty text is everything. Fails: ERR_INPUT with the byte that is not understood. */
MUST int calico_selector(struct arena *a, const char *text, enum cond_place place,
	struct cond **out, bool *global, struct err *e);

#endif
