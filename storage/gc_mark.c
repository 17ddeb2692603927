/*
 * Marking: which blobs are referred to, by whom, and in which order the others can go. Reads one snapshot into
 * arrays by row number and walks there; that costs a second for ten million references, and no lock. Must never
 * write.
 */
#define MOAT_STORE_PART
#include "storage/gc_private.h"

#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* What is read and walked, and then turned into a plan. */
struct marking {
	struct gc_plan *plan;
	struct store *store;
	const struct gc_options *options;
	struct gc_edge *edges, *roots; /* from: of roots, the owner */
	size_t edge_count, root_count;
	uint32_t *stack; /* room for every node */
};

static void marking_release(struct marking *m)
{
	free(m->edges);
	free(m->roots);
	free(m->stack);
}

void gc_plan_free(struct gc_plan **p)
{
	struct gc_plan *plan = STEAL(*p);

	if (!plan)
		return;
	free(plan->nodes);
	free(plan->first);
	free(plan->to);
	free(plan->sets);
	free(plan->keeps);
	free(plan->order);
	free(plan->levels);
	free(plan);
}

/* --- reading ----------------------------------------------------------------------------------- */

static int check_id(int64_t id, struct err *e)
{
	if (id > 0 && id < UINT32_MAX)
		return 0;
	return err_set(e, ERR_LIMIT, "the database has row %lld of blobs; collection counts to %u",
		(long long)id, UINT32_MAX);
}

/* What is referred to has a row, unless the database is damaged. */
static int check_row(const struct gc_plan *p, int64_t id, struct err *e)
{
	if (id > 0 && (uint64_t)id < p->count && p->nodes[id].known)
		return 0;
	return err_set(e, ERR_CORRUPT,
		"the database refers to row %lld of blobs, which it lacks: `moat rebuild` makes it "
		"again from the files",
		(long long)id);
}

static int add_node(void *ctx, const struct gc_row *row, struct err *e)
{
	struct gc_plan *p = ((struct marking *)ctx)->plan;
	struct gc_node *n;

	if (check_id(row->id, e) < 0)
		return -1;
	while (p->count <= (size_t)row->id)
		(void)VEC_PUSH(p->nodes, p->count);
	n = &p->nodes[row->id];
	*n = (struct gc_node){ .size = row->size,
		.known = true,
		.live = row->live,
		.manifest = row->manifest,
		.fresh = row->live && row->touched > p->cutoff };
	return 0;
}

static int add_edge(void *ctx, int64_t from, int64_t to, struct err *e)
{
	struct marking *m = ctx;

	if (check_row(m->plan, from, e) < 0 || check_row(m->plan, to, e) < 0)
		return -1;
	*VEC_PUSH(m->edges, m->edge_count) =
		(struct gc_edge){ .from = (uint32_t)from, .to = (uint32_t)to };
	return 0;
}

static void add_root(struct marking *m, uint32_t owner, int64_t id)
{
	*VEC_PUSH(m->roots, m->root_count) = (struct gc_edge){ .from = owner, .to = (uint32_t)id };
}

static bool is_without(const struct gc_options *o, const struct digest *d)
{
	for (size_t i = 0; i < o->without_count; i++)
		if (digest_eq(&o->without[i], d))
			return true;
	return false;
}

static int add_set(void *ctx, const struct set_row *row, struct err *e)
{
	struct marking *m = ctx;
	struct gc_plan *p = m->plan;
	struct gc_owner *o = VEC_PUSH(p->sets, p->set_count);

	o->row = *row;
	o->goes = is_without(m->options, &row->info.digest);
	if (row->info.missing && !o->goes)
		return err_set(e, ERR_INCOMPLETE,
			"set %s:%s was not whole when the database was made again, so what it "
			"holds is not known: import its medium again, or remove it, first",
			row->info.name, row->info.version);
	return 0;
}

static int by_row(const void *a, const void *b)
{
	const struct gc_owner *x = a, *y = b;

	return x->row.id < y->row.id ? -1 : x->row.id > y->row.id;
}

/* A root of a set, or of a tag (set 0). Those of sets that go are not there. */
static int take_root(void *ctx, int64_t set, int64_t id, struct err *e)
{
	struct marking *m = ctx;
	struct gc_plan *p = m->plan;
	const struct gc_owner key = { .row = { .id = set } }, *o = NULL;

	if (check_row(p, id, e) < 0)
		return -1;
	if (set && p->set_count)
		o = bsearch(&key, p->sets, p->set_count, sizeof(*p->sets), by_row);
	if (set && !o)
		return err_set(e, ERR_CORRUPT, "the database has a pin of a set that it lacks");
	add_root(m, set ? OWNER_SETS + (uint32_t)(o - p->sets) : OWNER_TAG, id);
	return 0;
}

static void take_keep(void *ctx, size_t at, const struct blob_row *row, bool linked)
{
	struct marking *m = ctx;

	(void)linked;
	add_root(m, OWNER_KEEP, row->id);
	m->plan->nodes[row->id].keep = (uint32_t)at;
}

/* Of a blob that is no manifest, as a running image is known by its config, what names it stays. */
static void keep_users(struct marking *m)
{
	size_t count = m->root_count;
	AUTO(mem_free) bool *wanted = mem_alloc(m->plan->count + 1);

	for (size_t i = 0; i < count; i++)
		if (m->roots[i].from == OWNER_KEEP && !m->plan->nodes[m->roots[i].to].manifest)
			wanted[m->roots[i].to] = true;
	for (size_t i = 0; i < m->edge_count; i++) {
		const struct gc_edge *edge = &m->edges[i];

		if (!wanted[edge->to])
			continue;
		m->plan->nodes[edge->from].keep = m->plan->nodes[edge->to].keep;
		add_root(m, OWNER_KEEP, edge->from);
	}
}

static int read_keeps(struct marking *m, struct err *e)
{
	AUTO(rowset_release) struct rowset digests = ROWSET_INIT(1);
	const struct gc_options *o = m->options;

	m->plan->keeps = mem_grow(NULL, o->keep_count + 1, sizeof(*m->plan->keeps));
	for (size_t i = 0; i < o->keep_count; i++) {
		rowset_digest(&digests, &o->keep[i].digest);
		m->plan->keeps[i] = o->keep[i].why;
	}
	if (o->keep_count && meta_blobs_get(m->store->db, &digests, 0, take_keep, m, e) < 0)
		return -1;
	keep_users(m);
	return 0;
}

static int check_without(const struct marking *m, struct err *e)
{
	const struct gc_options *o = m->options;
	char text[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < o->without_count; i++) {
		bool found = false;

		for (size_t k = 0; k < m->plan->set_count; k++)
			found = found ||
				digest_eq(&m->plan->sets[k].row.info.digest, &o->without[i]);
		if (!found)
			return err_set(
				e, ERR_ABSENT, "no set is %s", digest_text(&o->without[i], text));
	}
	return 0;
}

static int read_all(struct marking *m, struct err *e)
{
	AUTO(tx_abort) struct store *snapshot = NULL;
	struct gc_plan *p = m->plan;
	struct db *db = m->store->db;

	if (tx_snapshot(m->store, &snapshot, e) < 0 || meta_gc_blobs(db, add_node, m, e) < 0 ||
		meta_gc_edges(db, add_edge, m, e) < 0 || meta_set_each(db, NULL, add_set, m, e) < 0)
		return -1;
	if (p->set_count)
		qsort(p->sets, p->set_count, sizeof(*p->sets), by_row);
	if (check_without(m, e) < 0 || meta_gc_roots(db, take_root, m, e) < 0 ||
		read_keeps(m, e) < 0)
		return -1;
	return meta_gc_condemned_total(db, &p->totals.condemned, e);
}

/* --- the graph ---------------------------------------------------------------------------------- */

/* Sort the edges by where they begin. */
static void build(struct marking *m)
{
	struct gc_plan *p = m->plan;
	size_t sum = 0;

	p->first = mem_grow(NULL, p->count + 2, sizeof(*p->first));
	p->to = mem_grow(NULL, m->edge_count + 1, sizeof(*p->to));
	memset(p->first, 0, (p->count + 2) * sizeof(*p->first));
	for (size_t i = 0; i < m->edge_count; i++)
		p->first[m->edges[i].from + 1]++;
	for (size_t i = 0; i <= p->count; i++) {
		sum += p->first[i];
		p->first[i] = sum;
	}
	for (size_t i = 0; i < m->edge_count; i++)
		p->to[p->first[m->edges[i].from]++] = m->edges[i].to;
	for (size_t i = p->count; i > 0; i--)
		p->first[i] = p->first[i - 1];
	p->first[0] = 0;
}

/* Put a node on the stack, unless this owner has reached it. */
static size_t reach(struct marking *m, uint32_t owner, uint32_t id, size_t depth)
{
	struct gc_node *n = &m->plan->nodes[id];

	if (n->seen == owner)
		return depth;
	n->seen = owner;
	if (n->owner)
		n->shared = true;
	else
		n->owner = owner;
	m->stack[depth++] = id;
	return depth;
}

/* Walk from what is on the stack. With an owner that differs from pass to pass a node is on it once in each. */
static void walk_from(struct marking *m, uint32_t owner, size_t depth)
{
	struct gc_plan *p = m->plan;

	while (depth) {
		uint32_t id = m->stack[--depth];
		uint32_t keep = p->nodes[id].keep;

		for (size_t i = p->first[id]; i < p->first[id + 1]; i++) {
			if (owner == OWNER_KEEP && p->nodes[p->to[i]].seen != owner)
				p->nodes[p->to[i]].keep = keep;
			depth = reach(m, owner, p->to[i], depth);
		}
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct gc_edge *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Each owner's roots together. */
static void mark_roots(struct marking *m, uint32_t from, uint32_t to)
{
	size_t depth = 0;

	for (size_t i = 0; i < m->root_count; i++) {
		uint32_t owner = m->roots[i].from;

		if (owner < from || owner > to)
			continue;
		if (owner >= OWNER_SETS && m->plan->sets[owner - OWNER_SETS].goes)
			continue;
		depth = reach(m, owner, m->roots[i].to, depth);
		if (i + 1 == m->root_count || m->roots[i + 1].from != owner) {
			walk_from(m, owner, depth);
			depth = 0;
		}
	}
}

/* What was touched within the grace, and what it names. */
static void mark_fresh(struct marking *m)
{
	size_t depth = 0;

	for (size_t i = 0; i < m->plan->count; i++)
		if (m->plan->nodes[i].fresh)
			depth = reach(m, OWNER_GRACE, (uint32_t)i, depth);
	walk_from(m, OWNER_GRACE, depth);
}

/* Sets first, as they say most of why something stays. */
static void mark(struct marking *m)
{
	m->stack = mem_grow(NULL, m->plan->count + 1, sizeof(*m->stack));
	if (m->root_count)
		qsort(m->roots, m->root_count, sizeof(*m->roots), by_owner);
	mark_roots(m, OWNER_SETS, UINT32_MAX);
	mark_roots(m, OWNER_TAG, OWNER_TAG);
	mark_roots(m, OWNER_KEEP, OWNER_KEEP);
	mark_fresh(m);
}

/* --- what goes ----------------------------------------------------------------------------------- */

static bool is_unused(const struct gc_node *n)
{
	return n->known && !n->owner;
}

static void push_level(struct gc_plan *p, size_t end)
{
	*VEC_PUSH(p->levels, p->level_count) = end;
}

/* Count who refers to each, among what is unused; nothing else does. */
static void count_needs(struct gc_plan *p)
{
	for (size_t id = 0; id < p->count; id++)
		for (size_t i = p->first[id]; is_unused(&p->nodes[id]) && i < p->first[id + 1]; i++)
			p->nodes[p->to[i]].needs++;
}

/* Those behind a node that has its place now. */
static size_t release_needs(struct gc_plan *p, uint32_t id, size_t end)
{
	for (size_t i = p->first[id]; i < p->first[id + 1]; i++) {
		struct gc_node *n = &p->nodes[p->to[i]];

		if (is_unused(n) && --n->needs == 0)
			p->order[end++] = p->to[i];
	}
	return end;
}

/* Manifests go before what they name, level by level; what is left then is circles and what they name. */
static void order_levels(struct gc_plan *p)
{
	size_t begin = 0, end = 0;

	count_needs(p);
	for (size_t id = 0; id < p->count; id++)
		if (is_unused(&p->nodes[id]) && !p->nodes[id].needs)
			p->order[end++] = (uint32_t)id;
	while (begin < end) {
		size_t level_end = end;

		for (; begin < level_end; begin++)
			end = release_needs(p, p->order[begin], end);
		push_level(p, level_end);
	}
}

/* Does it have no place yet? */
static bool is_left(const struct gc_node *n)
{
	return is_unused(n) && n->needs;
}

/* The one that stands for all that are joined with it. */
static uint32_t representative(uint32_t *joined, uint32_t id)
{
	while (joined[id] != id)
		id = joined[id] = joined[joined[id]];
	return id;
}

static void join(const struct gc_plan *p, uint32_t *joined)
{
	for (size_t id = 0; id < p->count; id++)
		joined[id] = (uint32_t)id;
	for (size_t id = 0; id < p->count; id++)
		for (size_t i = p->first[id]; is_left(&p->nodes[id]) && i < p->first[id + 1]; i++)
			if (is_left(&p->nodes[p->to[i]]))
				joined[representative(joined, (uint32_t)id)] =
					representative(joined, p->to[i]);
}

/* A manifest that names its own subject keeps it, and is kept by it: such circles go as one, each with what it
 * alone names. */
static void order_circles(struct gc_plan *p)
{
	AUTO(mem_free) uint32_t *joined = mem_grow(NULL, p->count + 1, sizeof(*joined));
	AUTO(mem_free) struct gc_edge *left = NULL; /* from: the representative */
	size_t count = 0, end = p->level_count ? p->levels[p->level_count - 1] : 0;

	p->circles = p->level_count;
	join(p, joined);
	for (size_t id = 0; id < p->count; id++)
		if (is_left(&p->nodes[id]))
			*VEC_PUSH(left, count) =
				(struct gc_edge){ .from = representative(joined, (uint32_t)id),
					.to = (uint32_t)id };
	if (count)
		qsort(left, count, sizeof(*left), by_owner);
	for (size_t i = 0; i < count; i++) {
		p->order[end++] = left[i].to;
		if (i + 1 == count || left[i + 1].from != left[i].from)
			push_level(p, end);
	}
}

static void order(struct gc_plan *p)
{
	p->order = mem_grow(NULL, p->count + 1, sizeof(*p->order));
	order_levels(p);
	order_circles(p);
}

/* --- totals --------------------------------------------------------------------------------------- */

static void add(struct gc_count *c, const struct gc_node *n)
{
	c->blobs++;
	c->bytes += n->size;
}

static void add_reason(struct gc_totals *t, const struct gc_node *n)
{
	struct gc_count *const by[] = { [OWNER_NONE] = &t->unused,
		[OWNER_TAG] = &t->tagged,
		[OWNER_KEEP] = &t->kept,
		[OWNER_GRACE] = &t->graced,
		[OWNER_SETS] = &t->sets };

	add(n->shared ? &t->shared : by[n->owner < OWNER_SETS ? n->owner : OWNER_SETS], n);
	t->manifests += !n->owner && n->manifest;
}

/* Of one set: with `seen` as in marking. Of one that goes, what is only its own is unused. */
static void add_set_node(struct gc_owner *o, const struct gc_node *n, bool goes)
{
	if (!n->live)
		return;
	add(goes ? (n->owner ? &o->shared : &o->only) : (n->shared ? &o->shared : &o->only), n);
}

static size_t count_reach(
	struct marking *m, struct gc_owner *o, uint32_t mark, uint32_t id, size_t depth)
{
	struct gc_node *n = &m->plan->nodes[id];

	if (n->seen == mark)
		return depth;
	n->seen = mark;
	add_set_node(o, n, o->goes);
	m->stack[depth++] = id;
	return depth;
}

/* Walk each set again, as who shares what is known only now. */
static void count_set(struct marking *m, size_t which)
{
	struct gc_plan *p = m->plan;
	uint32_t owner = OWNER_SETS + (uint32_t)which, mark = UINT32_MAX - (uint32_t)which;
	size_t depth = 0;

	for (size_t i = 0; i < m->root_count; i++)
		if (m->roots[i].from == owner)
			depth = count_reach(m, &p->sets[which], mark, m->roots[i].to, depth);
	while (depth) {
		uint32_t id = m->stack[--depth];

		for (size_t i = p->first[id]; i < p->first[id + 1]; i++)
			depth = count_reach(m, &p->sets[which], mark, p->to[i], depth);
	}
}

static void count(struct marking *m)
{
	struct gc_plan *p = m->plan;

	for (size_t i = 0; i < p->count; i++) {
		if (!p->nodes[i].live)
			continue;
		add(&p->totals.held, &p->nodes[i]);
		add_reason(&p->totals, &p->nodes[i]);
	}
	for (size_t i = 0; i < p->set_count; i++)
		count_set(m, i);
}

int gc_mark(struct store *s, const struct gc_options *o, struct gc_plan **out, struct err *e)
{
	AUTO(gc_plan_free) struct gc_plan *p = mem_alloc(sizeof(*p));
	AUTO(marking_release) struct marking m = { .plan = p, .store = s, .options = o };

	p->cutoff = o->now - o->grace;
	if (read_all(&m, e) < 0)
		return err_ctx(e, "collect");
	build(&m);
	mark(&m);
	order(p);
	count(&m);
	*out = STEAL(p);
	return 0;
}

/* --- what was found ------------------------------------------------------------------------------- */

const struct gc_totals *gc_totals(const struct gc_plan *p)
{
	return &p->totals;
}

int gc_sets(const struct gc_plan *p, gc_set_fn *fn, void *ctx, struct err *e)
{
	for (size_t i = 0; i < p->set_count; i++) {
		const struct gc_owner *o = &p->sets[i];
		const struct gc_set set = { &o->row.info, o->only, o->shared, o->goes };

		if (fn(ctx, &set, e) < 0)
			return -1;
	}
	return 0;
}

struct large {
	const struct gc_plan *plan;
	uint32_t *ids;
	size_t count;
	gc_reason_fn *fn;
	void *ctx;
	struct digest *digests;
};

static void large_release(struct large *l)
{
	free(l->ids);
	free(l->digests);
}

/* The place of the smallest among them. */
static size_t smallest(const struct large *l)
{
	size_t at = 0;

	for (size_t i = 1; i < l->count; i++)
		if (l->plan->nodes[l->ids[i]].size < l->plan->nodes[l->ids[at]].size)
			at = i;
	return at;
}

static void find_large(struct large *l, size_t max)
{
	size_t least = 0;

	l->ids = mem_alloc((max + 1) * sizeof(*l->ids));
	for (size_t i = 0; i < l->plan->count; i++) {
		const struct gc_node *n = &l->plan->nodes[i];

		if (!n->live || !n->owner)
			continue;
		if (l->count == max && n->size <= l->plan->nodes[l->ids[least]].size)
			continue;
		l->ids[l->count < max ? l->count++ : least] = (uint32_t)i;
		least = smallest(l);
	}
}

static void take_digest(void *ctx, size_t at, const struct digest *d)
{
	((struct large *)ctx)->digests[at] = *d;
}

static struct gc_reason reason_of(const struct large *l, size_t at)
{
	const struct gc_node *n = &l->plan->nodes[l->ids[at]];
	struct gc_reason r = { .digest = l->digests[at], .size = n->size, .shared = n->shared };

	if (n->owner >= OWNER_SETS) {
		r.why = GC_WHY_SET;
		r.set = &l->plan->sets[n->owner - OWNER_SETS].row.info;
	} else if (n->owner == OWNER_KEEP) {
		r.why = GC_WHY_KEEP;
		r.keep = l->plan->keeps[n->keep];
	} else {
		r.why = n->owner == OWNER_TAG ? GC_WHY_TAG : GC_WHY_GRACE;
	}
	return r;
}

static int by_size(const void *a, const void *b)
{
	const struct gc_reason *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return digest_cmp(&x->digest, &y->digest);
}

int gc_large(struct store *s, const struct gc_plan *p, size_t max, gc_reason_fn *fn, void *ctx,
	struct err *e)
{
	AUTO(large_release) struct large l = { .plan = p, .fn = fn, .ctx = ctx };
	AUTO(rowset_release) struct rowset ids = ROWSET_INIT(1);
	AUTO(mem_free) struct gc_reason *reasons = NULL;

	find_large(&l, max);
	if (!l.count)
		return 0;
	for (size_t i = 0; i < l.count; i++)
		rowset_int(&ids, l.ids[i]);
	l.digests = mem_alloc(l.count * sizeof(*l.digests));
	reasons = mem_alloc(l.count * sizeof(*reasons));
	if (meta_gc_digests(s->db, &ids, take_digest, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.count; i++)
		reasons[i] = reason_of(&l, i);
	qsort(reasons, l.count, sizeof(*reasons), by_size);
	for (size_t i = 0; i < l.count; i++)
		if (fn(ctx, &reasons[i], e) < 0)
			return -1;
	return 0;
}
