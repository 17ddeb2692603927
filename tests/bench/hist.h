#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

/*
 * A histogram of durations with a fixed size and steps of about 3 %: 32 steps for every power of
 * two nanoseconds. All zero is empty.
 */
struct hist {
	uint64_t count;
	uint64_t max_ns;
	uint32_t step[64 * 32];
};

void hist_add(struct hist *h, uint64_t ns);

/* The duration that the given part (0.5, 0.99) of all stay within; 0 when empty. */
uint64_t hist_quantile(const struct hist *h, double part);

#endif
