/*
 * Probes: connections to judge, a line each, tab-separated: src, dst, protocol, port, and what may be stated of it:
 * verdict, egress side, ingress side ("-" or nothing: not stated). '#' begins a comment line. Pure.
 */
#ifndef MOAT_POLICY_PROBES_H
#define MOAT_POLICY_PROBES_H

#include "mirror-tool/policy/verdict.h"
#include "storage/base/err.h"

#define PROBES_BYTES_MAX (256u << 20)
#define PROBE_STATED 3 /* verdict, egress, ingress */

struct probe {
	uint32_t line;
	const char *src, *dst; /* of the file's text */
	enum proto proto;
	unsigned port;
	int stated[PROBE_STATED]; /* an enum verdict; -1: nothing */
};

struct probes {
	struct probe *items;
	size_t count;
	struct arena arena;
};
#define PROBES_INIT                                                                                \
	{                                                                                          \
		.arena = ARENA_INIT                                                                \
	}
void probes_release(struct probes *p); /* for AUTO */

/* ERR_INPUT with NAME:LINE. */
MUST int probes_parse(struct probes *p, const char *name, struct span text, struct err *e);

/* The same of one line. */
MUST int probes_parse_line(
	struct probes *p, const char *name, uint32_t line, struct span text, struct err *e);

#endif
