/*
 * An index in the very form that our own writers give it (descriptor_write(), annotations_write()), read without a
 * tree: sets, tables of contents and index.json have 10,000 entries and more. Pure.
 *
 * It takes a part of what manifest_parse() takes, and reads that the same; whatever else it leaves to it. So it never
 * fails and says nothing of errors.
 */
#ifndef MOAT_INDEX_WRITTEN_H
#define MOAT_INDEX_WRITTEN_H

#include "storage/oci/manifest.h"

struct index_written {
	const char *artifact_type; /* NULL when absent */
	struct descriptor *items;
	size_t count;
	struct annotations annotations;
	/* Owned, as the items are: */
	char *text;
	size_t text_len;
	struct annotation *notes; /* of all items and of the index */
	size_t note_count;
};
#define INDEX_WRITTEN_INIT                                                                         \
	{                                                                                          \
		.count = 0                                                                         \
	}
void index_written_release(struct index_written *w); /* for AUTO */
size_t index_written_memory(const struct index_written *w); /* bytes that it takes */

/* Read it. Begin with INDEX_WRITTEN_INIT. False: it has another form, or more than `max` items. */
bool index_written_parse(struct index_written *w, struct span bytes, uint32_t max);

#endif
