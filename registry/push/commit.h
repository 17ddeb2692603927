/*
 * The committer: the one thread that changes metadata for clients. It takes whatever is queued and applies
 * it as a group, so that many clients share one durable commit (store_apply()), and no two threads of this
 * process wait for SQLite's lock. Manifests that name much go a few at a time, and small changes do not wait
 * for them: those that no client waited for in between may be applied in another order.
 *
 * With an audit log a group is recorded before it is applied, by one append: each change as "accepted". Where that cannot
 * be written nothing is applied. A change that could not be applied has a second record, written with the next group or
 * when it is quiet.
 *
 * index.json follows by a thread of its own, with a handle of its own.
 */
#ifndef MOAT_COMMIT_H
#define MOAT_COMMIT_H

#include <pthread.h>
#include <sys/queue.h>

#include "registry/api/cache.h"
#include "registry/ops/trail.h"
#include "storage/store_write.h"

/* A change on its way. Embedded in what it belongs to; the committer's from committer_add() to done(). */
struct commit {
	struct change change; /* rc and err are filled before done() */
	struct audit_record
		record; /* for the audit log, borrowed until done(); action NULL: none */
	void (*done)(struct commit *c); /* on the committer's thread; must be quick; may free it */
	TAILQ_ENTRY(commit) entry; /* of the queue */
};

struct committer;

/*
 * Open the store for writing and start the threads.
 *
 * store:   its directory; borrowed for the call.
 * cache:   borrowed; invalidated behind each group before a client is answered, so that a client that
 *          writes and then reads gets what it wrote (S4).
 * trail:   borrowed; NULL: nothing is recorded.
 * Returns: 0, or -1 with e: as store_open(); ERR_FULL, a thread could not be started.
 */
MUST int committer_new(struct committer **out, const char *store, struct cache *cache,
	struct trail *trail, struct err *e);

/* Its store, for blob_begin_unnamed() and what follows on any thread. Borrowed. */
struct store *committer_store(struct committer *c);

/* Queue a change. Never fails, never blocks; what became of it is told by done(). Any thread, before
 * committer_stop(). */
void committer_add(struct committer *c, struct commit *commit);

/* Groups and changes applied so far. Any thread. */
void committer_counts(const struct committer *c, uint64_t *groups, uint64_t *changes);

/* The lock that each thread of this process holds while it changes metadata, so that none waits for SQLite's
 * lock. For a row or two: every push waits behind it. */
pthread_mutex_t *committer_write_lock(struct committer *c);

/* Apply what is queued, bring index.json up to date, end the threads; again, it does nothing. Not on a thread
 * of its own. */
void committer_stop(struct committer *c);

/* Stop and free, for AUTO. Blob writers of its store must be gone. */
void committer_free(struct committer **c);

#endif
