/*
 * Write the volumes of a set: planned first, to the byte, then one after the other. The same set
 * and limit give the same bytes.
 *
 * Every blob is hashed on its way; one with another digest ends the export (ERR_CORRUPT), so a
 * damaged store is never passed on.
 */
#ifndef MOAT_VOLUME_WRITE_H
#define MOAT_VOLUME_WRITE_H

#include "mirror-tool/media/contents.h"
#include "mirror-tool/media/delta.h"
#include "mirror-tool/media/plan.h"
#include "mirror-tool/media/spool.h"

struct volume_writer;

/*
 * limit: most bytes of a volume; 0: one volume of any size.
 * delta: what is left out; NULL: nothing. Borrowed, as the store.
 * Fails: ERR_INPUT also when the delta is a need list and names blobs that the set does not have.
 */
MUST int volume_writer_open(struct volume_writer **w, struct store *s, const struct digest *set,
	uint64_t limit, const struct delta *delta, struct err *e);
void volume_writer_free(struct volume_writer **w); /* for AUTO */

const struct head *volume_writer_head(const struct volume_writer *w); /* of the set; borrowed */
uint32_t volume_writer_count(const struct volume_writer *w); /* volumes, from 1 on */
uint64_t volume_writer_bytes(struct volume_writer *w, uint32_t volume); /* exactly */
const struct base *volume_writer_base(const struct volume_writer *w); /* borrowed */
/* Do documents of the set travel packed? */
bool volume_writer_packs(const struct volume_writer *w);
/* Blobs of the set that are in no volume, and their bytes. */
size_t volume_writer_left_out(const struct volume_writer *w, uint64_t *bytes);

/* Write one volume into a spool. Volumes go in order, from 1; the same one may be written again. */
MUST int volume_writer_write(
	struct volume_writer *w, uint32_t volume, struct spool *to, struct err *e);

#endif
