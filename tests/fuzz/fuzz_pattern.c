/* A pattern and a tag, one line each. */
#include "mirror-tool/list/pattern.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = input(data, size);
	struct span text = span_until(&rest, '\n');
	AUTO(mem_free) char *tag = mem_strndup(rest.data ? rest.data : "", rest.len);
	struct pattern p;
	struct err e;

	if (pattern_parse(&p, text, &e) < 0)
		return 0;
	(void)pattern_match(&p, tag);
	pattern_release(&p);
	return 0;
}
