/* A medium: folders, volume files in any order, or a stream of volumes. */
#ifndef MOAT_MEDIUM_H
#define MOAT_MEDIUM_H

#include "mirror-tool/media/volume_read.h"

struct medium_events {
	/* Called when the set is trusted and every given volume is of it, before any blob. May mark
	 * blobs in m->arrived that it has already. */
	int (*begin)(void *ctx, struct medium *m, struct err *e);
	/* Called when a volume was read to its end. */
	int (*volume)(
		void *ctx, struct medium *m, const char *name, uint32_t volume, struct err *e);
	/* Called when a volume failed: 0 to go on with the others, or -1 with e. NULL: stop. */
	int (*failed)(void *ctx, const char *name, const struct err *why, struct err *e);
};

/* Find the files that hold volumes: of a folder those named like one, others as given. The caller
 * releases *p. */
struct medium_paths {
	char **items;
	size_t count;
};
MUST int medium_paths_find(
	struct medium_paths *p, const char *const *paths, size_t count, struct err *e);
void medium_paths_release(struct medium_paths *p); /* for AUTO */

/* Open a file of a medium: a regular file at a path of the user. ERR_INPUT for a link, FIFO,
 * socket, device or directory, without waiting; ERR_ABSENT. */
MUST int medium_open(const char *path, int *fd, struct err *e);

/*
 * Read a medium: m has trust, now, sink and ctx set; ctx is for the events too.
 *
 * paths:   "-" alone is stdin, read once from front to back. Files are read in the order of their
 *          volumes; the heads of all of them before the blobs of the first.
 * Returns: 0 when everything given is sound; whether it is everything, medium_check_complete() says.
 *          Else -1: see volume_read.h; ERR_ABSENT no volume there.
 */
MUST int medium_read(struct medium *m, const char *const *paths, size_t count,
	const struct medium_events *events, struct err *e);

/* Check that everything that is on the medium has arrived (what a delta leaves out, medium_left_out() says). ERR_INCOMPLETE names the volumes that are missing, those to be
 * read again after them (they hold later parts of cut blobs), and `then` at the end. */
MUST int medium_check_complete(const struct medium *m, const char *then, struct err *e);

/* Read only the head, to show what a medium is: of the first of the paths that has one; of a delta those of
 * all, which may be of several exports. */
MUST int medium_read_head(struct medium *m, const char *const *paths, size_t count, struct err *e);

/* Read the heads of all volumes, to know what a medium has: medium_has_line(). ERR_ABSENT no volume there. */
MUST int medium_read_heads(struct medium *m, const char *const *paths, size_t count, struct err *e);

#endif
