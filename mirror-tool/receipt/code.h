/*
 * A receipt that can be typed: the sets that a store holds, each by the first 40 bits of its digest, in at most 200
 * letters and digits of Crockford's base 32 (no I, L, O, U), in groups of five. Four check characters find every single
 * wrong character and every swap of neighbours, and all but one in a million of other slips.
 *
 * It is not signed: a signature would take half of the room. A wrong one can only make a delta lack blobs, which the
 * import notices, as it looks at the store itself. Pure.
 */
#ifndef MOAT_CODE_H
#define MOAT_CODE_H

#include "storage/oci/digest.h"

#define CODE_SETS_MAX 20
#define CODE_TEXT_SIZE 201 /* with NUL */
#define CODE_SHORT 5 /* bytes of a digest */

struct code {
	uint8_t sets[CODE_SETS_MAX][CODE_SHORT]; /* the beginning of their digests */
	size_t count;
	bool more; /* the store holds further sets, which had no room */
};

/* Returns text. c->count is at least 1. */
const char *code_write(const struct code *c, char text[CODE_TEXT_SIZE]);

/* Read one, however it is typed: upper or lower case, with or without hyphens and spaces, O for 0, I and L for 1.
 * ERR_INPUT: what no code has, or its check characters do not fit. */
MUST int code_parse(struct code *c, struct span text, struct err *e);

/* Is it one of the code's sets? */
bool code_has(const struct code *c, size_t set, const struct digest *d);

#endif
