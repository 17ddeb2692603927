/*
 * Sets of ports: TCP, UDP and SCTP, 1 to 65535 each, as numbers. A pool keeps each distinct set once, so equal sets have
 * equal numbers, and what was joined once is looked up. Pure; a pool is one thread's.
 */
#ifndef MOAT_POLICY_PORTS_H
#define MOAT_POLICY_PORTS_H

#include "storage/base/buf.h"

enum proto { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
#define PROTO_COUNT 3
#define PORT_MAX 65535

typedef uint32_t portset; /* of the pool that made it */
#define PORTS_NONE 0u
#define PORTS_ALL 1u

struct port_pool;

/* A pool with the empty and the full set. */
struct port_pool *port_pool_new(void);
void port_pool_free(struct port_pool **p); /* for AUTO */

/* Ports low to high of a protocol; the sets joined; what a has and b has not. */
portset ports_range(struct port_pool *p, enum proto proto, unsigned low, unsigned high);
portset ports_or(struct port_pool *p, portset a, portset b);
portset ports_and(struct port_pool *p, portset a, portset b);
portset ports_minus(struct port_pool *p, portset a, portset b);

/* The set of another pool. */
portset ports_copy(struct port_pool *p, const struct port_pool *from, portset set);

/* Is the port in it? */
bool ports_has(const struct port_pool *p, portset set, enum proto proto, unsigned port);

/* Append "TCP 80,443 UDP 53", "all", "none". A whole protocol is "TCP 1-65535". */
void ports_text(const struct port_pool *p, portset set, struct buf *out);

/* The lowest port of a set that is not empty. */
unsigned ports_first(const struct port_pool *p, portset set, enum proto *proto);

/* "TCP", and back: exactly so written. */
const char *proto_name(enum proto proto);
bool proto_parse(struct span text, enum proto *out);

#endif
