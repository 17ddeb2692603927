/*
 * One side of a comparison: what an operand (view/operand.h) has, in one order whatever it is. A store's active sets
 * are one side, in which a tag is what the set that was activated last pins it to. Sizes are in bytes.
 */
#ifndef MOAT_SIDE_H
#define MOAT_SIDE_H

#include "mirror-tool/sign/sign.h"
#include "mirror-tool/view/operand.h"

struct side {
	struct operand *from; /* borrowed */
	struct set set; /* only its entries, sorted; none of the set's own documents */
	size_t references; /* images and files among them */
	const struct lock_pin **pins; /* of a lock, by digest; borrowed from the operand */
	size_t pin_count;
	bool has_inventory; /* a lock has none */
	struct inventory held; /* without the set's own documents */
	struct trust
		signers; /* keys that signatures name; of a medium that was verified: those that signed it */
	bool verified; /* the signers were judged: by an import or a seal, or here */
};
#define SIDE_INIT                                                                                  \
	{                                                                                          \
		.set = SET_INIT, .held = INVENTORY_INIT, .signers = TRUST_INIT                     \
	}
void side_release(struct side *s); /* for AUTO */

/*
 * Gather what the operand has. Begin with SIDE_INIT; the operand stays open meanwhile.
 *
 * keys:  a medium is verified by them: heads of its volumes, not every byte; none: it is not.
 * Fails: ERR_CORRUPT, ERR_IO; ERR_UNTRUSTED: a medium that none of the keys signed.
 */
MUST int side_fill(struct side *s, struct operand *from, const struct texts *keys, struct err *e);

#endif
