/* The default engine, whose open blobs (and index.json) are bytes in memory: none has a descriptor. */
#ifndef MOAT_TEST_MEMORY_BLOBS_H
#define MOAT_TEST_MEMORY_BLOBS_H

#include "storage/engine.h"

extern const struct engine memory_blobs;

#endif
