/*
 * A fair queue: for large bodies to be sent, and for passwords to be checked. At most so many requests have a
 * turn at once, so that each is fast, and the first nodes of a storm are finished and can serve others while
 * the rest waits. Turns go client by client, and to the requests of each in their order. No client has more
 * than half of them, and a body that makes no progress gives its turn up (http/conn.c). No request is
 * refused: clients of registries take a 429 for a failure.
 *
 * Safe from any thread.
 */
#ifndef MOAT_FAIR_QUEUE_H
#define MOAT_FAIR_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct fair_queue;
struct lane;

struct fair_turn {
	struct lane *lane; /* of its client */
	struct fair_turn *next; /* of the client's */
	void (*go)(struct fair_turn *t); /* its turn has come; called once, from any thread */
	int64_t since_ms;
};

/* active: turns at once, at least 1. newest: a client that had none waiting is next, else it comes behind all
 * others. With it, a client that comes during an attack does not wait for all that came before. */
struct fair_queue *fair_queue_new(unsigned active, bool newest);
void fair_queue_free(struct fair_queue **t); /* for AUTO; none may wait */

struct fair_client {
	const void *id; /* any address that tells clients apart */
	bool last; /* its requests come behind those of all others, however long they wait */
};

/* Ask for a turn. True: go on at once. False: go() is called later; before() is called first in that case,
 * under the lock, so that go() cannot come too early. */
bool fair_queue_enter(struct fair_queue *t, struct fair_turn *turn,
	const struct fair_client *client, int64_t now_ms, void (*before)(struct fair_turn *turn));
/* End a turn, or give it up. May call go() of the next one. */
void fair_queue_leave(struct fair_queue *t, struct fair_turn *turn);

/* Let go what has waited since before that time, whatever the limit says, but for requests that come last;
 * INT64_MAX: all. Milliseconds of the clock of fair_queue_enter(). */
void fair_queue_expire(struct fair_queue *t, int64_t before_ms);

/* How many have a turn, and how many wait. */
void fair_queue_count(struct fair_queue *t, unsigned *active, unsigned *waiting);

#endif
