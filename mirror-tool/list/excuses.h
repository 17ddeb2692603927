/*
 * What was left out because the list allows it (exceptions.h). The lock records it and travels in
 * the signed set, so both sides of the gap can read and count it. Pure.
 */
#ifndef MOAT_EXCUSES_H
#define MOAT_EXCUSES_H

#include "storage/base/tree.h"
#include "storage/oci/digest.h"

#define EXCUSES_MAX 2000 /* of one pin */

enum excuse_kind {
	EXCUSE_ATTACHMENTS, /* of the digest: not asked for, or the answer was none */
	EXCUSE_ATTACHMENT, /* the digest, which is attached to the pin or part of what is */
	EXCUSE_FOREIGN_LAYER /* the digest */
};

struct excuse {
	enum excuse_kind kind;
	struct digest digest;
	char *why; /* setting of the list, or an error; not compared */
};

struct excuses {
	struct excuse *items; /* sorted by kind and digest, each once */
	size_t count;
};

/* Add an excuse unless there is one of this kind and digest. why is copied. */
void excuses_add(struct excuses *x, enum excuse_kind kind, const struct digest *d, const char *why);
bool excuses_has(const struct excuses *x, enum excuse_kind kind, const struct digest *d);
void excuses_sort(struct excuses *x); /* by kind, then digest */
void excuses_release(struct excuses *x); /* leaves it empty */

const char *excuse_name(enum excuse_kind kind); /* "attachment"; static */

/* Append the member ,"excused":[{"kind":...,"digest":...,"why":...}] of a pin, or nothing when
 * there is none. Sort first: equal content must give equal bytes. */
void excuses_write(const struct excuses *x, struct buf *out);
/* Read the member `excused` of a pin, which may be absent. ERR_INPUT with file, line and path. */
MUST int excuses_read(
	struct excuses *x, const struct doc *d, const struct node *map, struct err *e);

/* A reference of the list that the lock leaves out as a whole: `on-error: skip`. */
struct skip {
	char *ref; /* a reference, or a name and the pattern of its tags */
	char *why;
};

struct skips {
	struct skip *items; /* sorted by ref, each once */
	size_t count;
};

/* Add a reference unless it is there. Both texts are copied. */
void skips_add(struct skips *s, const char *ref, const char *why);
/* NULL when it is not there. Borrowed until the next skips_add(). */
const struct skip *skips_find(const struct skips *s, const char *ref);
void skips_sort(struct skips *s); /* by reference */
void skips_release(struct skips *s); /* leaves it empty */
void skips_json(const struct skips *s, struct buf *out); /* [{"ref":...,"error":...}] */
/* Read the member `skipped` of a lock, at most `max` items; it may be absent. ERR_INPUT with file,
 * line and path. */
MUST int skips_read(
	struct skips *s, const struct doc *d, const struct node *map, size_t max, struct err *e);

#endif
