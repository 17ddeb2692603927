/* Blobs as local files, in the layout of OCI: blobs/<alg>/<hex>. See engine.h for the contract. */
#ifndef MOAT_FILES_H
#define MOAT_FILES_H

#include "storage/engine.h"

/* open_blobs of the local engine: the folder `where`, made when mode is STORE_WRITE. */
MUST int files_open(struct blobs **b, const char *where, enum store_mode mode, struct err *e);

#endif
