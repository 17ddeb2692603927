/* Fault points. The count is one atomic for the whole process: a sweep runs one operation. */
#include "storage/base/fault.h"

#include <stdatomic.h>
#include <unistd.h>

#include "storage/base/banned.h"

static enum fault_mode armed = FAULT_OFF;
static atomic_uint countdown;
static const char *_Atomic fired;

int fault(const char *name, struct err *e)
{
	if (armed == FAULT_OFF || fired)
		return 0;
	if (atomic_fetch_sub(&countdown, 1) != 0)
		return 0;
	fired = name;
	if (armed == FAULT_EXIT)
		_exit(FAULT_EXIT_STATUS);
	return err_set(e, ERR_IO, "fault point %s", name);
}

void fault_arm(enum fault_mode mode, unsigned n)
{
	armed = mode;
	countdown = n;
	fired = NULL;
}

const char *fault_fired(void)
{
	return fired;
}
