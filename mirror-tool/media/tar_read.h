/*
 * Read untrusted tar: a stream of regular files, one at a time, in order.
 *
 * Nothing is extracted, nothing is followed. Links, devices, FIFOs, sparse files, absolute names
 * and names with `.` or `..` in them are refused by name; so is an archive that ends early. Names
 * that occur twice are left to the caller.
 *
 * With TAR_EXACT the archive must be, byte for byte, what tar_write.h writes for these names and
 * sizes: headers, padding and end too, and no directories. So every byte has a meaning.
 *
 * Errors: ERR_CORRUPT for the bytes, ERR_IO for the machine; each names the archive and the entry
 * or byte.
 */
#ifndef MOAT_TAR_READ_H
#define MOAT_TAR_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/base/buf.h"
#include "storage/base/err.h"

struct tar_reader;

enum {
	TAR_EXACT = 1,
	TAR_PASS_LINKS = 2, /* links, devices and FIFOs are skipped, as directories are */
};

#define TAR_NAME_MAX 512 /* bytes; longer names are refused */

/* Read from fd's position on; the descriptor and `name` (for messages) are borrowed. A file that
 * can seek is not read where entries are skipped. */
MUST int tar_open(struct tar_reader **r, int fd, const char *name, unsigned flags, struct err *e);
void tar_close(struct tar_reader **r); /* for AUTO */

struct tar_entry {
	const char *name; /* without a leading "./"; borrowed until the next call */
	uint64_t size;
	uint64_t offset; /* of its first byte in the input */
};

/* Go to the next regular file. Returns 1, 0 at the end of the archive, -1. Directories and the rest
 * of the entry before are skipped. */
MUST int tar_next(struct tar_reader *r, struct tar_entry *out, struct err *e);

/* Read the next bytes of the entry, borrowed from the reader until the next call. Returns 1, 0 at
 * its end, -1. */
MUST int tar_data(struct tar_reader *r, struct span *bytes, struct err *e);

/* Append the rest of an entry. ERR_CORRUPT when the entry is larger than limit. */
MUST int tar_data_all(struct tar_reader *r, size_t limit, struct buf *out, struct err *e);

/* With TAR_EXACT, after tar_next() returned 0: is there another archive behind this one? Returns 1
 * and it is open, 0 the input ends here, -1. */
MUST int tar_again(struct tar_reader *r, struct err *e);

#endif
