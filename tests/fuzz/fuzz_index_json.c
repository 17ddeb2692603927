/* index.json by pieces: what is read is what the strict parser reads of the whole, no more, no less. */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

struct file {
	struct blobs base;
	struct span text;
};

struct seen {
	const struct manifest *whole; /* NULL: it was refused */
	size_t count;
};

static int index_open(struct blobs *b, int *fd, uint64_t *size, struct err *e)
{
	const struct file *f = (const struct file *)b;

	(void)e;
	*fd = memfd_create("index.json", MFD_CLOEXEC);
	must(*fd >= 0);
	must(write(*fd, f->text.data, f->text.len) == (ssize_t)f->text.len);
	*size = f->text.len;
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
	static const struct manifest_limits limits = { 16u << 20, 1000000 };
	static const struct blob_ops ops = { .index_open = index_open };
	AUTO(manifest_release) struct manifest m = MANIFEST_INIT;
	struct file file = { { &ops }, input(data, size) };
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
