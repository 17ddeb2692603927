/*
 * References of a list or a lock that an operand or option chooses. A name without tag and digest chooses
 * all that have it. Pure.
 */
#ifndef MOAT_CHOICE_H
#define MOAT_CHOICE_H

#include "storage/oci/ref.h"

struct choice {
	struct ref *items; /* in the order given; none: everything is chosen */
	size_t count;
};
void choice_release(struct choice *c); /* for AUTO */

/* ERR_INPUT names the text that is no reference. */
MUST int choice_read(struct choice *c, const char *const texts[], size_t count, struct err *e);

void choice_add(struct choice *c, const struct ref *ref);

/* digest: of what the reference stands for, where it has one; a tag chooses whatever it is. */
bool ref_chooses(const struct ref *wanted, const struct ref *ref, const struct digest *digest);

bool choice_has(const struct choice *c, const struct ref *ref, const struct digest *digest);
bool choice_has_name(const struct choice *c, const struct ref *ref); /* any tag of it */

#endif
