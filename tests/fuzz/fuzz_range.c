/* Every range lies inside of the content, and a multipart body has the length it announces. The
 * first byte is the size of the content, the rest the header. */
#include "registry/api/range.h"
#include "tests/fuzz/fuzz.h"

static void walk(const struct parts *p)
{
	char piece[100];
	uint64_t at = 0, where;

	while (at < p->total) {
		size_t n = parts_at(p, at, piece, sizeof(piece), &where);

		must(n > 0 && n <= sizeof(piece));
		must(where == UINT64_MAX || where + n <= p->size);
		at += n;
	}
	must(at == p->total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mem_free) char *header = mem_strndup((const char *)data, size);
	struct ranges r = RANGES_INIT;
	uint64_t content = size ? data[0] : 0;
	enum range_answer answer = range_parse(&r, size ? header + 1 : NULL, content);

	for (size_t i = 0; i < r.count && answer != RANGE_WHOLE; i++)
		must(r.items[i].first <= r.items[i].last && r.items[i].last < content);
	if (answer == RANGE_PARTS) {
		struct parts p;

		parts_init(&p, &r, content);
		walk(&p);
		parts_release(&p);
	}
	ranges_release(&r);
	return 0;
}
