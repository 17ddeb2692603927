/* Count connections by client. Local peers on Unix sockets are one client. */
#include "registry/ops/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

/* Clients without a connection that are remembered because their last password was wrong, so that a new
 * connection is no new start; the oldest is forgotten first. */
#define REMEMBERED_MAX 4096

#define KEY_SIZE 16

struct client {
	unsigned char key[KEY_SIZE];
	unsigned count; /* connections */
	_Atomic(bool) suspect;
	TAILQ_ENTRY(client) remembered; /* when count is 0 */
};

struct clients {
	pthread_mutex_t lock;
	unsigned total, total_max, each_max;
	void *tree; /* tsearch(3), by key */
	TAILQ_HEAD(client_queue, client) remembered; /* the oldest first */
	unsigned remembered_count;
};

struct clients *clients_new(unsigned total, unsigned each)
{
	struct clients *c = mem_alloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->total_max = total;
	c->each_max = each;
	TAILQ_INIT(&c->remembered);
	return c;
}

void clients_free(struct clients **c)
{
	if (!*c)
		return;
	tdestroy((*c)->tree, free);
	pthread_mutex_destroy(&(*c)->lock);
	free(*c);
	*c = NULL;
}

/* The key of a client: an IPv4 address, or of IPv6 the network of 64 bits, which is what one machine is given
 * (RFC 7421). */
static void key_of(const struct address *a, unsigned char key[KEY_SIZE])
{
	const struct in6_addr *six = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;

	memset(key, 0, KEY_SIZE);
	if (a->sa.ss_family == AF_INET)
		memcpy(key + 8, &((const struct sockaddr_in *)&a->sa)->sin_addr, 4);
	else if (a->sa.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
		memcpy(key + 8, six->s6_addr + 12, 4);
	else if (a->sa.ss_family == AF_INET6)
		memcpy(key, six->s6_addr, 8);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct client *)a)->key, ((const struct client *)b)->key, KEY_SIZE);
}

static void forget(struct clients *c, struct client *gone)
{
	tdelete(gone, &c->tree, by_key);
	free(gone);
}

static struct client *add(struct clients *c, const struct client *key)
{
	struct client *client = mem_alloc(sizeof(*client));

	memcpy(client->key, key->key, KEY_SIZE);
	if (!tsearch(client, &c->tree, by_key))
		BUG("out of memory");
	return client;
}

static void recall(struct clients *c, struct client *client)
{
	if (client->count > 0)
		return;
	TAILQ_REMOVE(&c->remembered, client, remembered);
	c->remembered_count--;
}

static enum clients_answer enter(
	struct clients *c, const struct client *key, struct client **client)
{
	struct client *const *found = tfind(key, &c->tree, by_key);

	if (found && (*found)->count >= c->each_max)
		return CLIENT_TOO_MANY;
	if (c->total >= c->total_max)
		return CLIENTS_FULL;
	if (found)
		recall(c, *found);
	*client = found ? *found : add(c, key);
	(*client)->count++;
	c->total++;
	return CLIENT_OK;
}

enum clients_answer clients_enter(
	struct clients *c, const struct address *a, struct client **client)
{
	struct client key;
	enum clients_answer answer;

	key_of(a, key.key);
	LOCK_SCOPE(&c->lock);
	answer = enter(c, &key, client);
	return answer;
}

static void remember(struct clients *c, struct client *client)
{
	TAILQ_INSERT_TAIL(&c->remembered, client, remembered);
	if (++c->remembered_count <= REMEMBERED_MAX)
		return;
	client = TAILQ_FIRST(&c->remembered);
	recall(c, client);
	forget(c, client);
}

void clients_leave(struct clients *c, struct client **client)
{
	struct client *gone = STEAL(*client);

	if (!gone)
		return;
	LOCK_SCOPE(&c->lock);
	c->total--;
	if (--gone->count == 0 && gone->suspect)
		remember(c, gone);
	else if (gone->count == 0)
		forget(c, gone);
}

void client_judge(struct client *client, bool suspect)
{
	client->suspect = suspect;
}

bool client_is_suspect(const struct client *client)
{
	return client->suspect;
}

unsigned clients_count(struct clients *c)
{
	unsigned count;

	LOCK_SCOPE(&c->lock);
	count = c->total;
	return count;
}
