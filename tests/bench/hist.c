/*
 * Durations in logarithmic steps. It keeps no sample, so it costs the same for ten requests and
 * for ten million.
 */
#include "tests/bench/hist.h"

enum { BITS = 5, STEPS = 1 << BITS };

static unsigned step_of(uint64_t ns)
{
	unsigned top;

	if (ns < STEPS)
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	return (top - BITS + 1) * STEPS + ((unsigned)(ns >> (top - BITS)) & (STEPS - 1));
}

static uint64_t value_of(unsigned step)
{
	if (step < STEPS)
		return step;
	return (uint64_t)(STEPS + step % STEPS) << (step / STEPS - 1);
}

void hist_add(struct hist *h, uint64_t ns)
{
	h->step[step_of(ns)]++;
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

uint64_t hist_quantile(const struct hist *h, double part)
{
	uint64_t want = (uint64_t)((double)h->count * part), seen = 0;

	for (unsigned i = 0; i < sizeof(h->step) / sizeof(h->step[0]); i++) {
		seen += h->step[i];
		if (seen > want)
			return value_of(i);
	}
	return h->max_ns;
}
