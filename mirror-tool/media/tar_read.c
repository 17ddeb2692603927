/*
 * Read tar by libarchive over our own buffer. The buffer lets TAR_EXACT see the bytes that
 * libarchive does not return: `gap` collects what follows the data of an entry (padding and the
 * next header) and is compared with what our writer would write. Must never write a file.
 */
#include "mirror-tool/media/tar_read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mirror-tool/media/tar_write.h"
#include "storage/base/banned.h"

#define BLOCK_BYTES (512u << 10)
#define GAP_MAX 4096 /* padding, a pax header with its data, and a header: 2560 at most */

struct tar_reader {
	struct archive *a;
	const char *name; /* borrowed */
	int fd; /* borrowed */
	bool exact, can_seek, pass_links;
	uint8_t *block; /* the last bytes read, from offset block_at of the input */
	size_t block_len;
	uint64_t block_at;
	uint64_t handed; /* offset up to which libarchive was given bytes */
	uint64_t base; /* offset at which this archive begins */
	struct err e; /* of the callbacks, which libarchive cannot carry */
	char entry_name[TAR_NAME_MAX + 1];
	uint64_t entry_size, entry_given;
	/* TAR_EXACT */
	uint64_t gap_at; /* offset of the end of the entry's data */
	uint8_t gap[GAP_MAX];
	size_t gap_len; /* bytes seen of it */
	struct err inexact; /* the first byte that was another */
};

/* --- input ------------------------------------------------------------------------------- */

/* Collect the bytes of the gap in the block. */
static void see_gap(struct tar_reader *r)
{
	uint64_t want = r->gap_at + r->gap_len, end = r->block_at + r->block_len;
	size_t len;

	if (!r->exact || want < r->block_at || want >= end)
		return;
	len = (size_t)(end - want);
	if (len > GAP_MAX - r->gap_len)
		len = GAP_MAX - r->gap_len;
	memcpy(r->gap + r->gap_len, r->block + (want - r->block_at), len);
	r->gap_len += len;
}

/* Fill the block: 1, 0 at the end of the input, -1. */
static int fill(struct tar_reader *r, struct err *e)
{
	ssize_t n;

	do
		n = read(r->fd, r->block, BLOCK_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "%s: read", r->name);
	r->block_at += r->block_len;
	r->block_len = (size_t)n;
	see_gap(r);
	return n > 0;
}

/* Use what tar_again() left of the block first. */
static la_ssize_t read_block(struct archive *a, void *ctx, const void **data)
{
	struct tar_reader *r = ctx;
	size_t used = (size_t)(r->handed - r->block_at);

	if (used == r->block_len) {
		if (fill(r, &r->e) < 0) {
			archive_set_error(a, EIO, "%s", r->e.text);
			return ARCHIVE_FATAL;
		}
		used = 0;
	}
	*data = r->block + used;
	r->handed = r->block_at + r->block_len;
	return (la_ssize_t)(r->block_len - used);
}

/* Whole blocks only, and never over the gap; libarchive reads the rest. */
static la_int64_t skip_bytes(struct archive *a, void *ctx, la_int64_t request)
{
	struct tar_reader *r = ctx;
	uint64_t here = r->block_at + r->block_len, skip = (uint64_t)request;

	(void)a;
	if (!r->can_seek || r->handed != here)
		return 0;
	if (r->exact && here + skip > r->gap_at)
		skip = r->gap_at > here ? r->gap_at - here : 0;
	skip -= skip % TAR_BLOCK;
	if (skip < BLOCK_BYTES || lseek(r->fd, (off_t)skip, SEEK_CUR) < 0)
		return 0;
	r->block_at = here + skip;
	r->block_len = 0;
	r->handed = r->block_at;
	return (la_int64_t)skip;
}

/* --- opening ------------------------------------------------------------------------------ */

static int reader_err(struct tar_reader *r, struct err *e)
{
	if (r->e.code != ERR_OK) {
		*e = r->e;
		return -1;
	}
	return err_set(e, ERR_CORRUPT, "%s: not a whole tar archive near byte %llu: %s", r->name,
		(unsigned long long)r->base + (unsigned long long)archive_filter_bytes(r->a, 0),
		archive_error_string(r->a));
}

static int open_archive(struct tar_reader *r, struct err *e)
{
	r->a = archive_read_new();
	if (!r->a)
		BUG("out of memory");
	r->base = r->handed;
	r->gap_at = r->base;
	r->gap_len = 0;
	see_gap(r);
	if (archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
		archive_read_open2(r->a, r, NULL, read_block, skip_bytes, NULL) != ARCHIVE_OK)
		return reader_err(r, e);
	return 0;
}

int tar_open(struct tar_reader **out, int fd, const char *name, unsigned flags, struct err *e)
{
	AUTO(tar_close) struct tar_reader *r = mem_alloc(sizeof(*r));
	struct stat st;

	r->fd = fd;
	r->name = name;
	r->exact = (flags & TAR_EXACT) != 0;
	r->pass_links = (flags & TAR_PASS_LINKS) != 0;
	r->can_seek = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	r->block = mem_alloc(BLOCK_BYTES);
	if (open_archive(r, e) < 0)
		return -1;
	*out = STEAL(r);
	return 0;
}

void tar_close(struct tar_reader **r)
{
	int saved = errno;

	if (*r) {
		archive_read_free((*r)->a);
		free((*r)->block);
		free(*r);
	}
	*r = NULL;
	errno = saved;
}

/* --- entries ------------------------------------------------------------------------------ */

static const char *kind_name(mode_t type)
{
	switch (type) {
	case AE_IFLNK:
		return "a symbolic link";
	case AE_IFCHR:
	case AE_IFBLK:
		return "a device";
	case AE_IFIFO:
		return "a FIFO";
	case AE_IFSOCK:
		return "a socket";
	case AE_IFDIR:
		return "a directory";
	default:
		return "no file";
	}
}

/* Check a name: relative, without empty, "." and ".." components, printable ASCII. */
static bool name_is_plain(const char *name)
{
	struct span rest = span_of(name);

	for (const char *p = name; *p; p++)
		if (*p < 0x20 || *p > 0x7e || *p == '\\')
			return false;
	do {
		struct span part = span_until(&rest, '/');

		if (part.len == 0 || span_is(part, ".") || span_is(part, ".."))
			return false;
	} while (rest.len);
	return name[strlen(name) - 1] != '/';
}

/* Write text from the archive for a message, with '?' for what does not print. */
static const char *shown(const char *name, char out[80])
{
	snprintf(out, 80, "%s", name);
	for (char *p = out; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return out;
}

static int take_name(struct tar_reader *r, struct archive_entry *entry, bool dir, struct err *e)
{
	const char *name = archive_entry_pathname(entry);
	char text[80];
	size_t len;

	if (!name)
		return err_set(e, ERR_CORRUPT, "%s: an entry whose name cannot be read", r->name);
	while (!r->exact && strncmp(name, "./", 2) == 0)
		name += 2;
	len = strlen(name);
	while (dir && len && name[len - 1] == '/')
		len--;
	if (len > TAR_NAME_MAX)
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s...\": the name is too long", r->name,
			shown(name, text));
	memcpy(r->entry_name, name, len);
	r->entry_name[len] = '\0';
	if (dir && (len == 0 || strcmp(r->entry_name, ".") == 0))
		return 0;
	if (len == 0 || !name_is_plain(r->entry_name))
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s\": not a plain relative path",
			r->name, shown(name, text));
	return 0;
}

static int check_kind(struct tar_reader *r, struct archive_entry *entry, struct err *e)
{
	mode_t type = archive_entry_filetype(entry);
	const char *name = archive_entry_pathname(entry);
	char text[80];

	shown(name ? name : "?", text);
	if (archive_entry_hardlink(entry))
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s\" is a hard link", r->name, text);
	if (type == AE_IFDIR && !r->exact)
		return 0;
	if (type != AE_IFREG)
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s\" is %s, not a regular file",
			r->name, text, kind_name(type));
	if (archive_entry_sparse_count(entry) > 0)
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s\" is a sparse file", r->name, text);
	if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0)
		return err_set(e, ERR_CORRUPT, "%s: entry \"%s\" has no size", r->name, text);
	return 0;
}

/* --- TAR_EXACT ------------------------------------------------------------------------------ */

/* Find the first byte of the gap that is not `pad` zeros and then `expect`; SIZE_MAX: none. */
static size_t find_other(const struct tar_reader *r, size_t pad, struct span expect)
{
	for (size_t i = 0; i < pad + expect.len; i++)
		if (r->gap[i] != (i < pad ? 0 : (uint8_t)expect.data[i - pad]))
			return i;
	return SIZE_MAX;
}

/* Compare the gap. Report a difference at the end of the archive: a contradiction of the entries
 * themselves is the better reason, and digests judge their bytes. */
static int check_gap(struct tar_reader *r, struct span expect, const char *what, struct err *e)
{
	size_t pad = (size_t)tar_padding(r->entry_size), other;

	if (r->inexact.code != ERR_OK)
		return 0;
	if (r->gap_len < pad + expect.len)
		return err_set(e, ERR_CORRUPT, "%s: ends at byte %llu, before the %s", r->name,
			(unsigned long long)(r->gap_at + r->gap_len), what);
	other = find_other(r, pad, expect);
	if (other != SIZE_MAX)
		err_set(&r->inexact, ERR_CORRUPT,
			"%s: byte %llu, in the %s, is not what moat writes: damaged or altered",
			r->name, (unsigned long long)(r->gap_at + other),
			other < pad ? "padding" : what);
	r->gap_at += pad + expect.len;
	return 0;
}

static int check_header(struct tar_reader *r, uint64_t size, struct err *e)
{
	AUTO(buf_release) struct buf header = BUF_INIT;

	if (tar_header(r->entry_name, size, &header, e) < 0 ||
		check_gap(r, buf_span(&header), "header of an entry", e) < 0)
		return -1;
	r->gap_at += size;
	r->gap_len = 0;
	see_gap(r);
	return 0;
}

static int check_end(struct tar_reader *r, struct err *e)
{
	static const char zeros[TAR_END_BYTES];

	if (check_gap(r, (struct span){ zeros, sizeof(zeros) }, "end of the archive", e) < 0)
		return -1;
	if (r->inexact.code == ERR_OK)
		return 0;
	*e = r->inexact;
	return -1;
}

int tar_next(struct tar_reader *r, struct tar_entry *out, struct err *e)
{
	struct archive_entry *entry;

	for (;;) {
		int rc = archive_read_next_header(r->a, &entry);
		bool dir, file;

		if (rc == ARCHIVE_EOF)
			return r->exact ? check_end(r, e) : 0;
		if (rc != ARCHIVE_OK && (rc != ARCHIVE_WARN || r->exact))
			return reader_err(r, e);
		dir = archive_entry_filetype(entry) == AE_IFDIR;
		file = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
		if (r->pass_links && !dir && !file)
			continue;
		if (check_kind(r, entry, e) < 0 || take_name(r, entry, dir, e) < 0)
			return -1;
		if (!dir)
			break;
	}
	if (r->exact && check_header(r, (uint64_t)archive_entry_size(entry), e) < 0)
		return -1;
	r->entry_size = (uint64_t)archive_entry_size(entry);
	r->entry_given = 0;
	*out = (struct tar_entry){
		.name = r->entry_name,
		.size = r->entry_size,
		.offset = r->base + (uint64_t)archive_filter_bytes(r->a, 0),
	};
	return 1;
}

int tar_data(struct tar_reader *r, struct span *bytes, struct err *e)
{
	const void *data;
	size_t len;
	int64_t at;
	int rc = archive_read_data_block(r->a, &data, &len, &at);

	if (rc == ARCHIVE_EOF && r->entry_given == r->entry_size)
		return 0;
	if (rc == ARCHIVE_OK && (uint64_t)at == r->entry_given &&
		len <= r->entry_size - r->entry_given) {
		r->entry_given += len;
		*bytes = (struct span){ data, len };
		return 1;
	}
	if (rc != ARCHIVE_OK && r->e.code != ERR_OK)
		return reader_err(r, e);
	return err_set(e, ERR_CORRUPT,
		"%s: entry %s: %llu of %llu bytes are there: the file is cut short, copy it again",
		r->name, r->entry_name, (unsigned long long)r->entry_given,
		(unsigned long long)r->entry_size);
}

int tar_data_all(struct tar_reader *r, size_t limit, struct buf *out, struct err *e)
{
	struct span bytes;
	int rc;

	if (r->entry_size - r->entry_given > limit)
		return err_set(e, ERR_CORRUPT,
			"%s: entry %s: %llu bytes, more than the %zu allowed", r->name,
			r->entry_name, (unsigned long long)r->entry_size, limit);
	while ((rc = tar_data(r, &bytes, e)) > 0)
		buf_add(out, bytes.data, bytes.len);
	return rc;
}

/* Go back to the end of the archive in the block: libarchive has consumed exactly to there. */
int tar_again(struct tar_reader *r, struct err *e)
{
	uint64_t end = r->gap_at;

	if (!r->exact || end < r->block_at || end > r->block_at + r->block_len)
		BUG("end of the archive is outside the buffer");
	if (end == r->block_at + r->block_len) {
		int rc = fill(r, e);

		if (rc <= 0)
			return rc;
	}
	r->handed = end;
	r->entry_size = 0;
	archive_read_free(r->a);
	r->a = NULL;
	return open_archive(r, e) < 0 ? -1 : 1;
}
