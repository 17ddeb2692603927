/*
 * Small real images in a store: manifests that clients would accept, layers of a few bytes. What is
 * made depends on the arguments alone, so two stores get the same digests. Every failure fails the
 * test.
 */
#ifndef MOAT_TEST_IMAGE_H
#define MOAT_TEST_IMAGE_H

#include "storage/store_write.h"

/* `size` bytes that follow from the seed, put as a blob. */
struct digest image_blob(struct store *s, const char *seed, size_t size);
/* Bytes or text as they are. */
struct digest image_text(struct store *s, const char *text);
/* The same bytes for whoever wants to compare; append to `out`. */
void image_bytes(struct buf *out, const char *seed, size_t size);

struct image_want {
	const char *seed; /* what makes its layers different from others' */
	unsigned layers;
	size_t layer_size; /* 0: 1000 bytes */
	unsigned shared; /* of the layers, the first ones depend on their number alone */
	const char *platform; /* "linux/arm64"; NULL: linux/amd64 */
	const char *media_type; /* NULL: OCI; or MEDIA_DOCKER_MANIFEST */
	const char *artifact_type; /* NULL: an image; else an artifact with an empty config */
	const struct digest *subject; /* NULL: none */
};

/* Config, layers and manifest as blobs of the store; returns the manifest's digest. Nothing is put
 * into a repository: image_put() does that. */
struct digest image_make(struct store *s, struct blob_batch *batch, const struct image_want *want);

/* The manifest only: its config and layers stay missing. */
struct digest image_make_bare(struct store *s, const struct image_want *want);

/* An index over manifests that image_make() made; platforms[i] NULL: none is written. */
struct digest image_index(struct store *s, const struct digest *children,
	const char *const *platforms, const uint64_t *sizes, size_t count);

/* images_put() of one. */
MUST int image_put(struct store *s, const char *repo, const char *tag, const struct digest *d,
	const char *media_type, struct err *e);

/* image_make() and image_put() as `repo:tag`. */
struct digest image_add(
	struct store *s, const char *repo, const char *tag, const char *seed, unsigned layers);

/* --- sets ------------------------------------------------------------------------------------ */

struct image_pin {
	const char *repo, *tag; /* tag "": by digest */
	struct digest digest;
	const char *media_type; /* NULL: OCI image manifest */
	const struct digest *subject; /* then it is an attachment */
};

/* A sealed set: its inventory is the closure of the pins over what the store holds. Children of
 * indexes that are not in the store are left out. Returns the set's digest. */
struct digest image_set(struct store *s, const char *name, const char *version,
	const struct image_pin *pins, size_t count);

/* The same with times of its own, as "2026-11-23T00:00:00Z"; expires "": never. */
struct digest image_set_dated(struct store *s, const char *name, const char *version,
	const struct image_pin *pins, size_t count, const char *created, const char *expires);

/* set_accept() over whatever is there: a newer version, and tags of sets "a", "b", "c". */
MUST int image_set_force(struct store *s, const struct digest *set, struct err *e);

#endif
