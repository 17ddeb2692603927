/* The full form of a platform reads back and matches itself. */
#include "storage/oci/manifest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[PLATFORM_TEXT_SIZE];
	struct platform p, back;
	struct err e;

	if (platform_parse(&p, input(data, size), &e) < 0)
		return 0;
	must(platform_parse(&back, span_of(platform_text(&p, text)), &e) == 0);
	must(platform_match(&p, &back));
	return 0;
}
