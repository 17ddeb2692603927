/* Saying what policy/difference.h finds, for the verbs that compare. */
#ifndef MOAT_POLICY_DIFFERENCES_H
#define MOAT_POLICY_DIFFERENCES_H

#include "mirror-tool/policy/difference.h"
#include "mirror-tool/report.h"

/* Append NAMESPACE/OWNER[KIND]. */
void policy_name_workload(const struct model *m, const struct workload *w, struct buf *out);

/* The array "connections", and a sentence for each set of ports. Returns how many connections there are. */
size_t policy_say_differences(struct differences *d, struct report *r);

#endif
