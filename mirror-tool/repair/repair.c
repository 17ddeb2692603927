/* What is wanted, and what each source answered. Must never count a blob as repaired whose digest was not compared. */
#include "mirror-tool/repair/repair.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/vec.h"
#include "storage/base/banned.h"

static void blob_done(void *item)
{
	struct repair_blob *b = item;

	for (size_t i = 0; i < b->try_count; i++)
		free(b->tries[i].answer);
	free(b->tries);
}

void repair_release(struct repair *r)
{
	int saved = errno;

	batch_free(&r->batch);
	r->map.done = blob_done;
	digest_map_release(&r->map);
	free(r->blobs);
	r->blobs = NULL;
	errno = saved;
}

/* --- what is wanted ------------------------------------------------------------------------------ */

void repair_want(struct repair *r, const struct digest *d, uint64_t size)
{
	struct repair_blob *b = digest_map_find(&r->map, d);

	if (b)
		return;
	b = digest_map_add(&r->map, d, sizeof(*b));
	b->size = size;
	*VEC_PUSH(r->blobs, r->count) = b;
	r->left++;
}

static bool is_open(const struct repair *r, const struct repair_blob *b)
{
	return !b->held && (!b->try_count || b->tries[b->try_count - 1].source != r->source);
}

struct repair_blob *repair_next(const struct repair *r, size_t *at)
{
	while (*at < r->count) {
		struct repair_blob *b = r->blobs[(*at)++];

		if (is_open(r, b))
			return b;
	}
	return NULL;
}

struct repair_blob *repair_find(const struct repair *r, const struct digest *d)
{
	struct repair_blob *b = digest_map_find(&r->map, d);

	return b && !b->held ? b : NULL;
}

/* --- answers ------------------------------------------------------------------------------------- */

void repair_answer(struct repair *r, struct repair_blob *b, const char *fmt, ...)
{
	struct repair_try *last = b->try_count ? &b->tries[b->try_count - 1] : NULL;
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (last && last->source == r->source) {
		free(last->answer);
		last->answer = mem_strdup(text);
		return;
	}
	*VEC_PUSH(b->tries, b->try_count) = (struct repair_try){ r->source, mem_strdup(text) };
}

void repair_settle(struct repair *r, struct repair_blob *b, const char *from)
{
	b->held = true;
	b->from = from;
	r->left--;
}

void repair_failed(struct repair *r, const struct err *why)
{
	struct repair_blob *b;

	tool_warn("%s: %s", r->source, why->text);
	for (size_t at = 0; (b = repair_next(r, &at));)
		repair_answer(r, b, "%s", why->text);
}

int repair_begin(struct repair *r, struct repair_blob *b, uint64_t size, struct blob_writer **w,
	struct err *e)
{
	int rc;

	if (size != b->size) {
		repair_answer(r, b,
			"has %llu bytes under its digest, not the %llu that are recorded",
			(unsigned long long)size, (unsigned long long)b->size);
		return 0;
	}
	rc = blob_begin(r->store, &b->digest, size, 0, w, e);
	if (rc > 0) /* another writer was faster */
		repair_settle(r, b, NULL);
	return rc < 0 ? -1 : !rc;
}

int repair_commit(struct repair *r, struct repair_blob *b, struct blob_writer **w, struct err *e)
{
	if (blob_commit(w, r->batch, NULL, e) == 0) {
		repair_settle(r, b, r->source);
		return 0;
	}
	if (e->code != ERR_CORRUPT)
		return -1;
	repair_answer(r, b, "has other bytes under its digest");
	err_clear(e);
	return 0;
}

int repair_put(struct repair *r, struct repair_blob *b, struct span bytes, struct err *e)
{
	AUTO(blob_abort) struct blob_writer *w = NULL;
	int rc = repair_begin(r, b, bytes.len, &w, e);

	if (rc <= 0)
		return rc;
	blob_write(w, bytes.data, bytes.len);
	return repair_commit(r, b, &w, e);
}
