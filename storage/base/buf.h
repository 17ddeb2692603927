/*
 * Growing bytes (`struct buf`) and a view of bytes owned elsewhere (`struct span`).
 *
 * A buf is always NUL-terminated behind `len`, so `b.data` may be used as a string; the bytes may
 * hold NULs of their own. Start with BUF_INIT and end with buf_release() (usually by AUTO).
 * Running out of memory aborts: sizes from outside pass a named limit before they come here.
 * A span owns nothing; it is valid as long as what it looks at.
 */
#ifndef MOAT_BUF_H
#define MOAT_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "storage/base/cleanup.h"

struct span {
	const char *data;
	size_t len;
};

struct buf {
	char *data; /* never NULL; NUL behind data[len] */
	size_t len;
	size_t cap; /* 0: data is the shared empty string */
};

extern char buf_empty[1];
#define BUF_INIT                                                                                   \
	{                                                                                          \
		.data = buf_empty                                                                  \
	}

void buf_release(struct buf *b); /* back to BUF_INIT */
void buf_clear(struct buf *b); /* len 0, memory kept */

/* Append; the bytes are copied and must not be the buf's own. */
void buf_reserve(struct buf *b, size_t more); /* only make room for that many bytes */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

void buf_cut(struct buf *b, size_t len); /* shorten to len bytes */
void buf_grown(struct buf *b,
	size_t len); /* count len bytes that were written into room of buf_reserve() */

/* The text as a heap string of the caller's; the buf is BUF_INIT afterwards. */
char *buf_detach(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->data, b->len };
}

static inline struct span span_of(const char *text)
{
	return (struct span){ text, strlen(text) };
}

static inline bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* A view up to the first `c`, and *s moved behind it (to its end when there is none). */
struct span span_until(struct span *s, char c);

/* Memory that is there or the program ends. */
void *mem_alloc(size_t size); /* zeroed */
void *mem_grow(void *p, size_t count, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void mem_free(void *p); /* for AUTO: p is a pointer to the pointer */

#endif
