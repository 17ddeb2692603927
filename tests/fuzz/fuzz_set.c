/* What reads as a set is written as something that reads as the same set. */
#include "storage/oci/set.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(set_release) struct set s = SET_INIT;
	AUTO(set_release) struct set back = SET_INIT;
	AUTO(buf_release) struct buf once = BUF_INIT;
	AUTO(buf_release) struct buf twice = BUF_INIT;
	struct err e;

	if (set_parse(&s, "x", input(data, size), &e) < 0)
		return 0;
	set_write(&s, &once);
	must(set_parse(&back, "y", buf_span(&once), &e) == 0);
	set_write(&back, &twice);
	must(strcmp(once.data, twice.data) == 0);
	return 0;
}
