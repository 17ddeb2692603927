/* Header values that steer a transfer: views stay inside, numbers in their bounds. */
#include "mirror-tool/upstream/headers.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = input(data, size), target;
	struct content_range range;
	uint64_t left, window;
	char type[64];

	if (link_next(in, &target) > 0)
		must(target.len && target.data >= in.data &&
			target.data + target.len <= in.data + in.len);
	if (content_range_parse(in, &range))
		must(range.first <= range.last && range.last < range.total);
	must(retry_after_parse(in, 1000000000) >= -1);
	if (rate_limit_parse(in, &left, &window))
		must(left <= 9999999999999999999ull && window <= 9999999999999999999ull);
	content_type_parse(in, type, sizeof(type));
	must(strlen(type) < sizeof(type));
	return 0;
}
