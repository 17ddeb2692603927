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
	digest_map_release(&c->positions);
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

/* Where a set is in the list. */
struct position {
	struct digest digest;
	size_t at;
};

static struct chain_set *set_of(struct chain *c, const struct volume_index *v)
{
	struct position *p = digest_map_find(&c->positions, &v->set);
	struct chain_set *s;

	if (p)
		return &c->sets[p->at];
	p = digest_map_add(&c->positions, &v->set, sizeof(*p));
	p->at = c->count;
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

/* --- bases first ----------------------------------------------------------------------------- */

/* Sets on their way into `sorted`. Each goes there behind its bases: those that wait for one are in `waiting`. */
struct sorting {
	struct chain *c;
	struct chain_set *sorted;
	size_t count;
	size_t *waiting;
	size_t depth;
};

static void wait_for_bases(struct sorting *s, size_t at)
{
	s->c->sets[at].begun = true;
	s->waiting[s->depth++] = at;
}

/* Go on with the set that came last: with one of its bases, or to its place. In a ring, which only lies make, one comes before
 * its base. */
static void go_on(struct sorting *s)
{
	struct chain_set *set = &s->c->sets[s->waiting[s->depth - 1]];

	while (set->asked < set->base_count) {
		const struct position *p =
			digest_map_find(&s->c->positions, &set->bases[set->asked++]);

		if (p && !s->c->sets[p->at].begun) {
			wait_for_bases(s, p->at);
			return;
		}
	}
	s->sorted[s->count++] = *set;
	s->depth--;
}

static void sort_sets(struct chain *c)
{
	AUTO(mem_free) size_t *waiting = mem_alloc(c->count * sizeof(*waiting));
	struct sorting s = {
		.c = c, .sorted = mem_alloc(c->count * sizeof(*c->sets)), .waiting = waiting
	};

	qsort(c->sets, c->count, sizeof(*c->sets), by_version);
	for (size_t i = 0; i < c->count; i++)
		((struct position *)digest_map_find(&c->positions, &c->sets[i].digest))->at = i;
	for (size_t i = 0; i < c->count; i++) {
		if (!c->sets[i].begun)
			wait_for_bases(&s, i);
		while (s.depth)
			go_on(&s);
	}
	free(c->sets);
	c->sets = s.sorted;
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
		sort_sets(c);
	return 0;
}

bool chain_goes_on(const struct chain *c, size_t at)
{
	for (size_t i = at + 1; i < c->count; i++)
		if (strcmp(c->sets[i].name, c->sets[at].name) == 0)
			return true;
	return false;
}
