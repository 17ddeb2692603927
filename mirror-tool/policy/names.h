/* Names -> numbers, for lists that many objects point into. A balanced tree: names are chosen by others. Pure. */
#ifndef MOAT_POLICY_NAMES_H
#define MOAT_POLICY_NAMES_H

#include <stdint.h>

struct names {
	void *root; /* of tsearch() */
};
void names_release(struct names *n); /* for AUTO */

/* The number of a name; `next` for one that is new and has it from now on. name: borrowed. */
uint32_t names_number(struct names *n, const char *name, uint32_t next);

/* Forget a name that is there. */
void names_drop(struct names *n, const char *name);

#endif
