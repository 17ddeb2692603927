/* Blobs as local files, in the layout of OCI: blobs/<alg>/<hex>. See engine.h for the contract. */
#ifndef MOAT_BLOBS_FS_H
#define MOAT_BLOBS_FS_H

#include "storage/engine.h"

MUST int blobs_fs_open(struct blobs **b, const char *where, enum store_mode mode, struct err *e);

#endif
