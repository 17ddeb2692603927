/*
 * The committer: the one thread that writes metadata. It takes whatever is waiting and applies it as
 * a group, so that many clients share one durable commit (store_apply()), and no two of our own
 * threads ever wait for SQLite's lock. Manifests that name much go a few at a time, and what is small
 * does not wait for them: changes that nobody waited for in between may be applied in another order.
 * index.json follows by a thread and a handle of its own.
 */
#ifndef MOAT_COMMIT_H
#define MOAT_COMMIT_H

#include "registry/api/cache.h"
#include "storage/store_write.h"

struct commit {
	struct change change; /* rc and err are filled before done() */
	void (*done)(struct commit *c); /* on the committer's thread; may free it */
	struct commit *next; /* of the queue */
};

struct committer;

/* Opens the store for writing. cache: told of every group before anybody is answered, so that who
 * writes and then reads gets what was written (S4). */
MUST int committer_new(
	struct committer **out, const char *store, struct cache *cache, struct err *e);

/* The store, for blob writers without a name, which any thread may use. */
struct store *committer_store(struct committer *c);

void committer_add(struct committer *c, struct commit *commit);

/* Groups and changes so far. */
void committer_counts(const struct committer *c, uint64_t *groups, uint64_t *changes);

/* Apply what is queued, settle the store (index.json), then end the threads. */
void committer_stop(struct committer *c);
/* For AUTO; stops first. Writers that came from its store must be gone. */
void committer_free(struct committer **c);

/* For a moment nothing is committed: another thread of this process writes metadata. */
void committer_hold(struct committer *c);
void committer_go(struct committer *c);

#endif
