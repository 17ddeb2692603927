/* Sort volumes of several sets. Must never refuse a volume: only what reads all of it can say what is wrong. */
#include "mirror-tool/media/chain.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/base/fs.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

#define HEAD_ENTRIES 2 /* index.json is the second one */

static void clear(struct chain *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->sets[i].bases);
		free(c->sets[i].paths);
	}
	free(c->sets);
	c->sets = NULL;
	c->count = 0;
}

void chain_release(struct chain *c)
{
	int saved = errno;

	clear(c);
	medium_paths_release(&c->found);
	errno = saved;
}

/* Read index.json of a volume. -1 for whatever reason. */
static int peek(const char *path, struct volume_index *v)
{
	AUTO(fd_close) int fd = -1;
	AUTO(tar_close) struct tar_reader *tar = NULL;
	AUTO(buf_release) struct buf bytes = BUF_INIT;
	struct tar_entry entry;
	struct err e = ERR_INIT;

	if (medium_open(path, &fd, &e) < 0 || tar_open(&tar, fd, path, 0, &e) < 0)
		return -1;
	for (int i = 0; i < HEAD_ENTRIES; i++) {
		if (tar_next(tar, &entry, &e) <= 0)
			return -1;
		if (strcmp(entry.name, VOLUME_INDEX) == 0)
			return tar_data_all(tar, VOLUME_INDEX_MAX, &bytes, &e) < 0
				       ? -1
				       : volume_index_parse(v, path, buf_span(&bytes), &e);
	}
	return -1;
}

static struct chain_set *set_of(struct chain *c, const struct volume_index *v)
{
	struct chain_set *s;

	for (size_t i = 0; i < c->count; i++)
		if (digest_eq(&c->sets[i].digest, &v->set))
			return &c->sets[i];
	s = VEC_PUSH(c->sets, c->count);
	s->digest = v->set;
	volume_index_claim(v, s->name, s->version);
	return s;
}

static int add(struct chain *c, const char *path)
{
	AUTO(volume_index_release) struct volume_index v = VOLUME_INDEX_INIT;
	struct chain_set *s;

	if (peek(path, &v) < 0)
		return -1;
	s = set_of(c, &v);
	*VEC_PUSH(s->paths, s->path_count) = path;
	for (size_t i = 0; i < v.base.count; i++)
		*VEC_PUSH(s->bases, s->base_count) = v.base.sets[i].digest;
	return 0;
}

static int by_version(const void *a, const void *b)
{
	const struct chain_set *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : set_version_cmp(x->version, y->version);
}

static bool builds_on(const struct chain_set *s, const struct digest *d)
{
	for (size_t i = 0; i < s->base_count; i++)
		if (digest_eq(&s->bases[i], d))
			return true;
	return false;
}

/* Does it build on none of those behind `from`? */
static bool is_free(const struct chain *c, size_t from, size_t which)
{
	for (size_t i = from; i < c->count; i++)
		if (i != which && builds_on(&c->sets[which], &c->sets[i].digest))
			return false;
	return true;
}

/* Bring the first set that can come next to its place. In a ring, which only lies make, the order stays. */
static void choose_next(struct chain *c, size_t at)
{
	for (size_t i = at; i < c->count; i++) {
		struct chain_set chosen = c->sets[i];

		if (!is_free(c, at, i))
			continue;
		memmove(c->sets + at + 1, c->sets + at, (i - at) * sizeof(chosen));
		c->sets[at] = chosen;
		return;
	}
}

int chain_find(struct chain *c, const char *const *paths, size_t count, struct err *e)
{
	if (medium_paths_find(&c->found, paths, count, e) < 0)
		return -1;
	for (size_t i = 0; i < c->found.count; i++) {
		if (add(c, c->found.items[i]) == 0)
			continue;
		clear(c);
		return 0;
	}
	if (c->count)
		qsort(c->sets, c->count, sizeof(*c->sets), by_version);
	for (size_t i = 0; i < c->count; i++)
		choose_next(c, i);
	return 0;
}

bool chain_goes_on(const struct chain *c, size_t at)
{
	for (size_t i = at + 1; i < c->count; i++)
		if (strcmp(c->sets[i].name, c->sets[at].name) == 0)
			return true;
	return false;
}
