/*
 * Which children of an index are held. The index itself keeps its bytes; the selection decides only
 * what is fetched with it. The same rules hold for an index in an index. Pure.
 *
 * A child is held when its platform is wanted; a child without a platform always; a buildkit
 * attestation when its subject is held. Attachments of an image are held whole.
 */
#ifndef MOAT_SELECTION_H
#define MOAT_SELECTION_H

#include "mirror-tool/list/list.h"
#include "mirror-tool/list/lock.h"

/* At pin: add the platforms that an index names to the held or the absent ones of the pin. */
void select_platforms(
	const struct manifest *index, const struct platforms *wanted, struct lock_pin *pin);

/* At pin, when all indexes have been read: check that every wanted platform was found in one of
 * them. ERR_INCOMPLETE names those that were not (an image that names no platform at all is held
 * whole); ERR_INPUT: too many for a lock. */
MUST int select_check(const struct platforms *wanted, const struct lock_pin *pin, struct err *e);

/* At pin, pull and seal: is the child at `i` held? attached: the index belongs to an attachment of
 * the pin, all of which is held. What the pin excuses is not held. */
bool select_held(const struct manifest *index, size_t i, const struct lock_pin *pin, bool attached);

#endif
