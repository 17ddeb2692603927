/* Digests in documents of ours and of strangers (storage/base/tree.h). Pure. */
#ifndef MOAT_DIGEST_NODE_H
#define MOAT_DIGEST_NODE_H

#include "storage/base/tree.h"
#include "storage/oci/digest.h"

/* Read the digest that a map must have under this key. ERR_INPUT names the place, and what is wrong with it. */
MUST int node_digest(const struct doc *d, const struct node *map, const char *key,
	struct digest *out, struct err *e);

#endif
