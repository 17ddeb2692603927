/*
 * Reading one volume, in one pass from the first byte to the last: structure, set, signatures,
 * inventory, then every blob, then the table. Nothing is believed that is not signed or does not
 * follow from what is signed (README.md, "Who checks what").
 *
 * What becomes of the blobs is a sink's business: `verify` only hashes, `import` writes and hashes.
 */
#ifndef MOAT_VOLUME_READ_H
#define MOAT_VOLUME_READ_H

#include "mirror-tool/sign/cosign.h"
#include "mirror-tool/media/tar_read.h"
#include "mirror-tool/media/toc.h"
#include "mirror-tool/media/volume_index.h"
#include "mirror-tool/media/volume_map.h"

/* A blob, or a part of one, that is about to come. */
struct piece {
	size_t line; /* of the inventory */
	struct digest digest; /* of the blob */
	uint64_t size; /* of the blob */
	uint64_t at, len; /* the part; 0 and size when it is whole */
};

/* What a sink says of a piece. */
enum volume_piece {
	PIECE_EARLY = 0, /* no use for it now: a part before it did not come */
	PIECE_TAKE = 1, /* give me its bytes */
	PIECE_HELD = 2, /* the whole blob is here: somebody else brought it */
};

struct volume_sink {
	/* One of the above, or -1. Not asked for blobs that arrived. */
	int (*piece)(void *ctx, const struct piece *p, struct err *e);
	int (*bytes)(void *ctx, struct span bytes, struct err *e);
	/* The piece is over. 1: the blob is whole and is what its digest says; 0: more parts are to
	 * come; -1, ERR_CORRUPT when it is not. */
	int (*end)(void *ctx, struct err *e);
};

/* What a volume says it holds, whether that is true or not: only to tell of it. */
struct set_claim {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1]; /* "" unknown */
	struct digest digest; /* DIGEST_NONE unknown */
};

/* What is known of a medium over all of its volumes. */
struct medium {
	const struct trust *trust; /* borrowed */
	int64_t now; /* seconds since the epoch, for the set's expiry */
	const struct volume_sink *sink;
	void *ctx;
	struct set_claim claim; /* of the volume that is trusted, else of the last that was not */
	/* from here on: from the first volume whose signatures hold */
	bool trusted;
	struct head head;
	uint32_t volumes;
	struct volume_map map;
	struct buf map_text;
	bool *arrived; /* by inventory line: whole and safe with the sink */
	uint16_t *reached; /* by inventory line: a cut blob's parts are here up to this volume */
	bool *seen; /* by volume, from 1: read to its end */
};
/* After the head was read: does a signature of the set hold under this key of the trust, and may it sign the
 * set? One manifest may have signatures of several. */
bool medium_is_signed_by(const struct medium *m, struct verify_key *key);
/* After the head was read: ERR_INCOMPLETE when the set leaves out something that its list wants, and the
 * trust or the text of a key that signed it is strict. */
MUST int medium_check_excuses(const struct medium *m, struct err *e);
void medium_release(struct medium *m);

struct volume_reader;

/* Both are borrowed. The tar reader stands before the first entry, and reads with TAR_EXACT. */
struct volume_reader *volume_reader_new(struct medium *m, struct tar_reader *tar, const char *name);
void volume_reader_free(struct volume_reader **v); /* for AUTO */

/*
 * Everything before the blobs. The first volume of a medium makes it trusted or fails; the others
 * must be of the same set. *volume: its number.
 *
 * Fails: ERR_UNTRUSTED not signed, by no trusted key, expired; ERR_CORRUPT anything else that the
 *        bytes say; ERR_IO. Each names the volume.
 */
MUST int volume_read_head(struct volume_reader *v, uint32_t *volume, struct err *e);

/* The blobs, the table and the end. Further failures are the sink's. */
MUST int volume_read_blobs(struct volume_reader *v, struct err *e);

#endif
