/*
 * The tool's commands as a user calls them, on images of a local layout: a store with an index.json
 * of the test's own is one. Every failure of the fixture fails the test.
 */
#ifndef MOAT_TEST_LAYOUT_WORLD_H
#define MOAT_TEST_LAYOUT_WORLD_H

#include "mirror-tool/list/lock.h"
#include "mirror-tool/tool.h"
#include "tests/support/image.h"
#include "tests/support/sandbox.h"

#define REPO "example.test/app"
#define ITEM "- {name: " REPO ":1, from: \"oci:layout:one\"}\n" /* of the list */

struct world {
	struct sandbox *sb;
	struct store *source; /* the layout */
	struct buf index; /* its index.json, without the end */
	char *out; /* what the last command printed */
	size_t out_len;
};

struct world *world_new(void **state); /* *state: a sandbox */
void world_free(struct world **w); /* for AUTO */

/* An entry of the layout's index.json; name may be "". reset: none again. */
void entry(struct world *w, const char *name, const char *type, const struct digest *d);
void write_index(struct world *w);
void reset_index(struct world *w);

/* moat.yaml of set "s" and platform linux/amd64, with these items. */
void write_list(struct world *w, const char *items);
void read_lock(struct world *w, struct lock *l);

/* Run a command, `argv` without "moat"; its exit status, and what it printed in w->out. */
int run(struct world *w, int argc, const char *const argv[]);
/* pin or pull, with one more argument or NULL. */
int moat(struct world *w, const char *verb, const char *more);
/* seal, with a key that is made when there is none: moat.key, moat.pub. */
int seal(struct world *w);

/* An image of two layers in the layout. */
struct digest make(struct world *w, const char *seed, const char *platform);
/* An index over two of them: linux/amd64 and linux/arm64. */
struct digest make_index(struct world *w, struct digest children[2]);
/* A manifest of the test's own, in the layout. */
struct digest make_text(struct world *w, const char *text);

bool held(struct world *w, const struct digest *d); /* by the store "store" */

#endif
