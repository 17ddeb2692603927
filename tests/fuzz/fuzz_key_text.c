/* What is accepted reads back from its own text, and allows the same. */
#include "mirror-tool/sign/key_text.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(key_text_release) struct key_text t = KEY_TEXT_INIT;
	AUTO(key_text_release) struct key_text again = KEY_TEXT_INIT;
	AUTO(mem_free) char *text = NULL;
	struct span pem;
	struct err e;

	if (key_text_parse(&t, "k", input(data, size), &pem, &e) < 0 || !t.sets_text)
		return 0;
	text = mem_printf("sets: %s\n", t.sets_text);
	must(key_text_parse(&again, "k", span_of(text), &pem, &e) == 0);
	must(key_text_eq(&t, &again) && t.set_count == again.set_count);
	must(key_text_allows(&t, "platform") == key_text_allows(&again, "platform"));
	return 0;
}
