/*
 * Write tar by libarchive. Must never write a time, an owner or anything else that the caller did
 * not give.
 */
#include "mirror-tool/media/tar_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define USTAR_NAME_MAX 99 /* bytes that fit without a prefix or a pax header */
#define USTAR_SIZE_MAX 077777777777ull

struct tar_writer {
	struct archive *a;
	tar_sink *sink;
	void *ctx;
	uint64_t left; /* bytes left of the entry */
	bool abandoned; /* takes no more: libarchive must not fill up and end the archive */
	struct err e; /* of the sink, which libarchive cannot carry */
};

static ssize_t write_block(struct archive *a, void *ctx, const void *data, size_t len)
{
	struct tar_writer *w = ctx;

	(void)a;
	if (w->abandoned)
		return -1;
	return w->sink(w->ctx, data, len, &w->e) < 0 ? -1 : (ssize_t)len;
}

static int writer_err(struct tar_writer *w, struct err *e)
{
	if (w->e.code != ERR_OK) {
		*e = w->e;
		return -1;
	}
	return err_set(e, ERR_IO, "tar: %s", archive_error_string(w->a));
}

int tar_write_open(struct tar_writer **out, tar_sink *sink, void *ctx, struct err *e)
{
	AUTO(tar_write_free) struct tar_writer *w = mem_alloc(sizeof(*w));

	w->a = archive_write_new();
	if (!w->a)
		BUG("out of memory");
	w->sink = sink;
	w->ctx = ctx;
	if (archive_write_set_format_pax_restricted(w->a) != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(w->a, 0) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(w->a, 1) != ARCHIVE_OK ||
		archive_write_open(w->a, w, NULL, write_block, NULL) != ARCHIVE_OK)
		return writer_err(w, e);
	*out = STEAL(w);
	return 0;
}

void tar_write_free(struct tar_writer **w)
{
	int saved = errno;

	if (*w) {
		(*w)->abandoned = true;
		archive_write_close((*w)->a); /* after a failure free alone leaks (3.6) */
		archive_write_free((*w)->a);
		free(*w);
	}
	*w = NULL;
	errno = saved;
}

static void entry_free(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

int tar_write_entry(struct tar_writer *w, const char *name, uint64_t size, struct err *e)
{
	AUTO(entry_free) struct archive_entry *entry = archive_entry_new();

	if (!entry || size > INT64_MAX || w->left)
		BUG("tar entry %s of %llu bytes", name, (unsigned long long)size);
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (int64_t)size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, 0, 0);
	if (archive_write_header(w->a, entry) != ARCHIVE_OK)
		return writer_err(w, e);
	w->left = size;
	return 0;
}

int tar_write_data(struct tar_writer *w, const void *data, size_t len, struct err *e)
{
	if (len > w->left)
		BUG("tar entry is given %zu bytes too many", (size_t)(len - w->left));
	if (len && archive_write_data(w->a, data, len) != (la_ssize_t)len)
		return writer_err(w, e);
	w->left -= len;
	return 0;
}

int tar_write_close(struct tar_writer **out, struct err *e)
{
	AUTO(tar_write_free) struct tar_writer *w = STEAL(*out);

	if (w->left)
		BUG("tar entry lacks %llu bytes", (unsigned long long)w->left);
	return archive_write_close(w->a) == ARCHIVE_OK ? 0 : writer_err(w, e);
}

static int append(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	buf_add(ctx, data, len);
	return 0;
}

int tar_header(const char *name, uint64_t size, struct buf *out, struct err *e)
{
	AUTO(tar_write_free) struct tar_writer *w = NULL;

	if (tar_write_open(&w, append, out, e) < 0)
		return -1;
	return tar_write_entry(w, name, size, e);
}

uint64_t tar_padding(uint64_t size)
{
	return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

uint64_t tar_entry_bytes(const char *name, uint64_t size)
{
	AUTO(buf_release) struct buf header = BUF_INIT;
	struct err e = ERR_INIT;

	if (strlen(name) <= USTAR_NAME_MAX && size <= USTAR_SIZE_MAX)
		return TAR_BLOCK + size + tar_padding(size);
	if (tar_header(name, size, &header, &e) < 0)
		BUG("%s", e.text);
	return header.len + size + tar_padding(size);
}
