/* The committer. Must never answer a change before the group that holds it is durable (S2). */
#include "registry/commit.h"

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

struct committer {
	struct store *store;
	struct cache *cache;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct commit *first, **last;
	bool ending, started;
	pthread_t thread;
	int64_t changed_ms, settled_ms; /* changed_ms 0: settled since */
	_Atomic uint64_t groups, changes;
};

static void wait_some(struct committer *c)
{
	struct timespec until;

	if (!c->changed_ms) {
		pthread_cond_wait(&c->some, &c->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SETTLE_MS / 1000;
	pthread_cond_timedwait(&c->some, &c->lock, &until);
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

	for (size_t i = 0; i < count; i++)
		changes[i] = &group[i]->change;
	if (store_apply(c->store, changes, count, &e) < 0)
		log_fields(LOG_LINE_ERROR, "commit.failed", { "changes", NULL, count },
			{ "error", e.text, 0 });
	atomic_fetch_add(&c->groups, 1);
	atomic_fetch_add(&c->changes, count);
	cache_changed(c->cache);
	c->changed_ms = clock_ms();
	for (size_t i = 0; i < count; i++)
		group[i]->done(group[i]);
}

static void settle(struct committer *c)
{
	struct err e = ERR_INIT;
	bool failed = store_settle(c->store, &e) < 0;

	if (failed)
		log_fields(LOG_LINE_ERROR, "settle.failed", { "error", e.text, 0 });
	c->settled_ms = clock_ms();
	c->changed_ms = failed ? c->settled_ms : 0; /* it is tried again */
}

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
			settle(c);
	}
	if (c->changed_ms)
		settle(c);
	return NULL;
}

int committer_new(struct committer **out, const char *store, struct cache *cache, struct err *e)
{
	AUTO(committer_free) struct committer *c = mem_alloc(sizeof(*c));
	pthread_condattr_t attr;
	int rc;

	c->cache = cache;
	c->last = &c->first;
	c->settled_ms = clock_ms();
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->some, &attr);
	pthread_condattr_destroy(&attr);
	if (store_open(&c->store, store, STORE_WRITE, e) < 0)
		return -1;
	rc = pthread_create(&c->thread, NULL, run, c);
	if (rc != 0)
		return err_set(e, ERR_FULL, "no thread: %s", strerror(rc));
	c->started = true;
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

void committer_counts(const struct committer *c, uint64_t *groups, uint64_t *changes)
{
	*groups = atomic_load(&c->groups);
	*changes = atomic_load(&c->changes);
}

void committer_stop(struct committer *c)
{
	if (!c->started)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->some);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->started = false;
}

void committer_free(struct committer **out)
{
	struct committer *c = STEAL(*out);

	if (!c)
		return;
	committer_stop(c);
	store_close(&c->store);
	pthread_cond_destroy(&c->some);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
