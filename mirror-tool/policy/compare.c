/* Views of one world, pair by pair. Must never compare numbers of ends or ports of two judges: each has its own. */
#include "mirror-tool/policy/compare.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

void compare_release(struct compare *c)
{
	free(c->ends);
	*c = (struct compare)COMPARE_INIT;
}

/* --- ends --------------------------------------------------------------------------------------------- */

static int by_ends(const void *a, const void *b)
{
	const struct compare_end *x = a, *y = b;

	for (size_t i = 0; i < COMPARE_MAX; i++)
		if (x->ends[i] != y->ends[i])
			return x->ends[i] < y->ends[i] ? -1 : 1;
	return (x->workload > y->workload) - (x->workload < y->workload);
}

static bool same_ends(const struct compare_end *a, const struct compare_end *b)
{
	for (size_t i = 0; i < COMPARE_MAX; i++)
		if (a->ends[i] != b->ends[i])
			return false;
	return true;
}

static void add_workloads(struct compare *c)
{
	size_t count = c->judges[0]->model->workload_count, kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct compare_end *end = VEC_PUSH(c->ends, c->count);

		end->workload = i;
		for (size_t k = 0; k < c->judge_count; k++)
			end->ends[k] = c->judges[k]->ends.of_workload[i];
	}
	if (c->count)
		qsort(c->ends, c->count, sizeof(*c->ends), by_ends);
	for (size_t i = 0; i < c->count; i++) {
		if (kept && same_ends(&c->ends[kept - 1], &c->ends[i]))
			c->ends[kept - 1].alike++;
		else
			c->ends[kept++] = c->ends[i];
	}
	c->count = kept;
}

static bool find_address(const struct judge *j, const struct address *a, size_t *out)
{
	AUTO(buf_release) struct buf name = BUF_INIT;
	char text[ADDRESS_TEXT_SIZE];

	buf_printf(&name, "ext:%s", address_text(a, text));
	return ends_find(&j->ends, name.data, out);
}

/* A new end where a range of some judge begins, unless it is there. */
static void add_address(struct compare *c, size_t first, const struct address *a)
{
	struct compare_end end = { .outside = true, .address = *a };

	for (size_t i = 0; i < c->judge_count; i++)
		if (!find_address(c->judges[i], a, &end.ends[i]))
			return;
	for (size_t i = first; i < c->count; i++)
		if (same_ends(&c->ends[i], &end))
			return;
	*VEC_PUSH(c->ends, c->count) = end;
}

void compare_make(struct compare *c, struct judge *const judges[], size_t count)
{
	size_t first;

	*c = (struct compare){ .judge_count = count };
	for (size_t i = 0; i < count; i++)
		c->judges[i] = judges[i];
	add_workloads(c);
	first = c->count;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < judges[i]->ends.range_count; k++)
			add_address(c, first, &judges[i]->ends.ranges[k].first);
}

/* --- pairs ---------------------------------------------------------------------------------------------- */

static void add_reach(const struct judge *j, const struct reach *is, struct buf *out)
{
	ports_text(j->model->ports, is->allow, out);
	if (is->maybe == PORTS_NONE)
		return;
	buf_str(out, "; unknown ");
	ports_text(j->model->ports, is->maybe, out);
}

bool compare_pair(struct compare *c, size_t src, size_t dst, struct buf texts[COMPARE_MAX])
{
	const struct compare_end *from = &c->ends[src], *to = &c->ends[dst];
	bool differs = false;

	if ((src == dst && !from->alike) || (from->outside && to->outside))
		return false;
	for (size_t i = 0; i < c->judge_count; i++) {
		struct reach is = judge_reach(c->judges[i], from->ends[i], to->ends[i]);

		add_reach(c->judges[i], &is, &texts[i]);
		differs |= strcmp(texts[i].data, texts[0].data) != 0;
	}
	return differs;
}
