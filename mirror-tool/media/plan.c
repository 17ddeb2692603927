/* Plan volumes exactly. Must count only what tar_write, toc and volume_index write. */
#include "mirror-tool/media/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "mirror-tool/media/tar_write.h"
#include "mirror-tool/media/toc.h"
#include "mirror-tool/media/volume.h"

#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* What the current volume holds so far. */
struct fill {
	uint64_t tar, index, toc; /* bytes: entries with their blocks; text of the two documents */
};

struct planner {
	struct plan *p;
	const struct plan_input *in;
	struct fill now;
	struct buf text; /* scratch */
};

void plan_release(struct plan *p)
{
	int saved = errno;

	free(p->items);
	*p = (struct plan)PLAN_INIT;
	errno = saved;
}

static uint64_t rounded(uint64_t size)
{
	return size + tar_padding(size);
}

static uint64_t volume_bytes(const struct plan_input *in, const struct fill *f)
{
	return in->fixed + f->tar + rounded(in->index_fixed + f->index) +
	       rounded(in->toc_fixed + f->toc) + TAR_END_BYTES;
}

/* Reckon the volume with one more entry. */
static struct fill with(struct planner *pl, uint32_t line, uint64_t at, uint64_t len)
{
	const struct inventory_line *l = &pl->in->inventory->lines[line];
	static const struct digest any = { .alg = DIGEST_SHA256 };
	char name[VOLUME_NAME_SIZE];
	bool whole = at == 0 && len == l->size;
	struct toc_entry entry = { .name = name, .size = len, .sha256 = &any, .of = l->size };
	struct fill f = pl->now;

	if (whole)
		entry = documents_entry(pl->in->documents, &l->digest, len, name);
	else
		volume_part_name(&l->digest, at, name);
	buf_clear(&pl->text);
	toc_entry(&pl->text, &entry, false);
	f.toc += pl->text.len;
	f.tar += tar_entry_bytes(name, entry.size);
	if (whole && pl->in->index_bytes)
		f.index += pl->in->index_bytes[line];
	return f;
}

static bool fits(const struct planner *pl, const struct fill *f)
{
	return pl->in->limit == 0 || volume_bytes(pl->in, f) <= pl->in->limit;
}

static void place(struct planner *pl, uint32_t line, uint64_t at, uint64_t len)
{
	struct plan *p = pl->p;

	pl->now = with(pl, line, at, len);
	*VEC_PUSH(p->items, p->count) = (struct plan_item){ line, p->volumes, at, len };
}

static int next_volume(struct planner *pl, struct err *e)
{
	pl->now = (struct fill){ 0, 0, 0 };
	if (++pl->p->volumes <= VOLUMES_MAX)
		return 0;
	return err_set(e, ERR_INPUT, "more than %d volumes of %llu bytes would be needed",
		VOLUMES_MAX, (unsigned long long)pl->in->limit);
}

/* Reckon how much of a blob, from `at` on, fits in the current volume. */
static uint64_t room(struct planner *pl, uint32_t line, uint64_t at)
{
	uint64_t size = pl->in->inventory->lines[line].size;
	struct fill f = with(pl, line, at, size - at);
	uint64_t over = volume_bytes(pl->in, &f), left;

	if (over <= pl->in->limit)
		return size - at;
	over = rounded(over - pl->in->limit);
	left = rounded(size - at);
	left = left > over ? left - over : 0;
	/* Parts of a blob have longer names and table lines than a whole one: two rounds are
	 * enough. */
	for (int i = 0; i < 4 && left; i++) {
		f = with(pl, line, at, left);
		if (fits(pl, &f))
			return left;
		left -= left > TAR_BLOCK ? TAR_BLOCK : left;
	}
	return 0;
}

static int too_small(const struct planner *pl, struct err *e)
{
	static const struct fill empty;

	return err_set(e, ERR_INPUT,
		"volumes of %llu bytes are too small: every volume of this set needs %llu bytes "
		"and room for blobs",
		(unsigned long long)pl->in->limit,
		(unsigned long long)(volume_bytes(pl->in, &empty) + 2 * PLAN_CUT_MIN));
}

static int cut(struct planner *pl, uint32_t line, struct err *e)
{
	uint64_t size = pl->in->inventory->lines[line].size, at = 0;

	while (at < size) {
		uint64_t len = room(pl, line, at);

		if (len < PLAN_CUT_MIN && len < size - at) {
			if (pl->now.tar == 0)
				return too_small(pl, e);
			if (next_volume(pl, e) < 0)
				return -1;
			continue;
		}
		place(pl, line, at, len);
		at += len;
	}
	return 0;
}

static int add(struct planner *pl, uint32_t line, struct err *e)
{
	uint64_t size = pl->in->inventory->lines[line].size;
	struct fill f = with(pl, line, 0, size), before = pl->now;

	if (!fits(pl, &f)) {
		pl->now = (struct fill){ 0, 0, 0 };
		f = with(pl, line, 0, size);
		pl->now = before;
		if (!fits(pl, &f))
			return cut(pl, line, e);
		if (next_volume(pl, e) < 0)
			return -1;
	}
	place(pl, line, 0, size);
	return 0;
}

int plan_make(struct plan *p, const struct plan_input *in, struct err *e)
{
	struct planner pl = { .p = p, .in = in, .text = BUF_INIT };
	int rc = 0;

	p->volumes = 1;
	if (!fits(&pl, &pl.now))
		return too_small(&pl, e);
	for (size_t i = 0; i < in->count && rc == 0; i++)
		rc = add(&pl, in->order[i], e);
	buf_release(&pl.text);
	return rc;
}

void plan_map(const struct plan *p, size_t lines, const bool *left_out, struct volume_map *map)
{
	volume_map_init(map, lines);
	for (size_t n = 0; n < lines; n++)
		if (!left_out[n])
			map->lines[n] = (struct volume_range){ 1, 1 };
	for (size_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];
		struct volume_range *r = &map->lines[item->line];

		if (item->at == 0)
			r->first = (uint16_t)item->volume;
		r->last = (uint16_t)item->volume;
	}
}

uint64_t plan_map_bytes(size_t lines, uint32_t volumes)
{
	uint64_t digits = volumes < 10 ? 1 : volumes < 100 ? 2 : volumes < 1000 ? 3 : 4;
	uint64_t cuts = lines < volumes ? lines : volumes;

	if (volumes == 1)
		return 2 * lines;
	return lines * (digits + 1) + cuts * (digits + 1);
}
