/*
 * Write a volume in a second thread, which hashes and writes while the first one reads and checks
 * the next blob. A few fixed buffers; nothing is copied when the caller reads straight into
 * spool_room().
 *
 * With SPOOL_RESUME the bytes of the file are compared while they agree, and written from the first
 * difference on, so an interrupted export goes on where it stopped.
 */
#ifndef MOAT_SPOOL_H
#define MOAT_SPOOL_H

#include "storage/oci/digest.h"

#define SPOOL_SLOT_BYTES (512u << 10)

enum spool_mode {
	SPOOL_WRITE, /* to fd's position: a pipe or a new file */
	SPOOL_RESUME, /* to a file from offset 0, keeping what agrees */
	SPOOL_CHECK, /* compare only; spool_close() fails with ERR_ABSENT when the file differs */
};

struct spool;

/* fd and name (for messages) are borrowed. */
MUST int spool_open(
	struct spool **s, int fd, const char *name, enum spool_mode mode, struct err *e);
void spool_free(struct spool **s); /* for AUTO: drops what is not written */

/* Call fn with the number of bytes put so far, in the thread that puts them, for each buffer handed
 * over. A few buffers less are written. */
typedef void spool_watch_fn(void *ctx, uint64_t bytes);
void spool_watch(struct spool *s, spool_watch_fn *fn, void *ctx);

/* Room for the next bytes, to be put after they are there; at least one byte. Valid until the next
 * call. */
void *spool_room(struct spool *s, size_t *len);

/* A tar_sink. Fails with the error of bytes put before. */
int spool_put(void *s, const void *data, size_t len, struct err *e);

/* Wait until all is written (not: durable); size and sha256 are of all the bytes. The file is cut
 * to them with SPOOL_RESUME. */
MUST int spool_close(struct spool **s, struct digest *sha256, uint64_t *size, struct err *e);

#endif
