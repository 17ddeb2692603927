/*
 * Files of a set, byte for byte, in a folder of their own: those that the list has by URL, other artifacts with their
 * blobs, moat.yaml and moat.lock. Of a store or of a medium that was not imported. Names come from the set, which may
 * be hostile: one that is not safe as a name below the folder is refused. Sizes are in bytes.
 */
#ifndef MOAT_EXTRACT_H
#define MOAT_EXTRACT_H

#include "mirror-tool/view/view.h"
#include "storage/base/settings.h"

#define EXTRACT_FILES_MAX 100000 /* of one run */

/* Ends the sentence "X is not", of what no volume has that was given. */
#define EXTRACT_NOT_ON_MEDIUM                                                                      \
	"on the medium: a volume is missing, or it is a delta, which leaves out what its base "    \
	"has; import it, and extract from the store"

struct extract_file {
	char *path; /* below the folder: NAME/TAG/TITLE, NAME/TAG/OS-ARCH/TITLE, or TITLE of the set's own */
	char *reference; /* that it belongs to, as the list has it: "cni/plugins:v1.9.1" */
	struct digest digest;
	uint64_t size;
};

struct extract_files {
	struct extract_file *items; /* by path, bytewise */
	size_t count;
};
#define EXTRACT_FILES_INIT                                                                         \
	{                                                                                          \
		.count = 0                                                                         \
	}
void extract_files_release(struct extract_files *f); /* for AUTO */
uint64_t extract_bytes(const struct extract_files *f); /* sum of the sizes */

/* Add a file, in any order; texts are copied. ERR_INPUT: its path is not safe, or there are too many. */
MUST int extract_add(struct extract_files *f, const char *path, const char *reference,
	const struct digest *d, uint64_t size, struct err *e);

/* Sort them, and drop what is there twice. ERR_INPUT: two files of one path, or one where another needs a folder. */
MUST int extract_sort(struct extract_files *f, struct err *e);

/*
 * Choose files of a set, which is loaded here.
 *
 * globs:   over reference, title and path, in which `*` matches a slash, too; none: every file.
 * Returns: 0, sorted. ERR_ABSENT: the set has no files, or none that a glob matches; ERR_INPUT as above; ERR_INCOMPLETE:
 *          a manifest that the set holds is not here.
 */
MUST int extract_choose(struct view *view, struct view_set *s, const struct texts *globs,
	struct extract_files *out, struct err *e);

/*
 * Write the files into the new folder `to`, which appears whole: beside it ".NAME.part" grows meanwhile. All bytes are
 * compared with their digest, files have mode 0644, and everything is durable on 0; after an error nothing is left.
 *
 * s:     NULL: read the medium at the paths `from`, some of whose volumes are read again when parts of a blob come in
 *        another order.
 * Fails: ERR_INPUT: something is there already; ERR_BUSY: another process writes it; ERR_CORRUPT, ERR_INCOMPLETE
 *        name the file; ERR_FULL, before anything is written if it can be told.
 */
MUST int extract_write(const struct extract_files *f, struct store *s, const struct texts *from,
	const char *to, struct err *e);

#endif
