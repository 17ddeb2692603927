/*
 * References that an operand or option selects from a list or lock. A name without tag and digest
 * selects every reference of that name. Pure.
 */
#ifndef MOAT_CHOICE_H
#define MOAT_CHOICE_H

#include "storage/oci/ref.h"

struct choice {
	struct ref *items; /* in the order given; none: everything is chosen */
	size_t count;
};
void choice_release(struct choice *c); /* for AUTO; leaves an empty choice, preserves errno */

/* Append the references that texts[0..count) spell. ERR_INPUT names the text that is no reference;
 * what was read before it stays in *c. */
MUST int choice_read(struct choice *c, const char *const texts[], size_t count, struct err *e);

/* Append a copy of *ref. */
void choice_add(struct choice *c, const struct ref *ref);

/* Does `wanted` select this reference? digest: what the reference resolves to, or alg DIGEST_NONE
 * when that is not known; then a digest in `wanted` selects it too. */
bool ref_chooses(const struct ref *wanted, const struct ref *ref, const struct digest *digest);

/* Is it selected by any item? An empty choice selects everything. digest: as of ref_chooses(). */
bool choice_has(const struct choice *c, const struct ref *ref, const struct digest *digest);
/* Is any tag or digest of this name selected? An empty choice selects everything. */
bool choice_has_name(const struct choice *c, const struct ref *ref);

#endif
