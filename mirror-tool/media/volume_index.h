/*
 * A volume's index.json: the OCI index by which skopeo, podman, ctr, oras and crane find their way
 * in it. First the set and its signatures, then the images that are whole in this volume, with the
 * descriptors of the set.
 *
 * It is not signed, so a reader takes from it only where to find the set and its signatures. Once
 * the set is trusted, the rest must be what volume_index_write() makes of it (M2). Pure.
 *
 * Only what a runtime can run is named by org.opencontainers.image.ref.name: containerd unpacks
 * everything that has a name, and would fail at a signature or a file. The set is marked with the
 * platform unknown/unknown, so that containerd does not walk into images of other volumes.
 */
#ifndef MOAT_VOLUME_INDEX_H
#define MOAT_VOLUME_INDEX_H

#include "mirror-tool/media/volume.h"

#define VOLUME_INDEX_MAX SET_BYTES_MAX

/* How an entry of the set is listed in index.json of a volume. */
enum index_listing {
	LISTING_NONE, /* not, or not whole, in this volume */
	LISTING_NAMED, /* an image */
	LISTING_UNNAMED, /* an artifact: the reference stands in vnd.moat.reference */
};

struct volume_number {
	uint32_t volume, volumes; /* from 1 */
	const char *base; /* text of base.h; NULL or "": on nothing */
};

/* listings: one for each entry of the head's set. */
void volume_index_write(struct buf *out, const struct head *h, struct volume_number number,
	const enum index_listing *listings);

/* Most bytes that one entry adds. */
size_t volume_index_entry_bytes(const struct set_entry *entry);

/* What a reader needs before it trusts anything. */
struct volume_index {
	struct volume_number number; /* its base is text of the manifest */
	struct base base;
	struct digest set;
	uint64_t set_size;
	struct set_signature signatures[VOLUME_SIGNATURES_MAX];
	uint64_t signature_sizes[VOLUME_SIGNATURES_MAX];
	size_t signature_count;
	struct manifest manifest; /* all of it */
};
#define VOLUME_INDEX_INIT                                                                          \
	{                                                                                          \
		.manifest = MANIFEST_INIT                                                          \
	}

/* ERR_CORRUPT: not an index.json of a volume. */
MUST int volume_index_parse(
	struct volume_index *v, const char *name, struct span bytes, struct err *e);
void volume_index_release(struct volume_index *v);

/* The name and version that it gives its set, for messages and to sort by; "" where it gives none. */
void volume_index_claim(const struct volume_index *v, char name[SET_NAME_MAX + 1],
	char version[SET_VERSION_MAX + 1]);

/* Check against the trusted head: ERR_CORRUPT unless it is exactly what it should be. listings has
 * room for each entry of the set. */
MUST int volume_index_check(const struct volume_index *v, const char *name, struct span bytes,
	const struct head *h, enum index_listing *listings, struct err *e);

#endif
