/* Connections by address. Local peers on Unix sockets count as one address. */
#include "registry/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define BUCKETS 256

struct client {
	struct client *next;
	unsigned count;
	unsigned char key[16];
};

struct clients {
	pthread_mutex_t lock;
	unsigned total, total_max, each_max;
	struct client *buckets[BUCKETS];
};

struct clients *clients_new(unsigned total, unsigned each)
{
	struct clients *c = mem_alloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->total_max = total;
	c->each_max = each;
	return c;
}

void clients_free(struct clients **c)
{
	if (!*c)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while ((*c)->buckets[i]) {
			struct client *next = (*c)->buckets[i]->next;

			free((*c)->buckets[i]);
			(*c)->buckets[i] = next;
		}
	pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

static void key_of(const struct address *a, unsigned char key[16])
{
	memset(key, 0, 16);
	if (a->sa.ss_family == AF_INET)
		memcpy(key, &((const struct sockaddr_in *)&a->sa)->sin_addr, 4);
	else if (a->sa.ss_family == AF_INET6)
		memcpy(key, &((const struct sockaddr_in6 *)&a->sa)->sin6_addr, 16);
}

static struct client **slot_of(struct clients *c, const unsigned char key[16])
{
	unsigned h = 0;
	struct client **at;

	for (int i = 0; i < 16; i++)
		h = h * 31 + key[i];
	at = &c->buckets[h % BUCKETS];
	while (*at && memcmp((*at)->key, key, 16) != 0)
		at = &(*at)->next;
	return at;
}

static enum clients_answer enter(
	struct clients *c, const unsigned char key[16], struct client **client)
{
	struct client **at = slot_of(c, key);

	if (*at && (*at)->count >= c->each_max)
		return CLIENT_TOO_MANY;
	if (c->total >= c->total_max)
		return CLIENTS_FULL;
	if (!*at) {
		*at = mem_alloc(sizeof(**at));
		memcpy((*at)->key, key, 16);
	}
	(*at)->count++;
	c->total++;
	*client = *at;
	return CLIENT_OK;
}

enum clients_answer clients_enter(
	struct clients *c, const struct address *a, struct client **client)
{
	unsigned char key[16];
	enum clients_answer answer;

	key_of(a, key);
	pthread_mutex_lock(&c->lock);
	answer = enter(c, key, client);
	pthread_mutex_unlock(&c->lock);
	return answer;
}

void clients_leave(struct clients *c, struct client **client)
{
	struct client *gone = STEAL(*client), **at;

	if (!gone)
		return;
	pthread_mutex_lock(&c->lock);
	c->total--;
	if (--gone->count == 0) {
		at = slot_of(c, gone->key);
		*at = gone->next;
		free(gone);
	}
	pthread_mutex_unlock(&c->lock);
}

unsigned clients_count(struct clients *c)
{
	unsigned count;

	pthread_mutex_lock(&c->lock);
	count = c->total;
	pthread_mutex_unlock(&c->lock);
	return count;
}
