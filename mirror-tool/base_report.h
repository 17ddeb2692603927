/* What a medium holds of its set, and on which sets it builds, as members of a result. */
#ifndef MOAT_BASE_REPORT_H
#define MOAT_BASE_REPORT_H

#include "mirror-tool/media/base.h"
#include "mirror-tool/report.h"

struct left_out {
	uint64_t blobs, bytes; /* of the set, that the medium does not hold */
};

/* "kind" (full, delta, top-up), "base" (set, version and digest of each), "leftOut", "leftOutBytes". bases: of its exports. */
void base_report(struct report *r, const struct base *const *bases, size_t count,
	const struct left_out *left_out);

#endif
