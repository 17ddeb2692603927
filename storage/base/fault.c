/* Fault points. The count is one atomic for the whole process: a sweep runs one operation. */
#include "storage/base/fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/base/banned.h"

static enum fault_mode armed = FAULT_OFF;
static atomic_uint countdown;
static const char *_Atomic fired;
static int record = -1;

/* At once: the process may be about to die. */
static void note(const char *name)
{
	if (record >= 0 &&
		dprintf(record, "%s %s\n", armed == FAULT_EXIT ? "die" : "fail", name) < 0)
		BUG("the record of fault points cannot be written");
}

int fault(const char *name, struct err *e)
{
	if (armed == FAULT_OFF || fired)
		return 0;
	if (atomic_fetch_sub(&countdown, 1) != 0)
		return 0;
	fired = name;
	note(name);
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

void fault_record(int fd)
{
	record = fd;
}

const char *fault_fired(void)
{
	return fired;
}
