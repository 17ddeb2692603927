/* Sessions in a hash table. Must never tell another user's session from none. */
#include "registry/push/uploads.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define BUCKETS 256
#define REMEMBERED_MS (10 * 60 * 1000)

LIST_HEAD(upload_list, upload);

/* A finished session. */
struct ended {
	char id[SESSION_ID_SIZE];
	char repo[NAME_MAX_BYTES + 1];
	char user[UPLOAD_USER_MAX + 1];
	struct digest digest;
	int64_t when_ms;
};

struct uploads {
	struct uploads_limits limits;
	struct jobs *jobs;
	pthread_mutex_t lock; /* of all below */
	unsigned open;
	struct upload_list buckets[BUCKETS];
	unsigned ends; /* so far; the last ones are in the ring */
	struct ended ring[UPLOADS_ENDED_MAX];
};

struct uploads *uploads_new(const struct uploads_limits *limits, struct jobs *jobs)
{
	struct uploads *u = mem_alloc(sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	u->limits = *limits;
	u->jobs = jobs;
	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_INIT(&u->buckets[i]);
	return u;
}

static void upload_free(struct upload *up)
{
	blob_abort(&up->writer);
	free(up);
}

void uploads_free(struct uploads **out)
{
	struct uploads *u = STEAL(*out);
	struct upload *up;

	if (!u)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while ((up = LIST_FIRST(&u->buckets[i]))) {
			LIST_REMOVE(up, entry);
			upload_free(up);
		}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* --- leaving the table ----------------------------------------------------------------------- */

static void run_release(struct job *j)
{
	upload_free(CONTAINER_OF(j, struct upload, release));
}

/* Have a worker release what left the table. */
static void release_later(struct uploads *u, struct upload_list *gone)
{
	struct upload *up;

	while ((up = LIST_FIRST(gone))) {
		LIST_REMOVE(up, entry);
		up->release.run = run_release;
		jobs_add(u->jobs, &up->release);
	}
}

/* The lock is held. */
static void unlink_upload(struct uploads *u, struct upload *gone)
{
	LIST_REMOVE(gone, entry);
	u->open--;
}

/* The lock is held. */
static void move_out(struct uploads *u, struct upload *up, struct upload_list *gone)
{
	unlink_upload(u, up);
	LIST_INSERT_HEAD(gone, up, entry);
}

/* --- looking up ------------------------------------------------------------------------------ */

/* Ids are random: two of their digits spread them. */
static struct upload_list *bucket_of(struct uploads *u, const char *id)
{
	unsigned a = (unsigned)(id[0] % 32), b = (unsigned)(id[1] % 32);

	return &u->buckets[(a * 16 + b) % BUCKETS];
}

/* Compare in a time that does not depend on how much of the id is right. */
static bool same_id(const char *a, const char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i + 1 < SESSION_ID_SIZE; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

static struct upload *find(struct uploads *u, const char *id)
{
	struct upload *up;

	LIST_FOREACH(up, bucket_of(u, id), entry)
		if (same_id(up->id, id))
			return up;
	return NULL;
}

static unsigned count_of(const struct uploads *u, const char *user)
{
	const struct upload *up;
	unsigned count = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_FOREACH(up, &u->buckets[i], entry)
			count += strcmp(up->user, user) == 0;
	return count;
}

static bool is_expired(const struct uploads *u, const struct upload *up, int64_t now_ms)
{
	return !up->taken && now_ms - up->touched_ms > (int64_t)u->limits.expiry_seconds * 1000;
}

/* --- beginning ------------------------------------------------------------------------------- */

static void new_id(char id[SESSION_ID_SIZE])
{
	unsigned char bits[16];

	if (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
		BUG("no random bits");
	for (size_t i = 0; i < sizeof(bits); i++)
		snprintf(id + 2 * i, 3, "%02x", bits[i]);
}

static bool may_evict(const struct upload *up, const char *user, int64_t now_ms)
{
	return !up->taken && now_ms - up->touched_ms >= UPLOADS_EVICT_MS &&
	       (!user || strcmp(up->user, user) == 0);
}

/* The session that has been idle longest, of `user` or (NULL) of all; NULL when none may be evicted. */
static struct upload *idlest(struct uploads *u, const char *user, int64_t now_ms)
{
	struct upload *oldest = NULL, *up;

	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_FOREACH(up, &u->buckets[i], entry)
			if (may_evict(up, user, now_ms) &&
				(!oldest || up->touched_ms < oldest->touched_ms))
				oldest = up;
	return oldest;
}

/* Is there room for one more session of `user`, if need be by evicting one? The lock is held. */
static bool make_room(
	struct uploads *u, const char *user, int64_t now_ms, struct upload_list *evicted)
{
	bool total = u->open >= u->limits.total, each = count_of(u, user) >= u->limits.each;
	struct upload *oldest;

	if (!total && !each)
		return true;
	oldest = idlest(u, each ? user : NULL, now_ms);
	if (oldest)
		move_out(u, oldest, evicted);
	return oldest != NULL;
}

static bool add(struct uploads *u, struct upload *up, struct upload_list *evicted)
{
	LOCK_SCOPE(&u->lock);
	if (!make_room(u, up->user, up->touched_ms, evicted))
		return false;
	LIST_INSERT_HEAD(bucket_of(u, up->id), up, entry);
	u->open++;
	return true;
}

enum uploads_answer uploads_begin(struct uploads *u, const char *repo, const char *user,
	enum digest_alg alg, int64_t now_ms, struct upload **out)
{
	struct upload_list evicted = LIST_HEAD_INITIALIZER(evicted);
	struct upload *up = mem_alloc(sizeof(*up));

	new_id(up->id);
	snprintf(up->repo, sizeof(up->repo), "%s", repo);
	snprintf(up->user, sizeof(up->user), "%s", user);
	up->alg = alg;
	up->taken = true;
	up->touched_ms = now_ms;
	if (!add(u, up, &evicted)) {
		free(up);
		return UPLOADS_FULL;
	}
	release_later(u, &evicted);
	*out = up;
	return UPLOADS_OK;
}

/* --- from request to request ----------------------------------------------------------------- */

/* Find an open session that the caller may use; the lock is held. */
static enum uploads_answer find_idle(struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, struct upload **out)
{
	struct upload *up = find(u, id);

	if (!up || strcmp(up->repo, repo) != 0 || strcmp(up->user, user) != 0 ||
		is_expired(u, up, now_ms))
		return UPLOADS_UNKNOWN;
	*out = up;
	return up->taken ? UPLOADS_TAKEN : UPLOADS_OK;
}

static enum uploads_answer find_ended(const struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, struct digest *digest)
{
	for (unsigned i = 0; i < UPLOADS_ENDED_MAX && i < u->ends; i++) {
		const struct ended *end = &u->ring[i];

		if (!same_id(end->id, id) || strcmp(end->repo, repo) != 0 ||
			strcmp(end->user, user) != 0 || now_ms - end->when_ms > REMEMBERED_MS)
			continue;
		*digest = end->digest;
		return UPLOADS_ENDED;
	}
	return UPLOADS_UNKNOWN;
}

enum uploads_answer uploads_take(struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, struct upload **out, struct digest *digest)
{
	enum uploads_answer answer;
	struct upload *up = NULL;

	if (!*id)
		return UPLOADS_UNKNOWN;
	LOCK_SCOPE(&u->lock);
	answer = find_idle(u, id, repo, user, now_ms, &up);
	if (answer == UPLOADS_UNKNOWN)
		return find_ended(u, id, repo, user, now_ms, digest);
	if (answer == UPLOADS_OK) {
		up->taken = true;
		*out = up;
	}
	return answer;
}

enum uploads_answer uploads_read(struct uploads *u, const char *id, const char *repo,
	const char *user, int64_t now_ms, uint64_t *offset)
{
	enum uploads_answer answer;
	struct upload *up = NULL;

	if (!*id)
		return UPLOADS_UNKNOWN;
	LOCK_SCOPE(&u->lock);
	answer = find_idle(u, id, repo, user, now_ms, &up);
	if (answer == UPLOADS_OK) {
		up->touched_ms = now_ms;
		*offset = up->staged;
	}
	return answer;
}

void uploads_give(struct uploads *u, struct upload **up, int64_t now_ms)
{
	struct upload *given = STEAL(*up);

	LOCK_SCOPE(&u->lock);
	given->touched_ms = now_ms;
	given->taken = false;
	given->staged = given->offset;
}

/* --- ending ---------------------------------------------------------------------------------- */

static void remember(struct uploads *u, struct upload *up, const struct digest *d, int64_t now_ms)
{
	struct ended *end;

	LOCK_SCOPE(&u->lock);
	unlink_upload(u, up);
	end = &u->ring[u->ends++ % UPLOADS_ENDED_MAX];
	memcpy(end->id, up->id, sizeof(end->id));
	memcpy(end->repo, up->repo, sizeof(end->repo));
	memcpy(end->user, up->user, sizeof(end->user));
	end->digest = *d;
	end->when_ms = now_ms;
}

void uploads_end(struct uploads *u, struct upload **up, const struct digest *d, int64_t now_ms)
{
	struct upload *gone = STEAL(*up);

	remember(u, gone, d, now_ms);
	upload_free(gone);
}

static void forget(struct uploads *u, struct upload *up)
{
	LOCK_SCOPE(&u->lock);
	unlink_upload(u, up);
}

void uploads_drop(struct uploads *u, struct upload **up)
{
	struct upload *gone = STEAL(*up);

	forget(u, gone);
	upload_free(gone);
}

void uploads_drop_later(struct uploads *u, struct upload **up)
{
	struct upload_list gone = LIST_HEAD_INITIALIZER(gone);
	struct upload *dropped = STEAL(*up);

	forget(u, dropped);
	LIST_INSERT_HEAD(&gone, dropped, entry);
	release_later(u, &gone);
}

static void take_expired(struct uploads *u, int64_t now_ms, struct upload_list *expired)
{
	struct upload *up, *next;

	LOCK_SCOPE(&u->lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (up = LIST_FIRST(&u->buckets[i]); up; up = next) {
			next = LIST_NEXT(up, entry);
			if (is_expired(u, up, now_ms))
				move_out(u, up, expired);
		}
}

void uploads_expire(struct uploads *u, int64_t now_ms)
{
	struct upload_list expired = LIST_HEAD_INITIALIZER(expired);

	take_expired(u, now_ms, &expired);
	release_later(u, &expired);
}

/* --- counting -------------------------------------------------------------------------------- */

unsigned uploads_open(struct uploads *u)
{
	LOCK_SCOPE(&u->lock);
	return u->open;
}

uint64_t uploads_staged(struct uploads *u)
{
	const struct upload *up;
	uint64_t staged = 0;

	LOCK_SCOPE(&u->lock);
	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_FOREACH(up, &u->buckets[i], entry)
			staged += up->staged;
	return staged;
}
