/* How long a check rests. */
#include "storage/base/throttle.h"

#include "storage/base/err.h"
#include "storage/base/banned.h"

#define SECOND_US 1000000
#define CHUNK_MAX (UINT64_MAX / SECOND_US - 1)

static uint64_t divide_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

int64_t throttle_us(const struct throttle_limit *p, uint64_t bytes, int64_t cpu_us)
{
	uint64_t by_rate, by_cpu;

	if (p->cpu < 1 || p->cpu > 100 || cpu_us < 0 || bytes > CHUNK_MAX)
		BUG("a throttle that is none");
	by_rate = p->rate ? divide_up(bytes * SECOND_US, p->rate) : 0;
	by_cpu = divide_up((uint64_t)cpu_us * 100, p->cpu);
	return (int64_t)(by_rate > by_cpu ? by_rate : by_cpu);
}
