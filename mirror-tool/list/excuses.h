/*
 * What stayed behind because the list allows it (exceptions.h): kept in the lock, which travels in the
 * signed set, so that both sides can read and count it.  Pure.
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
	char *why; /* a word of the list, or an error: no part of what tells two excuses apart */
};

struct excuses {
	struct excuse *items; /* sorted by kind and digest, each once */
	size_t count;
};

/* Once each; the first reason stays. */
void excuses_add(struct excuses *x, enum excuse_kind kind, const struct digest *d, const char *why);
bool excuses_has(const struct excuses *x, enum excuse_kind kind, const struct digest *d);
void excuses_sort(struct excuses *x);
void excuses_release(struct excuses *x);

const char *excuse_name(enum excuse_kind kind); /* "attachment" */

/* Appends ,"excused":[{"kind":...,"digest":...,"why":...}], or nothing when there is none. */
void excuses_write(const struct excuses *x, struct buf *out);
MUST int excuses_read(
	struct excuses *x, const struct doc *d, const struct node *map, struct err *e);

/* What the list wants and the lock leaves out as a whole: `on-error: skip`. */
struct skip {
	char *ref; /* a reference, or a name and the pattern of its tags */
	char *why;
};

struct skips {
	struct skip *items; /* sorted by ref, each once */
	size_t count;
};

void skips_add(struct skips *s, const char *ref, const char *why);
const struct skip *skips_find(const struct skips *s, const char *ref); /* or NULL */
void skips_sort(struct skips *s);
void skips_release(struct skips *s);
void skips_json(const struct skips *s, struct buf *out); /* [{"ref":...,"error":...}] */
MUST int skips_read(
	struct skips *s, const struct doc *d, const struct node *map, size_t max, struct err *e);

#endif
