/* index.json by pieces: what is read is what the strict parser reads of the whole, no more, no less. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include "tests/fuzz/fuzz.h"

struct file {
	struct blobs base;
	struct blob_source source;
	struct span text;
};

struct seen {
	const struct manifest *whole; /* NULL: it was refused */
	size_t count;
};

static int read_text(struct blob_source *b, uint64_t at, void *buf, size_t len, struct err *e)
{
	const struct file *f = CONTAINER_OF(b, struct file, source);

	(void)e;
	memcpy(buf, f->text.data + at, len);
	return 0;
}

static void close_text(struct blob_source *b)
{
	(void)b;
}

static int index_open(struct blobs *b, struct blob_reader *r, struct err *e)
{
	struct file *f = (struct file *)b;

	(void)e;
	f->source = (struct blob_source){ read_text, close_text };
	r->source = &f->source;
	r->size = f->text.len;
	return 1;
}

static int see(void *ctx, size_t number, const struct descriptor *d, struct err *e)
{
	struct seen *seen = ctx;

	(void)e;
	must(number == seen->count++);
	if (!seen->whole)
		return 0;
	must(number < seen->whole->count);
	must(digest_eq(&seen->whole->items[number].digest, &d->digest));
	must(seen->whole->items[number].size == d->size);
	must(seen->whole->items[number].annotations.count == d->annotations.count);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct manifest_limits limits = { 16u << 20, 1000000, SIZE_MAX };
	static const struct blob_ops ops = { .index_open = index_open };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct file file = { .base = { .ops = &ops }, .text = input(data, size) };
	struct store store = { .blobs = &file.base };
	struct seen seen = { NULL, 0 };
	struct err e;
	int whole = manifest_parse_limited(&m, "x", MEDIA_OCI_INDEX, file.text, &limits, &e);

	if (whole == 0)
		seen.whole = &m;
	must((index_json_each(&store, see, &seen, &e) > 0) == (whole == 0));
	must(whole < 0 || seen.count == m.count);
	return 0;
}
