/*
 * Where an image comes from besides the registry of its name: an OCI layout in a folder or in a tar
 * file, or another place in a registry.
 *
 *	oci:DIR[:NAME]			a folder
 *	oci-archive:FILE[:NAME]		an uncompressed tar file
 *	docker://HOST/REPO[:TAG]	another place (place.h); its own tag unless there is one
 *
 * NAME is the org.opencontainers.image.ref.name of an entry of index.json, word for word (a bare
 * tag or a full reference); without it there must be a single entry (source/layout.h reads it). Pure.
 */
#ifndef MOAT_SOURCE_REF_H
#define MOAT_SOURCE_REF_H

#include "storage/oci/ref.h"

enum source_kind { SOURCE_REGISTRY = 0, SOURCE_OCI, SOURCE_OCI_ARCHIVE, SOURCE_ELSEWHERE };

#define SOURCE_TEXT_MAX 4096

struct source_ref {
	enum source_kind kind;
	char *text; /* as written; NULL for the registry of the name */
	char *path; /* relative to the folder of the file that names it; "" for another place */
	char *name; /* "" when not given; of another place: the tag */
	struct ref *at; /* SOURCE_ELSEWHERE: host and repository; else NULL */
};

static inline bool source_is_local(const struct source_ref *s)
{
	return s->kind == SOURCE_OCI || s->kind == SOURCE_OCI_ARCHIVE;
}

/* Read one of the three forms; ERR_INPUT otherwise. *s is overwritten; on failure it owns nothing. */
MUST int source_ref_parse(struct source_ref *s, const char *text, struct err *e);
/* The same for a place without "docker://" in front. */
MUST int source_ref_place(struct source_ref *s, const char *text, struct err *e);
/* A deep copy; *to is overwritten. */
void source_ref_copy(struct source_ref *to, const struct source_ref *from);
void source_ref_release(struct source_ref *s); /* leaves SOURCE_REGISTRY */

#endif
