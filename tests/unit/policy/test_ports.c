/* Sets of ports against plain arrays of bits. */
#include "tests/support/cm.h"

#include <stdlib.h>

#include "mirror-tool/policy/ports.h"

#define LINE (PROTO_COUNT << 16)

struct plain {
	bool has[LINE];
};

struct pair {
	portset set;
	struct plain *plain;
};

static void check(const struct port_pool *p, const struct pair *a)
{
	for (unsigned i = 0; i < LINE; i++) {
		if ((i & 0xffff) == 0)
			continue;
		if (ports_has(p, a->set, (enum proto)(i >> 16), i & 0xffff) != a->plain->has[i])
			fail_msg("port %u", i);
	}
}

/* A few bounds, so that sets meet, touch and are equal often. */
static unsigned some_port(void)
{
	static const unsigned bounds[] = { 1, 2, 79, 80, 81, 443, 32767, 65534, 65535 };

	return bounds[(unsigned)rand() % ARRAY_SIZE(bounds)];
}

static void add_range(struct port_pool *p, struct pair *a)
{
	enum proto proto = (enum proto)(rand() % PROTO_COUNT);
	unsigned low = some_port(), high = some_port();

	if (low > high) {
		unsigned swap = low;

		low = high;
		high = swap;
	}
	a->set = ports_or(p, a->set, ports_range(p, proto, low, high));
	for (unsigned port = low; port <= high; port++)
		a->plain->has[(unsigned)proto << 16 | port] = true;
}

static struct pair new_pair(struct port_pool *p, unsigned ranges)
{
	struct pair a = { PORTS_NONE, mem_alloc(sizeof(*a.plain)) };

	for (unsigned i = 0; i < ranges; i++)
		add_range(p, &a);
	return a;
}

static void ports__join_as_sets_do(void **state)
{
	AUTO(port_pool_free) struct port_pool *p = port_pool_new();

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 150; round++) {
		struct pair a = new_pair(p, (unsigned)rand() % 4),
			    b = new_pair(p, (unsigned)rand() % 4);
		struct pair or = { ports_or(p, a.set, b.set), mem_alloc(sizeof(* or.plain)) };
		struct pair and = { ports_and(p, a.set, b.set), mem_alloc(sizeof(*and.plain)) };
		struct pair minus = { ports_minus(p, a.set, b.set),
			mem_alloc(sizeof(*minus.plain)) };

		for (unsigned i = 0; i < LINE; i++) {
			or.plain->has[i] = a.plain->has[i] || b.plain->has[i];
			and.plain->has[i] = a.plain->has[i] && b.plain->has[i];
			minus.plain->has[i] = a.plain->has[i] && !b.plain->has[i];
		}
		check(p, & or);
		check(p, &and);
		check(p, &minus);
		free(a.plain);
		free(b.plain);
		free(or.plain);
		free(and.plain);
		free(minus.plain);
	}
}

static void ports__have_one_number_for_one_set(void **state)
{
	AUTO(port_pool_free) struct port_pool *p = port_pool_new();
	portset low = ports_range(p, PROTO_UDP, 1, 99),
		high = ports_range(p, PROTO_UDP, 100, 65535);
	portset all = PORTS_NONE;

	(void)state;
	assert_int_equal(ports_or(p, low, high), ports_range(p, PROTO_UDP, 1, 65535));
	assert_int_equal(ports_or(p, high, low), ports_or(p, low, high));
	for (enum proto proto = PROTO_TCP; proto < PROTO_COUNT; proto++)
		all = ports_or(p, all, ports_range(p, proto, 1, 65535));
	assert_int_equal(all, PORTS_ALL);
	assert_int_equal(ports_minus(p, low, PORTS_ALL), PORTS_NONE);
	assert_int_equal(ports_and(p, low, high), PORTS_NONE);
	assert_int_equal(ports_minus(p, PORTS_ALL, ports_minus(p, PORTS_ALL, low)), low);
}

static void ports__are_read_by_people(void **state)
{
	AUTO(port_pool_free) struct port_pool *p = port_pool_new();
	AUTO(buf_release) struct buf text = BUF_INIT;
	portset s = ports_range(p, PROTO_TCP, 80, 80);

	(void)state;
	s = ports_or(p, s, ports_range(p, PROTO_TCP, 443, 444));
	s = ports_or(p, s, ports_range(p, PROTO_SCTP, 1, 65535));
	ports_text(p, s, &text);
	buf_char(&text, '|');
	ports_text(p, PORTS_ALL, &text);
	buf_char(&text, '|');
	ports_text(p, PORTS_NONE, &text);
	assert_string_equal(text.data, "TCP 80,443-444 SCTP 1-65535|all|none");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports__join_as_sets_do),
		cmocka_unit_test(ports__have_one_number_for_one_set),
		cmocka_unit_test(ports__are_read_by_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
