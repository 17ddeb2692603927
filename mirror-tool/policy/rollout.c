/* An order of changes. Must never take a state for good that was not judged. */
#include "mirror-tool/policy/rollout.h"

#include <stdlib.h>

#include "mirror-tool/policy/compare.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void view_release(struct rollout_view *v)
{
	judge_release(&v->judge);
	model_release(&v->model);
	free(v->objects.items);
	v->objects = (struct k8s_objects)K8S_OBJECTS_INIT;
}

void rollout_step_release(struct rollout_step *s)
{
	free(s->src);
	free(s->dst);
	free(s->ports);
	free(s->refusal);
	*s = (struct rollout_step){ .change = 0 };
}

void rollout_release(struct rollout *p)
{
	view_release(&p->ends[0]);
	view_release(&p->ends[1]);
	free(p->world.items);
	free(p->changes);
	free(p->order);
	*p = (struct rollout)ROLLOUT_INIT;
}

/* --- changes ------------------------------------------------------------------------------------------ */

/* Keys of a map in any order; of one that is there twice nothing is the same. */
static bool same_node(const struct node *a, const struct node *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->count != b->count || a->flags & NODE_AGAIN)
		return false;
	if (a->kind != NODE_MAP && a->kind != NODE_LIST)
		return strcmp(a->text, b->text) == 0;
	for (const struct node *x = a->first, *y = b->first; x; x = x->next, y = y->next)
		if (!same_node(x, a->kind == NODE_MAP ? node_get(b, x->key) : y))
			return false;
	return true;
}

static bool same_policy(const struct k8s_object *a, const struct k8s_object *b)
{
	return strcmp(a->api_version, b->api_version) == 0 &&
	       same_node(node_get(a->root, "spec"), node_get(b->root, "spec")) &&
	       same_node(node_get(a->root, "specs"), node_get(b->root, "specs"));
}

static void add(struct k8s_objects *list, const struct k8s_object *o)
{
	*VEC_PUSH(list->items, list->count) = *o;
}

static int by_identity(const void *a, const void *b)
{
	return model_identity(
		*(const struct k8s_object *const *)a, *(const struct k8s_object *const *)b);
}

/* Policies, and what only policies ask for. */
static const struct k8s_object **list(const struct k8s_objects *objects, size_t *count)
{
	const struct k8s_object **out = mem_alloc((objects->count + 1) * sizeof(*out));

	*count = 0;
	for (size_t i = 0; i < objects->count; i++)
		if (model_role(&objects->items[i]) != ROLE_WORLD)
			out[(*count)++] = &objects->items[i];
	if (*count)
		qsort(out, *count, sizeof(*out), by_identity);
	return out;
}

/* One object in both states, or in one. */
static void meet(struct rollout *p, const struct k8s_object *was, const struct k8s_object *is)
{
	const struct k8s_object *now = is ? is : was;

	if (!now)
		return;
	if (model_role(now) != ROLE_POLICY || (was && is && same_policy(was, is)))
		add(&p->world, now);
	else
		*VEC_PUSH(p->changes, p->count) = (struct rollout_change){ !was ? ROLLOUT_CREATE
									   : is ? ROLLOUT_UPDATE
										: ROLLOUT_DELETE,
			was, is };
}

static int by_action(const void *a, const void *b)
{
	const struct rollout_change *x = a, *y = b;

	if (x->action != y->action)
		return x->action < y->action ? -1 : 1;
	return model_identity(x->is ? x->is : x->was, y->is ? y->is : y->was);
}

static int find_changes(struct rollout *p, const struct k8s_objects *old,
	const struct k8s_objects *new, struct err *e)
{
	size_t i = 0, k = 0, old_count, new_count;
	AUTO(mem_free) const struct k8s_object **was = list(old, &old_count),
					       **is = list(new, &new_count);

	for (size_t n = 0; n < new->count; n++)
		if (model_role(&new->items[n]) == ROLE_WORLD)
			add(&p->world, &new->items[n]);
	while (i < old_count || k < new_count) {
		int rc = i == old_count ? 1 : k == new_count ? -1 : model_identity(was[i], is[k]);

		meet(p, rc <= 0 ? was[i] : NULL, rc >= 0 ? is[k] : NULL);
		i += rc <= 0;
		k += rc >= 0;
	}
	if (p->count > ROLLOUT_CHANGES_MAX)
		return err_set(e, ERR_INPUT, "%zu policies differ, more than %d", p->count,
			ROLLOUT_CHANGES_MAX);
	if (p->count)
		qsort(p->changes, p->count, sizeof(*p->changes), by_action);
	return 0;
}

/* --- one state ------------------------------------------------------------------------------------------ */

/* done: by change. */
static int view_make(
	const struct rollout *p, const uint8_t *done, struct rollout_view *v, struct err *e)
{
	*v = (struct rollout_view){ .model = MODEL_INIT, .judge = JUDGE_INIT };
	for (size_t i = 0; i < p->world.count; i++)
		add(&v->objects, &p->world.items[i]);
	for (size_t i = 0; i < p->count; i++) {
		const struct k8s_object *o = done[i] ? p->changes[i].is : p->changes[i].was;

		if (o)
			add(&v->objects, o);
	}
	if (model_make(&v->model, &v->objects, &p->options, e) < 0)
		return -1;
	judge_make(&v->judge, &v->model);
	return 0;
}

/* What is against the goal, of the old one's pool. reach: in the old state, the new one and the one at hand. */
static portset wrong(enum rollout_goal goal, struct port_pool *pool, const struct reach reach[3])
{
	portset either;

	if (goal == ROLLOUT_AVAILABLE)
		return ports_minus(
			pool, ports_and(pool, reach[0].allow, reach[1].allow), reach[2].allow);
	either = ports_or(pool, ports_or(pool, reach[0].allow, reach[0].maybe),
		ports_or(pool, reach[1].allow, reach[1].maybe));
	return ports_minus(pool, ports_or(pool, reach[2].allow, reach[2].maybe), either);
}

static char *name_of(const struct model *m, const struct compare_end *end)
{
	char text[ADDRESS_TEXT_SIZE];
	const struct workload *w;

	if (end->outside)
		return mem_printf("ext:%s", address_text(&end->address, text));
	w = &m->workloads[end->workload];
	return mem_printf("%s/%s", m->namespaces[w->ns].name, w->name);
}

static void judge_pair(
	enum rollout_goal goal, struct compare *c, size_t src, size_t dst, struct rollout_step *out)
{
	const struct compare_end *from = &c->ends[src], *to = &c->ends[dst];
	const struct model *m = c->judges[0]->model;
	struct reach reach[3];
	portset set;

	if ((src == dst && !from->alike) || (from->outside && to->outside))
		return;
	for (size_t i = 0; i < 3; i++) {
		reach[i] = judge_reach(c->judges[i], from->ends[i], to->ends[i]);
		reach[i].allow = ports_copy(m->ports, c->judges[i]->model->ports, reach[i].allow);
		reach[i].maybe = ports_copy(m->ports, c->judges[i]->model->ports, reach[i].maybe);
	}
	set = wrong(goal, m->ports, reach);
	if (set == PORTS_NONE)
		return;
	if (!out->faults) {
		AUTO(buf_release) struct buf text = BUF_INIT;

		ports_text(m->ports, set, &text);
		out->src = name_of(m, from);
		out->dst = name_of(m, to);
		out->ports = mem_strdup(text.data);
	}
	out->faults += (uint64_t)(from->alike + 1) * (to->alike + (src != dst));
}

static void judge_state(struct rollout *p, const uint8_t *done, struct rollout_step *out)
{
	AUTO(view_release) struct rollout_view v;
	AUTO(compare_release) struct compare c = COMPARE_INIT;
	struct err e = ERR_INIT;

	if (view_make(p, done, &v, &e) < 0) {
		out->faults = ROLLOUT_REFUSED;
		out->refusal = mem_strdup(e.text);
		return;
	}
	compare_make(
		&c, (struct judge *const[]){ &p->ends[0].judge, &p->ends[1].judge, &v.judge }, 3);
	for (size_t src = 0; src < c.count; src++)
		for (size_t dst = 0; dst < c.count; dst++)
			judge_pair(p->goal, &c, src, dst, out);
}

bool rollout_check(struct rollout *p, const size_t *order, struct rollout_step *steps)
{
	AUTO(mem_free) uint8_t *done = mem_alloc(p->count + 1);
	bool good = true;

	for (size_t i = 0; i < p->count; i++) {
		steps[i] = (struct rollout_step){ .change = order[i] };
		done[order[i]] = 1;
		judge_state(p, done, &steps[i]);
		good &= steps[i].faults == 0;
	}
	return good;
}

/* --- the search --------------------------------------------------------------------------------------------- */

/* A state that was judged. The cheapest way to it is known when it is the cheapest that is not tried to the end. */
struct state {
	size_t before, change, depth; /* before: in the list; of the first: itself */
	uint64_t own, total; /* faults: of it, and on the way up to it */
	size_t next; /* the first change that was not tried from here */
	uint8_t *done;
};
struct search {
	struct rollout *p;
	struct state *items;
	size_t count;
};

static void search_release(struct search *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].done);
	free(s->items);
}

/* The cheapest, of these the furthest, of these the newest; s->count: none is left. */
static size_t pick(const struct search *s)
{
	size_t best = s->count;

	for (size_t i = 0; i < s->count; i++) {
		const struct state *x = &s->items[i], *y = &s->items[best < s->count ? best : i];

		if (x->own >= ROLLOUT_REFUSED || (x->next == s->p->count && x->depth < s->p->count))
			continue;
		if (best == s->count || x->total < y->total ||
			(x->total == y->total && x->depth >= y->depth))
			best = i;
	}
	return best;
}

static size_t find(const struct search *s, const uint8_t *done)
{
	size_t i = 0;

	while (i < s->count && memcmp(s->items[i].done, done, s->p->count) != 0)
		i++;
	return i;
}

static void judge_new(struct search *s, struct state *x)
{
	struct rollout_step step = { .change = x->change };

	if (x->depth < s->p->count) { /* the last one is the new state itself */
		judge_state(s->p, x->done, &step);
		s->p->states++;
	}
	x->own = step.faults;
	x->total += step.faults;
	rollout_step_release(&step);
	*VEC_PUSH(s->items, s->count) = *x;
}

/* Try the next change that is not done. */
static void advance(struct search *s, size_t from)
{
	size_t count = s->p->count, change = s->items[from].next, known;
	struct state x = {
		.before = from, .depth = s->items[from].depth + 1, .total = s->items[from].total
	};

	while (change < count && s->items[from].done[change])
		change++;
	s->items[from].next = change < count ? change + 1 : count;
	if (change == count)
		return;
	x.change = change;
	x.done = mem_alloc(count);
	memcpy(x.done, s->items[from].done, count);
	x.done[change] = 1;
	known = find(s, x.done);
	if (known == s->count) {
		judge_new(s, &x);
		return;
	}
	free(x.done);
	if (x.total + s->items[known].own < s->items[known].total) {
		s->items[known].total = x.total + s->items[known].own;
		s->items[known].before = from;
		s->items[known].change = change;
	}
}

/* Where the search stopped early: the furthest state, of these the cheapest. */
static size_t furthest(const struct search *s)
{
	size_t best = 0;

	for (size_t i = 1; i < s->count; i++) {
		const struct state *x = &s->items[i], *y = &s->items[best];

		if (x->own < ROLLOUT_REFUSED &&
			(x->depth > y->depth || (x->depth == y->depth && x->total < y->total)))
			best = i;
	}
	return best;
}

/* The way to a state, and behind it what is left as it is listed. */
static void write_order(const struct search *s, size_t last)
{
	const struct state *x = &s->items[last];
	size_t *order = s->p->order, end = x->depth;

	for (size_t i = 0; i < s->p->count; i++)
		if (!x->done[i])
			order[end++] = i;
	for (; x->depth; x = &s->items[x->before])
		order[x->depth - 1] = x->change;
}

static void search(struct rollout *p)
{
	AUTO(search_release) struct search s = { .p = p };
	size_t at = 0;

	*VEC_PUSH(s.items, s.count) = (struct state){ .done = mem_alloc(p->count + 1) };
	while (p->states < ROLLOUT_STATES_MAX) {
		at = pick(&s);
		if (at == s.count || s.items[at].depth == p->count)
			break;
		advance(&s, at);
	}
	p->is_searched = p->states < ROLLOUT_STATES_MAX;
	if (!p->is_searched || at == s.count)
		at = furthest(&s);
	write_order(&s, at);
}

int rollout_make(struct rollout *p, const struct k8s_objects *old, const struct k8s_objects *new,
	const struct policy_options *options, enum rollout_goal goal, struct err *e)
{
	AUTO(mem_free) uint8_t *done = NULL;

	*p = (struct rollout){ .goal = goal, .options = *options };
	if (find_changes(p, old, new, e) < 0)
		return -1;
	done = mem_alloc(p->count + 1);
	p->order = mem_alloc((p->count + 1) * sizeof(*p->order));
	for (size_t side = 0; side < 2; side++) {
		memset(done, (int)side, p->count + 1);
		if (view_make(p, done, &p->ends[side], e) < 0)
			return -1;
	}
	search(p);
	return 0;
}
