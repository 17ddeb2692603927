/*
 * Who reaches whom, for people: pods of one owner are one group as long as no policy tells them apart, and outside
 * addresses are the widest ranges with the same answer. Nothing is kept by pair: each is judged when it is asked for.
 */
#ifndef MOAT_POLICY_MAP_H
#define MOAT_POLICY_MAP_H

#include "mirror-tool/policy/verdict.h"

/* The pods of one owner, ns NULL: no pods; of an owner whose pods policies tell apart: one pod. */
struct map_group {
	const char *ns, *name, *kind;
	uint32_t end; /* the class that they are of */
	uint32_t first, pods; /* in the map's list of workloads */
};

/* Whose policies count. */
enum map_sides { MAP_BOTH, MAP_EGRESS, MAP_INGRESS };

#define MAP_SPECIAL 3

struct map {
	struct judge *judge;
	struct map_group *groups; /* by namespace, name, kind */
	size_t group_count; /* behind them MAP_SPECIAL ends that are no pods: host, remote-node, kube-apiserver */
	uint32_t *workloads; /* numbers in the model */
	enum map_sides sides;
};
#define MAP_INIT                                                                                   \
	{                                                                                          \
		.group_count = 0                                                                   \
	}
void map_release(struct map *m); /* for AUTO */

/* j: borrowed. */
void map_make(struct map *m, struct judge *j, enum map_sides sides);

/* One end of the judge to another. */
struct reach map_reach(const struct map *m, size_t src, size_t dst);

/* Some of the ends. */
struct map_choice {
	bool *groups; /* by number; special ones too */
	bool outside;
	bool by_address; /* of outside only the range with `address` */
	struct address address;
};
void map_choice_release(struct map_choice *c); /* for AUTO */

/* NULL: all groups and outside. "NS/", "NS/NAME" (an owner's or a pod's), "NS/NAME[KIND]", "outside", "ext:IP", "host",
 * "remote-node", "kube-apiserver". false: nothing is called so. */
bool map_choose(const struct map *m, const char *text, struct map_choice *out);

/* A group that is reached from another one in so many steps. */
struct map_hop {
	unsigned step; /* from 1 */
	uint32_t from, to; /* groups; `from` is the first that reaches it */
	bool certain; /* on every step up to here */
	struct reach reach; /* of this step */
};

/*
 * Which groups are reached from those in `from` (by number) in at most `steps` steps, each once: on a certain way, else on
 * one that nobody can rule out. In order of steps. With a free() to follow. Returns how many.
 */
size_t map_hops(const struct map *m, const bool *from, unsigned steps, struct map_hop **out);

/* Outside addresses with one answer. */
struct map_range {
	struct address first, last;
	struct reach reach;
};

/* What a group reaches outside (EGRESS), or is reached from: all addresses of both families, in order; with a free() to
 * follow. Returns how many. */
size_t map_outside(struct map *m, size_t group, enum direction d, struct map_range **out);

#endif
