/*
 * Exceptions of a list, for all its images or for one: what may be left out without failing the
 * image. What is left out is recorded as an excuse in the lock, and counted in the set (excuses.h).
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

/* From strict to lax; exceptions_unite() relies on the order. */
enum attachments {
	ATTACH_ALL, /* everything that is attached, or it fails */
	ATTACH_OPTIONAL, /* what cannot be listed or fetched is excused */
	ATTACH_TYPES, /* only those of these types, or it fails; others are excused */
	ATTACH_NONE /* they are not looked for */
};

struct exceptions {
	enum attachments attachments;
	struct pattern
		*types; /* ATTACH_TYPES: globs over artifact types, or ".sig", ".att", ".sbom" */
	size_t type_count;
	bool leave_foreign; /* foreign layers are not fetched */
	bool skip; /* an image that fails is left out of the lock */
};

/* Read the three keys of a map into *x; a key that is absent has the value of `defaults`. Errors:
 * ERR_INPUT with file, line and path; then *x owns nothing. */
MUST int exceptions_read(struct exceptions *x, const struct exceptions *defaults,
	const struct doc *d, const struct node *map, struct err *e);
/* A deep copy; *to is overwritten. */
void exceptions_copy(struct exceptions *to, const struct exceptions *from);
void exceptions_release(struct exceptions *x); /* leaves the strictest */

/* Merge the exceptions of another entry for the same image into *x: the stricter of each. */
void exceptions_unite(struct exceptions *x, const struct exceptions *other);

/* Is an attachment wanted? type: its artifactType, or "". suffix: of the tag that it was found
 * under (".sig"), or "". */
bool exceptions_want(const struct exceptions *x, const char *type, const char *suffix);

#endif
