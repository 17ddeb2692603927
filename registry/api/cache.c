/*
 * The cache: shards of four-way sets, each shard under a lock of its own, evicted by a clock hand. Must never
 * block on I/O, and never hold a lock while content is released.
 */
#include "registry/api/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define SHARDS 16
#define SETS 64
#define WAYS 4
#define SLOTS (SETS * WAYS)
#define OVERHEAD 1024 /* bytes an entry costs beside its content: response, URI, malloc */

struct slot {
	uint64_t hash, epoch;
	struct content *content; /* NULL: free */
	char *uri;
	size_t uri_len;
	bool used; /* since the clock hand passed */
};

struct shard {
	pthread_mutex_t lock;
	struct slot *slots; /* SLOTS */
	unsigned hand;
	uint64_t bytes;
	unsigned files;
	uint64_t hits, puts; /* so far */
};

struct cache {
	_Atomic uint64_t epoch;
	uint64_t bytes_max; /* a shard's */
	unsigned files_max;
	struct shard shards[SHARDS];
};

/* Hash a URI: FNV-1a over words. A collision costs a comparison only. */
static uint64_t hash_of(struct span s)
{
	uint64_t h = 0xcbf29ce484222325u ^ s.len, word;
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		memcpy(&word, s.data + i, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; i < s.len; i++)
		h = (h ^ (unsigned char)s.data[i]) * 0x100000001b3u;
	h ^= h >> 32;
	return h;
}

struct cache *cache_new(uint64_t bytes, unsigned files)
{
	struct cache *c = mem_alloc(sizeof(*c));

	atomic_init(&c->epoch, 1);
	c->bytes_max = bytes / SHARDS;
	c->files_max = files / SHARDS;
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&c->shards[i].lock, NULL);
		c->shards[i].slots = mem_alloc(SLOTS * sizeof(struct slot));
	}
	return c;
}

uint64_t cache_epoch(const struct cache *c)
{
	return atomic_load_explicit(&c->epoch, memory_order_acquire);
}

void cache_changed(struct cache *c)
{
	atomic_fetch_add_explicit(&c->epoch, 1, memory_order_acq_rel);
}

static uint64_t cost(const struct slot *s)
{
	return OVERHEAD + s->uri_len + (s->content->kind == CONTENT_BYTES ? s->content->size : 0);
}

/* Empty a slot. The caller releases its content outside of the lock. */
static struct content *take_out(struct shard *shard, struct slot *s)
{
	struct content *content = s->content;

	if (!content)
		return NULL;
	shard->bytes -= cost(s);
	shard->files -= content->kind == CONTENT_FILE;
	free(s->uri);
	*s = (struct slot){ .content = NULL };
	return content;
}

static bool same(const struct slot *s, uint64_t hash, struct span uri)
{
	return s->content && s->hash == hash && s->uri_len == uri.len &&
	       memcmp(s->uri, uri.data, uri.len) == 0;
}

static struct slot *set_of(struct shard *shard, uint64_t hash)
{
	return shard->slots + (hash / SHARDS) % SETS * WAYS;
}

struct content *cache_get(struct cache *c, struct span uri, bool *fresh)
{
	uint64_t hash = hash_of(uri);
	struct shard *shard = &c->shards[hash % SHARDS];
	struct slot *set = set_of(shard, hash);
	struct content *found = NULL;

	LOCK_SCOPE(&shard->lock);
	for (unsigned i = 0; i < WAYS && !found; i++) {
		if (!same(&set[i], hash, uri))
			continue;
		set[i].used = true;
		*fresh = set[i].epoch == cache_epoch(c);
		shard->hits += *fresh;
		found = content_ref(set[i].content);
	}
	return found;
}

/* Choose the slot to (re)use: the one with the same URI, a free one, one not used lately. */
static struct slot *choose(struct slot *set, uint64_t hash, struct span uri)
{
	struct slot *choice = &set[hash / (SHARDS * SETS) % WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (same(&set[i], hash, uri))
			return &set[i];
	for (unsigned i = 0; i < WAYS; i++)
		if (!set[i].content)
			return &set[i];
	for (unsigned i = 0; i < WAYS; i++)
		if (!set[i].used)
			choice = &set[i];
	return choice;
}

static bool over(const struct cache *c, const struct shard *shard)
{
	return shard->bytes > c->bytes_max || shard->files > c->files_max;
}

/* Move the clock hand one step, over slots other than `spared`; the content that had to go, or NULL. */
static struct content *step(struct shard *shard, const struct slot *spared)
{
	struct slot *s = &shard->slots[shard->hand++ % SLOTS];

	if (s == spared || !s->content)
		return NULL;
	if (s->used) {
		s->used = false;
		return NULL;
	}
	return take_out(shard, s);
}

/* Put content into a slot. Returns how many others had to make room: in old[], for the caller to release. */
static unsigned put(struct cache *c, struct span uri, uint64_t epoch, struct content *content,
	struct content *old[3 * SLOTS])
{
	uint64_t hash = hash_of(uri);
	struct shard *shard = &c->shards[hash % SHARDS];
	unsigned count = 0, steps = 0;
	struct slot *s;

	LOCK_SCOPE(&shard->lock);
	s = choose(set_of(shard, hash), hash, uri);
	shard->puts++;
	old[count++] = take_out(shard, s);
	*s = (struct slot){ hash, epoch, content_ref(content), mem_strndup(uri.data, uri.len),
		uri.len, false };
	shard->bytes += cost(s);
	shard->files += content->kind == CONTENT_FILE;
	while (over(c, shard) && steps++ < 2 * SLOTS)
		old[count++] = step(shard, s);
	if (over(c, shard))
		old[count++] = take_out(shard, s);
	return count;
}

static void release(struct content *old[], unsigned count)
{
	while (count > 0)
		content_unref(&old[--count]);
}

void cache_put(struct cache *c, struct span uri, uint64_t epoch, struct content *content)
{
	struct content *old[3 * SLOTS];

	release(old, put(c, uri, epoch, content, old));
}

static unsigned take_stale(struct shard *shard, uint64_t epoch, struct content *old[SLOTS])
{
	unsigned count = 0;

	LOCK_SCOPE(&shard->lock);
	for (unsigned i = 0; i < SLOTS; i++)
		if (shard->slots[i].content && shard->slots[i].epoch != epoch)
			old[count++] = take_out(shard, &shard->slots[i]);
	return count;
}

void cache_sweep(struct cache *c)
{
	struct content *old[SLOTS];

	for (unsigned i = 0; i < SHARDS; i++)
		release(old, take_stale(&c->shards[i], cache_epoch(c), old));
}

void cache_counts(struct cache *c, uint64_t *hits, uint64_t *puts)
{
	*hits = *puts = 0;
	for (unsigned i = 0; i < SHARDS; i++) {
		LOCK_SCOPE(&c->shards[i].lock);
		*hits += c->shards[i].hits;
		*puts += c->shards[i].puts;
	}
}

void cache_free(struct cache **c)
{
	if (!*c)
		return;
	cache_changed(*c);
	cache_sweep(*c);
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&(*c)->shards[i].lock);
		free((*c)->shards[i].slots);
	}
	free(*c);
	*c = NULL;
}
