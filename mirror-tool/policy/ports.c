/* Sets of ports, each kept once. Must never have two numbers for one set. */
#include "mirror-tool/policy/ports.h"

#include <stdlib.h>

#include "storage/base/err.h"
#include "storage/base/vec.h"
#include "storage/base/banned.h"

/* One number line for all protocols: TCP 0-65535, UDP 65536-131071, SCTP from 131072. Port 0 of each stays out. */
struct interval {
	uint32_t low, high;
};

struct port_set {
	uint32_t first, count; /* in the pool's intervals */
};

enum op { OP_OR, OP_AND, OP_MINUS };

struct done { /* an operation and its result */
	portset a, b;
	uint32_t op, result; /* op: enum op + 1; 0: free */
};

struct port_pool {
	struct interval *intervals;
	size_t interval_count;
	struct port_set *sets;
	size_t set_count;
	uint32_t *by_value; /* open addressing: number of a set + 1 */
	size_t by_value_size;
	struct done *done;
	size_t done_count, done_size;
	struct interval *work; /* the result that is being made */
	size_t work_count, work_room;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
	return h ^ h >> 29;
}

/* --- keeping sets ------------------------------------------------------------------------------ */

static uint64_t hash_of(const struct interval *items, size_t count)
{
	uint64_t h = count;

	for (size_t i = 0; i < count; i++)
		h = mix(h, (uint64_t)items[i].low << 32 | items[i].high);
	return h;
}

static bool is_set(
	const struct port_pool *p, portset set, const struct interval *items, size_t count)
{
	const struct port_set *s = &p->sets[set];

	return s->count == count &&
	       (count == 0 || memcmp(p->intervals + s->first, items, count * sizeof(*items)) == 0);
}

static void remember_set(struct port_pool *p, portset set)
{
	const struct port_set *s = &p->sets[set];
	size_t mask = p->by_value_size - 1, at = hash_of(p->intervals + s->first, s->count) & mask;

	while (p->by_value[at])
		at = (at + 1) & mask;
	p->by_value[at] = set + 1;
}

static void make_room_by_value(struct port_pool *p)
{
	if (p->set_count * 2 < p->by_value_size)
		return;
	free(p->by_value);
	p->by_value_size = p->by_value_size ? p->by_value_size * 2 : 64;
	p->by_value = mem_alloc(p->by_value_size * sizeof(*p->by_value));
	for (size_t i = 0; i < p->set_count; i++)
		remember_set(p, (portset)i);
}

/* The number of the set that p->work holds. */
static portset keep(struct port_pool *p)
{
	size_t mask, at;
	struct port_set *s;

	make_room_by_value(p);
	mask = p->by_value_size - 1;
	for (at = hash_of(p->work, p->work_count) & mask; p->by_value[at]; at = (at + 1) & mask)
		if (is_set(p, p->by_value[at] - 1, p->work, p->work_count))
			return p->by_value[at] - 1;
	s = VEC_PUSH(p->sets, p->set_count);
	*s = (struct port_set){ (uint32_t)p->interval_count, (uint32_t)p->work_count };
	for (size_t i = 0; i < p->work_count; i++)
		*VEC_PUSH(p->intervals, p->interval_count) = p->work[i];
	p->by_value[at] = (uint32_t)p->set_count;
	return (portset)(p->set_count - 1);
}

/* Append to the result; what touches the last interval within a protocol becomes one with it. */
static void work_add(struct port_pool *p, uint32_t low, uint32_t high)
{
	struct interval *last = p->work_count ? &p->work[p->work_count - 1] : NULL;

	if (low > high)
		return;
	if (last && low <= last->high + 1) {
		if (high > last->high)
			last->high = high;
		return;
	}
	if (p->work_count == p->work_room) {
		p->work_room = p->work_room ? p->work_room * 2 : 16;
		p->work = mem_grow(p->work, p->work_room, sizeof(*p->work));
	}
	p->work[p->work_count++] = (struct interval){ low, high };
}

struct port_pool *port_pool_new(void)
{
	struct port_pool *p = mem_alloc(sizeof(*p));

	if (keep(p) != PORTS_NONE)
		BUG("the empty set is the first");
	for (uint32_t proto = 0; proto < PROTO_COUNT; proto++)
		work_add(p, proto << 16 | 1, proto << 16 | PORT_MAX);
	if (keep(p) != PORTS_ALL)
		BUG("the full set is the second");
	return p;
}

void port_pool_free(struct port_pool **p)
{
	if (!*p)
		return;
	free((*p)->intervals);
	free((*p)->sets);
	free((*p)->by_value);
	free((*p)->done);
	free((*p)->work);
	free(*p);
	*p = NULL;
}

portset ports_range(struct port_pool *p, enum proto proto, unsigned low, unsigned high)
{
	uint32_t base = (uint32_t)proto << 16;

	p->work_count = 0;
	work_add(p, base | (low ? low : 1), base | high);
	return keep(p);
}

portset ports_copy(struct port_pool *p, const struct port_pool *from, portset set)
{
	const struct port_set *s = &from->sets[set];

	if (set == PORTS_NONE || set == PORTS_ALL)
		return set;
	p->work_count = 0;
	for (uint32_t i = 0; i < s->count; i++)
		work_add(p, from->intervals[s->first + i].low, from->intervals[s->first + i].high);
	return keep(p);
}

/* --- joining ----------------------------------------------------------------------------------- */

static void make_or(struct port_pool *p, const struct port_set *a, const struct port_set *b)
{
	const struct interval *x = p->intervals + a->first, *x_end = x + a->count;
	const struct interval *y = p->intervals + b->first, *y_end = y + b->count;

	while (x < x_end || y < y_end) {
		bool from_x = y == y_end || (x < x_end && x->low <= y->low);
		const struct interval *next = from_x ? x++ : y++;

		work_add(p, next->low, next->high);
	}
}

static void make_and(struct port_pool *p, const struct port_set *a, const struct port_set *b)
{
	const struct interval *x = p->intervals + a->first, *x_end = x + a->count;
	const struct interval *y = p->intervals + b->first, *y_end = y + b->count;

	while (x < x_end && y < y_end) {
		work_add(p, x->low > y->low ? x->low : y->low,
			x->high < y->high ? x->high : y->high);
		if (x->high < y->high)
			x++;
		else
			y++;
	}
}

static void make_minus(struct port_pool *p, const struct port_set *a, const struct port_set *b)
{
	const struct interval *x = p->intervals + a->first, *x_end = x + a->count;
	const struct interval *y = p->intervals + b->first, *y_end = y + b->count;

	for (; x < x_end; x++) {
		uint32_t low = x->low;

		while (y < y_end && y->high < low)
			y++;
		for (const struct interval *cut = y; cut < y_end && cut->low <= x->high; cut++) {
			if (cut->low > low)
				work_add(p, low, cut->low - 1);
			low = cut->high + 1;
		}
		work_add(p, low, x->high);
	}
}

static struct done *find_done(const struct port_pool *p, enum op op, portset a, portset b)
{
	size_t mask = p->done_size - 1, at = mix(mix(op, a), b) & mask;

	while (p->done[at].op &&
		(p->done[at].op != op + 1u || p->done[at].a != a || p->done[at].b != b))
		at = (at + 1) & mask;
	return &p->done[at];
}

static void make_room_done(struct port_pool *p)
{
	struct done *old = p->done;
	size_t old_size = p->done_size;

	if (p->done_count * 2 < p->done_size)
		return;
	p->done_size = old_size ? old_size * 2 : 256;
	p->done = mem_alloc(p->done_size * sizeof(*p->done));
	for (size_t i = 0; i < old_size; i++)
		if (old[i].op)
			*find_done(p, (enum op)(old[i].op - 1), old[i].a, old[i].b) = old[i];
	free(old);
}

static portset join(struct port_pool *p, enum op op, portset a, portset b)
{
	static void (*const make[])(
		struct port_pool *, const struct port_set *, const struct port_set *) = {
		[OP_OR] = make_or, [OP_AND] = make_and, [OP_MINUS] = make_minus
	};
	struct done *d;
	portset result;

	make_room_done(p);
	d = find_done(p, op, a, b);
	if (d->op)
		return d->result;
	p->work_count = 0;
	make[op](p, &p->sets[a], &p->sets[b]);
	result = keep(p);
	*d = (struct done){ a, b, op + 1u, result };
	p->done_count++;
	return result;
}

portset ports_or(struct port_pool *p, portset a, portset b)
{
	if (a == b || b == PORTS_NONE || a == PORTS_ALL)
		return a;
	if (a == PORTS_NONE || b == PORTS_ALL)
		return b;
	return a < b ? join(p, OP_OR, a, b) : join(p, OP_OR, b, a);
}

portset ports_and(struct port_pool *p, portset a, portset b)
{
	if (a == b || b == PORTS_ALL || a == PORTS_NONE)
		return a;
	if (a == PORTS_ALL || b == PORTS_NONE)
		return b;
	return a < b ? join(p, OP_AND, a, b) : join(p, OP_AND, b, a);
}

portset ports_minus(struct port_pool *p, portset a, portset b)
{
	if (a == b || a == PORTS_NONE || b == PORTS_ALL)
		return PORTS_NONE;
	return b == PORTS_NONE ? a : join(p, OP_MINUS, a, b);
}

/* --- asking ------------------------------------------------------------------------------------- */

bool ports_has(const struct port_pool *p, portset set, enum proto proto, unsigned port)
{
	const struct port_set *s = &p->sets[set];
	uint32_t at = (uint32_t)proto << 16 | port;

	for (uint32_t i = 0; i < s->count; i++)
		if (p->intervals[s->first + i].low <= at && at <= p->intervals[s->first + i].high)
			return true;
	return false;
}

unsigned ports_first(const struct port_pool *p, portset set, enum proto *proto)
{
	uint32_t low = p->intervals[p->sets[set].first].low;

	*proto = (enum proto)(low >> 16);
	return low & PORT_MAX;
}

void ports_text(const struct port_pool *p, portset set, struct buf *out)
{
	const struct port_set *s = &p->sets[set];
	int last = -1;

	if (set == PORTS_NONE || set == PORTS_ALL) {
		buf_str(out, set == PORTS_ALL ? "all" : "none");
		return;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		const struct interval *v = &p->intervals[s->first + i];
		int proto = (int)(v->low >> 16);

		if (proto != last)
			buf_printf(
				out, "%s%s ", last < 0 ? "" : " ", proto_name((enum proto)proto));
		else
			buf_char(out, ',');
		last = proto;
		buf_printf(out, v->low == v->high ? "%u" : "%u-%u", v->low & PORT_MAX,
			v->high & PORT_MAX);
	}
}

static const char *const names[PROTO_COUNT] = { "TCP", "UDP", "SCTP" };

const char *proto_name(enum proto proto)
{
	return names[proto];
}

bool proto_parse(struct span text, enum proto *out)
{
	for (unsigned i = 0; i < PROTO_COUNT; i++)
		if (span_is(text, names[i])) {
			*out = (enum proto)i;
			return true;
		}
	return false;
}
