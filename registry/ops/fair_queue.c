/* A ring of clients, each with its own queue. Must never call go() under the lock. */
#include "registry/ops/fair_queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "storage/base/buf.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

/* A client that has turns or waits for some. */
struct lane {
	struct lane *next; /* of the ring */
	const void *client;
	struct fair_turn *first, **end; /* its queue */
	unsigned active;
	bool last; /* behind all others that wait */
};

struct fair_queue {
	pthread_mutex_t lock;
	unsigned limit, each, active, waiting;
	bool newest; /* a client that had none waiting is next */
	struct lane *ring; /* the lane that was served last; its next comes next */
};

struct fair_queue *fair_queue_new(unsigned active, bool newest)
{
	struct fair_queue *t = mem_alloc(sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	t->limit = active;
	t->each = (active + 1) / 2;
	t->newest = newest;
	return t;
}

void fair_queue_free(struct fair_queue **t)
{
	if (!*t)
		return;
	pthread_mutex_destroy(&(*t)->lock);
	free(*t);
	*t = NULL;
}

static struct lane *lane_of(struct fair_queue *t, const void *client)
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
	lane->end = &lane->first;
	lane->next = t->ring ? t->ring->next : lane;
	if (t->ring)
		t->ring->next = lane;
	if (!t->ring || !t->newest)
		t->ring = lane; /* behind all others */
	return lane;
}

static void wait_behind(struct fair_queue *t, struct fair_turn *turn, int64_t now_ms)
{
	turn->next = NULL;
	turn->since_ms = now_ms;
	*turn->lane->end = turn;
	turn->lane->end = &turn->next;
	t->waiting++;
}

/* Take a turn or wait. No request waits that could go, so any that finds room may have it. */
bool fair_queue_enter(struct fair_queue *t, struct fair_turn *turn,
	const struct fair_client *client, int64_t now_ms, void (*before)(struct fair_turn *turn))
{
	bool go;

	LOCK_SCOPE(&t->lock);
	turn->lane = lane_of(t, client->id);
	turn->lane->last = client->last;
	go = t->active < t->limit && turn->lane->active < t->each;
	if (go) {
		t->active++;
		turn->lane->active++;
	} else {
		before(turn);
		wait_behind(t, turn, now_ms);
	}
	return go;
}

/* Take the first request of a lane, and count its turn. */
static struct fair_turn *take_from(struct fair_queue *t, struct lane *lane)
{
	struct fair_turn *turn = lane->first;

	lane->first = turn->next;
	if (!lane->first)
		lane->end = &lane->first;
	t->ring = lane;
	t->waiting--;
	t->active++;
	lane->active++;
	return turn;
}

static struct lane *find_among(struct fair_queue *t, bool last)
{
	struct lane *lane = t->ring;

	do {
		lane = lane->next;
		if (lane->first && lane->active < t->each && lane->last == last)
			return lane;
	} while (lane != t->ring);
	return NULL;
}

/* Find the lane whose turn it is, or NULL. */
static struct lane *find_next(struct fair_queue *t)
{
	struct lane *lane;

	if (!t->ring || t->active >= t->limit)
		return NULL;
	lane = find_among(t, false);
	return lane ? lane : find_among(t, true);
}

static void forget_idle(struct fair_queue *t, struct lane *lane)
{
	struct lane *before = t->ring;

	if (lane->active > 0 || lane->first)
		return;
	while (before->next != lane)
		before = before->next;
	before->next = lane->next;
	if (t->ring == lane)
		t->ring = before == lane ? NULL : before;
	free(lane);
}

/* The request whose turn it is now, or NULL. */
static struct fair_turn *leave(struct fair_queue *t, struct fair_turn *gone)
{
	struct fair_turn *turn = NULL;
	struct lane *next;

	LOCK_SCOPE(&t->lock);
	t->active--;
	gone->lane->active--;
	next = find_next(t);
	if (next)
		turn = take_from(t, next);
	forget_idle(t, gone->lane);
	return turn;
}

void fair_queue_leave(struct fair_queue *t, struct fair_turn *gone)
{
	struct fair_turn *turn = leave(t, gone);

	if (turn)
		turn->go(turn);
}

/* Take a request that has waited since before that time and may go without a turn, or NULL. */
static struct fair_turn *take_old(struct fair_queue *t, int64_t before_ms)
{
	struct lane *lane;

	LOCK_SCOPE(&t->lock);
	lane = t->ring;
	if (!lane)
		return NULL;
	do {
		lane = lane->next;
		if (lane->first && lane->first->since_ms < before_ms &&
			(!lane->last || before_ms == INT64_MAX))
			return take_from(t, lane);
	} while (lane != t->ring);
	return NULL;
}

void fair_queue_expire(struct fair_queue *t, int64_t before_ms)
{
	struct fair_turn *turn;

	while ((turn = take_old(t, before_ms)))
		turn->go(turn);
}

void fair_queue_count(struct fair_queue *t, unsigned *active, unsigned *waiting)
{
	LOCK_SCOPE(&t->lock);
	*active = t->active;
	*waiting = t->waiting;
}
