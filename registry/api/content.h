/*
 * What a URI stands for: bytes in memory (manifests) or an open blob, with all that the headers of its
 * replies need. Immutable once made, counted, shared by threads and by the cache.
 */
#ifndef MOAT_CONTENT_H
#define MOAT_CONTENT_H

#include <stdatomic.h>

#include "storage/store.h"

#define MEDIA_BLOB "application/octet-stream" /* of every blob that is no manifest */
#define MEDIA_JSON "application/json" /* of lists */

typedef void content_forget_fn(void *rendered);

enum content_kind { CONTENT_BYTES, CONTENT_FILE };

struct content {
	atomic_uint refs;
	enum content_kind kind;
	const char *cache_control; /* Cache-Control of what a digest names; NULL: it may change */
	struct digest digest; /* NONE: a list */
	uint64_t size;
	struct buf bytes; /* CONTENT_BYTES */
	struct blob_reader file; /* CONTENT_FILE */
	char media_type[MEDIA_TYPE_MAX + 1];
	char ns[REF_HOST_MAX + 1]; /* the `ns` that chose it, or "" */
	char *link; /* of a list: its Link header, NULL none */

	/* Of http/send.c: its ready-made answer, and how to free it. */
	_Atomic(void *) rendered;
	_Atomic(content_forget_fn *) forget;
};

/* Make content with one reference, the caller's. bytes and file are taken over. */
struct content *content_bytes(
	const struct digest *d, const char *media_type, struct buf *bytes, const char *ns);
/* Make content of a list; all of it is copied. */
struct content *content_list(
	struct span json, const char *media_type, const char *link, const char *ns);
struct content *content_file(
	const struct digest *d, const char *media_type, struct blob_reader *file, const char *ns);

/* Another reference; the same content. */
struct content *content_ref(struct content *c);
void content_unref(struct content **c); /* for AUTO */

#endif
