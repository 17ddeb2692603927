/*
 * The committer, and the settler beside it. Must never answer a change before the group that holds it
 * is durable (S2), nor let a change wait while index.json is made.
 */
#include "registry/push/commit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/banned.h"

#define GROUP_MAX 256
#define FEW 32 /* descriptors of a manifest that no group is too full for */
#define MANY_MAX 2000 /* of all larger ones in a group, unless there is only one */
#define SETTLE_MS 2000 /* after the last change index.json is brought up to date */
#define SETTLE_LATEST_MS 30000 /* and while changes go on, that often */

/* Makes index.json's list with a handle of its own, however long it takes. */
struct settler {
	struct store *store;
	pthread_mutex_t
		placing; /* held by who writes metadata: nobody of ours waits for SQLite's lock */
	pthread_cond_t wake; /* with the committer's lock */
	bool due, ending, started;
	pthread_t thread;
};

struct committer {
	struct store *store;
	struct cache *cache;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct commit *first, **last;
	bool ending, started;
	pthread_t thread;
	int64_t changed_ms, settled_ms; /* changed_ms 0: the settler was told since */
	struct settler settler;
	_Atomic uint64_t groups, changes;
};

static void wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	pthread_cond_timedwait(cond, lock, &until);
}

static void wait_some(struct committer *c)
{
	if (c->changed_ms)
		wait_ms(&c->some, &c->lock, SETTLE_MS);
	else
		pthread_cond_wait(&c->some, &c->lock);
}

/* Each descriptor is rows: a group of large manifests takes seconds, which everybody waits for. */
static bool fits(const struct commit *commit, size_t *many)
{
	const struct change *change = &commit->change;
	size_t count = change->kind == CHANGE_MANIFEST ? change->manifest->count : 0;

	if (count <= FEW)
		return true;
	if (*many && *many + count > MANY_MAX)
		return false;
	*many += count;
	return true;
}

/* In their order, but what is small goes before the large ones that have to wait. */
static size_t take(struct committer *c, struct commit *group[GROUP_MAX])
{
	struct commit **at = &c->first;
	size_t count = 0, many = 0;

	while (*at && count < GROUP_MAX) {
		struct commit *commit = *at;

		if (fits(commit, &many)) {
			group[count++] = commit;
			*at = commit->next;
		} else {
			at = &commit->next;
		}
	}
	if (!*at)
		c->last = at;
	return count;
}

static void apply(struct committer *c, struct commit *group[], size_t count)
{
	struct change *changes[GROUP_MAX];
	struct err e = ERR_INIT;
	bool failed;

	for (size_t i = 0; i < count; i++)
		changes[i] = &group[i]->change;
	pthread_mutex_lock(&c->settler.placing);
	failed = store_apply(c->store, changes, count, &e) < 0;
	pthread_mutex_unlock(&c->settler.placing);
	if (failed)
		log_fields(LOG_LINE_ERROR, "commit.failed", { "changes", NULL, count },
			{ "error", e.text, 0 });
	atomic_fetch_add(&c->groups, 1);
	atomic_fetch_add(&c->changes, count);
	cache_changed(c->cache);
	c->changed_ms = clock_ms();
	for (size_t i = 0; i < count; i++)
		group[i]->done(group[i]);
}

/* --- the settler ------------------------------------------------------------------------------ */

static int settle(struct committer *c)
{
	AUTO(settle_drop) struct settling *list = NULL;
	struct err e = ERR_INIT;
	int rc = settle_begin(c->settler.store, &list, &e);

	if (rc > 0) {
		pthread_mutex_lock(&c->settler.placing);
		rc = settle_end(&list, &e);
		pthread_mutex_unlock(&c->settler.placing);
	}
	if (rc < 0)
		log_fields(LOG_LINE_ERROR, "settle.failed", { "error", e.text, 0 });
	return rc;
}

/* What failed is tried again, but not at once, and not when all ends. */
static void *run_settler(void *cls)
{
	struct committer *c = cls;
	struct settler *s = &c->settler;
	int rc;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!s->due && !s->ending)
			pthread_cond_wait(&s->wake, &c->lock);
		if (!s->due)
			break;
		s->due = false;
		pthread_mutex_unlock(&c->lock);
		rc = settle(c);
		pthread_mutex_lock(&c->lock);
		if (rc < 0 && !s->ending) {
			wait_ms(&s->wake, &c->lock, SETTLE_MS);
			s->due = true;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void ask_settler(struct committer *c)
{
	pthread_mutex_lock(&c->lock);
	c->settler.due = true;
	pthread_cond_signal(&c->settler.wake);
	pthread_mutex_unlock(&c->lock);
	c->settled_ms = clock_ms();
	c->changed_ms = 0;
}

/* --- the committer ---------------------------------------------------------------------------- */

static bool is_due(const struct committer *c)
{
	int64_t now = clock_ms();

	return c->changed_ms &&
	       (now - c->changed_ms >= SETTLE_MS || now - c->settled_ms >= SETTLE_LATEST_MS);
}

static void *run(void *cls)
{
	struct committer *c = cls;
	struct commit *group[GROUP_MAX];
	size_t count;

	for (;;) {
		pthread_mutex_lock(&c->lock);
		if (!c->first && !c->ending)
			wait_some(c);
		count = take(c, group);
		if (count == 0 && c->ending) {
			pthread_mutex_unlock(&c->lock);
			break;
		}
		pthread_mutex_unlock(&c->lock);
		if (count)
			apply(c, group, count);
		if (is_due(c))
			ask_settler(c);
	}
	if (c->changed_ms)
		ask_settler(c);
	return NULL;
}

static int start(
	pthread_t *thread, void *(*fn)(void *), struct committer *c, bool *started, struct err *e)
{
	int rc = pthread_create(thread, NULL, fn, c);

	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	*started = true;
	return 0;
}

int committer_new(struct committer **out, const char *store, struct cache *cache, struct err *e)
{
	AUTO(committer_free) struct committer *c = mem_alloc(sizeof(*c));
	pthread_condattr_t attr;

	c->cache = cache;
	c->last = &c->first;
	c->settled_ms = clock_ms();
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->settler.placing, NULL);
	pthread_cond_init(&c->some, &attr);
	pthread_cond_init(&c->settler.wake, &attr);
	pthread_condattr_destroy(&attr);
	if (store_open(&c->store, store, STORE_WRITE, e) < 0 ||
		store_open(&c->settler.store, store, STORE_WRITE, e) < 0 ||
		start(&c->settler.thread, run_settler, c, &c->settler.started, e) < 0 ||
		start(&c->thread, run, c, &c->started, e) < 0)
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
	commit->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->last = commit;
	c->last = &commit->next;
	pthread_cond_signal(&c->some);
	pthread_mutex_unlock(&c->lock);
}

void committer_hold(struct committer *c)
{
	pthread_mutex_lock(&c->settler.placing);
}

void committer_go(struct committer *c)
{
	pthread_mutex_unlock(&c->settler.placing);
}

void committer_counts(const struct committer *c, uint64_t *groups, uint64_t *changes)
{
	*groups = atomic_load(&c->groups);
	*changes = atomic_load(&c->changes);
}

static void end(
	struct committer *c, pthread_t *thread, bool *started, bool *ending, pthread_cond_t *wake)
{
	if (!*started)
		return;
	pthread_mutex_lock(&c->lock);
	*ending = true;
	pthread_cond_signal(wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(*thread, NULL);
	*started = false;
}

void committer_stop(struct committer *c)
{
	end(c, &c->thread, &c->started, &c->ending, &c->some);
	end(c, &c->settler.thread, &c->settler.started, &c->settler.ending, &c->settler.wake);
}

void committer_free(struct committer **out)
{
	struct committer *c = STEAL(*out);

	if (!c)
		return;
	committer_stop(c);
	store_close(&c->store);
	store_close(&c->settler.store);
	pthread_cond_destroy(&c->some);
	pthread_cond_destroy(&c->settler.wake);
	pthread_mutex_destroy(&c->settler.placing);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
