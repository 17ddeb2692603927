/* What readers of a store see, as text that can be compared. */
#ifndef MOAT_TEST_VIEW_H
#define MOAT_TEST_VIEW_H

#include "storage/store_write.h"

#define REPO "docker.io/library/nginx"

/* A sealed set of one image of one layer, which `seed` makes, as REPO:1. */
struct digest one(struct store *s, const char *name, const char *version, const char *seed);

/* Sets, hosts, repositories, and tags of REPO and of the set "a". */
void describe(struct store *s, struct buf *out);

/* For store_check(). */
void print_problem(void *ctx, const char *invariant, const char *text);

#endif
