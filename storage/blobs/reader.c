/* Blobs that are open for reading. Must never take a lock, and never copy bytes twice. */
#include <fcntl.h>

#include "storage/engine.h"

#include "storage/base/fs.h"
#include "storage/base/banned.h"

void reader_close(struct blob_reader *r)
{
	if (r->source)
		r->source->close(r->source);
	fd_close(&r->fd);
	*r = (struct blob_reader)BLOB_READER_INIT;
}

int reader_read(const struct blob_reader *r, uint64_t at, void *buf, size_t len, struct err *e)
{
	if (at > r->size || len > r->size - at)
		BUG("%zu bytes at %llu of a blob of %llu", len, (unsigned long long)at,
			(unsigned long long)r->size);
	if (r->source)
		return r->source->read(r->source, at, buf, len, e);
	return r->cold ? fs_pread_cold(r->fd, buf, len, at, "the file", e)
		       : fs_pread_all(r->fd, buf, len, at, "the file", e);
}

void reader_ahead(const struct blob_reader *r, uint64_t len)
{
	if (r->fd >= 0)
		posix_fadvise(r->fd, 0, (off_t)len, POSIX_FADV_WILLNEED);
}

void reader_cold(struct blob_reader *r)
{
	r->cold = true;
	if (r->fd >= 0)
		posix_fadvise(r->fd, 0, 0, POSIX_FADV_RANDOM);
}
