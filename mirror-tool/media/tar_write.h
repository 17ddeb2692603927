/*
 * Write tar: regular files with a name and a size, and nothing that differs between runs (no times,
 * owners or modes). The same entries give the same bytes, so a reader can make the header of an
 * entry itself and compare (tar_read.h, TAR_EXACT).
 *
 * ustar; a pax header comes first only where ustar has no room: names of sha512 blobs, entries of 8
 * GiB and more.
 */
#ifndef MOAT_TAR_WRITE_H
#define MOAT_TAR_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

#define TAR_BLOCK 512
#define TAR_END_BYTES 1024 /* the two empty blocks that end an archive */

/* Takes the archive's bytes in order. Returns 0 or -1 with e. */
typedef int tar_sink(void *ctx, const void *data, size_t len, struct err *e);

struct tar_writer;

/* Begin an archive that goes to `sink`, whose ctx is borrowed. Fails as the sink does; *w is set on success only. */
MUST int tar_write_open(struct tar_writer **w, tar_sink *sink, void *ctx, struct err *e);
void tar_write_free(struct tar_writer **w); /* for AUTO: without the end of the archive */

/* Begin an entry of exactly `size` bytes, which tar_write_data() gives in chunks of any size,
 * without copying. */
MUST int tar_write_entry(struct tar_writer *w, const char *name, uint64_t size, struct err *e);
MUST int tar_write_data(struct tar_writer *w, const void *data, size_t len, struct err *e);

/* End the archive. *w becomes NULL in any case. */
MUST int tar_write_close(struct tar_writer **w, struct err *e);

/* Append the header that tar_write_entry() writes. */
MUST int tar_header(const char *name, uint64_t size, struct buf *out, struct err *e);

/* Bytes of an entry in an archive: header, data, padding. */
uint64_t tar_entry_bytes(const char *name, uint64_t size);
uint64_t tar_padding(uint64_t size); /* zeros behind the data */

#endif
