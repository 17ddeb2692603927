/*
 * The committer, and the thread beside it that writes index.json. Must never answer a change before the
 * group that holds it is durable (S2), nor let a change wait while index.json is made.
 */
#include "registry/push/commit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/lock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define GROUP_MAX 256
#define OUTCOME_WHY_SIZE 256 /* bytes of what went wrong that are recorded */
#define SMALL_MAX 32 /* descriptors of a manifest that goes into any group */
#define LARGE_MAX                                                                                  \
	2000 /* descriptors of all larger manifests in a group, unless there is only one */
#define FLUSH_IDLE_MS 2000 /* after the last change index.json is brought up to date */
#define FLUSH_LATEST_MS 30000 /* ... and that often while changes go on */

enum thread_state { THREAD_NONE, THREAD_RUNS, THREAD_ENDS };

struct thread {
	pthread_t id;
	enum thread_state state; /* under the committer's lock once it runs */
	pthread_cond_t wake; /* with the committer's lock */
};

/* Writes index.json, however long reading all names takes. */
struct flusher {
	struct thread thread;
	struct store *store; /* of its thread */
	bool due; /* under the committer's lock */
};

/* What became of a change that is recorded as accepted, and was not made. */
struct outcome {
	uint64_t begun; /* number of that record */
	const char *action;
	enum err_code code;
	char why[OUTCOME_WHY_SIZE];
	struct log_field facts[3];
};

struct committer {
	struct store *store;
	struct cache *cache;
	struct trail *trail; /* NULL: nothing is recorded */
	struct outcome outcomes[GROUP_MAX]; /* not written yet; of the committer's thread */
	size_t outcome_count;
	struct thread thread;
	pthread_mutex_t lock; /* of the queue and of what the threads are told */
	TAILQ_HEAD(commit_queue, commit) queue;
	pthread_mutex_t writing; /* held while metadata is changed; never together with `lock` */
	int64_t changed_ms; /* of the committer's thread: the last change; 0: the flusher knows of it */
	int64_t flushed_ms; /* of the committer's thread: when the flusher was told last */
	struct flusher flusher;
	_Atomic uint64_t groups, changes;
};

static void wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	pthread_cond_timedwait(cond, lock, &until);
}

/* --- groups ---------------------------------------------------------------------------------- */

/* Each descriptor is rows: a group of large manifests takes seconds, and every client waits for it. */
static bool fits(const struct commit *commit, size_t *large)
{
	const struct change *change = &commit->change;
	size_t count = change->kind == CHANGE_MANIFEST ? change->manifest->count : 0;

	if (count <= SMALL_MAX)
		return true;
	if (*large && *large + count > LARGE_MAX)
		return false;
	*large += count;
	return true;
}

/* Take a group in the queue's order; small changes overtake large ones that have to wait. */
static size_t take(struct committer *c, struct commit *group[GROUP_MAX])
{
	struct commit *commit, *next;
	size_t count = 0, large = 0;

	for (commit = TAILQ_FIRST(&c->queue); commit && count < GROUP_MAX; commit = next) {
		next = TAILQ_NEXT(commit, entry);
		if (!fits(commit, &large))
			continue;
		TAILQ_REMOVE(&c->queue, commit, entry);
		group[count++] = commit;
	}
	return count;
}

static int store_group(struct committer *c, struct commit *group[], size_t count, struct err *e)
{
	struct change *changes[GROUP_MAX];

	for (size_t i = 0; i < count; i++)
		changes[i] = &group[i]->change;
	LOCK_SCOPE(&c->writing);
	return store_apply(c->store, changes, count, e);
}

/* --- the audit log ---------------------------------------------------------------------------- */

static struct audit_record record_of(struct outcome *o)
{
	o->facts[0] = (struct log_field){ "begun", NULL, o->begun };
	o->facts[1] = (struct log_field){ "why", o->why, 0 };
	o->facts[2] = (struct log_field){ NULL, NULL, 0 };
	return (struct audit_record){ o->action, o->code == ERR_DENIED ? "denied" : "failed",
		o->facts };
}

/* Append the outcomes of the groups before and what this group is about to change. seqs: for each of the group the
 * number of its record, 0 it has none. */
static int write_records(
	struct committer *c, struct commit *group[], size_t count, uint64_t seqs[], struct err *e)
{
	struct audit_record records[2 * GROUP_MAX];
	size_t rows = 0;
	uint64_t first = 0;

	for (size_t i = 0; i < c->outcome_count; i++)
		records[rows++] = record_of(&c->outcomes[i]);
	for (size_t i = 0; i < count; i++) {
		seqs[i] = group[i]->record.action ? rows + 1 : 0;
		if (seqs[i])
			records[rows++] = group[i]->record;
	}
	if (rows && trail_append(c->trail, records, rows, &first, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		seqs[i] += seqs[i] ? first - 1 : 0;
	c->outcome_count = 0;
	return 0;
}

/* Fail each change of a group that cannot be recorded. */
static int refuse_group(struct commit *group[], size_t count, const struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct change *change = &group[i]->change;

		blob_abort(&change->writer);
		change->rc = -1;
		change->err = *e;
	}
	return -1;
}

/* Keep what became of the changes that were not made. */
static void keep_outcomes(
	struct committer *c, struct commit *group[], size_t count, const uint64_t seqs[])
{
	for (size_t i = 0; i < count; i++) {
		const struct change *change = &group[i]->change;
		struct outcome *o = &c->outcomes[c->outcome_count];

		if (!seqs[i] || change->rc == 0)
			continue;
		o->begun = seqs[i];
		o->action = group[i]->record.action;
		o->code = change->err.code;
		snprintf(o->why, sizeof(o->why), "%.*s", OUTCOME_WHY_SIZE - 1, change->err.text);
		c->outcome_count++;
	}
}

static void write_outcomes(struct committer *c)
{
	struct err e = ERR_INIT;

	if (c->outcome_count && write_records(c, NULL, 0, NULL, &e) < 0)
		log_fields(LOG_LINE_ERROR, "audit.failed", { "outcomes", NULL, c->outcome_count },
			{ "error", e.text, 0 });
	c->outcome_count = 0;
}

/* --- a group ---------------------------------------------------------------------------------- */

static int apply_recorded(struct committer *c, struct commit *group[], size_t count, struct err *e)
{
	uint64_t seqs[GROUP_MAX];
	int rc;

	if (!c->trail)
		return store_group(c, group, count, e);
	if (write_records(c, group, count, seqs, e) < 0)
		return refuse_group(group, count, e);
	rc = store_group(c, group, count, e);
	keep_outcomes(c, group, count, seqs);
	return rc;
}

static void apply(struct committer *c, struct commit *group[], size_t count)
{
	struct err e = ERR_INIT;

	if (apply_recorded(c, group, count, &e) < 0)
		log_fields(LOG_LINE_ERROR, "commit.failed", { "changes", NULL, count },
			{ "error", e.text, 0 });
	atomic_fetch_add(&c->groups, 1);
	atomic_fetch_add(&c->changes, count);
	cache_changed(c->cache);
	c->changed_ms = clock_ms();
	for (size_t i = 0; i < count; i++)
		group[i]->done(group[i]);
}

/* --- index.json ------------------------------------------------------------------------------ */

static int put_index(struct committer *c, struct index_flush **list, struct err *e)
{
	LOCK_SCOPE(&c->writing);
	return index_flush_end(list, e);
}

static int flush(struct committer *c)
{
	AUTO(index_flush_drop) struct index_flush *list = NULL;
	struct err e = ERR_INIT;
	int rc = index_flush_begin(c->flusher.store, &list, &e);

	if (rc > 0)
		rc = put_index(c, &list, &e);
	if (rc < 0)
		log_fields(LOG_LINE_ERROR, "settle.failed", { "error", e.text, 0 });
	return rc;
}

/* Wait until a flush is due. False: none is, and the thread is to end. */
static bool wait_due(struct committer *c)
{
	struct flusher *f = &c->flusher;

	LOCK_SCOPE(&c->lock);
	while (!f->due && f->thread.state == THREAD_RUNS)
		pthread_cond_wait(&f->thread.wake, &c->lock);
	if (!f->due)
		return false;
	f->due = false;
	return true;
}

/* Try again after a while, but not when the process ends. */
static void retry_flush(struct committer *c)
{
	struct flusher *f = &c->flusher;

	LOCK_SCOPE(&c->lock);
	if (f->thread.state != THREAD_RUNS)
		return;
	wait_ms(&f->thread.wake, &c->lock, FLUSH_IDLE_MS);
	f->due = true;
}

static void *run_flusher(void *cls)
{
	struct committer *c = cls;

	while (wait_due(c))
		if (flush(c) < 0)
			retry_flush(c);
	return NULL;
}

static void ask_flush(struct committer *c)
{
	LOCK_SCOPE(&c->lock);
	c->flusher.due = true;
	pthread_cond_signal(&c->flusher.thread.wake);
	c->flushed_ms = clock_ms();
	c->changed_ms = 0;
}

static bool is_flush_due(const struct committer *c)
{
	int64_t now = clock_ms();

	return c->changed_ms &&
	       (now - c->changed_ms >= FLUSH_IDLE_MS || now - c->flushed_ms >= FLUSH_LATEST_MS);
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Wait for changes, or until a flush may be due: *count of the next group, perhaps 0. False: the queue is
 * empty, and the thread is to end. */
static bool next_group(struct committer *c, struct commit *group[GROUP_MAX], size_t *count)
{
	LOCK_SCOPE(&c->lock);
	if (TAILQ_EMPTY(&c->queue) && c->thread.state == THREAD_RUNS) {
		if (c->changed_ms || c->outcome_count)
			wait_ms(&c->thread.wake, &c->lock, FLUSH_IDLE_MS);
		else
			pthread_cond_wait(&c->thread.wake, &c->lock);
	}
	*count = take(c, group);
	return *count > 0 || c->thread.state == THREAD_RUNS;
}

static void *run(void *cls)
{
	struct committer *c = cls;
	struct commit *group[GROUP_MAX];
	size_t count;

	while (next_group(c, group, &count)) {
		if (count > 0)
			apply(c, group, count);
		else
			write_outcomes(c);
		if (is_flush_due(c))
			ask_flush(c);
	}
	write_outcomes(c);
	if (c->changed_ms)
		ask_flush(c);
	return NULL;
}

/* --- from start to end ----------------------------------------------------------------------- */

static void init_thread(struct thread *t)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static int start(struct committer *c, struct thread *t, void *(*fn)(void *), struct err *e)
{
	int rc;

	t->state = THREAD_RUNS;
	rc = pthread_create(&t->id, NULL, fn, c);
	if (rc == 0)
		return 0;
	t->state = THREAD_NONE;
	return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
}

int committer_new(struct committer **out, const char *store, struct cache *cache,
	struct trail *trail, struct err *e)
{
	AUTO(committer_free) struct committer *c = mem_alloc(sizeof(*c));

	c->cache = cache;
	c->trail = trail;
	c->flushed_ms = clock_ms();
	TAILQ_INIT(&c->queue);
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->writing, NULL);
	init_thread(&c->thread);
	init_thread(&c->flusher.thread);
	if (store_open(&c->store, store, STORE_WRITE, e) < 0 ||
		store_open(&c->flusher.store, store, STORE_WRITE, e) < 0 ||
		start(c, &c->flusher.thread, run_flusher, e) < 0 ||
		start(c, &c->thread, run, e) < 0)
		return -1;
	*out = STEAL(c);
	return 0;
}

struct store *committer_store(struct committer *c)
{
	return c->store;
}

void committer_add(struct committer *c, struct commit *commit)
{
	LOCK_SCOPE(&c->lock);
	TAILQ_INSERT_TAIL(&c->queue, commit, entry);
	pthread_cond_signal(&c->thread.wake);
}

pthread_mutex_t *committer_write_lock(struct committer *c)
{
	return &c->writing;
}

void committer_counts(const struct committer *c, uint64_t *groups, uint64_t *changes)
{
	*groups = atomic_load(&c->groups);
	*changes = atomic_load(&c->changes);
}

static void tell_end(struct committer *c, struct thread *t)
{
	LOCK_SCOPE(&c->lock);
	t->state = THREAD_ENDS;
	pthread_cond_signal(&t->wake);
}

static void end(struct committer *c, struct thread *t)
{
	if (t->state != THREAD_RUNS)
		return;
	tell_end(c, t);
	pthread_join(t->id, NULL);
	t->state = THREAD_NONE;
}

void committer_stop(struct committer *c)
{
	end(c, &c->thread);
	end(c, &c->flusher.thread);
}

void committer_free(struct committer **out)
{
	struct committer *c = STEAL(*out);

	if (!c)
		return;
	committer_stop(c);
	store_close(&c->store);
	store_close(&c->flusher.store);
	pthread_cond_destroy(&c->thread.wake);
	pthread_cond_destroy(&c->flusher.thread.wake);
	pthread_mutex_destroy(&c->writing);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
