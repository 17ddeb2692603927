/*
 * Scopes: what a challenge names, and what clients then ask a token for (distribution, "Token Scope
 * Documentation"). Pure: auth.c decides which are granted.
 */
#ifndef MOAT_SCOPE_H
#define MOAT_SCOPE_H

#include "registry/access/token.h"

/* Read TYPE:NAME:ACTIONS, where NAME may hold a ':': 1, and the grant that it asks for; 0 when it is of no
 * known type, which is left out, not refused. */
int scope_read(struct span scope, struct grant *out);

/* Call fn for each scope in the query of a token request, split at '&' and ' ', at most `max` of them. -1: an
 * encoding is broken. */
typedef void scope_fn(void *ctx, struct span scope);
MUST int scope_each(struct span query, unsigned max, scope_fn *fn, void *ctx);

/* Append ,scope="..." for a challenge; nothing when there is none to name. */
void scope_add(struct buf *value, const char *path, unsigned actions);

#endif
