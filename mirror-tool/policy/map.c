/* Workloads put together, and ranges. Must never join what has two answers. */
#include "mirror-tool/policy/map.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void map_release(struct map *m)
{
	free(m->groups);
	free(m->workloads);
	*m = (struct map)MAP_INIT;
}

static int compare_owners(const struct model *m, const struct workload *a, const struct workload *b)
{
	int rc = a->ns == b->ns ? 0 : strcmp(m->namespaces[a->ns].name, m->namespaces[b->ns].name);

	if (rc == 0)
		rc = strcmp(a->owner, b->owner);
	return rc ? rc : strcmp(a->owner_kind, b->owner_kind);
}

static int by_owner(const void *a, const void *b, void *ctx)
{
	const struct map *m = ctx;
	const struct model *model = m->judge->model;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int rc = compare_owners(model, &model->workloads[x], &model->workloads[y]);

	if (rc == 0)
		rc = strcmp(model->workloads[x].name, model->workloads[y].name);
	return rc ? rc : (x > y) - (x < y);
}

static const struct workload *workload_at(const struct map *m, size_t i)
{
	return &m->judge->model->workloads[m->workloads[i]];
}

static uint32_t end_at(const struct map *m, size_t i)
{
	return m->judge->ends.of_workload[m->workloads[i]];
}

static struct map_group *add_group(struct map *m, size_t first, size_t count)
{
	const struct workload *w = workload_at(m, first);
	struct map_group *g = VEC_PUSH(m->groups, m->group_count);

	*g = (struct map_group){ m->judge->model->namespaces[w->ns].name, w->owner, w->owner_kind,
		end_at(m, first), (uint32_t)first, (uint32_t)count };
	return g;
}

static void add_owner(struct map *m, size_t first, size_t count)
{
	bool alike = true;

	for (size_t i = 1; i < count; i++)
		alike &= end_at(m, first + i) == end_at(m, first) ||
			 judge_alike(m->judge, end_at(m, first + i), end_at(m, first));
	if (alike) {
		add_group(m, first, count);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct map_group *g = add_group(m, first + i, 1);

		g->name = workload_at(m, first + i)->name;
		g->kind = workload_at(m, first + i)->object->kind;
	}
}

void map_make(struct map *m, struct judge *j)
{
	size_t count = j->model->workload_count, from = 0;

	*m = (struct map){ .judge = j, .workloads = mem_alloc((count + 1) * sizeof(uint32_t)) };
	for (size_t i = 0; i < count; i++)
		m->workloads[i] = (uint32_t)i;
	qsort_r(m->workloads, count, sizeof(*m->workloads), by_owner, m);
	for (size_t i = 1; i <= count; i++) {
		if (i < count &&
			compare_owners(j->model, workload_at(m, from), workload_at(m, i)) == 0)
			continue;
		add_owner(m, from, i - from);
		from = i;
	}
}

size_t map_outside(struct map *m, size_t group, enum direction d, struct map_range **out)
{
	const struct ends *ends = &m->judge->ends;
	size_t end = m->groups[group].end, count = 0;

	*out = NULL;
	for (size_t i = 0; i < ends->range_count; i++) {
		const struct address_range *range = &ends->ranges[i];
		struct reach r = d == EGRESS ? judge_reach(m->judge, end, range->end)
					     : judge_reach(m->judge, range->end, end);
		struct map_range *last = count ? &(*out)[count - 1] : NULL;

		if (last && last->last.family == range->first.family &&
			last->reach.allow == r.allow && last->reach.maybe == r.maybe &&
			last->reach.reasons == r.reasons)
			last->last = range->last;
		else
			*VEC_PUSH(*out, count) = (struct map_range){ range->first, range->last, r };
	}
	return count;
}
