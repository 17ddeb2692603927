/*
 * The set: an OCI index of ours (artifactType application/vnd.moat.set.v1), and its inventory.
 *
 * Its digest is its identity, and signatures cover the digest; so everything that must be trusted
 * is in here: name, version, previous, expiry, what it pins (descriptors) and, by the inventory,
 * every blob that it holds. What an index in the set mentions and the inventory does not is absent
 * on purpose (another platform, a foreign layer).
 *
 * Pure: bytes to struct and back. set_write() of equal structs gives equal bytes.
 */
#ifndef MOAT_SET_H
#define MOAT_SET_H

#include "storage/base/clock.h"
#include "storage/oci/manifest.h"
#include "storage/oci/ref.h"

#define SET_NAME_MAX 63 /* [a-z0-9]([a-z0-9.-]*[a-z0-9])? */
#define SET_VERSION_MAX 127 /* a tag: set versions are tags of the set's repository */
#define SET_ENTRIES_MAX 50000 /* 10,000 images with two attachments each are 30,003 */
#define SET_VALUES_MAX (16 * SET_ENTRIES_MAX) /* of JSON; our own have up to 15 an entry */
#define SET_BYTES_MAX (32u << 20) /* the set index itself: up to 600 bytes an entry */
#define INVENTORY_BYTES_MAX (64u << 20) /* about 700,000 blobs */
#define SET_HOST "moat.local" /* host of names that no upstream gave */

enum set_role {
	SET_PIN, /* a reference that nodes may ask for; also attachments found under a tag */
	SET_ATTACHED, /* a referrer without a tag: signature, attestation, SBOM */
	SET_LOCK,
	SET_LIST,
	SET_INVENTORY /* moat's own artifacts that travel in the set */
};

struct set_entry {
	enum set_role role;
	const char *name; /* host/repository; strings are the set's, see set_keep() */
	const char *tag; /* "" when pinned by digest only, or attached */
	struct digest digest; /* of the manifest */
	uint64_t size;
	const char *media_type;
	const char *artifact_type; /* "" when none */
	struct digest subject; /* SET_ATTACHED; else DIGEST_NONE */
};

struct set {
	char name[SET_NAME_MAX + 1];
	char version[SET_VERSION_MAX + 1];
	char created[CLOCK_TEXT_SIZE]; /* RFC 3339, UTC */
	char expires[CLOCK_TEXT_SIZE]; /* RFC 3339, UTC; "" = never */
	struct digest previous; /* DIGEST_NONE when this is the first */
	uint64_t bytes; /* sum of the inventory's sizes */
	uint64_t excuses; /* what its list wants and it leaves out; its lock tells what and why */
	struct set_entry *entries; /* sorted; see set_write() */
	size_t count;
	struct set_text *texts; /* owns the strings of the entries */
};
#define SET_INIT                                                                                   \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* ERR_INPUT: not a set of ours, over a limit, entries unsorted or the same twice, no inventory. */
MUST int set_parse(struct set *s, const char *name, struct span bytes, struct err *e);
void set_release(struct set *s);
struct set_entry *set_add(struct set *s); /* empty entry, borrowed until the next call */
const char *set_keep(struct set *s, const char *text); /* a copy that lives as long as the set */
const struct set_entry *set_role_entry(const struct set *s, enum set_role role); /* or NULL */

/* Sorts the entries by (role, name, digest) and appends compact JSON without a final newline. */
void set_write(struct set *s, struct buf *out);

/* moat.local/set/NAME, and :VERSION behind it: the set's own repository and tag, and the
 * docker-reference that its cosign signature names. */
void set_ref(const struct set *s, struct ref *out);

/* A set's name: lower case, digits and . _ - between them, to SET_NAME_MAX. ERR_INPUT. */
MUST int set_check_name(struct span name, struct err *e);

/* --- versions (version.c) ----------------------------------------------------------------- */

/* A total order, <0, 0, >0. A version that is a time sorts before every other one; two of them by
 * time. Others are compared run by run: runs of digits as numbers, the rest bytewise; a
 * pre-release part ("-rc1") sorts before its release. */
int set_version_cmp(const char *a, const char *b);

/* Is it a time as 20261123T230000Z: what a set is called when its list has no version? */
bool set_version_is_time(const char *version);

/*
 * The version of a set whose list has none.
 *
 * newest:  the version that it follows, "" when it is the first.
 * created: RFC 3339, UTC.
 * Gives the time, or behind a version that was chosen VERSION.0-TIME: newer than VERSION, older than
 * VERSION.0, VERSION.1 and whatever else the next one is likely to be called. ERR_INPUT: too long.
 */
MUST int set_version_default(
	char out[SET_VERSION_MAX + 1], const char *newest, const char *created, struct err *e);

/* By role, name and tag; what has no tag by digest. The order of a set's entries. */
int set_entry_cmp(const struct set_entry *a, const struct set_entry *b);

/* Called for a place in two sets: the entries that stand there, NULL in the set that has none. */
typedef void set_pair_fn(void *ctx, const struct set_entry *a, const struct set_entry *b);

/* Call fn for each place of two sorted sets, in order. A tag that moved is one place; an entry without a tag is
 * another place when it has another digest. */
void set_merge(const struct set *a, const struct set *b, set_pair_fn *fn, void *ctx);

/* Append what a has otherwise than b, the first things by name: "it expires T instead of never,
 * docker.io/library/a:1 is another image, quay.io/b:2 is new". */
void set_difference(const struct set *a, const struct set *b, struct buf *out);

/* One manifest of a single blob (empty config), as lock, list, inventory and files travel:
 * deterministic bytes. title may be NULL. The blob is described by `layer`. */
void artifact_write(struct buf *out, const char *artifact_type, const struct descriptor *layer);

/* --- inventory -------------------------------------------------------------------------- */

/* One line "ALG:HEX SIZE\n" a blob, sorted, no line twice. */
struct inventory_line {
	struct digest digest;
	uint64_t size;
};

struct inventory {
	struct inventory_line *lines;
	size_t count;
};
#define INVENTORY_INIT                                                                             \
	{                                                                                          \
		.count = 0                                                                         \
	}

void inventory_release(struct inventory *v); /* for AUTO */
void inventory_add(struct inventory *v, const struct digest *d, uint64_t size); /* in any order */
void inventory_sort(struct inventory *v); /* drops repetitions */
void inventory_write(struct inventory *v, struct buf *out); /* sorts it first */
/* Read what inventory_write() made: lines in order, each digest once. name: for messages. ERR_INPUT with
 * the line's number. */
MUST int inventory_parse(struct inventory *v, const char *name, struct span bytes, struct err *e);
/* Of an inventory that was parsed, written or sorted: its line, borrowed, or NULL. */
const struct inventory_line *inventory_find(const struct inventory *v, const struct digest *d);
uint64_t inventory_bytes(const struct inventory *v); /* sum of all sizes */

#endif
