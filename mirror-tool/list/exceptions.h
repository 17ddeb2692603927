/*
 * Exceptions that a list makes, for all its images or for one: what may stay behind without failing it.
 * Whatever does stay behind is an excuse, which the lock keeps and the set counts (lock.h).
 *
 *	attachments: all | optional | none | [TYPE, ...]
 *	foreign-layers: fetch | leave
 *	on-error: fail | skip
 */
#ifndef MOAT_EXCEPTIONS_H
#define MOAT_EXCEPTIONS_H

#include "mirror-tool/list/pattern.h"
#include "storage/base/tree.h"

#define EXCEPTION_TYPES_MAX 100

/* From strict to lax. */
enum attachments {
	ATTACH_ALL, /* everything that is attached, or it fails */
	ATTACH_OPTIONAL, /* what cannot be asked for or got is excused */
	ATTACH_TYPES, /* only those of these types, or it fails; others are excused */
	ATTACH_NONE /* they are not asked for */
};

struct exceptions {
	enum attachments attachments;
	struct pattern
		*types; /* ATTACH_TYPES: globs over artifact types, or ".sig", ".att", ".sbom" */
	size_t type_count;
	bool leave_foreign; /* foreign layers are neither got nor asked for */
	bool skip; /* an image that fails is left out of the lock */
};

/* The three keys of a map; what is not there keeps the value of `defaults`. On failure nothing is
 * owned. */
MUST int exceptions_read(struct exceptions *x, const struct exceptions *defaults,
	const struct doc *d, const struct node *map, struct err *e);
void exceptions_copy(struct exceptions *to, const struct exceptions *from);
void exceptions_release(struct exceptions *x);

/* Two entries want the same: *x becomes the stricter in each. */
void exceptions_unite(struct exceptions *x, const struct exceptions *other);

/* Is an attachment wanted? type: its artifactType or "". suffix: of the tag it is under, or "". */
bool exceptions_want(const struct exceptions *x, const char *type, const char *suffix);

#endif
