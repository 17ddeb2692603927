/* Calico's language of selectors. */
#include "tests/fuzz/fuzz.h"

#include "mirror-tool/policy/calico_selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mem_free) char *text = mem_strndup((const char *)data, size);

	for (enum cond_place place = PLACE_POD; place <= PLACE_ACCOUNT; place++) {
		AUTO(arena_release) struct arena a = ARENA_INIT;
		struct err e = ERR_INIT;
		struct cond *c;
		bool global;

		if (calico_selector(&a, text, place, &c, &global, &e) < 0)
			must(e.code == ERR_INPUT);
		else
			must(!global || c->op == COND_ANY);
	}
	return 0;
}
