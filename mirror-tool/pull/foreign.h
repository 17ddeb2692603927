/*
 * Fetch layers that have addresses of their own (`urls`): from the registry first, then from each
 * address, always by digest. Addresses in a manifest are not trusted: see upstream_foreign_url().
 */
#ifndef MOAT_FOREIGN_H
#define MOAT_FOREIGN_H

#include "mirror-tool/source/origin.h"

struct foreign_layer;

/* The layers that were asked for, until the release. */
struct foreign_layers {
	struct store *store; /* borrowed, as the batch is */
	struct blob_batch *batch;
	struct foreign_layer *first;
};
void foreign_layers_release(struct foreign_layers *all);

/* Fetch a layer into all->store and all->batch. done is called once, as by origin_blob(), perhaps
 * from inside this call. ref: of the repository of the layer. */
void foreign_layer_get(struct foreign_layers *all, const struct origin *o, const struct ref *ref,
	const struct descriptor *d, upstream_done_fn *done, void *ctx);

#endif
