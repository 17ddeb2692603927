/*
 * Which children of an index are held. The index itself keeps its bytes; selection only decides
 * what is fetched beside it.
 *
 * A child is held when its platform is wanted; a child without a platform always; a buildkit
 * attestation when the child that it is about is held.
 */
#ifndef MOAT_SELECTION_H
#define MOAT_SELECTION_H

#include "mirror-tool/pin/list.h"
#include "mirror-tool/pin/lock.h"

/* At pin. held: index->count answers of the caller's. Adds to the platforms of `pin`.
 * ERR_INCOMPLETE names the wanted platforms that the index does not have. */
MUST int select_wanted(const struct manifest *index, const struct platforms *wanted, bool *held,
	struct lock_pin *pin, struct err *e);

/* At pull and seal: the same answers from what the lock says is absent. */
void select_held(const struct manifest *index, const struct platform_texts *absent, bool *held);

#endif
