/* Names in a volume, and its head, which every volume has (README.md has the format). Pure. */
#ifndef MOAT_VOLUME_H
#define MOAT_VOLUME_H

#include "mirror-tool/media/base.h"
#include "storage/store_write.h"

#define VOLUMES_MAX 9999 /* of one export */
#define VOLUME_LAYOUT "oci-layout"
#define VOLUME_LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define VOLUME_INDEX "index.json"
#define VOLUME_MAP "moat/volumes"
#define VOLUME_MAP_PACKED "moat/volumes.zst" /* the same, packed: of a delta */
#define VOLUME_TOC "moat/toc.json"
#define VOLUME_SIGNATURES_MAX 64 /* signature manifests of one set */

#define VOLUME_NAME_SIZE 280 /* "zstd/sha512/", 128 digits, "/sha512/", 128 digits and NUL */

/* blobs/<alg>/<hex>, and parts/<alg>/<hex>/<offset as 15 digits>: sorted by name, the parts of a
 * blob are in order. Both return `name`. */
const char *volume_blob_name(const struct digest *d, char name[VOLUME_NAME_SIZE]);
const char *volume_part_name(const struct digest *d, uint64_t at, char name[VOLUME_NAME_SIZE]);

enum volume_entry { VOLUME_OTHER, VOLUME_BLOB, VOLUME_PART };

/* Read the name of an entry; *at is set for parts. VOLUME_OTHER: the two functions above never
 * write it. */
enum volume_entry volume_name_parse(const char *name, struct digest *d, uint64_t *at);

/* zstd/<alg>/<hex>/<alg of base>/<hex of base>: a document as pack.h makes it of a delta; zstd/<alg>/<hex> where it builds on
 * none, as base->alg DIGEST_NONE says. Returns `name`. */
const char *volume_packed_name(
	const struct digest *d, const struct digest *base, char name[VOLUME_NAME_SIZE]);
/* Read such a name; false: the function above never writes it. */
bool volume_packed_parse(const char *name, struct digest *d, struct digest *base);

/* NAME-VERSION.002-of-013.tar, NAME-VERSION.delta.002-of-013.tar; at least three digits. Heap text of the caller's. */
char *volume_file_name(const struct set *s, enum base_kind kind, uint32_t volume, uint32_t volumes);
/* Does the path end with such a name? Not when the name begins with a dot. */
bool volume_is_file_name(const char *path);

/* --- the head: what every volume carries, so that each can be judged alone --------------------- */

struct head_blob {
	struct digest digest;
	struct buf bytes;
};

struct head {
	struct digest digest; /* of the set index */
	struct set set;
	struct inventory inventory;
	struct set_signature *signatures;
	size_t signature_count;
	/* in the order of the volume: set index; each signature's manifest, config and layers; the
	 * inventory's manifest, config and layer; nothing twice */
	struct head_blob *blobs;
	size_t count;
};
#define HEAD_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void head_release(struct head *h); /* for AUTO; leaves it empty */
struct head_blob *head_find(const struct head *h, const struct digest *d); /* or NULL */
/* An empty blob, borrowed until the next call. */
struct head_blob *head_add(struct head *h, const struct digest *d);
void head_add_signature(struct head *h, const struct set_signature *s);

#endif
