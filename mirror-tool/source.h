/*
 * Where an image comes from besides a registry: an OCI layout in a folder or in a tar file.
 *
 *	oci:DIR[:NAME]			a folder
 *	oci-archive:FILE[:NAME]		an uncompressed tar file
 *
 * NAME is the org.opencontainers.image.ref.name of an entry of index.json, word for word (a bare
 * tag or a full reference); without it there must be a single entry. The bytes are as hostile as
 * those of a registry: limits, digests and sizes are checked by whoever reads through this, links
 * and devices are never opened.
 */
#ifndef MOAT_SOURCE_H
#define MOAT_SOURCE_H

#include "storage/oci/manifest.h"

enum source_kind { SOURCE_REGISTRY = 0, SOURCE_OCI, SOURCE_OCI_ARCHIVE };

#define SOURCE_TEXT_MAX 4096

struct source_ref {
	enum source_kind kind;
	char *text; /* as written; NULL for a registry */
	char *path; /* relative to the file that names it */
	char *name; /* "" when not given */
};

/* "oci:..." or "oci-archive:..."; ERR_INPUT otherwise. On failure nothing is owned. */
MUST int source_ref_parse(struct source_ref *s, const char *text, struct err *e);
void source_ref_release(struct source_ref *s);

#endif
