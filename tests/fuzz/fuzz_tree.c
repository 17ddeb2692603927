/* JSON and YAML from anywhere; lines never lie behind the end of the text. */
#include "storage/base/tree.h"
#include "tests/fuzz/fuzz.h"

static void walk(const struct node *n, uint32_t last_line)
{
	must(n->line >= 1 && n->line <= last_line);
	must(strlen(n->text) == n->text_len);
	node_each(child, n) walk(child, last_line);
}

static uint32_t lines_of(const uint8_t *data, size_t size)
{
	uint32_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(doc_release) struct doc json = DOC_INIT;
	AUTO(doc_release) struct doc yaml = DOC_INIT;
	struct err e;

	if (json_parse(&json, "x", input(data, size), 1 << 20, &e) == 0)
		walk(json.root, lines_of(data, size));
	if (yaml_parse(&yaml, "x", input(data, size), &e) == 0 && size)
		walk(yaml.root, UINT32_MAX); /* YAML counts other line breaks too */
	return 0;
}
