/*
 * Good bytes for blobs of a store that are bad or missing, from places that may have them:
 *
 *	store:DIR				another store
 *	medium:PATH				a folder of volumes, or one volume
 *	registry:[http://]HOST[:PORT][/PREFIX]	a registry; https unless it says http://
 *
 *	struct repair r = { .tool = t, .store = s, .certs_dirs = &dirs };
 *	repair_want(&r, &digest, size);			for each
 *	repair_from(&r, "store:/srv/moat", e);		one source after the other, until r.left is 0
 *
 * The database says digest and size of what is wanted, and nothing else is believed: a source needs no trust, and only
 * bytes of that digest come into the store, streamed, by the ways of every other writer (store_write.h). What a source does
 * not have, or has otherwise, is recorded and left for the next one.
 */
#ifndef MOAT_REPAIR_H
#define MOAT_REPAIR_H

#include "mirror-tool/tool.h"
#include "storage/oci/digest_map.h"
#include "storage/store_write.h"

struct repair_try {
	const char *source; /* the word; borrowed */
	char *answer; /* a sentence without a subject: "does not have it" */
};

struct repair_blob {
	struct digest digest;
	uint64_t size; /* bytes, as recorded */
	bool held; /* its bytes are good by now */
	const char *from; /* the source that brought them; borrowed; NULL: none */
	struct repair_try *tries; /* of sources that did not */
	size_t try_count;
};

struct repair {
	const struct tool *tool;
	struct store *store; /* open for writing; borrowed */
	const char *authfile; /* of registries; NULL: the usual places */
	const struct texts *certs_dirs;
	struct repair_blob **blobs; /* each once, as they were wanted */
	size_t count, left; /* left: not held yet */
	/* Private. */
	struct digest_map map;
	const char *source; /* that is asked */
	struct blob_batch *batch;
};
void repair_release(struct repair *r); /* for AUTO */

/* Ask for a blob of so many bytes, once. */
void repair_want(struct repair *r, const struct digest *d, uint64_t size);

/* Is it a source, and can it be opened? A registry is not asked. ERR_INPUT: the word is none, or a set or a lock; ERR_ABSENT
 * nothing is there; else as store_open() and media/medium.h. */
MUST int repair_check_source(const struct tool *t, const char *word, struct err *e);

/*
 * Ask one source for what is left.
 *
 * source:  outlives r.
 * Returns: 0, also when it brought nothing or could not be read: the blobs' tries say so. -1: this store or machine failed
 *          (ERR_FULL, ERR_IO, ERR_RIGHTS, ERR_LIMIT, ERR_BUSY), or a signal came; what is durable by then stays.
 * Durable: on 0 all that has `from`.
 */
MUST int repair_from(struct repair *r, const char *source, struct err *e);

/* --- for the sources (repair_medium.c, repair_registry.c) --------------------------------------------- */

/* The next one that is not held and that this source has not answered for yet, from *at on, which moves behind it; NULL. */
struct repair_blob *repair_next(const struct repair *r, size_t *at);

/* A wanted blob that is not held, or NULL: another copy of the source may be good. */
struct repair_blob *repair_find(const struct repair *r, const struct digest *d);

/* Record the answer of this source, in place of one that it gave before. */
void repair_answer(struct repair *r, struct repair_blob *b, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* It is held by now: brought by this source, into the batch or durably; NULL: by somebody else. */
void repair_settle(struct repair *r, struct repair_blob *b, const char *from);

/* Begin to write a blob of which the source has `size` bytes: 1 and *w; 0: it is settled; -1. */
MUST int repair_begin(struct repair *r, struct repair_blob *b, uint64_t size,
	struct blob_writer **w, struct err *e);
/* After all bytes were written: 0, also when they are others; -1. */
MUST int repair_commit(
	struct repair *r, struct repair_blob *b, struct blob_writer **w, struct err *e);

/* Both, of bytes that are all here. */
MUST int repair_put(struct repair *r, struct repair_blob *b, struct span bytes, struct err *e);

/* Answer for all that are left that the source failed. */
void repair_failed(struct repair *r, const struct err *why);

/* repair_from() of a folder of volumes, or of one. */
MUST int repair_from_medium(struct repair *r, const char *path, struct err *e);
/* repair_from() of what stands behind "registry:". */
MUST int repair_from_registry(struct repair *r, const char *place, struct err *e);
/* repair_check_source() of that. */
MUST int repair_check_registry(const char *place, struct err *e);

#endif
