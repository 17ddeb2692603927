/*
 * Files by URL as OCI artifacts: one manifest for each file (empty config, one layer with the media
 * type of the file and its name as org.opencontainers.image.title), and an index over them when
 * there are several platforms. The bytes follow from the lock alone, so they can be made again
 * anywhere.
 */
#ifndef MOAT_FILE_ARTIFACT_H
#define MOAT_FILE_ARTIFACT_H

#include "mirror-tool/list/lock.h"

#define FILE_TITLE_MAX 255

struct file_manifest {
	struct buf bytes;
	struct digest digest; /* sha256 of the bytes */
	const char *media_type; /* static */
};

struct file_manifests {
	struct file_manifest *items; /* the last one is what is pinned */
	size_t count;
};

/* Build the manifests of a pin of files. The pin must be sorted (lock_pin_sort()): the order
 * decides the digest. *m is overwritten; release it with files_release(). */
void files_build(struct file_manifests *m, const struct lock_pin *pin);
void files_release(struct file_manifests *m);

/* Check that a title is safe as the name of a file: one component, printable ASCII, no leading '.'
 * or '-'. Titles come from outside on the other side of the gap. ERR_INPUT says what is wrong. */
MUST int file_title_check(struct span title, struct err *e);

#endif
