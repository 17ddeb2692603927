/*
 * What differs between two sides (side.h): references, and blobs where both have an inventory. Pure but for what the
 * sides read. Sizes are in bytes.
 */
#ifndef MOAT_COMPARE_H
#define MOAT_COMPARE_H

#include "mirror-tool/compare/side.h"

/* An entry that one side has and the other not, or has otherwise. Borrowed from the sides. */
struct difference {
	const struct set_entry *a, *b; /* NULL: not on that side */
};

struct amount {
	size_t blobs;
	uint64_t bytes;
};

struct comparison {
	const struct side *a, *b; /* borrowed */
	struct difference *changes; /* in the order of a set's entries */
	size_t count;
	size_t same; /* entries that are the same on both sides */
	size_t added, removed, moved; /* of the changes */
	bool counted; /* both have an inventory, so these are known: */
	struct amount fresh, gone, shared; /* only in b, only in a, in both */
};
#define COMPARISON_INIT                                                                            \
	{                                                                                          \
		.count = 0                                                                         \
	}
void comparison_release(struct comparison *c); /* for AUTO */

/* Compare. Begin with COMPARISON_INIT; the sides stay as they are meanwhile. */
void compare_sides(struct comparison *c, const struct side *a, const struct side *b);

/* No reference and, as far as that is known, no blob differs. */
bool comparison_is_equal(const struct comparison *c);

#endif
