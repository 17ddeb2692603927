/* The full form of a reference reads back as itself. */
#include "storage/oci/ref.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[REF_TEXT_SIZE], again[REF_TEXT_SIZE];
	struct ref r, back;
	struct err e;

	if (ref_parse(&r, input(data, size), &e) < 0)
		return 0;
	ref_text(&r, text);
	must(ref_parse(&back, span_of(text), &e) == 0);
	must(strcmp(ref_text(&back, again), text) == 0);
	return 0;
}
