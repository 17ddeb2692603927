/*
 * Files by URL as OCI artifacts: one manifest a file (empty config, one layer with the file's real
 * media type and its name as org.opencontainers.image.title), and an index over them when there are
 * several platforms. The bytes follow from the lock alone, so anybody can make them again.
 */
#ifndef MOAT_FILES_H
#define MOAT_FILES_H

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

/* Of a pin that has files, sorted (lock_sort). Release with files_release. */
void files_build(struct file_manifests *m, const struct lock_pin *pin);
void files_release(struct file_manifests *m);

/* Is it safe as the name of a file? Titles are attacker-controlled on the other side of the gap:
 * one plain component, printable, no leading '.' or '-'. ERR_INPUT says what is wrong. */
MUST int file_title_check(struct span title, struct err *e);

#endif
