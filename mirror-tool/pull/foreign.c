/* Fetch a layer from one of several addresses. A failure must name the answer of each. */
#include "mirror-tool/pull/foreign.h"

#include <stdlib.h>

#include "storage/base/banned.h"

struct foreign_layer {
	struct foreign_layer *next;
	const struct foreign_layers *all;
	struct upstream *upstream;
	struct digest digest;
	uint64_t size;
	char *urls[DESCRIPTOR_URLS_MAX];
	size_t count, tried;
	struct buf why; /* the answers so far */
	upstream_done_fn *done;
	void *ctx;
};

void foreign_layers_release(struct foreign_layers *all)
{
	for (struct foreign_layer *l = all->first, *next; l; l = next) {
		next = l->next;
		for (size_t i = 0; i < l->count; i++)
			free(l->urls[i]);
		buf_release(&l->why);
		free(l);
	}
	all->first = NULL;
}

static void fail(struct foreign_layer *l, struct err *e)
{
	char text[DIGEST_TEXT_SIZE];

	err_set(e, e->code,
		"layer %s: %.600s; foreign-layers: leave in the list leaves foreign ones behind",
		digest_text(&l->digest, text), l->why.data);
	l->done(l->ctx, -1, e);
}

static void got(void *ctx, int rc, struct err *e)
{
	struct foreign_layer *l = ctx;

	if (rc >= 0 || err_is_local(e->code)) {
		l->done(l->ctx, rc, e);
		return;
	}
	buf_printf(&l->why, "%s%s", l->why.len ? "; " : "", e->text);
	if (l->tried == l->count) {
		fail(l, e);
		return;
	}
	upstream_foreign_url(l->upstream, l->urls[l->tried++], &l->digest, l->size, l->all->store,
		l->all->batch, got, l);
}

void foreign_layer_get(struct foreign_layers *all, const struct origin *o, const struct ref *ref,
	const struct descriptor *d, upstream_done_fn *done, void *ctx)
{
	struct foreign_layer *l = mem_alloc(sizeof(*l));

	*l = (struct foreign_layer){ .next = all->first,
		.all = all,
		.upstream = o->upstream,
		.digest = d->digest,
		.size = d->size,
		.why = BUF_INIT,
		.done = done,
		.ctx = ctx };
	all->first = l;
	for (; l->count < d->url_count; l->count++)
		l->urls[l->count] = mem_strdup(d->urls[l->count]);
	origin_blob(o, ref, &l->digest, l->size, all->store, all->batch, got, l);
}
