/*
 * Manifests and indexes: bytes first. They are stored and served verbatim (S7); this parser reads
 * a copy once, at the border, into plain structs, and never writes one back.
 *
 * Both kinds become one `struct manifest`: an image has a config and layers, an artifact manifest
 * has blobs and no config, an index has children. A list that is absent or null is empty.
 * (image-spec manifest.md, image-index.md; docker schema 2; CVE-2021-41190.)
 */
#ifndef MOAT_MANIFEST_H
#define MOAT_MANIFEST_H

#include "storage/oci/digest.h"
#include "storage/oci/media_type.h"

#define MANIFEST_MAX (4u << 20) /* bytes; what clients accept at most */
#define MANIFEST_VALUES_MAX 200000 /* each costs the parser some 300 bytes */
#define DESCRIBED_BYTES_MAX                                                                        \
	(INT64_C(16) << 40) /* of one blob; no usual filesystem has larger files */
#define DESCRIPTORS_MAX 10000 /* layers of an image, children of an index */
#define DESCRIPTOR_URLS_MAX 8
#define ANNOTATIONS_MAX 1000 /* of one descriptor or manifest */

struct platform {
	char os[32], arch[32], variant[32]; /* "" when absent; arch normalised (x86_64 -> amd64) */
	char os_version[64];
};
#define PLATFORM_TEXT_SIZE 100 /* os/arch[/variant] */

struct annotation {
	const char *key, *value;
};

struct annotations {
	struct annotation *items;
	size_t count;
};

struct descriptor {
	struct digest digest;
	uint64_t size;
	const char *media_type;
	const char *artifact_type; /* NULL when absent */
	bool has_platform;
	bool has_urls; /* foreign: may be fetched elsewhere, may be missing here */
	const char *const *urls; /* the first DESCRIPTOR_URLS_MAX of them, not judged */
	size_t url_count;
	struct platform platform;
	struct annotations annotations;
};

struct manifest {
	enum media_kind kind; /* MEDIA_IMAGE or MEDIA_INDEX */
	const char *media_type; /* of the document; never NULL */
	const char *artifact_type; /* NULL when absent */
	bool has_config;
	struct descriptor config; /* when has_config: images have one, artifact manifests do not */
	struct descriptor *items; /* layers or blobs of an image, children of an index */
	size_t count;
	bool has_subject;
	struct descriptor subject;
	struct annotations annotations;
	void *memory; /* owns every pointer above */
};

#define MANIFEST_INIT                                                                              \
	{                                                                                          \
		.kind = MEDIA_OTHER                                                                \
	}

/*
 * Read a manifest's bytes.
 *
 * name:       for messages: a reference or digest.
 * media_type: what the transport or descriptor said, or NULL or "" when it said nothing. The type
 *             follows from the bytes: it is the body's mediaType, or without one what OCI calls
 *             its fields; what is said must agree. Schema 1 is refused by name.
 * Returns:    0, or -1 with ERR_INPUT: not JSON, over a limit, wrong types, config or layers in an
 *             index, children in an image, another media type than was said, or none to be told.
 */
MUST int manifest_parse(struct manifest *m, const char *name, const char *media_type,
	struct span bytes, struct err *e);
void manifest_release(struct manifest *m);
size_t manifest_memory(const struct manifest *m); /* bytes that it holds, near enough */

/* The same with limits of the caller's: sets may be larger than what clients accept. */
struct manifest_limits {
	size_t bytes;
	uint32_t items;
	size_t values; /* of JSON: what they take is many times the bytes */
};
MUST int manifest_parse_limited(struct manifest *m, const char *name, const char *media_type,
	struct span bytes, const struct manifest_limits *limits, struct err *e);

/* What the referrers API lists as artifactType: the manifest's own, else (image) the config's
 * media type, else NULL (distribution-spec, "Listing Referrers"). */
const char *manifest_artifact_type(const struct manifest *m);

const char *annotation_get(const struct annotations *a, const char *key); /* NULL when absent */

/* `linux/arm64/v8` as users write it. Wildcards are not accepted. */
MUST int platform_parse(struct platform *p, struct span text, struct err *e);
const char *platform_text(const struct platform *p, char text[PLATFORM_TEXT_SIZE]);
void platform_normalise(struct platform *p); /* x86_64 -> amd64, armhf -> arm/v7, ... */
/* Does a child's platform satisfy what was asked for? arm64 = arm64/v8, arm = arm/v7, amd64 =
 * amd64/v1; a wanted os_version must agree when given. */
bool platform_match(const struct platform *wanted, const struct platform *have);

/* Is this child of an index a buildkit attestation (platform unknown/unknown with
 * vnd.docker.reference.type), and of which child? */
bool descriptor_is_attestation(const struct descriptor *d, struct digest *of);

/* Append a descriptor as compact JSON, keys in a fixed order (mediaType, digest, size, platform,
 * artifactType, annotations sorted by key): the one writer of descriptors in the project. */
void descriptor_write(struct buf *out, const struct descriptor *d);
void annotations_write(struct buf *out, const struct annotations *a); /* {"k":"v",...} sorted */

#endif
