/*
 * Which children of an index are held. The index itself keeps its bytes; selection only decides
 * what is fetched beside it. The same rules hold for an index within an index.
 *
 * A child is held when its platform is wanted; a child without a platform always; a buildkit
 * attestation when the child that it is about is held. What is attached to an image is held whole.
 */
#ifndef MOAT_SELECTION_H
#define MOAT_SELECTION_H

#include "mirror-tool/list/list.h"
#include "mirror-tool/list/lock.h"

/* At pin: sort the platforms that an index of the pin names into held and absent ones. */
void select_platforms(
	const struct manifest *index, const struct platforms *wanted, struct lock_pin *pin);

/* At pin, when all indexes of it were seen: ERR_INCOMPLETE names the wanted platforms that none of
 * them has (an image that names no platform at all is held whole); ERR_INPUT too many for a lock. */
MUST int select_check(const struct platforms *wanted, const struct lock_pin *pin, struct err *e);

/* At pin, pull and seal: is the child at `i` held? attached: of something that is attached to the pin,
 * which is held whole. What the pin excuses is not. */
bool select_held(const struct manifest *index, size_t i, const struct lock_pin *pin, bool attached);

#endif
