/*
 * What readers leave for writers: marks of blobs that proved bad, and the place that a check came to. Must
 * never write metadata.
 */
#define MOAT_STORE_PART
#include "storage/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/base/banned.h"

#define PLACE_MAX 200 /* bytes */

/* --- marks -------------------------------------------------------------------------------------- */

int store_may_mark(struct store *s, struct err *e)
{
	return blobs_may_mark(s->blobs, e);
}

int mark_put(struct store *s, const struct finding *f, struct err *e)
{
	AUTO(buf_release) struct buf reason = BUF_INIT;

	finding_json(s, f, &reason);
	return blobs_mark(s->blobs, &f->digest, buf_span(&reason), e);
}

int list_marks(struct store *s, mark_fn *fn, void *ctx, struct err *e)
{
	return blobs_each_mark(s->blobs, fn, ctx, e);
}

/* A mark that cannot be checked stays for the next opening, and never stops this one. */
static int apply_mark(void *ctx, const struct digest *d, struct err *e)
{
	struct store *s = ctx;
	uint64_t size;

	if (blob_held_by(s, d, BLOB_CHECK_BYTES, &size, e) >= 0)
		(void)!blobs_unmark(s->blobs, d, e);
	return 0;
}

int marks_apply(struct store *s, struct err *e)
{
	static const struct store_care marked = { .operation = "mark of a reader" };
	struct store_care care = s->care;
	int rc;

	s->care = marked;
	rc = blobs_each_mark(s->blobs, apply_mark, s, e);
	s->care = care;
	s->found_bad = 0; /* what readers found does not count for this handle */
	return rc;
}

/* --- the place ---------------------------------------------------------------------------------- */

int place_record(struct store *s, const struct check_place *p, struct err *e)
{
	char text[PLACE_MAX];
	int len = snprintf(text, sizeof(text),
		"%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", p->at.before,
		p->at.checked, p->at.id, p->began, p->done);

	return blobs_put_place(s->blobs, (struct span){ text, (size_t)len }, e);
}

/* Take text that is no place for none: the check begins again. */
int place_read(struct store *s, struct check_place *p, struct err *e)
{
	AUTO(buf_release) struct buf text = BUF_INIT;
	int rc = blobs_get_place(s->blobs, &text, e);
	int64_t n[5];
	char *at;

	if (rc <= 0)
		return rc;
	at = text.data;
	for (size_t i = 0; at && i < ARRAY_SIZE(n); i++) {
		char *end;

		n[i] = strtoll(at, &end, 10);
		if (end == at)
			return 0;
		at = end;
	}
	if (!at)
		return 0;
	*p = (struct check_place){ { .by_age = true, .before = n[0], .checked = n[1], .id = n[2] },
		n[3], n[4] };
	return 1;
}
