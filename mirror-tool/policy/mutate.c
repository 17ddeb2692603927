/* Mutants of policies. Must leave trees, model and judge as they were. */
#include "mirror-tool/policy/mutate.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

struct run {
	struct model *m;
	struct judge *j;
	const struct assertions *tests;
	struct assertions *more;
	struct buf *lines;
	struct mutants *out;
	size_t first, count; /* the policies of the object at hand, in the model's list */
	const struct k8s_object *object;
	struct cond *nothing;
	bool over; /* MUTANTS_MAX */
};

/* The mutant at hand: what stands in for the policies, and the sides as they were. */
struct trial {
	struct run *r;
	struct mutant mutant;
	struct stand_in **in; /* one for each policy of the object */
	uint64_t *touched;
	struct side *old[2]; /* by end; of those that are touched */
};

void mutants_release(struct mutants *m)
{
	free(m->items);
	*m = (struct mutants)MUTANTS_INIT;
}

/* --- connections --------------------------------------------------------------------------------------- */

/* What a side allows to the other end: certainly, and perhaps. */
struct rows {
	portset allow, maybe;
};

static struct rows row_of(const struct side *s, size_t other)
{
	return (struct rows){ s->allow[other], s->maybe[other] };
}

static struct rows old_row(const struct trial *t, enum direction d, size_t end, size_t other)
{
	return bit_get(t->touched, end) ? row_of(&t->old[d][end], other)
					: row_of(judge_side(t->r->j, d, end), other);
}

static struct rows join(struct port_pool *p, struct rows a, struct rows b)
{
	struct rows out = { .allow = ports_and(p, a.allow, b.allow) };

	out.maybe = ports_minus(p,
		ports_and(p, ports_or(p, a.allow, a.maybe), ports_or(p, b.allow, b.maybe)),
		out.allow);
	return out;
}

/* Ports of which more is allowed in `b`: from a denial to anything, or from unknown. */
static portset gain(struct port_pool *p, struct rows a, struct rows b)
{
	return ports_or(p, ports_minus(p, b.allow, a.allow),
		ports_minus(p, b.maybe, ports_or(p, a.allow, a.maybe)));
}

static enum verdict verdict_in(
	const struct port_pool *p, struct rows r, enum proto proto, unsigned port)
{
	if (ports_has(p, r.allow, proto, port))
		return VERDICT_ALLOW;
	return ports_has(p, r.maybe, proto, port) ? VERDICT_UNKNOWN : VERDICT_DENY;
}

static void compare_pair(struct trial *t, size_t src, size_t dst)
{
	struct port_pool *p = t->r->m->ports;
	struct rows was = join(p, old_row(t, EGRESS, src, dst), old_row(t, INGRESS, dst, src));
	struct rows is = join(p, row_of(judge_side(t->r->j, EGRESS, src), dst),
		row_of(judge_side(t->r->j, INGRESS, dst), src));
	portset more = gain(p, was, is), less = gain(p, is, was);
	struct change *c = &t->mutant.first;
	bool first =
		more != PORTS_NONE ? !t->mutant.opened : !t->mutant.opened && !t->mutant.closed;

	t->mutant.opened += more != PORTS_NONE;
	t->mutant.closed += less != PORTS_NONE;
	if (!first || (more == PORTS_NONE && less == PORTS_NONE))
		return;
	c->src = src;
	c->dst = dst;
	c->port = ports_first(p, more != PORTS_NONE ? more : less, &c->proto);
	c->was = verdict_in(p, was, c->proto, c->port);
	c->is = verdict_in(p, is, c->proto, c->port);
}

static bool row_differs(const struct trial *t, enum direction d, size_t end, size_t other)
{
	const struct side *is = judge_side(t->r->j, d, end), *was = &t->old[d][end];

	return bit_get(t->touched, end) &&
	       (is->allow[other] != was->allow[other] || is->maybe[other] != was->maybe[other]);
}

/* Each pair once: from its source where the egress side differs, else from its destination. */
static void compare_end(struct trial *t, size_t end)
{
	size_t count = t->r->j->ends.count;
	const struct ends *s = &t->r->j->ends;

	for (size_t other = 0; other < count; other++) {
		if (other >= s->first_set && other < s->first_outside)
			continue; /* a set is no end of connections */
		if (row_differs(t, EGRESS, end, other))
			compare_pair(t, end, other);
		if (row_differs(t, INGRESS, end, other) && !row_differs(t, EGRESS, other, end))
			compare_pair(t, other, end);
	}
}

/* --- assertions ------------------------------------------------------------------------------------------ */

static bool notices(struct trial *t, const struct assertions *list)
{
	for (size_t i = 0; list && i < list->count; i++) {
		struct assertion_result is;

		assertion_judge(&list->items[i], t->r->j, t->touched, true, &is);
		if (!is.failed)
			continue;
		t->mutant.line = list->items[i].probe.line;
		return true;
	}
	return false;
}

/* The line that would have noticed. */
static void add_line(struct trial *t)
{
	AUTO(buf_release) struct buf line = BUF_INIT;
	const struct change *c = &t->mutant.first;
	const struct ends *s = &t->r->j->ends;
	struct err e = ERR_INIT;

	buf_printf(&line, "%s ", verdict_name(c->was));
	ends_name(s, c->src, false, &line);
	buf_char(&line, ' ');
	ends_name(s, c->dst, c->src == c->dst, &line);
	buf_printf(&line, " %s/%u", proto_name(c->proto), c->port);
	if (assertions_parse(t->r->more, "", buf_span(&line), &e) < 0 ||
		assertions_bind(t->r->more, s, "", &e) < 0)
		BUG("an assertion of our own that is none");
	buf_printf(t->r->lines, "%s\n", line.data);
}

static enum mutant_fate fate_of(struct trial *t)
{
	if (notices(t, t->r->tests)) /* it may state a side alone */
		return MUTANT_KILLED;
	if (!t->mutant.opened && !t->mutant.closed)
		return MUTANT_SAME;
	if (t->r->more && !notices(t, t->r->more))
		add_line(t);
	t->mutant.line = 0;
	return MUTANT_SURVIVED;
}

/* --- trying ------------------------------------------------------------------------------------------------ */

static void keep(struct run *r, const struct mutant *m)
{
	if (r->out->count >= MUTANTS_MAX) {
		r->over = true;
		return;
	}
	r->out->fates[m->fate]++;
	*VEC_PUSH(r->out->items, r->out->count) = *m;
}

static void touch(struct trial *t)
{
	const struct run *r = t->r;

	t->touched = mem_alloc(r->j->ends.words * sizeof(*t->touched));
	for (size_t i = 0; i < r->count; i++)
		for (size_t w = 0; w < r->j->ends.words; w++)
			t->touched[w] |= judge_subjects(r->j, r->first + i)[w] |
					 stand_in_subjects(t->in[i])[w];
}

/* Put the sides of what is touched aside, or back. */
static void sides_aside(struct trial *t)
{
	const struct ends *s = &t->r->j->ends;

	for (enum direction d = EGRESS; d <= INGRESS; d++) {
		t->old[d] = mem_alloc(s->count * sizeof(*t->old[d]));
		for (size_t i = bit_next(t->touched, 0, s->count); i < s->count;
			i = bit_next(t->touched, i + 1, s->count)) {
			t->old[d][i] = *judge_side(t->r->j, d, i);
			t->r->j->sides[d][i] = (struct side){ NULL, NULL };
		}
	}
}

static void sides_back(struct trial *t)
{
	const struct ends *s = &t->r->j->ends;

	for (enum direction d = EGRESS; d <= INGRESS; d++) {
		for (size_t i = bit_next(t->touched, 0, s->count); i < s->count;
			i = bit_next(t->touched, i + 1, s->count)) {
			free(t->r->j->sides[d][i].allow);
			t->r->j->sides[d][i] = t->old[d][i];
		}
		free(t->old[d]);
	}
}

static void swap_all(struct trial *t)
{
	for (size_t i = 0; i < t->r->count; i++)
		judge_swap(t->r->j, t->r->m, t->r->first + i, t->in[i]);
}

static void judge_mutant(struct trial *t)
{
	const struct ends *s = &t->r->j->ends;

	touch(t);
	sides_aside(t);
	swap_all(t);
	for (size_t i = bit_next(t->touched, 0, s->count); i < s->count;
		i = bit_next(t->touched, i + 1, s->count))
		compare_end(t, i);
	t->mutant.fate = fate_of(t);
	sides_back(t);
	swap_all(t);
	free(t->touched);
}

static bool is_moved(const struct run *r, const struct model_part *part)
{
	for (size_t i = 0; i < part->count; i++) {
		const struct policy *old = &r->m->policies[r->first], *p = &part->policies[i];

		if (i >= r->count || p->tier != old->tier || p->order != old->order)
			return true;
	}
	return false;
}

/* A policy that is not there any more is one that selects nothing. */
static void try_part(struct run *r, const struct node *at, const struct model_part *part)
{
	struct trial t = { .r = r,
		.mutant = { .policy = &r->m->policies[r->first], .at = at, .fate = MUTANT_MOVED } };

	if (is_moved(r, part)) {
		keep(r, &t.mutant);
		return;
	}
	t.in = mem_alloc(r->count * sizeof(*t.in));
	for (size_t i = 0; i < r->count; i++) {
		struct policy none = r->m->policies[r->first + i];

		none.subject = r->nothing;
		none.sides[EGRESS] = none.sides[INGRESS] = (struct rules){ .count = 0 };
		t.in[i] = stand_in_new(r->j, i < part->count ? &part->policies[i] : &none);
	}
	judge_mutant(&t);
	for (size_t i = 0; i < r->count; i++)
		stand_in_free(t.in[i]);
	free(t.in);
	keep(r, &t.mutant);
}

static void try_without(struct run *r, const struct node *at)
{
	struct model_part part = { .arena = ARENA_INIT };
	struct err e = ERR_INIT;

	if (at->flags &
		NODE_AGAIN) { /* the one before it would count, of which the ends know nothing */
		keep(r, &(struct mutant){ .policy = &r->m->policies[r->first],
				.at = at,
				.fate = MUTANT_MOVED });
		return;
	}
	if (model_reread(r->m, r->object, &part, &e) < 0)
		keep(r, &(struct mutant){ .policy = &r->m->policies[r->first],
				.at = at,
				.fate = MUTANT_REFUSED });
	else
		try_part(r, at, &part);
	model_part_release(r->m, &part);
}

static void take_out(struct node *up, struct node *before, const struct node *n)
{
	if (before)
		before->next = n->next;
	else
		up->first = n->next;
	if (up->last == n)
		up->last = before;
	up->count--;
}

static void put_back(struct node *up, struct node *before, struct node *n)
{
	if (before)
		before->next = n;
	else
		up->first = n;
	if (!n->next)
		up->last = n;
	up->count++;
}

/* Without each child in turn, and each of theirs. */
static void without_each(struct run *r, struct node *up)
{
	struct node *before = NULL;

	for (struct node *n = up->first; n && !r->over; before = n, n = n->next) {
		take_out(up, before, n);
		try_without(r, n);
		put_back(up, before, n);
		without_each(r, n);
	}
}

static void mutate_object(struct run *r)
{
	try_part(r, NULL, &(struct model_part){ .count = 0 });
	for (struct node *n = r->object->root->first; n; n = n->next)
		if (strcmp(n->key, "spec") == 0 || strcmp(n->key, "specs") == 0)
			without_each(r, n);
}

int mutate(struct model *m, struct judge *j, const struct assertions *tests,
	struct assertions *more, struct buf *lines, struct mutants *out, struct err *e)
{
	struct run r = { .m = m,
		.j = j,
		.tests = tests,
		.more = more,
		.lines = lines,
		.out = out,
		.nothing = cond_new(&m->arena, COND_NONE) };

	for (size_t i = 0; i < m->policy_count; i += r.count) {
		r.first = i;
		r.object = m->policies[i].object;
		for (r.count = 1; i + r.count < m->policy_count &&
				  m->policies[i + r.count].object == r.object;
			r.count++)
			;
		mutate_object(&r);
	}
	if (r.over)
		return err_set(e, ERR_INPUT, "more than %d parts of policies", MUTANTS_MAX);
	return 0;
}
