/*
 * What differs between two sides (side.h): references, platforms, files, and blobs where both have an inventory. Sizes
 * are in bytes.
 */
#ifndef MOAT_COMPARE_H
#define MOAT_COMPARE_H

#include "mirror-tool/compare/parts.h"

/* An entry that one side has and the other not, or has otherwise. Borrowed from the sides. */
struct difference {
	const struct set_entry *a, *b; /* NULL: not on that side */
};

/* An image of both sides of which other platforms are held. */
struct platforms_change {
	const struct set_entry *entry; /* of b */
	char *added, *removed; /* platforms with one space between */
};

/* A file of an artifact that differs. */
struct file_change {
	const struct set_entry *entry; /* of b, or of a when the file is gone */
	struct part_file file; /* as b has it, or a when it is gone */
	struct digest from, to; /* DIGEST_NONE: it is new, it is gone */
};

struct amount {
	size_t blobs;
	uint64_t bytes;
};

struct comparison {
	const struct side *a, *b; /* borrowed */
	struct difference *changes; /* in the order of a set's entries */
	size_t count;
	const struct set_entry **alike; /* indexes that are the same on both sides, as b has them */
	size_t alike_count;
	struct platforms_change *platforms;
	size_t platforms_count;
	struct file_change *files;
	size_t files_count;
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

/* Compare. Begin with COMPARISON_INIT; the sides stay as they are meanwhile. Fails as parts_read() does. */
MUST int compare_sides(
	struct comparison *c, const struct side *a, const struct side *b, struct err *e);

/* No reference, platform or, as far as that is known, blob differs. */
bool comparison_is_equal(const struct comparison *c);

#endif
