/* Sessions in a hash table. Must never tell a session that is somebody else's from none. */
#include "registry/push/uploads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "storage/base/banned.h"

#define BUCKETS 256
#define REMEMBERED_MS (10 * 60 * 1000)

/* A finished session. */
struct ended {
	char id[SESSION_ID_SIZE];
	char repo[NAME_MAX_BYTES + 1];
	char who[UPLOAD_WHO_MAX + 1];
	struct digest digest;
	int64_t when_ms;
};

struct uploads {
	pthread_mutex_t lock;
	struct uploads_limits limits;
	unsigned open;
	struct upload *buckets[BUCKETS];
	unsigned ends; /* so far; the last ones are in the ring */
	struct ended ring[UPLOADS_ENDED_MAX];
};

struct uploads *uploads_new(const struct uploads_limits *limits)
{
	struct uploads *u = mem_alloc(sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	u->limits = *limits;
	return u;
}

static void upload_free(struct upload *up)
{
	blob_abort(&up->writer);
	free(up);
}

void uploads_free_list(struct upload *list)
{
	while (list) {
		struct upload *next = list->next;

		upload_free(list);
		list = next;
	}
}

struct letting_go {
	struct job job;
	struct upload *list;
};

static void let_go(struct job *j)
{
	struct letting_go *l = (struct letting_go *)(void *)j;

	uploads_free_list(l->list);
	free(l);
}

void uploads_free_later(struct upload *list, struct jobs *jobs)
{
	struct letting_go *l = mem_alloc(sizeof(*l));

	l->job.run = let_go;
	l->list = list;
	jobs_add(jobs, &l->job);
}

void uploads_free(struct uploads **out)
{
	struct uploads *u = STEAL(*out);

	if (!u)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		uploads_free_list(u->buckets[i]);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* Ids are random: two of their digits spread them. */
static struct upload **bucket_of(struct uploads *u, const char *id)
{
	unsigned a = (unsigned)(id[0] % 32), b = (unsigned)(id[1] % 32);

	return &u->buckets[(a * 16 + b) % BUCKETS];
}

/* In a time that does not depend on how much of the id is right. */
static bool same_id(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i + 1 < SESSION_ID_SIZE; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

static struct upload *find(struct uploads *u, const char *id)
{
	for (struct upload *up = *bucket_of(u, id); up; up = up->next)
		if (same_id(up->id, id))
			return up;
	return NULL;
}

static unsigned count_of(const struct uploads *u, const char *who)
{
	unsigned count = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct upload *up = u->buckets[i]; up; up = up->next)
			count += strcmp(up->who, who) == 0;
	return count;
}

static void new_id(char id[SESSION_ID_SIZE])
{
	unsigned char bits[16];

	if (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
		BUG("no random bits");
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(id + 2 * i, 3, "%02x", bits[i]);
}

/* Out of the table; the lock is held. */
static void unlink_upload(struct uploads *u, struct upload *gone)
{
	struct upload **link;

	for (link = bucket_of(u, gone->id); *link != gone; link = &(*link)->next)
		;
	*link = gone->next;
	gone->next = NULL;
	u->open--;
}

/* The one that has been idle longest, of `who` or (NULL) of all; NULL when none has been so for long. */
static struct upload *idlest(struct uploads *u, const char *who, int64_t now_ms)
{
	struct upload *oldest = NULL;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct upload *up = u->buckets[i]; up; up = up->next)
			if (!up->taken && now_ms - up->touched_ms >= UPLOADS_ROOM_MS &&
				(!who || strcmp(up->who, who) == 0) &&
				(!oldest || up->touched_ms < oldest->touched_ms))
				oldest = up;
	return oldest;
}

/* Is there room for one more of `who`? The lock is held. */
static bool make_room(struct uploads *u, const char *who, int64_t now_ms, struct upload **gone)
{
	bool total = u->open >= u->limits.total, each = count_of(u, who) >= u->limits.each;

	*gone = NULL;
	if (!total && !each)
		return true;
	*gone = idlest(u, each ? who : NULL, now_ms);
	if (*gone)
		unlink_upload(u, *gone);
	return *gone != NULL;
}

enum uploads_answer uploads_begin(struct uploads *u, const char *repo, const char *who,
	enum digest_alg alg, int64_t now_ms, struct upload **out, struct upload **gone)
{
	struct upload *up = mem_alloc(sizeof(*up)), **bucket;
	bool room;

	new_id(up->id);
	snprintf(up->repo, sizeof(up->repo), "%s", repo);
	snprintf(up->who, sizeof(up->who), "%s", who);
	up->alg = alg;
	up->taken = true;
	up->touched_ms = now_ms;
	pthread_mutex_lock(&u->lock);
	room = make_room(u, who, now_ms, gone);
	if (room) {
		bucket = bucket_of(u, up->id);
		up->next = *bucket;
		*bucket = up;
		u->open++;
	}
	pthread_mutex_unlock(&u->lock);
	if (room)
		*out = up;
	else
		free(up);
	return room ? UPLOADS_OK : UPLOADS_FULL;
}

static bool is_over(const struct uploads *u, const struct upload *up, int64_t now_ms)
{
	return !up->taken && now_ms - up->touched_ms > (int64_t)u->limits.expiry_seconds * 1000;
}

static enum uploads_answer find_ended(const struct uploads *u, const char *id, const char *repo,
	const char *who, int64_t now_ms, struct digest *digest)
{
	for (unsigned i = 0; i < UPLOADS_ENDED_MAX && i < u->ends; i++) {
		const struct ended *end = &u->ring[i];

		if (!same_id(end->id, id) || strcmp(end->repo, repo) != 0 ||
			strcmp(end->who, who) != 0 || now_ms - end->when_ms > REMEMBERED_MS)
			continue;
		*digest = end->digest;
		return UPLOADS_ENDED;
	}
	return UPLOADS_UNKNOWN;
}

static enum uploads_answer take(struct uploads *u, const char *id, const char *repo,
	const char *who, int64_t now_ms, struct upload **out, struct digest *digest)
{
	struct upload *up = find(u, id);

	if (!up)
		return find_ended(u, id, repo, who, now_ms, digest);
	if (strcmp(up->repo, repo) != 0 || strcmp(up->who, who) != 0 || is_over(u, up, now_ms))
		return UPLOADS_UNKNOWN;
	if (up->taken)
		return UPLOADS_TAKEN;
	up->taken = true;
	*out = up;
	return UPLOADS_OK;
}

enum uploads_answer uploads_take(struct uploads *u, const char *id, const char *repo,
	const char *who, int64_t now_ms, struct upload **out, struct digest *digest)
{
	enum uploads_answer answer;

	if (!*id)
		return UPLOADS_UNKNOWN;
	pthread_mutex_lock(&u->lock);
	answer = take(u, id, repo, who, now_ms, out, digest);
	pthread_mutex_unlock(&u->lock);
	return answer;
}

void uploads_give(struct uploads *u, struct upload **up, int64_t now_ms)
{
	struct upload *given = STEAL(*up);

	pthread_mutex_lock(&u->lock);
	given->touched_ms = now_ms;
	given->taken = false;
	given->staged = given->offset;
	pthread_mutex_unlock(&u->lock);
}

void uploads_end(struct uploads *u, struct upload **up, const struct digest *d, int64_t now_ms)
{
	struct upload *gone = STEAL(*up);
	struct ended *end;

	pthread_mutex_lock(&u->lock);
	unlink_upload(u, gone);
	end = &u->ring[u->ends++ % UPLOADS_ENDED_MAX];
	memcpy(end->id, gone->id, sizeof(end->id));
	memcpy(end->repo, gone->repo, sizeof(end->repo));
	memcpy(end->who, gone->who, sizeof(end->who));
	end->digest = *d;
	end->when_ms = now_ms;
	pthread_mutex_unlock(&u->lock);
	upload_free(gone);
}

void uploads_drop(struct uploads *u, struct upload **up)
{
	struct upload *gone = STEAL(*up);

	pthread_mutex_lock(&u->lock);
	unlink_upload(u, gone);
	pthread_mutex_unlock(&u->lock);
	upload_free(gone);
}

struct upload *uploads_expire(struct uploads *u, int64_t now_ms)
{
	struct upload *list = NULL;

	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct upload **link = &u->buckets[i]; *link;) {
			struct upload *up = *link;

			if (!is_over(u, up, now_ms)) {
				link = &up->next;
				continue;
			}
			*link = up->next;
			up->next = list;
			list = up;
			u->open--;
		}
	pthread_mutex_unlock(&u->lock);
	return list;
}

unsigned uploads_open(struct uploads *u)
{
	unsigned open;

	pthread_mutex_lock(&u->lock);
	open = u->open;
	pthread_mutex_unlock(&u->lock);
	return open;
}

uint64_t uploads_staged(struct uploads *u)
{
	uint64_t staged = 0;

	pthread_mutex_lock(&u->lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct upload *up = u->buckets[i]; up; up = up->next)
			staged += up->staged;
	pthread_mutex_unlock(&u->lock);
	return staged;
}
