/* Whatever a target says, what comes out of it is made of checked names. */
#include "registry/names.h"
#include "registry/route.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct names names = NAMES_INIT;
	struct candidates found;
	struct route r;

	if (route_parse(&r, input(data, size)) != ROUTE_OK)
		return 0;
	must(*r.name == '\0' || ref_is_repo(span_of(r.name)));
	must(*r.tag == '\0' || ref_is_tag(span_of(r.tag)));
	must(r.n >= 0 || r.n == PAGE_UNSET);
	if (*r.name == '\0')
		return 0;
	memcpy(names.fallback, "docker.io", sizeof("docker.io"));
	names_find(&names, r.name, r.ns, &found);
	must(found.count >= 1 && found.count <= CANDIDATES_MAX);
	return 0;
}
