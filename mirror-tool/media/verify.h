/* The sink of `moat verify`: hash a medium and write nothing. */
#ifndef MOAT_VERIFY_H
#define MOAT_VERIFY_H

#include "mirror-tool/media/medium.h"

struct verify_sink {
	struct hasher hasher;
	struct chunk chunk; /* the current one */
	struct chunk cut; /* parts of this blob were hashed up to cut.at */
	uint64_t bytes; /* hashed */
};
#define VERIFY_SINK_INIT                                                                           \
	{                                                                                          \
		.hasher = HASHER_INIT                                                              \
	}
void verify_sink_release(struct verify_sink *s); /* for AUTO */

extern const struct volume_sink verify_sink; /* its ctx begins with a struct verify_sink */

#endif
