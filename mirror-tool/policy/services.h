/*
 * Services over a map: the pods and ports behind them, who reaches them, and every way in from outside that manifests
 * tell of.
 */
#ifndef MOAT_POLICY_SERVICES_H
#define MOAT_POLICY_SERVICES_H

#include "mirror-tool/policy/map.h"

/* Pods of a group that a port of a Service leads to. */
struct target {
	uint32_t port; /* in the Service's ports */
	uint32_t group;
	unsigned number; /* of the pods' port */
};
struct targets {
	struct target *items; /* by port, then group */
	size_t count;
};
#define TARGETS_INIT                                                                               \
	{                                                                                          \
		.count = 0                                                                         \
	}
void targets_release(struct targets *t); /* for AUTO */

/* None where a Service selects nothing, or its port names none of theirs. */
void targets_make(struct targets *t, const struct map *m, const struct service *s);

/* A group to a Service, on the Service's ports: certain where all targets of a port are reached. */
struct reach targets_reach(
	const struct targets *t, const struct map *m, const struct service *s, size_t src_group);

/* How a packet from outside may come to a pod. */
enum way_kind {
	WAY_INGRESS,
	WAY_LOAD_BALANCER,
	WAY_NODE_PORT,
	WAY_ADDRESS,
	WAY_HOST_PORT,
	WAY_HOST_NETWORK
};

/* Over all outside addresses. */
enum way_verdict { WAY_DENIED, WAY_ALLOWED, WAY_SOME, WAY_UNKNOWN };

struct way {
	enum way_kind kind;
	const char *ns, *name; /* of the Ingress, the Service or the workload */
	const char *host; /* of an Ingress; "": any */
	enum proto proto;
	unsigned port; /* outside; 0: not told */
	uint32_t group;
	unsigned target; /* of the pod; 0: all */
	enum way_verdict outside,
		node; /* when the source is an outside address; when it is another node's */
};
struct ways {
	struct way *items;
	size_t count;
};
#define WAYS_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void ways_release(struct ways *w); /* for AUTO */

/* Each once: Ingresses, then Services, then workloads. */
void ways_make(struct ways *w, struct map *m);

/* "Ingress" ..., "allow" ... */
const char *way_kind_name(enum way_kind kind);
const char *way_verdict_name(enum way_verdict v);

#endif
