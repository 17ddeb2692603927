/* One filter in front of terminal and log. Must never pass a control byte, nor change plain text. */
#include "storage/base/printable.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/base/err.h"
#include "storage/base/banned.h"

#define SEQUENCE_MAX 4 /* bytes of a UTF-8 sequence */
#define CODE_MAX 0x10ffff

/* Code points of Unicode's categories Cc, Cf, Zl and Zp that act on what stands around them. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{ 0x00, 0x1f },
	{ 0x7f, 0x9f },
	{ 0xad, 0xad },
	{ 0x61c, 0x61c },
	{ 0x180e, 0x180e },
	{ 0x200b, 0x200f },
	{ 0x2028, 0x202e },
	{ 0x2060, 0x206f },
	{ 0xfeff, 0xfeff },
	{ 0xfff9, 0xfffb },
	{ 0xe0000, 0xe007f },
};

static bool is_hidden(uint32_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden) && code >= hidden[i].first; i++)
		if (code <= hidden[i].last)
			return true;
	return false;
}

/* Bytes of the sequence that starts with `first`; 0: no sequence does. */
static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* The code point at the start of `text`, whose sequence has `len` bytes; -1: it is not UTF-8. */
static int64_t decode(const unsigned char *text, size_t len)
{
	static const uint32_t least[SEQUENCE_MAX + 1] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code = len == 1 ? text[0] : text[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return -1;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[len] || (len == 1 && code >= 0x80) || code > CODE_MAX ||
		(code >= 0xd800 && code < 0xe000))
		return -1;
	return code;
}

/* As JSON escapes it: beyond U+FFFF by two surrogates. */
static void add_escape(struct buf *out, uint32_t code)
{
	if (code > 0xffff) {
		buf_printf(out, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
		code = 0xdc00 + ((code - 0x10000) & 0x3ff);
	}
	buf_printf(out, "\\u%04x", code);
}

static void add_code(struct buf *out, const char *bytes, size_t len, enum printable kind)
{
	int64_t code = decode((const unsigned char *)bytes, len);

	if (code < 0)
		buf_str(out, "\xef\xbf\xbd");
	else if (kind == PRINTABLE_TEXT && (code == '\n' || code == '\t'))
		buf_char(out, *bytes);
	else if (is_hidden((uint32_t)code))
		add_escape(out, (uint32_t)code);
	else
		buf_add(out, bytes, len);
}

/* Bytes of `text` to take together: a whole sequence, or one byte that starts none. */
static size_t next_length(struct span text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	size_t len = sequence_length(bytes[0]);

	if (len == 0 || len > text.len || decode(bytes, len) < 0)
		return 1;
	return len;
}

void printable_add(struct buf *out, struct span text, enum printable kind)
{
	while (text.len) {
		size_t len = next_length(text);

		add_code(out, text.data, len, kind);
		text.data += len;
		text.len -= len;
	}
}

/* --- a stream -------------------------------------------------------------------------------- */

struct filter {
	int fd;
	struct buf rest; /* the start of a sequence that the next write may complete */
	struct buf out;
};

/* Is the end of `text`, from `at`, the start of a sequence that more bytes may complete? */
static bool is_begun(struct span text, size_t at)
{
	size_t want = sequence_length((unsigned char)text.data[at]);

	for (size_t i = at + 1; i < text.len; i++)
		if (((unsigned char)text.data[i] & 0xc0) != 0x80)
			return false;
	return want > text.len - at;
}

/* Length of `text` without a sequence that its end cuts. */
static size_t whole_length(struct span text)
{
	size_t from = text.len < SEQUENCE_MAX ? 0 : text.len - SEQUENCE_MAX + 1;

	for (size_t at = from; at < text.len; at++)
		if (is_begun(text, at))
			return at;
	return text.len;
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes.data += n;
			bytes.len -= (size_t)n;
		}
	}
	return 0;
}

static int flush(struct filter *f, size_t len)
{
	buf_clear(&f->out);
	printable_add(&f->out, (struct span){ f->rest.data, len }, PRINTABLE_TEXT);
	return write_all(f->fd, buf_span(&f->out));
}

static ssize_t filter_write(void *cookie, const char *data, size_t size)
{
	struct filter *f = cookie;
	size_t len;
	int rc;

	buf_add(&f->rest, data, size);
	len = whole_length(buf_span(&f->rest));
	rc = flush(f, len);
	memmove(f->rest.data, f->rest.data + len, f->rest.len - len);
	buf_cut(&f->rest, f->rest.len - len);
	return rc < 0 ? 0 : (ssize_t)size; /* 0 is an error to the stream */
}

static int filter_close(void *cookie)
{
	struct filter *f = cookie;
	int rc = flush(f, f->rest.len);

	buf_release(&f->rest);
	buf_release(&f->out);
	free(f);
	return rc < 0 ? EOF : 0;
}

FILE *printable_open(int fd, bool by_line)
{
	static const cookie_io_functions_t calls = { .write = filter_write, .close = filter_close };
	struct filter *f = mem_alloc(sizeof(*f));
	FILE *stream;

	*f = (struct filter){ .fd = fd, .rest = BUF_INIT, .out = BUF_INIT };
	stream = fopencookie(f, "w", calls);
	if (!stream)
		BUG("out of memory");
	setvbuf(stream, NULL, by_line || isatty(fd) ? _IOLBF : _IOFBF, BUFSIZ);
	return stream;
}
