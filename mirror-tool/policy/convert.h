/*
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy (v1alpha1) as the ClusterNetworkPolicy (standard channel) that means
 * the same, as a tree. Whether it does is the caller's to prove. Pure.
 */
#ifndef MOAT_POLICY_CONVERT_H
#define MOAT_POLICY_CONVERT_H

#include "mirror-tool/k8s/fields.h"

/* The place of a BaselineAdminNetworkPolicy, which has none: behind every other of its tier. */
#define CONVERT_LAST 1000

/* Rules of a direction, and peers, ports and networks of a rule, that a ClusterNetworkPolicy has at most. */
#define CONVERT_LIST_MAX 25

/* Is it of one of the two kinds? */
bool convert_is_old(const struct k8s_object *o);

/*
 * The converted object as *out, the caller's to release. api_version: of the new one.
 *
 * Fails: ERR_INPUT with file and line: named ports, nodes, domain names, a list that is too long, which have no equal; a
 *        shape that the API server refuses.
 */
MUST int convert_policy(
	const struct k8s_fields *f, const char *api_version, struct doc *out, struct err *e);

#endif
