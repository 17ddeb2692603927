/* Make and count content. Must never change it after it was shared. */
#include "registry/api/content.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/base/banned.h"

static struct content *content_new(enum content_kind kind, const struct digest *d,
	const char *media_type, uint64_t size, const char *ns)
{
	struct content *c = mem_alloc(sizeof(*c));

	atomic_init(&c->refs, 1);
	c->kind = kind;
	c->digest = *d;
	c->size = size;
	c->bytes = (struct buf)BUF_INIT;
	c->file = (struct blob_reader)BLOB_READER_INIT;
	snprintf(c->media_type, sizeof(c->media_type), "%s", media_type);
	snprintf(c->ns, sizeof(c->ns), "%s", ns);
	return c;
}

struct content *content_bytes(
	const struct digest *d, const char *media_type, struct buf *bytes, const char *ns)
{
	struct content *c = content_new(CONTENT_BYTES, d, media_type, bytes->len, ns);

	c->bytes = *bytes;
	*bytes = (struct buf)BUF_INIT;
	return c;
}

struct content *content_list(
	struct span json, const char *media_type, const char *link, const char *ns)
{
	struct digest none = { .alg = DIGEST_NONE };
	struct content *c = content_new(CONTENT_BYTES, &none, media_type, json.len, ns);

	buf_add(&c->bytes, json.data, json.len);
	c->link = link ? mem_strdup(link) : NULL;
	return c;
}

struct content *content_file(
	const struct digest *d, const char *media_type, struct blob_reader *file, const char *ns)
{
	struct content *c = content_new(CONTENT_FILE, d, media_type, file->size, ns);

	c->file = STEAL_READER(*file);
	return c;
}

struct content *content_ref(struct content *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void content_unref(struct content **c)
{
	struct content *last = *c;
	content_forget_fn *forget;

	*c = NULL;
	if (!last || atomic_fetch_sub_explicit(&last->refs, 1, memory_order_acq_rel) != 1)
		return;
	forget = atomic_load(&last->forget);
	if (last->rendered)
		forget(last->rendered);
	reader_close(&last->file);
	buf_release(&last->bytes);
	free(last->link);
	free(last);
}
