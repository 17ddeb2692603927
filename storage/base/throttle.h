/*
 * How fast a check of a store reads: after each chunk it rests until neither its rate nor its share of a processor is
 * exceeded. Pure arithmetic; the caller has the clocks and rests.
 */
#ifndef MOAT_THROTTLE_H
#define MOAT_THROTTLE_H

#include <stdint.h>

struct throttle_limit {
	uint64_t rate; /* bytes a second; 0: any */
	unsigned cpu; /* percent of one processor, 1 to 100 */
};

/* How many microseconds a chunk takes, from its beginning to that of the next one. Rounded up: rounding down
 * would add up to more than the rate. bytes: of the chunk. cpu_us: processor time since the chunk before, not
 * negative. */
int64_t throttle_us(const struct throttle_limit *p, uint64_t bytes, int64_t cpu_us);

#endif
