/*
 * A read-only view of sets, images and tags: of a store, or of a medium that is not imported. Of a medium only the
 * names of blobs are read, and then those that are asked for; nothing of it is verified but their digests, and all that
 * is told of it is what it says of itself.
 *
 * Sizes are in bytes. Errors: ERR_CORRUPT names the manifest or the volume, ERR_IO; of a medium also those of
 * media/medium.h. Writes nothing. One thread at a time.
 */
#ifndef MOAT_VIEW_H
#define MOAT_VIEW_H

#include "storage/oci/set.h"
#include "storage/store_write.h"

struct view_set {
	struct set_info info; /* of a medium: accepted 0, not active */
	struct set set; /* empty until view_load() */
	struct inventory held; /* what the set says that it holds */
	struct set_signature *signatures;
	size_t signature_count;
	bool loaded;
};

struct view {
	struct store *store; /* borrowed; NULL: a medium */
	struct store *documents; /* owned; of a medium: see view_medium() */
	struct view_set *sets; /* owned; a pointer to one is valid until view_release() */
	size_t count;
	struct places *places; /* owned: where the blobs of a medium are; NULL: a store */
};
#define VIEW_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void view_release(struct view *view); /* for AUTO */

/* View every accepted set of the store, which stays open meanwhile. Begin with VIEW_INIT. */
MUST int view_store(struct view *view, struct store *s, struct err *e);

/* View every set on the volumes of these folders and files, which stay as they are meanwhile. Begin with VIEW_INIT.
 * documents: where those are that a delta's build on, taken over in any case; NULL: nowhere. ERR_INCOMPLETE: they are not there. */
MUST int view_medium(struct view *view, const char *const *paths, size_t count,
	struct store *documents, struct err *e);

/* Read the set, its inventory and its signatures, unless that is done. ERR_CORRUPT: one is not here or is another. */
MUST int view_load(struct view *view, struct view_set *s, struct err *e);

/* Append a blob of at most `limit` bytes to out. 1; 0: it is not here; -1, ERR_INPUT: it is larger. */
MUST int view_blob(
	struct view *view, const struct digest *d, size_t limit, struct buf *out, struct err *e);

/* Append the text, of at most `limit` bytes, of a document that travels in a set, which is loaded: its list, lock or inventory.
 * 1; 0: it has none, or it is not here; -1, also ERR_CORRUPT: its manifest has not one layer. */
MUST int view_document(struct view *view, const struct set *s, enum set_role role, size_t limit,
	struct buf *out, struct err *e);

/* Find a set by NAME, which is its active version or else the first, by NAME:VERSION or digest; or NULL. */
struct view_set *view_find(struct view *view, const char *which);

/* --- tags (view_tags.c) ---------------------------------------------------------------------- */

/* A tag and its owner. */
struct view_tag {
	const char *repo, *tag; /* borrowed, for the call */
	struct tag_owner owner; /* of a medium: the set that it is in */
};
struct view_tag_sink {
	int (*fn)(void *ctx, const struct view_tag *tag, struct err *e); /* -1 ends it */
	void *ctx;
};

/* Call sink->fn for each tag of a repository, in order. 1; 0: there is no such repository; -1. */
MUST int view_tags(struct view *view, const char *repo, struct view_tag_sink *sink, struct err *e);

/* The same for every repository of a store. */
MUST int view_all_tags(struct view *view, struct view_tag_sink *sink, struct err *e);

/* --- images (view_image.c) ------------------------------------------------------------------- */

struct view_layer {
	struct digest digest;
	uint64_t size;
	char *media_type;
	char *title; /* file name of an artifact's layer; "" when none */
	bool held;
};

/* An image, or what an index lists, held or not. */
struct view_child {
	struct digest digest;
	uint64_t size; /* of the manifest */
	uint64_t bytes; /* of manifest, config and layers that are held, each once */
	char platform[PLATFORM_TEXT_SIZE]; /* "" when the index names none */
	char *media_type; /* as the index says */
	bool held, attestation, is_index;
	bool entered; /* its manifest is what the index says, and was read */
	struct view_layer *layers;
	size_t layer_count;
};

struct view_image {
	bool known; /* its manifest could be read */
	bool is_index;
	uint64_t bytes; /* held in all, each blob once */
	struct view_child *children; /* of every index in it; one, itself, when it is no index */
	size_t count;
};
#define VIEW_IMAGE_INIT                                                                            \
	{                                                                                          \
		.count = 0                                                                         \
	}
void view_image_release(struct view_image *i); /* for AUTO */

/*
 * Read what a manifest consists of, through indexes.
 *
 * held:    the inventory that tells what is held; NULL: the store is asked.
 * out:     view_image_release() afterwards; !out->known when the manifest is not here.
 */
MUST int view_image(struct view *view, const struct inventory *held, const struct digest *d,
	uint64_t size, const char *media_type, struct view_image *out, struct err *e);

/* What an entry of a set is: an image (or index), files, something attached to an image, or a part of the set. */
enum view_kind { VIEW_IMAGE, VIEW_FILE, VIEW_ATTACHED, VIEW_OWN };
enum view_kind view_kind_of(const struct set_entry *entry);
/* Is it sha256-<hex>, with or without a suffix: the tag of a signature or of referrers? */
bool view_is_fallback_tag(const char *tag);

/* Is the entry what a reference asks for? One without a tag or digest means `latest`. */
bool view_is_meant(const struct set_entry *entry, const struct ref *wanted);

/* "host/repo:tag" or "host/repo@digest", into the caller's array, which is returned. */
const char *view_reference(const struct set_entry *entry, char text[REF_TEXT_SIZE]);

#endif
