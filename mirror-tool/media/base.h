/*
 * On what a medium builds that does not hold all of its set: an annotation of each volume's index.json, so
 * covered by the table of contents. It is for messages only: an import looks at what the store really holds.
 * Pure.
 *
 *	since platform:2026.10@sha256:<hex> cni:4@sha256:<hex>
 */
#ifndef MOAT_BASE_H
#define MOAT_BASE_H

#include "storage/oci/set.h"

#define BASE_SETS_MAX 64

enum base_kind {
	BASE_NONE, /* the medium holds all of its set */
	BASE_SINCE, /* what the sets named here hold is left out */
	BASE_RECEIPT, /* what a receipt says is held is left out; the sets are those of the receipt */
	BASE_NEED, /* a top-up: only what a need list names; no sets */
};

struct base_set {
	char name[SET_NAME_MAX + 1], version[SET_VERSION_MAX + 1];
	struct digest digest;
};

struct base {
	enum base_kind kind;
	struct base_set sets[BASE_SETS_MAX];
	size_t count;
};

/* Add a set, unless it is there. ERR_INPUT: more than BASE_SETS_MAX. */
MUST int base_add(struct base *b, const char *name, const char *version, const struct digest *d,
	struct err *e);

/* Append the text; nothing for BASE_NONE. */
void base_write(const struct base *b, struct buf *out);

/* Read what base_write() made, and nothing else; text NULL or "": BASE_NONE. ERR_CORRUPT. */
MUST int base_parse(struct base *b, const char *text, struct err *e);

/* For people: "a delta on platform 2026.10 and cni 4", "a top-up"; appended. Nothing for BASE_NONE. */
void base_say(const struct base *b, struct buf *out);

/* What stands in the names of its volumes: "", ".delta", ".topup". */
const char *base_suffix(enum base_kind kind);

#endif
