/* What every fuzz target includes: bytes come in, whatever they are; nothing may break. */
#ifndef MOAT_FUZZ_H
#define MOAT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

/* A property that must hold for what was accepted. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct span input(const uint8_t *data, size_t size)
{
	return (struct span){ (const char *)data, size };
}

#endif
