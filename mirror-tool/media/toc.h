/*
 * The table of contents, `moat/toc.json`: the last entry of a volume, so that a volume without one
 * is known to be unfinished (M1). JSON, one entry a line, in the order of the volume:
 *
 *	{"moatToc":1,"set":"sha256:..","volume":1,"volumes":3,"entries":[
 *	{"name":"oci-layout","size":30,"sha256":"<hex>"},
 *	{"name":"blobs/sha256/<hex>","size":1234},
 *	{"name":"parts/sha256/<hex>/000000000000000","size":1048576,"sha256":"<hex>","of":4194304}
 *	]}
 *
 * A blob's name is its digest; everything else has a sha256. It is never parsed: it follows from what
 * the volume holds, so a reader makes it again while it reads and compares (M2). Pure.
 */
#ifndef MOAT_TOC_H
#define MOAT_TOC_H

#include <stdbool.h>

#include "storage/oci/digest.h"

struct toc_entry {
	const char *name;
	uint64_t size;
	const struct digest *sha256; /* NULL for whole blobs */
	uint64_t of; /* parts: size of the blob; else 0 */
};

/* Append the text of a table: the head, each entry, the tail. set: digest of the set index. first: no entry was
 * appended yet. */
void toc_head(struct buf *out, const struct digest *set, uint32_t volume, uint32_t volumes);
void toc_entry(struct buf *out, const struct toc_entry *entry, bool first);
void toc_tail(struct buf *out);

/* A table that is only compared: its text is hashed and dropped. */
struct toc_check {
	struct hasher hasher;
	struct buf text; /* of the entry at hand */
	uint64_t size; /* bytes so far */
	bool any;
};
#define TOC_CHECK_INIT                                                                             \
	{                                                                                          \
		.hasher = HASHER_INIT, .text = BUF_INIT                                            \
	}
void toc_check_begin(
	struct toc_check *c, const struct digest *set, uint32_t volume, uint32_t volumes);
void toc_check_add(struct toc_check *c, const struct toc_entry *entry);
void toc_check_end(struct toc_check *c, struct digest *sha256); /* c->size is final then */
void toc_check_release(struct toc_check *c);

#endif
