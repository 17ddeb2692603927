/* The store's suite through the default engine. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/storage/suite.h"

int main(void)
{
	/* Every sync is free in memory, and none of these tests loses power. */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	return test_blob() + test_change() + test_check() + test_gc() + test_image() + test_mend() +
	       test_owners() + test_pushed_rebuild() + test_rebuild() + test_set() +
	       test_standing() + test_switch();
}
