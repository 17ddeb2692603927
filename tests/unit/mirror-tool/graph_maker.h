/*
 * Random image graphs, with lies in them: what a registry or a layout may hand out. Everything
 * follows from the seed. The graph is written as a layout in a folder.
 */
#ifndef MOAT_TEST_GRAPH_MAKER_H
#define MOAT_TEST_GRAPH_MAKER_H

#include "storage/oci/manifest.h"
#include "storage/oci/ref.h"
#include "tests/support/sandbox.h"

#define THINGS_MAX 400
#define NAMES_MAX 40

/* Bytes that were made, as a manifest would describe them truthfully. */
struct thing {
	struct digest digest;
	uint64_t size;
	const char *type; /* static */
};

struct maker {
	const struct sandbox *sb;
	uint64_t state; /* of the random numbers */
	unsigned lies; /* that are left to be told */
	unsigned told;
	struct thing things[THINGS_MAX];
	size_t count;
	struct {
		char tag[REF_TAG_MAX + 1]; /* "" none */
		struct thing thing;
	} names[NAMES_MAX];
	size_t name_count;
	char *folder; /* the layout */
};

/* Make a graph with the name "one" at its root, in the sandbox's folder "src". */
void maker_begin(struct maker *m, const struct sandbox *sb, uint64_t seed);
void maker_release(struct maker *m); /* for AUTO */

/* What a registry would answer: the thing by digest or tag, or NULL; its bytes appended. */
const struct thing *maker_find(const struct maker *m, const char *tag_or_digest);
void maker_read(const struct maker *m, const struct thing *t, struct buf *out);

#endif
