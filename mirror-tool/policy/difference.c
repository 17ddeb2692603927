/* Connections of two times. Must never compare sets of ports of two pools by their numbers. */
#include "mirror-tool/policy/difference.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void differences_release(struct differences *d)
{
	free(d->met);
	free(d->added);
	free(d->removed);
	*d = (struct differences)DIFFERENCES_INIT;
}

/* --- workloads ------------------------------------------------------------------------------------------ */

/* A workload among others of its owner, in order. */
struct known {
	const struct workload *w;
	const char *ns;
	uint32_t end;
};

static int by_owner(const struct known *x, const struct known *y)
{
	int rc = strcmp(x->ns, y->ns);

	if (rc == 0)
		rc = strcmp(x->w->owner, y->w->owner);
	return rc ? rc : strcmp(x->w->owner_kind, y->w->owner_kind);
}

static int by_name(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int rc = by_owner(x, y);

	return rc ? rc : strcmp(x->w->name, y->w->name);
}

static struct known *list(const struct judge *j)
{
	const struct model *m = j->model;
	struct known *out = mem_alloc((m->workload_count + 1) * sizeof(*out));

	for (size_t i = 0; i < m->workload_count; i++)
		out[i] = (struct known){ &m->workloads[i], m->namespaces[m->workloads[i].ns].name,
			j->ends.of_workload[i] };
	if (m->workload_count)
		qsort(out, m->workload_count, sizeof(*out), by_name);
	return out;
}

/* How many from the first on have its owner. */
static size_t run_of(const struct known *k, size_t count)
{
	size_t n = 1;

	while (n < count && by_owner(k, k + n) == 0)
		n++;
	return n;
}

/* Pods of one owner: by their names; one that has a new name by the first of its owner. */
static void meet(struct differences *d, const struct known *old, size_t old_count,
	const struct known *new, size_t new_count)
{
	size_t begin = d->met_count;

	for (size_t i = 0; i < old_count; i++) {
		struct met one = { old[i].w, { old[i].end, new[0].end } };
		bool again = false;

		for (size_t k = 0; k < new_count; k++)
			if (strcmp(old[i].w->name, new[k].w->name) == 0)
				one.ends[1] = new[k].end;
		for (size_t k = begin; k < d->met_count; k++)
			again |= d->met[k].ends[0] == one.ends[0] &&
				 d->met[k].ends[1] == one.ends[1];
		if (!again)
			*VEC_PUSH(d->met, d->met_count) = one;
	}
}

void differences_make(struct differences *d, struct judge *was, struct judge *is)
{
	AUTO(mem_free) struct known *old = list(was), *new = list(is);
	size_t i = 0, k = 0, old_count = was->model->workload_count,
	       new_count = is->model->workload_count;

	*d = (struct differences){ .judges = { was, is } };
	while (i < old_count || k < new_count) {
		int rc = i == old_count ? 1 : k == new_count ? -1 : by_owner(&old[i], &new[k]);
		size_t olds = rc <= 0 ? run_of(&old[i], old_count - i) : 0,
		       news = rc >= 0 ? run_of(&new[k], new_count - k) : 0;

		if (rc < 0)
			*VEC_PUSH(d->removed, d->removed_count) = old[i].w;
		else if (rc > 0)
			*VEC_PUSH(d->added, d->added_count) = new[k].w;
		else
			meet(d, &old[i], olds, &new[k], news);
		i += olds;
		k += news;
	}
}

/* --- connections ------------------------------------------------------------------------------------------ */

/* What reaches from end to end in either; the new one's sets brought into the old one's pool. */
static struct difference compare(
	const struct differences *d, const size_t src[2], const size_t dst[2])
{
	struct port_pool *pool = d->judges[0]->model->ports;
	const struct port_pool *other = d->judges[1]->model->ports;
	struct reach was = judge_reach(d->judges[0], src[0], dst[0]),
		     is = judge_reach(d->judges[1], src[1], dst[1]);
	portset allow = ports_copy(pool, other, is.allow),
		maybe = ports_copy(pool, other, is.maybe);
	portset all = ports_or(pool, allow, maybe), old = ports_or(pool, was.allow, was.maybe);

	return (struct difference){ .was = old != PORTS_NONE,
		.is = all != PORTS_NONE,
		.gained = ports_minus(pool, allow, was.allow),
		.lost = ports_minus(pool, old, all),
		.unknown = ports_minus(pool, maybe, was.maybe) };
}

static bool is_change(const struct difference *x)
{
	return x->gained != PORTS_NONE || x->lost != PORTS_NONE || x->unknown != PORTS_NONE;
}

static void compare_pods(struct differences *d, difference_fn *tell, void *ctx)
{
	for (size_t i = 0; i < d->met_count; i++)
		for (size_t k = 0; k < d->met_count; k++) {
			const struct met *src = &d->met[i], *dst = &d->met[k];
			struct difference x;

			if (src->old->ns == dst->old->ns &&
				strcmp(src->old->owner, dst->old->owner) == 0 &&
				strcmp(src->old->owner_kind, dst->old->owner_kind) == 0)
				continue; /* of itself nothing is told */
			x = compare(d, (size_t[2]){ src->ends[0], src->ends[1] },
				(size_t[2]){ dst->ends[0], dst->ends[1] });
			x.src = src->old;
			x.dst = dst->old;
			if (is_change(&x))
				tell(&x, ctx);
		}
}

/* Outside addresses that both judges treat alike: cut where either cuts. */
struct piece {
	struct address first, last;
	size_t ends[2];
};

static struct piece *cut(const struct differences *d, size_t *count)
{
	const struct ends *a = &d->judges[0]->ends, *b = &d->judges[1]->ends;
	struct piece *out = mem_alloc((a->range_count + b->range_count) * sizeof(*out));
	size_t i = 0, k = 0;

	*count = 0;
	while (i < a->range_count && k < b->range_count) {
		const struct address_range *x = &a->ranges[i], *y = &b->ranges[k];
		int ends = address_compare(&x->last, &y->last);

		out[(*count)++] =
			(struct piece){ address_compare(&x->first, &y->first) > 0 ? x->first
										  : y->first,
				ends < 0 ? x->last : y->last, { x->end, y->end } };
		i += ends <= 0;
		k += ends >= 0;
	}
	return out;
}

static bool same_change(const struct difference *x, const struct difference *y)
{
	return x->was == y->was && x->is == y->is && x->gained == y->gained && x->lost == y->lost &&
	       x->unknown == y->unknown;
}

/* Pieces behind each other with one answer are one range, within a family. */
static void compare_outside(struct differences *d, const struct met *met, enum direction to,
	const struct piece *pieces, size_t count, difference_fn *tell, void *ctx)
{
	const size_t pod[2] = { met->ends[0], met->ends[1] };
	struct difference last = { .src = NULL };

	for (size_t i = 0; i < count; i++) {
		struct difference x = to == EGRESS ? compare(d, pod, pieces[i].ends)
						   : compare(d, pieces[i].ends, pod);

		if (i && same_change(&x, &last) && last.last.family == pieces[i].first.family) {
			last.last = pieces[i].last;
			continue;
		}
		if (i && is_change(&last))
			tell(&last, ctx);
		last = x;
		last.first = pieces[i].first;
		last.last = pieces[i].last;
		last.src = to == EGRESS ? met->old : NULL;
		last.dst = to == EGRESS ? NULL : met->old;
	}
	if (is_change(&last))
		tell(&last, ctx);
}

void differences_each(struct differences *d, difference_fn *tell, void *ctx)
{
	size_t count;
	AUTO(mem_free) struct piece *pieces = cut(d, &count);

	compare_pods(d, tell, ctx);
	for (size_t i = 0; i < d->met_count; i++) {
		compare_outside(d, &d->met[i], EGRESS, pieces, count, tell, ctx);
		compare_outside(d, &d->met[i], INGRESS, pieces, count, tell, ctx);
	}
}
