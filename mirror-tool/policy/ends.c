/* Classes of ends, and conditions asked of all of them. Must never put two ends in a class that a policy tells apart. */
#include "mirror-tool/policy/ends.h"

#include <stdlib.h>
#include <sys/random.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* One label of one end; sorted, so that a key or a key with its value is a run of rows. */
struct label_row {
	enum cond_place place;
	const char *key, *value;
	uint32_t end;
};

void ends_release(struct ends *s)
{
	free(s->items);
	free(s->of_workload);
	free(s->by_name);
	free(s->ranges);
	free(s->rows);
	free(s->pods);
	free(s->host_pods);
	*s = (struct ends)ENDS_INIT;
}

static enum block_pods block_mode(const struct model *m)
{
	if (m->options.block_pods != BLOCK_PODS_AUTO)
		return m->options.block_pods;
	return m->options.engine == ENGINE_API      ? BLOCK_PODS_UNKNOWN
	       : m->options.engine == ENGINE_CALICO ? BLOCK_PODS_MATCH
						    : BLOCK_PODS_NEVER;
}

/* --- outside addresses ------------------------------------------------------------------------------------- */

struct edge { /* where a block begins, or the first address behind it */
	struct address at;
	uint32_t block;
};

static int by_address(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return address_compare(&x->at, &y->at);
}

/*
 * What a block adds to the mark of a range, by exclusive or. Who knew the marks could write blocks whose marks cancel out
 * (of any 65 some do), and so hide a range in a class that policies tell apart: they are new in each run.
 */
struct marks {
	uint64_t keys[2];
};

static void marks_make(struct marks *k)
{
	if (getrandom(k->keys, sizeof(k->keys), 0) != sizeof(k->keys))
		abort();
}

static uint64_t mix(uint64_t n)
{
	n = (n ^ n >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	n = (n ^ n >> 27) * UINT64_C(0x94D049BB133111EB);
	return n ^ n >> 31;
}

static uint64_t mark_of(const struct marks *k, uint64_t n)
{
	return mix(mix(n + k->keys[0]) ^ k->keys[1]);
}

struct signed_range {
	struct address_range range;
	uint64_t mark; /* of the blocks that cover it */
};

static int by_mark(const void *a, const void *b)
{
	const struct signed_range *x = a, *y = b;

	if (x->mark != y->mark)
		return x->mark < y->mark ? -1 : 1;
	return address_compare(&x->range.first, &y->range.first);
}

static int by_first(const void *a, const void *b)
{
	const struct address_range *x = a, *y = b;

	return address_compare(&x->first, &y->first);
}

static struct edge *make_edges(const struct model *m, size_t *count)
{
	static const struct address starts[] = { { IPV4, 0, 0 }, { IPV6, 0, 0 } };
	struct edge *edges = mem_alloc((m->block_count * 2 + 2) * sizeof(*edges));

	*count = 0;
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		edges[(*count)++] = (struct edge){ starts[i], UINT32_MAX };
	for (size_t i = 0; i < m->block_count; i++) {
		struct edge behind = { m->blocks[i].last, (uint32_t)i };

		edges[(*count)++] = (struct edge){ m->blocks[i].first, (uint32_t)i };
		if (address_next(&behind.at))
			edges[(*count)++] = behind;
	}
	qsort(edges, *count, sizeof(*edges), by_address);
	return edges;
}

static struct address last_before(const struct edge *next, enum family family)
{
	struct address a = { family, family == IPV4 ? 0 : UINT64_MAX,
		family == IPV4 ? UINT32_MAX : UINT64_MAX };

	if (next && next->at.family == family) {
		a = next->at;
		if (a.low-- == 0)
			a.high--;
	}
	return a;
}

/* Cut both families where a block begins or ends, and mark each piece by the blocks over it. */
static struct signed_range *cut(const struct model *m, size_t *count)
{
	size_t edge_count;
	AUTO(mem_free) struct edge *edges = make_edges(m, &edge_count);
	struct signed_range *out = mem_alloc(edge_count * sizeof(*out));
	uint64_t mark = 0;
	struct marks marks;

	marks_make(&marks);
	*count = 0;
	for (size_t i = 0; i < edge_count; i++) {
		const struct edge *next = i + 1 < edge_count ? &edges[i + 1] : NULL;

		if (edges[i].block == UINT32_MAX)
			mark = mark_of(&marks, UINT32_MAX + (uint64_t)edges[i].at.family);
		else
			mark ^= mark_of(&marks, edges[i].block);
		if (next && address_compare(&next->at, &edges[i].at) == 0 &&
			next->block != UINT32_MAX)
			continue;
		out[(*count)++] = (struct signed_range){
			{ edges[i].at, last_before(next, edges[i].at.family), 0 }, mark
		};
	}
	return out;
}

/* Numbers of classes in the order of their first ranges, for marks are random. */
static void number_by_first(struct ends *s, size_t ends)
{
	AUTO(mem_free) uint32_t *again = mem_alloc(ends * sizeof(*again)); /* from 1 */
	uint32_t next = 0;

	for (size_t i = 0; i < s->range_count; i++) {
		struct address_range *r = &s->ranges[i];

		if (!again[r->end])
			again[r->end] = ++next;
		r->end = again[r->end] - 1;
	}
}

/* Number the ranges from 0: the same number where the same blocks cover them. Returns how many numbers. */
static size_t make_ranges(struct ends *s)
{
	size_t count, ends = 0;
	AUTO(mem_free) struct signed_range *pieces = cut(s->model, &count);

	qsort(pieces, count, sizeof(*pieces), by_mark);
	s->ranges = mem_alloc(count * sizeof(*s->ranges));
	for (size_t i = 0; i < count; i++) {
		if (i && pieces[i].mark != pieces[i - 1].mark)
			ends++;
		s->ranges[i] = pieces[i].range;
		s->ranges[i].end = (uint32_t)ends;
	}
	s->range_count = count;
	qsort(s->ranges, count, sizeof(*s->ranges), by_first);
	number_by_first(s, ends + 1);
	return ends + 1;
}

static const struct address_range *find_range(const struct ends *s, const struct address *a)
{
	size_t low = 0, high = s->range_count;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (address_compare(&s->ranges[middle].first, a) <= 0)
			low = middle;
		else
			high = middle;
	}
	return &s->ranges[low];
}

/* --- classes of workloads -------------------------------------------------------------------------------------- */

/* What conditions ask of pods' labels: the rest tells no pods apart. */
struct asked {
	const struct ends *ends;
	struct label *rows; /* sorted; value NULL: any value of the key may be asked for */
	size_t row_count;
	struct labels *labels; /* of each workload, as far as they are asked for */
	struct arena arena;
};

static void asked_release(struct asked *a)
{
	free(a->rows);
	free(a->labels);
	arena_release(&a->arena);
}

static int by_row(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	int rc = strcmp(x->key, y->key);

	if (rc || !x->value || !y->value)
		return rc ? rc : (x->value != NULL) - (y->value != NULL);
	return strcmp(x->value, y->value);
}

static bool is_asked(const struct asked *a, const char *key, const char *value)
{
	struct label row = { key, value };

	return a->row_count &&
	       bsearch(&row, a->rows, a->row_count, sizeof(*a->rows), by_row) != NULL;
}

/* A value that nobody asks for: all of these are alike. */
static const char other_value[] = "\001";

static void add_asked(struct asked *a, const struct cond *c)
{
	bool any = c->test == TEST_PREFIX || c->test == TEST_SUFFIX || c->test == TEST_PART;

	if (c->op == COND_LABEL && c->place == PLACE_POD) {
		*VEC_PUSH(a->rows, a->row_count) =
			(struct label){ c->key, any ? NULL : other_value };
		for (size_t i = 0; i < c->value_count && !any; i++)
			*VEC_PUSH(a->rows, a->row_count) = (struct label){ c->key, c->values[i] };
	}
	for (const struct cond *child = c->first; child; child = child->next)
		add_asked(a, child);
}

static void collect_asked(struct asked *a, const struct model *m)
{
	for (size_t i = 0; i < m->policy_count; i++) {
		add_asked(a, m->policies[i].subject);
		for (unsigned d = 0; d < 2; d++)
			for (size_t r = 0; r < m->policies[i].sides[d].count; r++) {
				const struct rule *rule = &m->policies[i].sides[d].items[r];

				add_asked(a, rule->peer);
				if (rule->self)
					add_asked(a, rule->self);
			}
	}
	if (m->idle)
		add_asked(a, m->idle);
	if (a->row_count)
		qsort(a->rows, a->row_count, sizeof(*a->rows), by_row);
}

static void asked_make(struct asked *a, const struct ends *s)
{
	const struct model *m = s->model;

	a->ends = s;
	collect_asked(a, m);
	a->labels = mem_alloc((m->workload_count + 1) * sizeof(*a->labels));
	for (size_t i = 0; i < m->workload_count; i++) {
		const struct labels *all = &m->workloads[i].labels;
		struct labels *out = &a->labels[i];

		out->items = arena_alloc(&a->arena, (all->count + 1) * sizeof(*out->items));
		for (size_t l = 0; l < all->count; l++) {
			struct label one = all->items[l];
			bool whole = is_asked(a, one.key, NULL) || is_asked(a, one.key, one.value);

			if (!whole && !is_asked(a, one.key, other_value))
				continue;
			if (!whole)
				one.value = other_value;
			out->items[out->count++] = one;
		}
	}
}

static int compare_labels(const struct labels *a, const struct labels *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (size_t i = 0; i < a->count; i++) {
		int rc = strcmp(a->items[i].key, b->items[i].key);

		if (rc == 0)
			rc = strcmp(a->items[i].value, b->items[i].value);
		if (rc)
			return rc;
	}
	return 0;
}

static int compare_ports(const struct workload *a, const struct workload *b)
{
	if (a->port_count != b->port_count)
		return a->port_count < b->port_count ? -1 : 1;
	for (size_t i = 0; i < a->port_count; i++) {
		const struct named_port *x = &a->ports[i], *y = &b->ports[i];
		int rc = strcmp(x->name, y->name);

		if (rc)
			return rc;
		if (x->proto != y->proto || x->number != y->number)
			return x->proto != y->proto ? (int)x->proto - (int)y->proto
						    : (int)x->number - (int)y->number;
	}
	return 0;
}

static int compare_addresses(
	const struct ends *s, const struct workload *a, const struct workload *b)
{
	if (!s->asks_addresses)
		return 0;
	if (a->address_count != b->address_count)
		return a->address_count < b->address_count ? -1 : 1;
	for (size_t i = 0; i < a->address_count; i++) {
		uint32_t x = find_range(s, &a->addresses[i])->end,
			 y = find_range(s, &b->addresses[i])->end;

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int by_class(const void *a, const void *b, void *ctx)
{
	const struct asked *asked = ctx;
	const struct ends *s = asked->ends;
	const struct workload *x = &s->model->workloads[*(const uint32_t *)a],
			      *y = &s->model->workloads[*(const uint32_t *)b];
	int rc;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	if (x->host_network != y->host_network)
		return x->host_network ? 1 : -1;
	rc = strcmp(x->account, y->account);
	if (rc == 0)
		rc = compare_labels(
			&asked->labels[*(const uint32_t *)a], &asked->labels[*(const uint32_t *)b]);
	if (rc == 0)
		rc = compare_ports(x, y);
	return rc ? rc : compare_addresses(s, x, y);
}

static int by_class_and_number(const void *a, const void *b, void *ctx)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int rc = by_class(a, b, ctx);

	return rc ? rc : (x > y) - (x < y);
}

static void make_classes(struct ends *s)
{
	size_t count = s->model->workload_count;
	AUTO(mem_free) uint32_t *order = mem_alloc((count + 1) * sizeof(*order));
	AUTO(asked_release) struct asked asked = { .arena = ARENA_INIT };

	asked_make(&asked, s);
	s->of_workload = mem_alloc((count + 1) * sizeof(*s->of_workload));
	for (size_t i = 0; i < count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, count, sizeof(*order), by_class_and_number, &asked);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || by_class(&order[i - 1], &order[i], &asked) != 0)
			*VEC_PUSH(s->items, s->count) = (struct end){ END_PODS, order[i], 0 };
		s->items[s->count - 1].count++;
		s->of_workload[order[i]] = (uint32_t)(s->count - 1);
	}
}

static void add_others(struct ends *s, size_t outside)
{
	s->first_set = s->count;
	for (size_t i = 0; i < s->model->set_count; i++)
		*VEC_PUSH(s->items, s->count) = (struct end){ END_SET, (uint32_t)i, 1 };
	s->first_outside = s->count;
	for (size_t i = 0; i < outside; i++)
		*VEC_PUSH(s->items, s->count) = (struct end){ .kind = END_OUTSIDE };
	for (size_t i = 0; i < s->range_count; i++) {
		struct end *end = &s->items[s->first_outside + s->ranges[i].end];

		s->ranges[i].end += (uint32_t)s->first_outside;
		if (end->count++ == 0)
			end->of = (uint32_t)i;
	}
	s->first_special = s->count;
	for (enum end_kind kind = END_HOST; kind <= END_API_SERVER; kind++)
		*VEC_PUSH(s->items, s->count) = (struct end){ kind, 0, 1 };
}

/* --- the index of labels ---------------------------------------------------------------------------------------- */

static int compare_row(
	const struct label_row *row, enum cond_place place, const char *key, const char *value)
{
	int rc;

	if (row->place != place)
		return row->place < place ? -1 : 1;
	rc = strcmp(row->key, key);
	return rc || !value ? rc : strcmp(row->value, value);
}

static int by_label(const void *a, const void *b)
{
	const struct label_row *x = a, *y = b;

	return compare_row(x, y->place, y->key, y->value);
}

static void add_row(
	struct ends *s, size_t end, enum cond_place place, const char *key, const char *value)
{
	*VEC_PUSH(s->rows, s->row_count) = (struct label_row){ place, key, value, (uint32_t)end };
}

static void add_rows(struct ends *s, size_t end, enum cond_place place, const struct labels *l)
{
	for (size_t i = 0; i < l->count; i++)
		add_row(s, end, place, l->items[i].key, l->items[i].value);
}

static void add_namespace(struct ends *s, size_t end, const struct namespace *ns)
{
	add_row(s, end, PLACE_NAME, "namespace", ns->name);
	add_rows(s, end, PLACE_NAMESPACE, &ns->labels);
}

static void index_pods(struct ends *s, size_t end)
{
	const struct model *m = s->model;
	const struct workload *w = &m->workloads[s->items[end].of];
	const struct namespace *ns = &m->namespaces[w->ns];
	const struct account key = { .ns = ns->name, .name = w->account }, *account;

	bit_set(w->host_network ? s->host_pods : s->pods, end);
	add_namespace(s, end, ns);
	add_rows(s, end, PLACE_POD, &w->labels);
	add_row(s, end, PLACE_NAME, "account", w->account);
	account = m->account_count ? bsearch(&key, m->accounts, m->account_count,
					     sizeof(*m->accounts), account_compare)
				   : NULL;
	if (account)
		add_rows(s, end, PLACE_ACCOUNT, &account->labels);
}

static void index_set(struct ends *s, size_t end)
{
	const struct model *m = s->model;
	const struct network_set *set = &m->sets[s->items[end].of];

	add_rows(s, end, PLACE_POD, &set->labels);
	if (!set->global)
		add_namespace(s, end, &m->namespaces[set->ns]);
}

static int compare_names(const struct model *m, uint32_t workload, struct span ns, const char *name)
{
	const struct workload *w = &m->workloads[workload];
	const char *own = m->namespaces[w->ns].name;
	int rc = strncmp(own, ns.data, ns.len);

	if (rc == 0 && own[ns.len])
		return 1;
	return rc ? rc : strcmp(w->name, name);
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct model *m = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct workload *w = &m->workloads[y];
	int rc = compare_names(m, x, span_of(m->namespaces[w->ns].name), w->name);

	return rc ? rc : (x > y) - (x < y);
}

static void make_names(struct ends *s)
{
	size_t count = s->model->workload_count;

	s->by_name = mem_alloc((count + 1) * sizeof(*s->by_name));
	for (size_t i = 0; i < count; i++)
		s->by_name[i] = (uint32_t)i;
	qsort_r(s->by_name, count, sizeof(*s->by_name), by_name, (void *)s->model);
}

void ends_make(struct ends *s, const struct model *m)
{
	size_t outside;

	*s = (struct ends){ .model = m,
		.asks_addresses = block_mode(m) != BLOCK_PODS_NEVER && m->block_count > 0 };
	outside = make_ranges(s);
	make_classes(s);
	make_names(s);
	add_others(s, outside);
	s->words = (s->count + 63) / 64;
	s->pods = mem_alloc(s->words * sizeof(*s->pods));
	s->host_pods = mem_alloc(s->words * sizeof(*s->host_pods));
	for (size_t i = 0; i < s->first_set; i++)
		index_pods(s, i);
	for (size_t i = s->first_set; i < s->first_outside; i++)
		index_set(s, i);
	if (s->row_count)
		qsort(s->rows, s->row_count, sizeof(*s->rows), by_label);
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

size_t bit_next(const uint64_t *bits, size_t i, size_t count)
{
	while (i < count) {
		uint64_t rest = bits[i / 64] >> (i % 64);

		if (rest) {
			i += (size_t)__builtin_ctzll(rest);
			return i < count ? i : count;
		}
		i = (i / 64 + 1) * 64;
	}
	return count;
}

void answers_make(const struct ends *s, struct answers *a)
{
	a->yes = mem_alloc(s->words * 2 * sizeof(*a->yes));
	a->maybe = a->yes + s->words;
}

void answers_release(struct answers *a)
{
	mem_free(&a->yes);
	a->maybe = NULL;
}

static size_t first_row(const struct ends *s, const struct cond *c, const char *value)
{
	size_t low = 0, high = s->row_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_row(&s->rows[middle], c->place, c->key, value) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool passes(const struct cond *c, const char *value)
{
	const char *want = c->test == TEST_EXISTS ? "" : c->values[0];
	size_t len = strlen(value), want_len = strlen(want);

	switch (c->test) {
	case TEST_PREFIX:
		return strncmp(value, want, want_len) == 0;
	case TEST_SUFFIX:
		return len >= want_len && strcmp(value + len - want_len, want) == 0;
	case TEST_PART:
		return strstr(value, want) != NULL;
	default:
		return true;
	}
}

static void ask_label(const struct ends *s, const struct cond *c, struct answers *out)
{
	size_t runs = c->test == TEST_IN ? c->value_count : 1;

	for (size_t v = 0; v < runs; v++) {
		const char *value = c->test == TEST_IN ? c->values[v] : NULL;

		for (size_t i = first_row(s, c, value);
			i < s->row_count && compare_row(&s->rows[i], c->place, c->key, value) == 0;
			i++)
			if (passes(c, s->rows[i].value))
				bit_set(out->yes, s->rows[i].end);
	}
}

/* Where pods are when nothing says where: private addresses. */
static bool may_hold_pods(const struct block *b)
{
	static const char *const usual[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10", "fc00::/7" };

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		struct block u;

		if (block_parse(span_of(usual[i]), &u) == BLOCK_GOOD && block_overlaps(&u, b))
			return true;
	}
	return false;
}

/* Every node and pod has an address in it; whether they have one of IPv6 nothing says. */
static bool is_all_ipv4(const struct block *b)
{
	return b->bits == 0 && b->first.family == IPV4;
}

enum answer { NO, YES, MAYBE };

static enum answer block_of_workload(
	const struct ends *s, const struct block *b, const struct workload *w, bool usual)
{
	enum block_pods mode = block_mode(s->model);

	if (mode == BLOCK_PODS_NEVER)
		return NO;
	for (size_t i = 0; i < w->address_count; i++)
		if (block_has(b, &w->addresses[i]))
			return mode == BLOCK_PODS_MATCH ? YES : MAYBE;
	if (w->address_count || !usual)
		return NO;
	return mode == BLOCK_PODS_MATCH && is_all_ipv4(b) ? YES : MAYBE;
}

static void put(struct answers *out, size_t end, enum answer answer)
{
	if (answer != NO)
		bit_set(answer == YES ? out->yes : out->maybe, end);
}

static void ask_block(const struct ends *s, const struct block *b, struct answers *out)
{
	bool usual = may_hold_pods(b), nodes = s->model->options.engine != ENGINE_CILIUM;

	for (size_t i = 0; s->asks_addresses && i < s->first_set; i++)
		put(out, i, block_of_workload(s, b, &s->model->workloads[s->items[i].of], usual));
	for (size_t i = (size_t)(find_range(s, &b->first) - s->ranges);
		i < s->range_count && block_has(b, &s->ranges[i].first); i++)
		bit_set(out->yes, s->ranges[i].end);
	for (size_t i = s->first_special; nodes && i < s->count; i++)
		put(out, i, is_all_ipv4(b) ? YES : MAYBE);
}

static void ask_entity(const struct ends *s, unsigned bits, struct answers *out)
{
	static const unsigned nodes = ENTITY_HOST | ENTITY_REMOTE_NODE;
	static const unsigned special[] = { ENTITY_HOST, ENTITY_REMOTE_NODE, ENTITY_API_SERVER };

	if (bits & ENTITY_WORLD)
		for (size_t i = s->first_outside; i < s->first_special; i++)
			bit_set(out->yes, i);
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (bits & special[i])
			bit_set(out->yes, s->first_special + i);
	for (size_t w = 0; w < s->words; w++) /* a pod on its node's network is one of the two */
		if ((bits & nodes) == nodes)
			out->yes[w] |= s->host_pods[w];
		else if (bits & nodes)
			out->maybe[w] = s->host_pods[w];
}

/* Chosen sets give their answer to what they hold. */
static void ask_set(const struct ends *s, const struct cond *c, struct answers *out)
{
	ends_ask(s, c->first, out);
	for (size_t i = s->first_set; i < s->first_outside; i++) {
		const struct network_set *set = &s->model->sets[s->items[i].of];

		if (!bit_get(out->yes, i))
			continue;
		for (size_t b = 0; b < set->block_count; b++)
			ask_block(s, &s->model->blocks[set->blocks[b]], out);
	}
	for (size_t w = 0; w < s->words; w++)
		out->maybe[w] &= ~out->yes[w];
}

static void fill(const struct ends *s, uint64_t *bits)
{
	memset(bits, 0xff, s->words * sizeof(*bits));
}

static void ask_pod(const struct ends *s, const struct cond *c, struct answers *out)
{
	for (size_t w = 0; w < s->words; w++) {
		out->yes[w] = s->pods[w];
		out->maybe[w] = c->bits ? s->host_pods[w] : 0;
	}
	for (size_t i = s->first_set; i < s->first_outside; i++)
		bit_set(out->yes, i);
}

static void ask_and(const struct ends *s, const struct cond *c, struct answers *out)
{
	fill(s, out->yes);
	for (const struct cond *child = c->first; child; child = child->next) {
		AUTO(answers_release) struct answers one;

		answers_make(s, &one);
		ends_ask(s, child, &one);
		for (size_t w = 0; w < s->words; w++) {
			uint64_t can = (out->yes[w] | out->maybe[w]) & (one.yes[w] | one.maybe[w]);

			out->yes[w] &= one.yes[w];
			out->maybe[w] = can & ~out->yes[w];
		}
	}
}

static void ask_or(const struct ends *s, const struct cond *c, struct answers *out)
{
	for (const struct cond *child = c->first; child; child = child->next) {
		AUTO(answers_release) struct answers one;

		answers_make(s, &one);
		ends_ask(s, child, &one);
		for (size_t w = 0; w < s->words; w++) {
			out->yes[w] |= one.yes[w];
			out->maybe[w] = (out->maybe[w] | one.maybe[w]) & ~out->yes[w];
		}
	}
}

void ends_ask(const struct ends *s, const struct cond *c, struct answers *out)
{
	memset(out->yes, 0, s->words * 2 * sizeof(*out->yes));
	switch (c->op) {
	case COND_ANY:
		fill(s, out->yes);
		break;
	case COND_NONE:
		break;
	case COND_AND:
		ask_and(s, c, out);
		break;
	case COND_OR:
		ask_or(s, c, out);
		break;
	case COND_NOT:
		ends_ask(s, c->first, out);
		for (size_t w = 0; w < s->words; w++)
			out->yes[w] = ~(out->yes[w] | out->maybe[w]);
		break;
	case COND_POD:
		ask_pod(s, c, out);
		break;
	case COND_LABEL:
		ask_label(s, c, out);
		break;
	case COND_BLOCK:
		ask_block(s, &s->model->blocks[c->block], out);
		break;
	case COND_SET:
		ask_set(s, c, out);
		break;
	case COND_ENTITY:
		ask_entity(s, c->bits, out);
		break;
	case COND_MAYBE:
		fill(s, out->maybe);
		break;
	}
}

unsigned ends_reason(const struct ends *s, const struct cond *c, size_t end)
{
	AUTO(answers_release) struct answers a;
	unsigned reason;

	answers_make(s, &a);
	ends_ask(s, c, &a);
	if (!bit_get(a.maybe, end))
		return 0;
	reason = cond_reason(c);
	for (const struct cond *child = c->first; child; child = child->next)
		reason |= ends_reason(s, child, end);
	return reason;
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

/* Of several of one name the first. */
static bool find_workload(const struct ends *s, const char *name, size_t *out)
{
	struct span rest = span_of(name), ns = span_until(&rest, '/');
	size_t low = 0, high = s->model->workload_count;

	if (ns.len == strlen(name))
		return false;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_names(s->model, s->by_name[middle], ns, rest.data) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->model->workload_count ||
		compare_names(s->model, s->by_name[low], ns, rest.data) != 0)
		return false;
	*out = s->of_workload[s->by_name[low]];
	return true;
}

bool ends_find(const struct ends *s, const char *name, size_t *out)
{
	static const char *const special[] = { "host", "remote-node", "kube-apiserver" };
	struct address a;

	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (strcmp(name, special[i]) == 0) {
			*out = s->first_special + i;
			return true;
		}
	if (strncmp(name, "ext:", 4) != 0)
		return find_workload(s, name, out);
	if (!address_parse(span_of(name + 4), &a))
		return false;
	*out = find_range(s, &a)->end;
	return true;
}

bool ends_is_one(const struct ends *s, size_t end)
{
	return s->items[end].count == 1;
}

static void workload_name(const struct ends *s, size_t end, bool second, struct buf *out)
{
	const struct model *m = s->model;
	size_t of = s->items[end].of;

	for (size_t i = 0; second && i < m->workload_count; i++)
		if (s->of_workload[i] == end && i != s->items[end].of)
			of = i;
	buf_printf(out, "%s/%s", m->namespaces[m->workloads[of].ns].name, m->workloads[of].name);
}

void ends_name(const struct ends *s, size_t end, bool second, struct buf *out)
{
	static const char *const special[] = { "host", "remote-node", "kube-apiserver" };
	char text[ADDRESS_TEXT_SIZE];

	if (end >= s->first_special)
		buf_str(out, special[end - s->first_special]);
	else if (s->items[end].kind == END_OUTSIDE)
		buf_printf(out, "ext:%s", address_text(&s->ranges[s->items[end].of].first, text));
	else if (s->items[end].kind == END_PODS)
		workload_name(s, end, second, out);
}
