/* Manifests and indexes: each descriptor that was read can be written and read again. */
#include "storage/oci/manifest.h"
#include "tests/fuzz/fuzz.h"

static void write_index(const struct manifest *m, struct buf *out)
{
	buf_str(out, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < m->count; i++) {
		buf_str(out, i ? "," : "");
		descriptor_write(out, &m->items[i]);
	}
	buf_str(out, "]}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(manifest_release) struct manifest back = MANIFEST_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e;

	if (manifest_parse(&m, "x", NULL, input(data, size), &e) < 0)
		return 0;
	write_index(&m, &out);
	if (out.len > MANIFEST_MAX)
		return 0; /* escapes grew */
	must(manifest_parse(&back, "y", NULL, buf_span(&out), &e) == 0);
	must(back.count == m.count);
	for (size_t i = 0; i < m.count; i++) {
		must(digest_eq(&back.items[i].digest, &m.items[i].digest));
		must(back.items[i].size == m.items[i].size);
	}
	return 0;
}
