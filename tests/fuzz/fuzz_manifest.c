/* Manifests and indexes: each descriptor that was read can be written and read again, and with a space in front, which is
 * not our own form, it is the same. */
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

static void compare(const struct manifest *m, const struct manifest *back)
{
	must(back->count == m->count);
	for (size_t i = 0; i < m->count; i++) {
		must(digest_eq(&back->items[i].digest, &m->items[i].digest));
		must(back->items[i].size == m->items[i].size);
	}
}

static void compare_spaced(struct span bytes, const struct manifest *m)
{
	AUTO(manifest_release) struct manifest other = MANIFEST_INIT;
	AUTO(buf_release) struct buf spaced = BUF_INIT;
	AUTO(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;
	struct err e;

	buf_char(&spaced, ' ');
	buf_add(&spaced, bytes.data, bytes.len);
	if (spaced.len > MANIFEST_MAX)
		return;
	must((manifest_parse(&other, "x", NULL, buf_span(&spaced), &e) == 0) == (m != NULL));
	if (!m)
		return;
	write_index(m, &a);
	write_index(&other, &b);
	must(strcmp(a.data, b.data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	AUTO(manifest_release) struct manifest back = MANIFEST_INIT;
	AUTO(buf_release) struct buf out = BUF_INIT;
	struct err e;

	if (manifest_parse(&m, "x", NULL, input(data, size), &e) < 0) {
		compare_spaced(input(data, size), NULL);
		return 0;
	}
	compare_spaced(input(data, size), &m);
	write_index(&m, &out);
	if (out.len > MANIFEST_MAX)
		return 0; /* escapes grew */
	must(manifest_parse(&back, "y", NULL, buf_span(&out), &e) == 0);
	compare(&m, &back);
	return 0;
}
