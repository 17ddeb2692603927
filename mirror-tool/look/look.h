/*
 * Looking at what is there without changing it: the sets of a store, or of a medium that nobody
 * imported. A medium is read only where it has manifests: blobs are skipped, nothing of it is
 * trusted, and what is said of it is what it says of itself.
 */
#ifndef MOAT_LOOK_H
#define MOAT_LOOK_H

#include "storage/oci/set.h"
#include "storage/store_write.h"

#define LOOK_KEPT_MAX (512u << 20) /* bytes of manifests that one medium may have */

struct look_set {
	struct set_info info; /* of a medium: accepted 0, not active */
	struct set set; /* empty until look_load() */
	struct inventory held;
	struct set_signature *signatures;
	size_t signature_count;
	bool loaded;
};

struct look {
	struct store *store; /* borrowed; NULL: a medium */
	struct look_set *sets;
	size_t count;
	struct shelf *shelf; /* the manifests of a medium */
};
#define LOOK_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void look_release(struct look *l); /* for AUTO */

/* Every accepted set of the store. */
MUST int look_store(struct look *l, struct store *s, struct err *e);

/* Every set on the volumes of these folders and files. */
MUST int look_medium(struct look *l, const char *const *paths, size_t count, struct err *e);

/* Read the set, its inventory and its signatures. Again: nothing happens. */
MUST int look_load(struct look *l, struct look_set *s, struct err *e);

/* A small blob appended to out: 1, 0 not here, -1. */
MUST int look_blob(
	struct look *l, const struct digest *d, size_t limit, struct buf *out, struct err *e);

/* A set by NAME, NAME:VERSION or digest: the first that fits, or NULL. */
struct look_set *look_find(struct look *l, const char *which);

/* --- tags (look_tags.c) ---------------------------------------------------------------------- */

struct look_tag {
	const char *repo, *tag; /* borrowed */
	struct tag_owner owner; /* of a medium: the set that it is in */
};
struct look_tag_sink {
	int (*fn)(void *ctx, const struct look_tag *tag, struct err *e); /* -1 ends it */
	void *ctx;
};

/* The tags of a repository: 1, 0 there is no such repository, -1. */
MUST int look_tags(struct look *l, const char *repo, struct look_tag_sink *sink, struct err *e);

/* The tags of every repository of a store. */
MUST int look_all_tags(struct look *l, struct look_tag_sink *sink, struct err *e);

/* --- images (look_image.c) ------------------------------------------------------------------- */

struct look_layer {
	struct digest digest;
	uint64_t size;
	char *media_type;
	char *title; /* file name of an artifact's layer; "" when none */
	bool held;
};

/* An image, or whatever an index lists, here or not. */
struct look_child {
	struct digest digest;
	uint64_t size, bytes; /* of the manifest; with config and layers that are held, each once */
	char platform[PLATFORM_TEXT_SIZE]; /* "" when the index names none */
	char *media_type; /* as the index says */
	bool held, attestation, is_index;
	bool entered; /* it is what the index says, and its contents are among what is here */
	struct look_layer *layers;
	size_t layer_count;
};

struct look_image {
	bool known; /* its manifest could be read */
	bool is_index;
	uint64_t bytes; /* held in all, each blob once */
	struct look_child *children; /* of every index in it; one, itself, when it is no index */
	size_t count;
};
#define LOOK_IMAGE_INIT                                                                            \
	{                                                                                          \
		.count = 0                                                                         \
	}
void look_image_release(struct look_image *i); /* for AUTO */

/* What a manifest consists of. held: the inventory that tells what is here; NULL: the store does. */
MUST int look_image(struct look *l, const struct inventory *held, const struct digest *d,
	uint64_t size, const char *media_type, struct look_image *out, struct err *e);

/* Is this entry an image (or index), a pin of files, or something attached to an image? */
enum look_kind { LOOK_IMAGE, LOOK_FILE, LOOK_ATTACHED, LOOK_OWN };
enum look_kind look_kind_of(const struct set_entry *entry);
/* sha256-<hex>, with or without a suffix: the tag of a signature or of referrers. */
bool look_is_fallback_tag(const char *tag);

/* host/repo:tag or host/repo@digest. */
const char *look_reference(const struct set_entry *entry, char text[REF_TEXT_SIZE]);

#endif
