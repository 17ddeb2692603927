/*
 * Pods that the selectors of policies tell apart, so that a comparison of verdicts says something where few workloads, or
 * none, are given. Of each subject and peer: three pods that it selects, and for each label that it asks for three with each
 * of its other values, with one that nothing asks for, and without it; the same for the labels of the namespace. Of each
 * three NetworkPolicy isolates the second, and allows the third everything.
 */
#ifndef MOAT_POLICY_SPECIMENS_H
#define MOAT_POLICY_SPECIMENS_H

#include "mirror-tool/k8s/fields.h"

#define SPECIMENS_MAX 500 /* kinds of pods; each is there three times */

/*
 * Append, as JSON documents, the pods for the AdminNetworkPolicies and BaselineAdminNetworkPolicies among the objects, their
 * namespaces (moat-made-N) and NetworkPolicies, but for those that objects define. Returns how many kinds were left out behind
 * SPECIMENS_MAX.
 */
size_t specimens_make(const struct k8s_objects *objects, enum k8s_decode decode, struct buf *out);

#endif
