/*
 * The lock (`moat.lock`): what the list resolved to. docs/man/moat.lock.5 describes the format.
 *
 * Deterministic JSON, sorted, one pin a line, so that a change reads well in a review: equal
 * structs give equal bytes. It carries the text of the list and the settings of registries, so that
 * pull and seal need no other file.
 */
#ifndef MOAT_LOCK_H
#define MOAT_LOCK_H

#include "mirror-tool/list/excuses.h"
#include "mirror-tool/list/registry_conf.h"
#include "mirror-tool/list/source_ref.h"
#include "storage/base/clock.h"
#include "storage/oci/set.h"

#define LOCK_BYTES_MAX (64u << 20)
#define LOCK_PINS_MAX 20000
#define LOCK_ATTACHED_MAX 1000 /* of one pin */
#define LOCK_PLATFORMS_MAX 200 /* of one pin */

/* A signature, attestation, SBOM ... of the pin, of a child it holds, or of another attachment. */
struct lock_attachment {
	struct digest digest;
	uint64_t size;
	char *media_type;
	char *artifact_type; /* "" when none */
	struct digest subject;
	char tag[REF_TAG_MAX + 1]; /* "" unless it was found under a tag */
};

/* A file by URL, of a pin that moat builds from such files. */
struct lock_file {
	char *url;
	struct digest digest;
	uint64_t size;
	char *media_type;
	char *title; /* file name */
	bool has_platform;
	struct platform platform;
};

struct platform_texts {
	char **items; /* "linux/arm64", sorted */
	size_t count;
};

struct lock_pin {
	struct ref ref; /* with a tag, or (pinned by digest only) with the digest */
	struct digest digest; /* of the manifest or index */
	uint64_t size;
	char *media_type;
	char *artifact_type; /* of a pin of files; else "" */
	struct platform_texts platforms, absent; /* held; in the index but not wanted */
	struct source_ref from;
	struct lock_attachment *attached; /* sorted by digest and tag */
	size_t attached_count;
	struct lock_file *files; /* sorted by platform; none for an image */
	size_t file_count;
	bool leave_foreign; /* foreign layers are not fetched */
	struct excuses excused; /* what the list allows to be left out */
};

struct lock {
	char name[SET_NAME_MAX + 1];
	char version[SET_VERSION_MAX + 1]; /* "" when the list has none */
	char created[CLOCK_TEXT_SIZE]; /* RFC 3339, UTC: of the last change */
	struct digest list; /* sha256 of list_text */
	char *list_text;
	struct registry_confs registries;
	struct lock_pin *pins; /* sorted by reference, each once */
	size_t count;
	struct skips skipped; /* wanted, and not pinned: `on-error: skip` */
};
#define LOCK_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Parse a lock of at most LOCK_BYTES_MAX bytes, in any order; the result is sorted. name: of the
 * file, for messages. Errors: ERR_INPUT with file and line; ERR_UNSUPPORTED for a newer format. *l
 * is overwritten; on failure it owns nothing. */
MUST int lock_parse(struct lock *l, const char *name, struct span bytes, struct err *e);
/* Read a lock file. Returns 1, 0 there is none, -1; on 0 and -1 *l owns nothing. */
MUST int lock_read(struct lock *l, const char *path, struct err *e);
void lock_release(struct lock *l); /* for AUTO; leaves it empty */

void lock_sort(struct lock *l); /* pins, and what each of them has */
void lock_pin_sort(struct lock_pin *pin); /* what one has: platforms, attachments, files, excuses */
/* Sort everything and append the text, with a final newline. */
void lock_write(struct lock *l, struct buf *out);

/* Count the excuses of all pins and what was skipped. */
size_t lock_excuses(const struct lock *l);

/* Find the pin of a reference in a sorted lock. Borrowed; NULL when there is none. */
const struct lock_pin *lock_find(const struct lock *l, const struct ref *ref);

/* Building. Items that are added belong to the lock; the pointer is valid until the next one is
 * added. Their texts are "" until lock_set_text() replaces one by a copy (NULL: ""). */
void lock_set_text(char **field, const char *text);
void lock_pin_init(struct lock_pin *pin); /* a pin outside of a lock; lock_pin_release() */
struct lock_pin *lock_add(struct lock *l);
void lock_move(struct lock *l, struct lock_pin *pin); /* append *pin and leave it empty */
struct lock_attachment *lock_attach(struct lock_pin *pin);
struct lock_file *lock_add_file(struct lock_pin *pin);
/* Drop attachments that are excused. */
void lock_pin_drop_excused(struct lock_pin *pin);
void platform_texts_add(struct platform_texts *t, const char *text); /* a copy, once each */
bool platform_texts_has(const struct platform_texts *t, const char *text);
void lock_pin_release(struct lock_pin *pin);

#endif
