/* What parses as a digest has exactly one spelling. */
#include "storage/oci/digest.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest d;
	struct err e;

	if (digest_parse(&d, input(data, size), &e) == 0)
		must(span_is(input(data, size), digest_text(&d, text)));
	return 0;
}
