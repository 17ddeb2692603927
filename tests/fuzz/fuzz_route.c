/* Whatever a target says, what comes out of it is made of checked names. */
#include "registry/access/repo_names.h"
#include "registry/api/route.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct repo_names names = REPO_NAMES_INIT;
	struct candidates found;
	AUTO(route_release) struct route r = ROUTE_INIT;

	if (route_parse(&r, input(data, size)) != ROUTE_OK)
		return 0;
	must(*r.name == '\0' || ref_is_repo(span_of(r.name)));
	must(*r.tag == '\0' || ref_is_tag(span_of(r.tag)));
	must(r.n >= 0 || r.n == PAGE_UNSET);
	must(*r.from == '\0' || ref_is_repo(span_of(r.from)));
	must(strlen(r.session) == 0 || strlen(r.session) == SESSION_ID_SIZE - 1);
	must(r.tags <= ROUTE_TAGS_MAX);
	for (unsigned i = 0; i < r.tags; i++)
		must(ref_is_tag(span_of(route_value(&r, i))));
	if (*r.name == '\0')
		return 0;
	memcpy(names.fallback, "docker.io", sizeof("docker.io"));
	repo_names_find(&names, r.name, r.ns, &found);
	must(found.count >= 1 && found.count <= CANDIDATES_MAX);
	repo_names_find_target(&names, r.name, r.ns, &found);
	must(found.count >= 1 && found.count <= CANDIDATES_MAX);
	return 0;
}
