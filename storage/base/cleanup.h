/*
 * Scope-bound ownership: every owning local says at birth how it ends.
 *
 *	AUTO(fd_close) int fd = -1;
 *	AUTO(buf_release) struct buf b = BUF_INIT;
 *	return STEAL(p);			hand over what AUTO would have released
 *
 * A releaser takes a pointer to the variable, is safe on an empty one, and preserves errno.
 * MUST marks results that a caller has to look at.
 */
#ifndef MOAT_CLEANUP_H
#define MOAT_CLEANUP_H

#include <stddef.h>

/* unused: an owner that only has to end is used enough, which clang does not see */
#define AUTO(releaser) __attribute__((cleanup(releaser), unused))
#define MUST __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

#define STEAL(p)                                                                                   \
	({                                                                                         \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

#define STEAL_FD(fd)                                                                               \
	({                                                                                         \
		int stolen_fd_ = (fd);                                                             \
		(fd) = -1;                                                                         \
		stolen_fd_;                                                                        \
	})

/* The struct that has *ptr as its member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
