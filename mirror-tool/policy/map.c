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

static void add_special(struct map *m)
{
	static const char *const names[MAP_SPECIAL] = { "host", "remote-node", "kube-apiserver" };
	size_t count = m->group_count;

	for (size_t i = 0; i < MAP_SPECIAL; i++)
		*VEC_PUSH(m->groups, count) = (struct map_group){ .name = names[i],
			.end = (uint32_t)(m->judge->ends.first_special + i) };
}

void map_make(struct map *m, struct judge *j, enum map_sides sides)
{
	size_t count = j->model->workload_count, from = 0;

	*m = (struct map){
		.judge = j, .sides = sides, .workloads = mem_alloc((count + 1) * sizeof(uint32_t))
	};
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
	add_special(m);
}

struct reach map_reach(const struct map *m, size_t src, size_t dst)
{
	return m->sides == MAP_BOTH ? judge_reach(m->judge, src, dst)
				    : judge_side_reach(m->judge,
					      m->sides == MAP_EGRESS ? EGRESS : INGRESS, src, dst);
}

/* --- choices ----------------------------------------------------------------------------------------------- */

void map_choice_release(struct map_choice *c)
{
	mem_free(&c->groups);
}

/* Is the text the name of the group, with or without its kind, or that of one of its pods? */
static bool is_named(const struct map *m, const struct map_group *g, const char *name)
{
	size_t len = strlen(g->name), kind = strlen(g->kind);

	if (strncmp(g->name, name, len) == 0) {
		if (name[len] == '\0' ||
			(name[len] == '[' && strncmp(name + len + 1, g->kind, kind) == 0 &&
				strcmp(name + len + 1 + kind, "]") == 0))
			return true;
	}
	for (size_t i = 0; i < g->pods; i++)
		if (strcmp(workload_at(m, g->first + i)->name, name) == 0)
			return true;
	return false;
}

static bool is_chosen(const struct map *m, const struct map_group *g, const char *text)
{
	size_t len = g->ns ? strlen(g->ns) : 0;

	if (!g->ns)
		return strcmp(g->name, text) == 0;
	return strncmp(text, g->ns, len) == 0 && text[len] == '/' &&
	       (text[len + 1] == '\0' || is_named(m, g, text + len + 1));
}

bool map_choose(const struct map *m, const char *text, struct map_choice *out)
{
	bool any = false;

	*out = (struct map_choice){ .groups = mem_alloc(m->group_count + MAP_SPECIAL),
		.outside = !text || strcmp(text, "outside") == 0 };
	if (text && strncmp(text, "ext:", 4) == 0) {
		out->outside = out->by_address = address_parse(span_of(text + 4), &out->address);
		return out->outside;
	}
	for (size_t i = 0; i < m->group_count + MAP_SPECIAL; i++) {
		out->groups[i] = text ? is_chosen(m, &m->groups[i], text) : i < m->group_count;
		any |= out->groups[i];
	}
	return !text || out->outside || any;
}

/* --- steps --------------------------------------------------------------------------------------------------- */

#define NOT_REACHED UINT32_MAX

struct spread {
	const struct map *map;
	unsigned *at; /* by group: the step that it was reached in */
	struct map_hop *hops;
	size_t count;
};

/* All that one group newly reaches in a step; open: or may reach. */
static void spread_from(struct spread *s, uint32_t from, unsigned step, bool open)
{
	const struct map *m = s->map;

	for (uint32_t to = 0; to < m->group_count; to++) {
		struct reach r;

		if (s->at[to] != NOT_REACHED)
			continue;
		r = map_reach(m, m->groups[from].end, m->groups[to].end);
		if (r.allow == PORTS_NONE && (!open || r.maybe == PORTS_NONE))
			continue;
		s->at[to] = step;
		*VEC_PUSH(s->hops, s->count) = (struct map_hop){ step, from, to, !open, r };
	}
}

static void spread_all(struct spread *s, unsigned steps, bool open)
{
	for (unsigned step = 1; step <= steps && step <= s->map->group_count; step++)
		for (uint32_t i = 0; i < s->map->group_count; i++)
			if (s->at[i] == step - 1)
				spread_from(s, i, step, open);
}

static int by_step(const void *a, const void *b)
{
	const struct map_hop *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

size_t map_hops(const struct map *m, const bool *from, unsigned steps, struct map_hop **out)
{
	struct spread s = { m, mem_alloc((m->group_count + 1) * sizeof(*s.at)), NULL, 0 };

	for (size_t i = 0; i < m->group_count; i++)
		s.at[i] = from[i] ? 0 : NOT_REACHED;
	spread_all(&s, steps, false);
	spread_all(&s, steps, true);
	free(s.at);
	if (s.count)
		qsort(s.hops, s.count, sizeof(*s.hops), by_step);
	*out = s.hops;
	return s.count;
}

/* --- outside --------------------------------------------------------------------------------------------------- */

size_t map_outside(struct map *m, size_t group, enum direction d, struct map_range **out)
{
	const struct ends *ends = &m->judge->ends;
	size_t end = m->groups[group].end, count = 0;

	*out = NULL;
	for (size_t i = 0; i < ends->range_count; i++) {
		const struct address_range *range = &ends->ranges[i];
		struct reach r =
			d == EGRESS ? map_reach(m, end, range->end) : map_reach(m, range->end, end);
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
