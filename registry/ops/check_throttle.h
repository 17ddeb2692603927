/*
 * How fast the check reads: behind each piece it rests until neither its rate nor its share of a processor is
 * exceeded. Arithmetic only; clocks and rest are the caller's.
 */
#ifndef MOAT_CHECK_THROTTLE_H
#define MOAT_CHECK_THROTTLE_H

#include <stdint.h>

struct check_throttle {
	uint64_t rate; /* bytes a second; 0: any */
	unsigned cpu; /* percent of one processor, 1 to 100 */
};

/* Microseconds that a piece takes at this pace, from its beginning to that of the next one. Rounded up: a
 * rounding down would add up to more than the rate.
 * bytes: of the piece. cpu_us: processor time since the piece before, not negative. */
int64_t check_throttle_us(const struct check_throttle *p, uint64_t bytes, int64_t cpu_us);

#endif
