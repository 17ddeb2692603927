/*
 * The set's own documents in a delta: set index, inventory, lock and list are text of which little changes from release to
 * release, so they travel packed (pack.h), as differences on those of a set that the other side holds. Their digests, and with
 * them that of the set, do not change.
 */
#ifndef MOAT_DOCUMENTS_H
#define MOAT_DOCUMENTS_H

#include "mirror-tool/media/delta.h"
#include "mirror-tool/media/toc.h"
#include "mirror-tool/media/volume.h"

/* A document as it travels. */
struct document {
	struct digest digest;
	struct digest base; /* DIGEST_NONE: it builds on none */
	struct buf bytes; /* packed */
	struct digest sha256; /* of these */
};

struct documents {
	struct document items[4];
	size_t count;
};
void documents_release(struct documents *x); /* for AUTO */

/*
 * Pack the documents that a delta carries of the set of a loaded head. Those that would not become smaller are left as they are,
 * and so is a document of more than PACK_WHOLE_MAX bytes.
 *
 * out:   begins as { .count = 0 }; documents_release() afterwards, on failure too.
 * Fails: ERR_CORRUPT, ERR_INCOMPLETE: a document of the set or of its base cannot be read.
 */
MUST int documents_pack(struct documents *out, struct store *s, const struct head *h,
	const struct delta *d, struct err *e);

/* The document of that digest, borrowed, or NULL when it does not travel packed. x may be NULL. */
const struct document *documents_find(const struct documents *x, const struct digest *d);

/* The entry of a volume that holds a blob of `size` bytes whole: packed, if it is such a document. Its texts are in `name` and
 * x. */
struct toc_entry documents_entry(const struct documents *x, const struct digest *d, uint64_t size,
	char name[VOLUME_NAME_SIZE]);

/*
 * Read a document back, append it to out, and check its digest.
 *
 * from:  where the base's documents are; NULL: nowhere.
 * on:    what the medium says that it builds on, for the message; NULL: not known.
 * entry: of the volume: digest and base.
 * size:  of the document.
 * Fails: ERR_INCOMPLETE: `from` has not what it builds on, with what to do; ERR_CORRUPT. out is as it was.
 */
struct packed_entry {
	struct digest digest, base;
	struct span bytes;
};
MUST int document_unpack(struct store *from, const struct base *on,
	const struct packed_entry *entry, uint64_t size, struct buf *out, struct err *e);

#endif
