/*
 * The referrers of images in a layout: manifests that index.json lists and that name an image as
 * their subject, the list under the fallback tag of the image, and what `cosign save` writes beside
 * index.json.
 *
 * The subjects of a layout are read once, at the first question: otherwise each of a thousand
 * images would cost reading a thousand manifests.
 */
#ifndef MOAT_SUBJECTS_H
#define MOAT_SUBJECTS_H

#include "mirror-tool/source/layout.h"
#include "storage/oci/digest_map.h"

/* Subjects that manifests of index.json name. For one thread; of one layout. Zeroed: nothing read yet. */
struct subjects {
	struct digest_map map;
	bool read;
};
void subjects_release(struct subjects *s); /* zeroed again */

/* Found descriptors, each once, in the order of index.json; their strings live as long as this. */
struct referrers {
	struct descriptor *items;
	size_t count;
	struct manifest *owners; /* of the strings */
	size_t owner_count;
};
#define REFERRERS_INIT                                                                             \
	{                                                                                          \
		.count = 0                                                                         \
	}
void referrers_release(struct referrers *r); /* for AUTO */

/* Find the referrers of `subject` in the layout. 0, also when there is none; -1: a manifest that index.json
 * lists is held and cannot be read or is none. */
MUST int subjects_referrers(struct subjects *s, const struct layout *l,
	const struct digest *subject, struct referrers *out, struct err *e);

#endif
