/* A list is read or refused. */
#include "mirror-tool/list/list.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list l;
	struct err e;

	if (list_parse(&l, "moat.yaml", input(data, size), &e) == 0)
		list_release(&l);
	return 0;
}
