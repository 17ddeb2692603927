/* Descriptors: asking them things, and the one writer of them. Pure. */
#include <stdlib.h>

#include "storage/base/tree.h"
#include "storage/oci/keys.h"
#include "storage/oci/manifest.h"
#include "storage/base/banned.h"

const char *annotation_get(const struct annotations *a, const char *key)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].key, key) == 0)
			return a->items[i].value;
	return NULL;
}

bool descriptor_is_attestation(const struct descriptor *d, struct digest *of)
{
	const char *type = annotation_get(&d->annotations, KEY_REFERENCE_TYPE);
	const char *subject = annotation_get(&d->annotations, KEY_REFERENCE_DIGEST);
	struct err e;

	if (!type || !subject || strcmp(type, "attestation-manifest") != 0)
		return false;
	return digest_parse(of, span_of(subject), &e) == 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct annotation *)a)->key, ((const struct annotation *)b)->key);
}

void annotations_write(struct buf *out, const struct annotations *a)
{
	AUTO(mem_free) struct annotation *sorted = mem_alloc(a->count * sizeof(*sorted));

	if (a->count) {
		memcpy(sorted, a->items, a->count * sizeof(*sorted));
		qsort(sorted, a->count, sizeof(*sorted), by_key);
	}
	buf_char(out, '{');
	for (size_t i = 0; i < a->count; i++) {
		buf_str(out, i ? "," : "");
		json_quote(out, sorted[i].key, false);
		buf_char(out, ':');
		json_quote(out, sorted[i].value, false);
	}
	buf_char(out, '}');
}

static void write_word(struct buf *out, const char *before, const char *word)
{
	if (!*word)
		return;
	buf_str(out, before);
	json_quote(out, word, false);
}

static void write_platform(struct buf *out, const struct platform *p)
{
	buf_str(out, ",\"platform\":{\"architecture\":");
	json_quote(out, p->arch, false);
	write_word(out, ",\"os\":", p->os);
	write_word(out, ",\"os.version\":", p->os_version);
	write_word(out, ",\"variant\":", p->variant);
	buf_char(out, '}');
}

void descriptor_write(struct buf *out, const struct descriptor *d)
{
	char digest[DIGEST_TEXT_SIZE];

	buf_str(out, "{\"mediaType\":");
	json_quote(out, d->media_type, false);
	buf_printf(out, ",\"digest\":\"%s\",\"size\":%llu", digest_text(&d->digest, digest),
		(unsigned long long)d->size);
	if (d->has_platform)
		write_platform(out, &d->platform);
	if (d->artifact_type)
		write_word(out, ",\"artifactType\":", d->artifact_type);
	if (d->annotations.count) {
		buf_str(out, ",\"annotations\":");
		annotations_write(out, &d->annotations);
	}
	buf_char(out, '}');
}
