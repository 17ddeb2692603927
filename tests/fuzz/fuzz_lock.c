/* What is accepted is written, and the writing reads back as itself. */
#include "mirror-tool/list/lock.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	AUTO(buf_release) struct buf again = BUF_INIT;
	struct lock l;
	struct err e;

	if (lock_parse(&l, "moat.lock", input(data, size), &e) < 0)
		return 0;
	lock_write(&l, &text);
	lock_release(&l);
	must(lock_parse(&l, "moat.lock", buf_span(&text), &e) == 0);
	lock_write(&l, &again);
	lock_release(&l);
	must(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
	return 0;
}
