/*
 * Media of several sets at once, as of a base and of deltas on it: which volumes are of which set, and in which order the sets
 * can come in. Taken from index.json of each volume, which nothing proves: it only sorts. Whoever reads the volumes judges them.
 */
#ifndef MOAT_CHAIN_H
#define MOAT_CHAIN_H

#include "mirror-tool/media/medium.h"
#include "storage/oci/digest_map.h"

struct chain_set {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1]; /* as it claims */
	struct digest digest;
	struct digest *bases; /* owned: sets that it builds on */
	size_t base_count;
	const char **paths; /* owned; the texts are the chain's */
	size_t path_count;
	size_t asked; /* while they are sorted: of its bases */
	bool begun; /* likewise */
};

struct chain {
	struct chain_set *sets; /* each behind those that it builds on, else by name and version */
	size_t count; /* 0: some volume could not be read: all of the paths are one medium, which says why */
	struct medium_paths found;
	struct digest_map positions; /* of the sets, while they are gathered and sorted */
};
#define CHAIN_INIT                                                                                 \
	{                                                                                          \
		.count = 0                                                                         \
	}
void chain_release(struct chain *c); /* for AUTO */

/* Sort the volumes of these paths, not stdin. c begins as CHAIN_INIT. Fails as medium_paths_find(). */
MUST int chain_find(struct chain *c, const char *const *paths, size_t count, struct err *e);

/* Does a later set have the name of this one? */
bool chain_goes_on(const struct chain *c, size_t at);

#endif
