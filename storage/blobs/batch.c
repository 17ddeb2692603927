/* Many blobs, one durability. */
#define MOAT_STORE_PART
#include "storage/blobs/writer.h"

#include <stdlib.h>

#include "storage/oci/digest_map.h"
#include "storage/base/banned.h"

struct blob_batch {
	struct store *store;
	LIST_ENTRY(blob_batch) entry; /* of the handle's */
	struct blob_writer *items[BATCH_BLOBS_MAX];
	size_t count;
	uint64_t bytes;
	struct digest_map digests; /* of the items: each new blob is looked up */
};

struct blob_batch *batch_new(struct store *s)
{
	struct blob_batch *b = mem_alloc(sizeof(*b));

	b->store = s;
	LIST_INSERT_HEAD(&s->batches, b, entry);
	return b;
}

bool batch_has(const struct blob_batch *b, const struct digest *d)
{
	return digest_map_find(&b->digests, d) != NULL;
}

static void batch_clear(struct blob_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		blob_abort(&b->items[i]);
	digest_map_release(&b->digests);
	b->count = 0;
	b->bytes = 0;
}

int batch_flush(struct blob_batch *b, struct err *e)
{
	int rc = b->count ? blobs_publish(b->store, b->items, b->count, e) : 0;

	batch_clear(b);
	return rc;
}

int batch_take(struct blob_batch *b, struct blob_writer **w, struct err *e)
{
	if (batch_has(b, &(*w)->digest)) {
		blob_discard(w);
		return 0;
	}
	hasher_release(&(*w)->hash);
	b->bytes += (*w)->at;
	(void)digest_map_add(&b->digests, &(*w)->digest, sizeof(struct digest));
	b->items[b->count++] = STEAL(*w);
	if (b->count < BATCH_BLOBS_MAX && b->bytes < BATCH_BYTES_MAX)
		return 0;
	return batch_flush(b, e);
}

int batches_flush(struct store *s, struct err *e)
{
	struct blob_batch *b;

	LIST_FOREACH(b, &s->batches, entry)
		if (batch_flush(b, e) < 0)
			return -1;
	return 0;
}

int batches_flush_with(struct store *s, const struct digest *d, struct err *e)
{
	struct blob_batch *b;

	LIST_FOREACH(b, &s->batches, entry)
		if (batch_has(b, d))
			return batch_flush(b, e) < 0 ? -1 : 1;
	return 0;
}

void batch_free(struct blob_batch **bp)
{
	if (!*bp)
		return;
	batch_clear(*bp);
	LIST_REMOVE(*bp, entry);
	free(*bp);
	*bp = NULL;
}
