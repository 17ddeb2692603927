/*
 * The ends of connections of a model, as few as can be told apart: classes of workloads that every policy treats alike,
 * network sets (asked, never an end), ranges of outside addresses that every block treats alike, and what is no pod.
 * Conditions are answered for all of them at once, as two sets of bits.
 */
#ifndef MOAT_POLICY_ENDS_H
#define MOAT_POLICY_ENDS_H

#include "mirror-tool/policy/model.h"

enum end_kind { END_PODS, END_SET, END_OUTSIDE, END_HOST, END_REMOTE_NODE, END_API_SERVER };

struct end {
	enum end_kind kind;
	uint32_t
		of; /* END_PODS: a workload of the class; END_SET: the set; END_OUTSIDE: the first range */
	uint32_t count; /* END_PODS: workloads; END_OUTSIDE: ranges */
};

struct address_range { /* of outside addresses, in order */
	struct address first, last;
	uint32_t end;
};

struct ends {
	const struct model *model;
	struct end *items;
	size_t count;
	size_t first_set, first_outside, first_special; /* END_HOST; the other two follow */
	uint32_t *of_workload; /* the class of each workload */
	uint32_t *by_name; /* workloads in the order of namespace and name */
	struct address_range *ranges;
	size_t range_count;
	struct label_row *rows; /* the index: see ends.c */
	size_t row_count;
	uint64_t *pods, *host_pods; /* classes on the pod network, on the node's */
	size_t words; /* of 64 bits each, for one bit an end */
	bool asks_addresses; /* blocks are matched against pods */
};
#define ENDS_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}
void ends_release(struct ends *s); /* for AUTO */

/* m: borrowed, and must not change any more. */
void ends_make(struct ends *s, const struct model *m);

/* The answers of a condition: bits of `yes` and `maybe`, never both; each s->words long. */
struct answers {
	uint64_t *yes, *maybe;
};
void answers_make(const struct ends *s, struct answers *a);
void answers_release(struct answers *a); /* for AUTO */
void ends_ask(const struct ends *s, const struct cond *c, struct answers *out);

/* Why the answer is a maybe, as REASON_ bits; 0 when it is none. */
unsigned ends_reason(const struct ends *s, const struct cond *c, size_t end);

/* Bits of ends. */
static inline bool bit_get(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}
static inline void bit_set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}
/* The first set bit from i on, or `count`. */
size_t bit_next(const uint64_t *bits, size_t i, size_t count);

/* "ns/pod", "ext:IP", "host", "remote-node", "kube-apiserver": true and the number. */
bool ends_find(const struct ends *s, const char *name, size_t *out);

/* The name by which it is found: of its first member, or with `second` of another one, if there is any. */
void ends_name(const struct ends *s, size_t end, bool second, struct buf *out);

/* Are they one workload by itself? Then nothing is asked: a pod always reaches itself. */
bool ends_is_one(const struct ends *s, size_t end);

#endif
