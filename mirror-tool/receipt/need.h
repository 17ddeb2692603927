/*
 * A need list: what a store lacks of sets, for `export --need`. Strict JSON, one blob a line:
 *
 *	{"moatNeed":1,"sets":[
 *	{"set":"platform","version":"2","digest":"sha256:<hex>","blobs":[
 *	{"digest":"sha256:<hex>","size":1234}
 *	]}
 *	]}
 *
 * It is not signed: it can only ask for blobs of sets that the other side exports anyway, and an export refuses a digest
 * that its set does not list. Pure.
 */
#ifndef MOAT_NEED_H
#define MOAT_NEED_H

#include "storage/oci/set.h"

#define NEED_BYTES_MAX (64u << 20) /* of a list; about 500,000 blobs */
#define NEED_SETS_MAX 1000

struct need_set {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1];
	struct digest digest;
	struct inventory blobs; /* sorted once it was written or read */
};

struct need {
	struct need_set *sets;
	size_t count;
};
#define NEED_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void need_release(struct need *n); /* for AUTO */

/* A set of which nothing is needed yet; borrowed until the next call. name and version are those of a set. */
struct need_set *need_add(
	struct need *n, const char *name, const char *version, const struct digest *d);

/* Blobs of all sets, and their bytes. */
size_t need_total(const struct need *n, uint64_t *bytes);

/* Append the text; sorts the blobs. */
void need_write(struct need *n, struct buf *out);

/* Read one. name: of the file, for messages. ERR_INPUT with the line: no need list, a newer one, unknown keys, a set or
 * a blob that is there twice, more than the limits. On failure nothing is owned. */
MUST int need_parse(struct need *n, const char *name, struct span bytes, struct err *e);

#endif
