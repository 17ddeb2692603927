/* Conditions and kinds in the words of the manifests, for people. Pure. */
#ifndef MOAT_POLICY_WORDS_H
#define MOAT_POLICY_WORDS_H

#include "mirror-tool/policy/model.h"

/* Append "app=web and namespace env=prod", "10.0.0.0/8", "everything". */
void cond_text(const struct model *m, const struct cond *c, struct buf *out);

/* Append "NetworkPolicy prod/db". */
void policy_text(const struct policy *p, struct buf *out);

#endif
