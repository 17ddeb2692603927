/*
 * What a running cluster uses, out of a listing of it, so that collection keeps it: `kubectl get pods -A -o json`
 * (a List or PodList), `crictl images -o json` or `crictl ps -o json`.
 *
 * An image is known by the digest of its manifest or index, or by that of its config: both are plain digests here.
 * Running containers count by what runs (status), and by what they ask for (spec) when that has a digest; a tag by
 * itself says nothing of what runs.
 */
#ifndef MOAT_IN_USE_H
#define MOAT_IN_USE_H

#include "storage/base/buf.h"
#include "storage/base/err.h"
#include "storage/oci/digest.h"

#define IN_USE_BYTES_MAX (512u << 20) /* of a listing: 100,000 pods */
#define IN_USE_MAX 1000000 /* images in it */

struct in_use_image {
	struct digest digest;
	char *name; /* as the listing has it, for people: "nginx:1.27", "sha256:..." */
	const char *file; /* borrowed */
};

struct in_use {
	struct in_use_image *images; /* sorted by digest, each once */
	size_t count;
	char **tags; /* asked for by a tag alone, by pods of which nothing says what runs */
	size_t tag_count;
};
#define IN_USE_INIT                                                                                \
	{                                                                                          \
		.count = 0                                                                         \
	}
void in_use_release(struct in_use *u); /* for AUTO */

/*
 * Add what a listing names. path: borrowed until *u is released.
 *
 * Fails: ERR_INPUT it is no such listing, names no image at all (an empty cluster and a failed command look alike), or
 *        has an image ID that is not understood: names file, line and what is there. ERR_ABSENT, ERR_IO.
 */
MUST int in_use_read(struct in_use *u, const char *path, struct err *e);

#endif
