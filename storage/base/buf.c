/* Growing bytes and small allocations. Knows no format; must never be given an unlimited size. */
#include "storage/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/err.h"
#include "storage/base/banned.h"

char buf_empty[1];

void buf_release(struct buf *b)
{
	int saved = errno;

	if (b->cap)
		free(b->data);
	*b = (struct buf)BUF_INIT;
	errno = saved;
}

void buf_clear(struct buf *b)
{
	buf_cut(b, 0);
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t want, cap = b->cap ? b->cap : 64;

	if (more > SIZE_MAX / 2 - b->len - 1)
		BUG("buffer of %zu bytes asked for", more);
	want = b->len + more + 1;
	if (want <= b->cap)
		return;
	while (cap < want)
		cap *= 2;
	b->data = mem_grow(b->cap ? b->data : NULL, cap, 1);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		BUG("bad format %s", fmt);
	buf_reserve(b, (size_t)n);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
	va_end(again);
	b->len += (size_t)n;
}

void buf_grown(struct buf *b, size_t len)
{
	if (len == 0)
		return;
	if (len >= b->cap - b->len)
		BUG("%zu bytes written into less room", len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_cut(struct buf *b, size_t len)
{
	if (len > b->len)
		BUG("cut to %zu of %zu bytes", len, b->len);
	b->len = len;
	if (b->cap)
		b->data[len] = '\0';
}

char *buf_detach(struct buf *b)
{
	char *text = b->cap ? b->data : mem_strdup("");

	*b = (struct buf)BUF_INIT;
	return text;
}

struct span span_until(struct span *s, char c)
{
	const char *hit = s->len ? memchr(s->data, c, s->len) : NULL;
	struct span head = { s->data, hit ? (size_t)(hit - s->data) : s->len };
	size_t used = head.len + (hit ? 1 : 0);

	s->data += used;
	s->len -= used;
	return head;
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		BUG("out of memory (%zu bytes)", size);
	return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
	void *grown = reallocarray(p, count ? count : 1, size);

	if (!grown)
		BUG("out of memory (%zu x %zu bytes)", count, size);
	return grown;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len)
{
	char *copy = mem_alloc(len + 1);

	memcpy(copy, text, len);
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		BUG("out of memory");
	return text;
}

void mem_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	*(void **)p = NULL;
	errno = saved;
}
