/*
 * Mutexes held to the end of a scope, as everything else is owned:
 *
 *	LOCK_SCOPE(&queue->lock);	one a scope, behind its declarations
 *
 * Waiting on a condition inside the scope is fine. Who may take which lock while holding another:
 * HACKING.md, "Locks".
 */
#ifndef MOAT_LOCK_H
#define MOAT_LOCK_H

#include <pthread.h>

#include "storage/base/cleanup.h"

static inline pthread_mutex_t *lock_take(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

static inline void lock_drop(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#define LOCK_SCOPE(mutex) AUTO(lock_drop) pthread_mutex_t *locked_ = lock_take(mutex)

#endif
