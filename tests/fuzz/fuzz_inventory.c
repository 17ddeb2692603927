/* An inventory that was accepted is byte for byte what would be written. */
#include "storage/oci/set.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(inventory_release) struct inventory v = INVENTORY_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e;

	if (inventory_parse(&v, "x", input(data, size), &e) < 0)
		return 0;
	inventory_write(&v, &out);
	must(out.len == size && (size == 0 || memcmp(out.data, data, size) == 0));
	return 0;
}
