/* Blobs without descriptors: what stands for an engine that has no files. */
#include "tests/support/memory_blobs.h"

#include <pthread.h>
#include <stdlib.h>

struct bytes {
	struct blob_source base;
	char *data;
};

static int bytes_read(struct blob_source *b, uint64_t at, void *buf, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(buf, ((struct bytes *)b)->data + at, len);
	return 0;
}

static void bytes_close(struct blob_source *b)
{
	free(((struct bytes *)b)->data);
	free(b);
}

/* Take the bytes out of a file. */
static int load(struct blob_reader *file, struct blob_reader *out, struct err *e)
{
	AUTO(mem_free) char *data = mem_alloc(file->size ? file->size : 1);
	struct bytes *b;

	if (reader_read(file, 0, data, file->size, e) < 0)
		return -1;
	b = mem_alloc(sizeof(*b));
	b->base = (struct blob_source){ bytes_read, bytes_close };
	b->data = STEAL(data);
	out->size = file->size;
	out->source = &b->base;
	return 1;
}

static const struct blob_ops *real;
static struct blob_ops ops;

static int open_blob(struct blobs *b, const struct digest *d, struct blob_reader *r, struct err *e)
{
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	int rc = real->open(b, d, &file, e);

	return rc > 0 ? load(&file, r, e) : rc;
}

static int index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	AUTO(reader_close) struct blob_reader file = BLOB_READER_INIT;
	int rc = real->index_open(b, &file, e);

	return rc > 0 ? load(&file, r, e) : rc;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* servers open stores in their threads */

static int open_blobs(struct blobs **b, const char *where, enum store_mode mode, struct err *e)
{
	if (engine_local.open_blobs(b, where, mode, e) < 0)
		return -1;
	pthread_mutex_lock(&lock);
	if (!real) {
		real = (*b)->ops;
		ops = *real;
		ops.open = open_blob;
		ops.index_open = index_open;
	}
	(*b)->ops = &ops;
	pthread_mutex_unlock(&lock);
	return 0;
}

const struct engine memory_blobs = { "blobs in memory", open_blobs, &db_sqlite };
