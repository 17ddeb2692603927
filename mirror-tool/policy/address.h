/* IPv4 and IPv6 addresses and blocks of them, as policies write them. Pure. */
#ifndef MOAT_POLICY_ADDRESS_H
#define MOAT_POLICY_ADDRESS_H

#include "storage/base/buf.h"

enum family { IPV4, IPV6 };

/* One address; of IPv4 only the low 32 bits of `low` count. */
struct address {
	enum family family;
	uint64_t high, low;
};

/* A block, as the range that it is. */
struct block {
	struct address first, last;
	unsigned bits; /* of the prefix */
};

/* Dotted IPv4 without leading zeros, or IPv6 in any form but one with an IPv4 address mapped into it. */
bool address_parse(struct span text, struct address *out);

/* What a block has that is not as Kubernetes 1.37 wants a new one; it is read all the same. */
enum block_fault {
	BLOCK_GOOD,
	BLOCK_BAD, /* no block at all; nothing is read */
	BLOCK_HOST_BITS, /* 10.1.2.3/8 */
	BLOCK_ZEROS, /* 010.0.0.0/8, /08 */
	BLOCK_MAPPED, /* ::ffff:10.0.0.0/104: read as the IPv4 block */
};
enum block_fault block_parse(struct span text, struct block *out);

/* The block of one address. */
struct block block_of(const struct address *a);

/* Order: IPv4 first. To the next one: false, it was the last of its family. */
int address_compare(const struct address *a, const struct address *b);
bool address_next(struct address *a);

/* Of an address; of any address of the other; of all addresses of the inner. */
bool block_has(const struct block *b, const struct address *a);
bool block_overlaps(const struct block *a, const struct block *b);
bool block_covers(const struct block *outer, const struct block *inner);

/* As people write it, into the caller's array, which is returned. */
#define ADDRESS_TEXT_SIZE 48
const char *address_text(const struct address *a, char text[ADDRESS_TEXT_SIZE]);

#endif
