/*
 * Read one volume in one pass: structure, set, signatures, inventory, then every blob, then the
 * table. Nothing is believed that is not signed or does not follow from what is signed (README.md,
 * "What is trusted, and when").
 *
 * Blobs go to a sink: `verify` only hashes, `import` writes and hashes.
 */
#ifndef MOAT_VOLUME_READ_H
#define MOAT_VOLUME_READ_H

#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/media/toc.h"
#include "mirror-tool/media/volume_index.h"
#include "mirror-tool/media/volume_map.h"

/* A blob, or a part of one, that is about to come. */
struct chunk {
	size_t line; /* of the inventory */
	struct digest digest; /* of the blob */
	uint64_t size; /* of the blob */
	uint64_t at, len; /* the part; 0 and size when it is whole */
};

/* What a sink decides about a chunk. */
enum volume_chunk {
	CHUNK_EARLY = 0, /* not now: a part before it did not come */
	CHUNK_TAKE = 1, /* pass its bytes */
	CHUNK_HELD = 2, /* the whole blob is here already */
};

struct volume_sink {
	/* Called before a chunk, unless its blob has arrived: one of the above, or -1. */
	int (*chunk)(void *ctx, const struct chunk *p, struct err *e);
	int (*bytes)(void *ctx, struct span bytes, struct err *e);
	/* Called after a chunk. 1: the blob is complete and has its digest; 0: more parts are to
	 * come; -1: ERR_CORRUPT, it has not. */
	int (*end)(void *ctx, struct err *e);
};

/* What a volume states, whether true or not: for messages only. */
struct set_claim {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1]; /* "" unknown */
	struct digest digest; /* DIGEST_NONE unknown */
};

#define EXPORTS_MAX 16 /* of one medium */

/* The volumes that one export wrote. A delta and its top-up are two, of the same set. */
struct medium_export {
	struct base base;
	uint32_t volumes;
	struct volume_map map;
	struct buf map_text;
	uint16_t *reached; /* by inventory line: a cut blob's parts are here up to this volume */
	bool *seen; /* by volume, from 1: read to its end, or its head by medium_read_heads() */
};

/* State of a medium over all of its volumes. */
struct medium {
	bool allow_expired; /* set by the reader: also a set that has expired */
	const struct trust *trust; /* borrowed */
	int64_t now; /* seconds since the epoch, for the set's expiry */
	struct store *
		documents; /* borrowed: where documents are that a delta's build on; NULL: nowhere */
	const struct volume_sink *sink;
	void *ctx;
	struct set_claim claim; /* of the volume that is trusted, else of the last that was not */
	/* what follows: from the first volume whose signatures hold */
	bool trusted;
	struct head head;
	struct audit_head
		audit_head; /* of where it was sealed, as a trusted signature says; seq 0: none does */
	uint32_t volumes; /* of all exports */
	struct medium_export *exports;
	size_t export_count; /* several only when all but one are deltas */
	bool *arrived; /* by inventory line: complete in the sink */
};

/* Where a line of the inventory is on the medium: the first export that has it, or NULL. */
const struct medium_export *medium_find_line(const struct medium *m, size_t line);

/* Is the line in the volumes that were read, or whose heads were by medium_read_heads()? Also when it came with the head. */
bool medium_has_line(const struct medium *m, size_t line);

/* What did not arrive and is on none of the volumes, as those of a delta: blobs, and their bytes. */
size_t medium_left_out(const struct medium *m, uint64_t *bytes);

/* For people: "a delta on platform 1", of all exports; appended. Nothing when one holds all. */
void medium_say_base(const struct medium *m, struct buf *out);

/* After the head was read: does a signature of the set hold under this key of the trust, and may
 * the key sign the set? One manifest may have signatures of several keys. */
bool medium_is_signed_by(const struct medium *m, struct verify_key *key);
/* After the head was read: ERR_INCOMPLETE when the set has excuses, and the trust or the text of a
 * key that signed it is strict. */
MUST int medium_check_excuses(const struct medium *m, struct err *e);
void medium_release(struct medium *m);

struct volume_reader;

/* Make a reader; both are borrowed. The tar reader is before its first entry, with TAR_EXACT. */
struct volume_reader *volume_reader_new(struct medium *m, struct tar_reader *tar, const char *name);
void volume_reader_free(struct volume_reader **v); /* for AUTO */

/*
 * Read everything before the blobs. The first volume of a medium makes it trusted or fails; the
 * others must be of the same set and export, or of a delta of it. *volume: its number, counted over
 * the exports in the order in which they were met.
 *
 * Fails: ERR_UNTRUSTED not signed, not by a trusted key, expired; ERR_CORRUPT anything else in the
 * bytes; ERR_IO. Each names the volume.
 */
MUST int volume_read_head(struct volume_reader *v, uint32_t *volume, struct err *e);

/* Count the volume as read, instead of reading its blobs. */
void volume_pass_blobs(const struct volume_reader *v);

/* Read the blobs, the table and the end. Further failures come from the sink. */
MUST int volume_read_blobs(struct volume_reader *v, struct err *e);

#endif
