#ifndef BENCH_PUSH_H
#define BENCH_PUSH_H

#include "tests/bench/api.h"

/*
 * Push a file as a blob: POST (with a mount when `from` is not NULL), then the bytes. chunk is the
 * size of a PATCH, 0 sends them all with the PUT. Returns 0, or -1 and says on stderr which request
 * failed.
 */
int push_blob(struct api *a, const char *repo, const char *digest, const char *file,
	const char *from, uint64_t chunk);

/* Tell a failure of the last call on stderr; returns -1. */
int push_failed(const struct api *a, const char *method, const char *path);

#endif
