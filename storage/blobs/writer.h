/*
 * Blob writers, as the files that begin, publish and apply them see them. The order in which they know each
 * other: writer.c, publish.c, batch.c, write.c.
 */
#ifndef MOAT_WRITER_H
#define MOAT_WRITER_H

#include "storage/store_private.h"

struct blob_writer {
	struct store *store;
	LIST_ENTRY(blob_writer) entry; /* of the handle's open ones */
	struct stage *stage;
	struct digest expect; /* DIGEST_NONE: the commit tells */
	uint64_t size; /* announced, or BLOB_SIZE_UNKNOWN */
	uint64_t at; /* bytes in the stage */
	unsigned flags;
	struct hasher hash;
	bool patched; /* some bytes are of another attempt */
	bool restarted; /* was given all bytes again */
	bool failed;
	bool lost; /* a sync failed: nothing makes these bytes durable any more */
	struct err err; /* when failed */
	struct digest digest; /* of the bytes, once committed to a batch or sealed */
	bool listed; /* among the handle's open ones */
	bool sealed; /* verified, and its bytes durable */
	bool repeated; /* of those published with it, one before brings the same bytes: they have their name */
	struct finding beside; /* once sealed: what lay under its digest then, by its bytes */
	struct {
		uint64_t at;
		struct hasher hash;
		bool set;
	} mark;
};

/* Put the digest, or "new blob", before the error's text. Returns -1. */
int blob_ctx(const struct digest *d, struct err *e);

/* --- writer.c -------------------------------------------------------------------------------- */

/* A writer without a stage; expect as in blob_begin(). */
struct blob_writer *writer_new(
	struct store *s, const struct digest *expect, uint64_t size, unsigned flags);
/* Open its stage. *have: bytes of an earlier attempt. ERR_BUSY: another wrote the same for wait_ms. */
MUST int writer_open(struct blob_writer *w, unsigned wait_ms, uint64_t *have, struct err *e);
/* Go on from these bytes, which are hashed; from none when they are more than were announced. */
MUST int writer_resume(struct blob_writer *w, uint64_t have, struct err *e);
/* Put it among the handle's open ones, where the same stage is not begun twice. */
void writer_list(struct blob_writer *w);
/* Does the handle write this stage already? */
bool writer_is_open(const struct store *s, const struct digest *d, unsigned flags);

/* Compare size and digest with what was announced; w->digest is what it is. ERR_CORRUPT. The hash can go on. */
MUST int writer_verify(struct blob_writer *w, struct err *e);
/* After that failed: 1 it was emptied and all bytes are wanted again, 0 they are wrong, -1 that failed. */
MUST int writer_start_over(struct blob_writer *w, struct err *e);

/* End one for store_apply(); one that was sealed is ended. */
MUST int writer_end(struct blob_writer *w, struct err *e);
/* Was it sealed as this? w may be NULL. */
bool writer_holds(const struct blob_writer *w, const struct digest *d);

/* --- publish.c ------------------------------------------------------------------------------- */

/* Is the blob here? 1, if need be by giving a file without a row its row; 0; -1, ERR_CORRUPT also: it has
 * another size than was announced. */
MUST int blob_is_there(struct store *s, const struct digest *d, uint64_t announced,
	enum blob_check how, struct err *e);

/* S2 up to the rows, for those that are ended or sealed: bytes, names, folders. count: to BATCH_BLOBS_MAX. */
MUST int writers_publish(
	struct store *s, struct blob_writer *const items[], size_t count, struct err *e);
/* The row, within a transaction. */
MUST int writer_record(struct store *s, const struct blob_writer *w, struct err *e);
/* S2 within a transaction, for a small blob that was held and was collected just before; its digest is right. */
MUST int blob_put_tx(struct store *s, const struct digest *d, struct span bytes, struct err *e);
/* S2 as a whole, the rows in one transaction; the names of the stages go last. */
MUST int blobs_publish(
	struct store *s, struct blob_writer *const items[], size_t count, struct err *e);

/* --- batch.c --------------------------------------------------------------------------------- */

/* Take over a writer that is ended; flushes when that fills the batch. */
MUST int batch_take(struct blob_batch *b, struct blob_writer **w, struct err *e);
/* Flush every batch of the handle. */
MUST int batches_flush(struct store *s, struct err *e);
/* Flush the one that has the blob: 1, 0 none has it, -1. */
MUST int batches_flush_with(struct store *s, const struct digest *d, struct err *e);

#endif
