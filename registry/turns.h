/*
 * Whose turn it is to be sent a large body. At most so many are sent at once, so that each is fast
 * and the first nodes of a storm are finished, and can serve others, while the rest still waits;
 * whoever waits is taken client by client in turn, and each client's requests in their order. No client
 * has more than half of the turns: one that reads slowly must not keep all others out. Nobody is
 * refused: clients of registries take a 429 for a failure.
 *
 * Safe from any thread.
 */
#ifndef MOAT_TURNS_H
#define MOAT_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct turns;
struct lane;

struct turn {
	struct lane *lane; /* of its client */
	struct turn *next; /* of the client's */
	void (*go)(struct turn *t); /* its turn came; from any thread, once */
	int64_t since_ms;
};

struct turns *turns_new(unsigned active); /* at least 1 */
void turns_free(struct turns **t); /* nobody may wait */

/* True: go on at once. False: go() is called later. client: any address that tells clients apart.
 * before() runs first in that case, so that go() can not come too early. */
bool turns_enter(struct turns *t, struct turn *turn, const void *client, int64_t now_ms,
	void (*before)(struct turn *turn));
/* A body that had its turn is over. */
void turns_leave(struct turns *t, struct turn *turn);

/* Let go whoever has waited since before that time, whatever the limit says; INT64_MAX: everybody. */
void turns_expire(struct turns *t, int64_t before_ms);

void turns_count(struct turns *t, unsigned *active, unsigned *waiting);

#endif
