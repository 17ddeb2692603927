/*
 * Find the size of a file at a URL, or of a blob: by HEAD, else by the total of a range of one
 * byte, else by reading to the end. Must never use a length that the server neither stated nor
 * sent.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mirror-tool/upstream/exchange.h"
#include "mirror-tool/upstream/headers.h"
#include "storage/base/banned.h"

struct size_request {
	char *url; /* of a file; NULL: a blob */
	struct ref ref;
	struct digest blob;
	upstream_size_fn *done;
	void *ctx;
	uint64_t counted;
};

static void size_send(struct upstream *up, struct size_request *s, bool head);

static enum verdict size_start(struct exchange *x, struct err *e)
{
	struct size_request *s = x->ctx;

	(void)e;
	s->counted = 0;
	if (!x->head_only)
		snprintf(x->range, sizeof(x->range), "0-0");
	return VERDICT_TAKE;
}

/* End the transfer as soon as the size is known. */
static int size_data(struct exchange *x, const char *data, size_t len, struct err *e)
{
	struct size_request *s = x->ctx;

	(void)data;
	(void)e;
	s->counted += len;
	return x->answer.status == 200 && x->answer.has_length;
}

static bool size_known(const struct exchange *x, uint64_t *size)
{
	struct content_range r;

	if (x->answer.status == 206) {
		if (!content_range_parse(x->answer.value[HTTP_CONTENT_RANGE], &r) ||
			r.total == UINT64_MAX)
			return false;
		*size = r.total;
		return true;
	}
	*size = x->answer.length;
	return x->answer.status == 200 && x->answer.has_length;
}

/* Fall back to GET: servers of signed addresses refuse HEAD, others have none or leave out the
 * length. */
static bool must_get(const struct exchange *x, int rc, bool known)
{
	int s = x->answer.status;

	if (!x->head_only)
		return false;
	return rc > 0 ? !known : s == 400 || s == 403 || s == 404 || s == 405 || s == 501;
}

static void size_done(struct exchange *x, int rc, struct err *e)
{
	struct size_request *s = x->ctx;
	uint64_t size = 0;
	bool known = size_known(x, &size);

	if (must_get(x, rc, known)) {
		x->ctx = NULL;
		size_send(x->up, s, false);
		return;
	}
	if (rc > 0 && !known && x->answer.status == 206)
		rc = err_set(e, ERR_INPUT, "%s: the server does not tell its size", x->url.text);
	s->done(s->ctx, rc, known ? size : s->counted, e);
}

static void size_drop(struct exchange *x)
{
	struct size_request *s = x->ctx;

	if (s)
		free(s->url);
	free(s);
}

static const struct exchange_ops size_ops = {
	.begin = size_start, .data = size_data, .done = size_done, .drop = size_drop
};

static struct exchange *blob_exchange(struct upstream *up, struct size_request *s)
{
	char digest[DIGEST_TEXT_SIZE];
	AUTO(mem_free) char *path = mem_printf("/blobs/%s", digest_text(&s->blob, digest));

	return exchange_for_ref(up, &s->ref, path, &size_ops, s);
}

static void size_send(struct upstream *up, struct size_request *s, bool head)
{
	struct exchange *x =
		s->url ? exchange_for_url(up, s->url, &size_ops, s) : blob_exchange(up, s);

	x->head_only = head;
	x->bulk = !head;
	schedule(x);
}

void upstream_url_size(struct upstream *up, const char *url, upstream_size_fn *done, void *ctx)
{
	struct size_request *s = mem_alloc(sizeof(*s));

	*s = (struct size_request){ .url = mem_strdup(url), .done = done, .ctx = ctx };
	size_send(up, s, true);
}

void upstream_blob_size(struct upstream *up, const struct ref *ref, const struct digest *d,
	upstream_size_fn *done, void *ctx)
{
	struct size_request *s = mem_alloc(sizeof(*s));

	*s = (struct size_request){ .ref = *ref, .blob = *d, .done = done, .ctx = ctx };
	size_send(up, s, true);
}
