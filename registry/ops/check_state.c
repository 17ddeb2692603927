/*
 * What the check knows and what it is asked, under one lock: any thread asks, the check's thread answers.
 * Must never read a file under the lock.
 */
#include "registry/ops/check_private.h"

#include <time.h>

#include "storage/base/lock.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* --- asked by others ------------------------------------------------------------------------------ */

bool checker_blocks(struct checker *c, const struct digest *d)
{
	const struct known *k;
	bool bad;

	if (!c || !c->blocked)
		return false;
	LOCK_SCOPE(&c->lock);
	k = digest_map_find(&c->known, d);
	bad = k && k->blocked;
	return bad;
}

bool checker_was_bad(struct checker *c, const struct digest *d)
{
	const struct known *k;
	bool was_bad;

	if (!c || !c->ever_bad)
		return false;
	LOCK_SCOPE(&c->lock);
	k = digest_map_find(&c->known, d);
	was_bad = k && k->was_bad;
	return was_bad;
}

/* Add a suspect. One that finds no room is found by the next quick look. */
void checker_suspect(struct checker *c, const struct digest *d)
{
	bool there = false;

	if (!c)
		return;
	LOCK_SCOPE(&c->lock);
	for (size_t i = 0; i < c->suspect_count && !there; i++)
		there = digest_eq(&c->suspects[i], d);
	if (!there && c->suspect_count < SUSPECTS_MAX)
		c->suspects[c->suspect_count++] = *d;
	pthread_cond_signal(&c->wake);
}

bool checker_unsure(struct checker *c, const struct digest *d)
{
	if (!c || !c->first)
		return false;
	LOCK_SCOPE(&c->lock);
	return !digest_map_find(&c->known, d);
}

/* False: the check ends. */
static bool add_waiter(struct checker *c, struct check_waiter *w)
{
	LOCK_SCOPE(&c->lock);
	if (c->ending)
		return false;
	w->next = c->waiters;
	c->waiters = w;
	pthread_cond_signal(&c->wake);
	return true;
}

void checker_await(struct checker *c, struct check_waiter *w)
{
	if (!add_waiter(c, w))
		w->done(w);
}

void checker_counts(struct checker *c, struct check_counts *out)
{
	*out = (struct check_counts){ c->blobs, c->bytes, c->bad, c->pass };
}

void check_nap(struct checker *c, int64_t us)
{
	struct timespec until;

	if (us <= 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += us / 1000000;
	until.tv_nsec += us % 1000000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	LOCK_SCOPE(&c->lock);
	if (!c->ending && !c->suspect_count && !c->waiters)
		pthread_cond_timedwait(&c->wake, &c->lock, &until);
}

bool check_is_ending(struct checker *c)
{
	LOCK_SCOPE(&c->lock);
	return c->ending;
}

/* --- suspects, waiters --------------------------------------------------------------------------- */

bool check_take_suspect(struct checker *c, struct digest *d)
{
	bool any;

	LOCK_SCOPE(&c->lock);
	any = c->suspect_count > 0 && !c->ending;
	if (any)
		*d = c->suspects[--c->suspect_count];
	return any;
}

struct check_waiter *check_take_waiters(struct checker *c, const struct digest *d)
{
	struct check_waiter *taken = NULL;

	LOCK_SCOPE(&c->lock);
	for (struct check_waiter **at = &c->waiters, *w; (w = *at);) {
		if (d && !digest_eq(&w->digest, d)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = taken;
		taken = w;
	}
	return taken;
}

void check_tell(struct check_waiter *w)
{
	for (struct check_waiter *next; w; w = next) {
		next = w->next;
		w->done(w);
	}
}

bool check_next_waiter(struct checker *c, struct digest *d)
{
	bool any;

	LOCK_SCOPE(&c->lock);
	any = c->waiters && !c->ending;
	if (any)
		*d = c->waiters->digest;
	return any;
}

/* --- what is known ------------------------------------------------------------------------------- */

void check_list_bad(struct checker *c, const struct digest *d)
{
	*VEC_PUSH(c->bad_ones, c->bad_count) = *d;
}

enum standing check_standing(const struct known *k)
{
	return !k || !k->bad ? STANDING_GOOD : k->blocked ? STANDING_BLOCKED : STANDING_BAD;
}

static enum standing exchange(
	struct checker *c, const struct digest *d, const struct blob_file *file, enum standing now)
{
	struct known *k;
	enum standing was;

	LOCK_SCOPE(&c->lock);
	k = digest_map_find(&c->known, d);
	was = check_standing(k);
	if (!k && now != STANDING_GOOD)
		k = digest_map_add(&c->known, d, sizeof(*k));
	if (k)
		*k = (struct known){ *d, now != STANDING_GOOD, now == STANDING_BLOCKED,
			k->was_bad || now != STANDING_GOOD, *file };
	c->ever_bad += now != STANDING_GOOD;
	if (was == STANDING_GOOD && now != STANDING_GOOD)
		check_list_bad(c, d);
	c->bad += (unsigned)(now != STANDING_GOOD) - (unsigned)(was != STANDING_GOOD);
	c->blocked += (unsigned)(now == STANDING_BLOCKED) - (unsigned)(was == STANDING_BLOCKED);
	return was;
}

enum standing check_set_standing(
	struct checker *c, const struct digest *d, const struct blob_file *file, enum standing now)
{
	enum standing was = exchange(c, d, file, now);

	if (was != now)
		c->config.changed(c->config.ctx);
	return was;
}
