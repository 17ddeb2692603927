/* Turns: a ring of clients that wait, each with its queue. Must never call go() under the lock. */
#include "registry/turns.h"

#include <pthread.h>
#include <stdlib.h>

#include "storage/base/buf.h"
#include "storage/base/banned.h"

/* One client's queue. */
struct lane {
	struct lane *next; /* of the ring */
	const void *client;
	struct turn *first, **last;
};

struct turns {
	pthread_mutex_t lock;
	unsigned limit, active, waiting;
	struct lane *ring; /* the lane that was served last; its next comes next */
};

struct turns *turns_new(unsigned active)
{
	struct turns *t = mem_alloc(sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->limit = active;
	return t;
}

void turns_free(struct turns **t)
{
	if (!*t)
		return;
	pthread_mutex_destroy(&(*t)->lock);
	free(*t);
	*t = NULL;
}

static struct lane *lane_of(struct turns *t, const void *client)
{
	struct lane *lane = t->ring;

	if (lane)
		do {
			if (lane->client == client)
				return lane;
			lane = lane->next;
		} while (lane != t->ring);
	lane = mem_alloc(sizeof(*lane));
	lane->client = client;
	lane->last = &lane->first;
	if (t->ring) { /* behind all others */
		lane->next = t->ring->next;
		t->ring->next = lane;
	} else {
		lane->next = lane;
	}
	t->ring = lane;
	return lane;
}

bool turns_enter(struct turns *t, struct turn *turn, const void *client, int64_t now_ms,
	void (*before)(struct turn *turn))
{
	struct lane *lane;
	bool go;

	pthread_mutex_lock(&t->lock);
	go = t->active < t->limit && t->waiting == 0;
	if (go) {
		t->active++;
	} else {
		before(turn);
		turn->next = NULL;
		turn->since_ms = now_ms;
		lane = lane_of(t, client);
		*lane->last = turn;
		lane->last = &turn->next;
		t->waiting++;
	}
	pthread_mutex_unlock(&t->lock);
	return go;
}

/* The first one of the lane behind `before`; the lane goes when it is empty. */
static struct turn *take_from(struct turns *t, struct lane *before)
{
	struct lane *lane = before->next;
	struct turn *turn = lane->first;

	lane->first = turn->next;
	if (lane->first) {
		t->ring = lane;
	} else {
		before->next = lane->next;
		t->ring = lane == before ? NULL : before;
		free(lane);
	}
	t->waiting--;
	t->active++;
	return turn;
}

void turns_leave(struct turns *t)
{
	struct turn *turn = NULL;

	pthread_mutex_lock(&t->lock);
	t->active--;
	if (t->ring && t->active < t->limit)
		turn = take_from(t, t->ring);
	pthread_mutex_unlock(&t->lock);
	if (turn)
		turn->go(turn);
}

/* One whose queue begins before that time, or NULL. */
static struct turn *take_old(struct turns *t, int64_t before_ms)
{
	struct lane *lane = t->ring;

	if (!lane)
		return NULL;
	do {
		if (lane->next->first->since_ms < before_ms)
			return take_from(t, lane);
		lane = lane->next;
	} while (lane != t->ring);
	return NULL;
}

void turns_expire(struct turns *t, int64_t before_ms)
{
	struct turn *turn;

	do {
		pthread_mutex_lock(&t->lock);
		turn = take_old(t, before_ms);
		pthread_mutex_unlock(&t->lock);
		if (turn)
			turn->go(turn);
	} while (turn);
}

void turns_count(struct turns *t, unsigned *active, unsigned *waiting)
{
	pthread_mutex_lock(&t->lock);
	*active = t->active;
	*waiting = t->waiting;
	pthread_mutex_unlock(&t->lock);
}
