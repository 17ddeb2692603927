/*
 * What one entry of a side (side.h) consists of, as far as people compare it: the platforms that are held of an image,
 * the files of an artifact. Sizes are in bytes.
 */
#ifndef MOAT_PARTS_H
#define MOAT_PARTS_H

#include "mirror-tool/compare/side.h"

struct part_file {
	char *title; /* file name */
	char platform[PLATFORM_TEXT_SIZE]; /* "" when it is for all */
	struct digest digest;
	uint64_t size;
};

struct parts {
	struct platform_texts platforms; /* of an image, in the order of its index */
	struct part_file *files; /* by title and platform */
	size_t count;
};
#define PARTS_INIT                                                                                 \
	{                                                                                          \
		.count = 0                                                                         \
	}
void parts_release(struct parts *p); /* for AUTO */

/*
 * Read what an entry of the side consists of. Begin with PARTS_INIT.
 *
 * entry: NULL: nothing. Of a lock only what it says: no files of an artifact that it pins by reference.
 * Fails: as view_image() does. A manifest that is not here, as on a volume that was not given, tells nothing.
 */
MUST int parts_read(
	const struct side *s, const struct set_entry *entry, struct parts *out, struct err *e);

/* By title, then platform: the order of the files. */
int part_file_cmp(const struct part_file *a, const struct part_file *b);

/* Append the platforms of a that b lacks, with one space between. */
void parts_platforms_beyond(const struct parts *a, const struct parts *b, struct buf *out);

/*
 * May other platforms be held of an index that both sides have? By its own entries and the two inventories; an index
 * in an index and a lock, which has none, may. 1, 0, -1 as view_blob() fails.
 */
MUST int parts_may_differ(
	const struct side *a, const struct side *b, const struct set_entry *entry, struct err *e);

#endif
