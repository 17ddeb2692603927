/*
 * A writer thread behind a ring of buffers. The first error stays: what follows is dropped, and the
 * producer gets it at its next call.
 */
#include "mirror-tool/media/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/fs.h"
#include "storage/base/lock.h"
#include "storage/base/banned.h"

#define SLOTS 4

struct slot {
	uint8_t *data; /* SPOOL_SLOT_BYTES */
	size_t len;
};

struct spool {
	int fd;
	const char *name;
	enum spool_mode mode;
	bool comparing;
	bool started;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot slots[SLOTS];
	spool_watch_fn *watch; /* the producer's; NULL none */
	void *watch_ctx;
	uint64_t put; /* bytes handed over */
	uint64_t filled, written; /* slots handed over and dealt with; protected by the lock */
	bool end; /* no more will come; protected */
	struct err e; /* protected */
	struct hasher hasher; /* the thread's until it ends; so is what follows */
	uint64_t size;
	uint8_t *old; /* what the file holds, to compare */
};

/* --- the thread -------------------------------------------------------------------------- */

/* Does the file hold these bytes here? */
static int compare(struct spool *s, const struct slot *slot, bool *same, struct err *e)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return err_sys(e, "%s", s->name);
	*same = (uint64_t)st.st_size >= s->size + slot->len;
	if (*same && fs_pread_all(s->fd, s->old, slot->len, s->size, s->name, e) < 0)
		return -1;
	*same = *same && memcmp(s->old, slot->data, slot->len) == 0;
	return 0;
}

static int take(struct spool *s, const struct slot *slot, struct err *e)
{
	bool same = false;

	hasher_add(&s->hasher, slot->data, slot->len);
	if (s->comparing && compare(s, slot, &same, e) < 0)
		return -1;
	if (s->comparing && same)
		return 0;
	s->comparing = false;
	if (s->mode == SPOOL_CHECK)
		return err_set(e, ERR_ABSENT, "%s: other bytes", s->name);
	if (s->mode == SPOOL_RESUME) {
		if (fs_pwrite_all(s->fd, slot->data, slot->len, s->size, s->name, e) < 0)
			return -1;
		/* let the disk begin, so that the fsync at the end is short; only a hint */
		sync_file_range(s->fd, (off_t)s->size, (off_t)slot->len, SYNC_FILE_RANGE_WRITE);
		return 0;
	}
	return fs_write_all(s->fd, slot->data, slot->len, s->name, e);
}

/* Wait for the next slot to write; NULL at the end. */
static struct slot *await_slot(struct spool *s)
{
	LOCK_SCOPE(&s->lock);
	while (s->written == s->filled && !s->end)
		pthread_cond_wait(&s->changed, &s->lock);
	return s->written == s->filled ? NULL : &s->slots[s->written % SLOTS];
}

static void give_back(struct spool *s, const struct err *e)
{
	LOCK_SCOPE(&s->lock);
	s->e = *e;
	s->written++;
	pthread_cond_signal(&s->changed);
}

static void *run(void *arg)
{
	struct spool *s = arg;
	struct err e = ERR_INIT;

	for (struct slot *slot; (slot = await_slot(s));) {
		if (e.code == ERR_OK)
			(void)!take(s, slot, &e);
		s->size += slot->len;
		give_back(s, &e);
	}
	return NULL;
}

/* --- the producer ------------------------------------------------------------------------- */

int spool_open(struct spool **out, int fd, const char *name, enum spool_mode mode, struct err *e)
{
	AUTO(spool_free) struct spool *s = mem_alloc(sizeof(*s));

	s->fd = fd;
	s->name = name;
	s->mode = mode;
	s->comparing = mode != SPOOL_WRITE;
	s->old = mem_alloc(SPOOL_SLOT_BYTES);
	for (size_t i = 0; i < SLOTS; i++)
		s->slots[i].data = mem_alloc(SPOOL_SLOT_BYTES);
	hasher_init(&s->hasher, DIGEST_SHA256);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	errno = pthread_create(&s->thread, NULL, run, s);
	if (errno)
		return err_sys(e, "thread");
	s->started = true;
	*out = STEAL(s);
	return 0;
}

void spool_watch(struct spool *s, spool_watch_fn *fn, void *ctx)
{
	s->watch = fn;
	s->watch_ctx = ctx;
}

static void tell_end(struct spool *s)
{
	LOCK_SCOPE(&s->lock);
	s->end = true;
	pthread_cond_signal(&s->changed);
}

static void finish(struct spool *s)
{
	if (!s->started)
		return;
	tell_end(s);
	pthread_join(s->thread, NULL);
	s->started = false;
}

void spool_free(struct spool **out)
{
	struct spool *s = *out;
	int saved = errno;

	if (!s)
		return;
	finish(s);
	for (size_t i = 0; i < SLOTS; i++)
		free(s->slots[i].data);
	free(s->old);
	hasher_release(&s->hasher);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*out = NULL;
	errno = saved;
}

/* Hand over the current slot and wait for a free one. */
static int pass_slot(struct spool *s, struct err *e)
{
	LOCK_SCOPE(&s->lock);
	s->filled++;
	pthread_cond_signal(&s->changed);
	while (s->filled - s->written == SLOTS)
		pthread_cond_wait(&s->changed, &s->lock);
	s->slots[s->filled % SLOTS].len = 0;
	if (s->e.code == ERR_OK)
		return 0;
	*e = s->e;
	return -1;
}

static int hand_over(struct spool *s, struct err *e)
{
	s->put += s->slots[s->filled % SLOTS].len;
	if (pass_slot(s, e) < 0)
		return -1;
	if (s->watch)
		s->watch(s->watch_ctx, s->put);
	return 0;
}

/* A slot is handed over as soon as it is full, so there always is room. */
void *spool_room(struct spool *s, size_t *len)
{
	struct slot *slot = &s->slots[s->filled % SLOTS];

	*len = SPOOL_SLOT_BYTES - slot->len;
	return slot->data + slot->len;
}

int spool_put(void *ctx, const void *data, size_t len, struct err *e)
{
	struct spool *s = ctx;

	for (const char *p = data; len;) {
		size_t room;
		void *to = spool_room(s, &room);
		size_t n = len < room ? len : room;

		if (p != to)
			memcpy(to, p, n);
		s->slots[s->filled % SLOTS].len += n;
		p += n;
		len -= n;
		if (n == room && hand_over(s, e) < 0)
			return -1;
	}
	return 0;
}

int spool_close(struct spool **out, struct digest *sha256, uint64_t *size, struct err *e)
{
	AUTO(spool_free) struct spool *s = STEAL(*out);

	if (s->slots[s->filled % SLOTS].len && hand_over(s, e) < 0)
		return -1;
	finish(s);
	if (s->e.code != ERR_OK) {
		*e = s->e;
		return -1;
	}
	if (s->mode == SPOOL_RESUME && ftruncate(s->fd, (off_t)s->size) < 0)
		return err_sys(e, "%s", s->name);
	hasher_end(&s->hasher, sha256);
	*size = s->size;
	return 0;
}
