/* Every value ends in a challenge or none, with clean text; so does every Link. */
#include <ctype.h>

#include "mirror-tool/upstream/challenge.h"
#include "mirror-tool/upstream/headers.h"
#include "tests/fuzz/fuzz.h"

static void must_be_clean(const char *text)
{
	must(strlen(text) <= CHALLENGE_VALUE_MAX);
	for (; *text; text++)
		must(!iscntrl((unsigned char)*text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct challenge c;

	challenge_parse(&c, input(data, size));
	must(c.kind != AUTH_BEARER || c.realm[0]);
	must_be_clean(c.realm);
	must_be_clean(c.service);
	must_be_clean(c.scope);
	must_be_clean(c.error);
	return 0;
}
