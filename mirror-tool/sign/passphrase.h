/* Where the passphrase of a key comes from: a file, an environment variable, or the terminal; never
 * the command line, which every user of the machine can read. */
#ifndef MOAT_PASSPHRASE_H
#define MOAT_PASSPHRASE_H

#include "mirror-tool/sign/sign.h"

#define PASSPHRASE_MAX 1024

struct passphrase_source {
	const char *file; /* its first line; may be a pipe; NULL: not given */
	const char *env; /* name of the variable; NULL: not given */
};

void secret_release(struct buf *b); /* for AUTO: wiped, then released */

/*
 * Get it. At most one of the sources may be given; without one the terminal is asked (twice when
 * `confirm`).
 *
 * Returns: 1 with `out`; 0: no source and no terminal; -1: file or variable missing, empty, or
 *          readable by other users.
 */
MUST int passphrase_get(const struct passphrase_source *source, const char *what, bool confirm,
	struct buf *out, struct err *e);

/* A private key by path: refuses a file that other users may read, asks for its passphrase when it
 * has one. */
MUST int key_read_file(struct sign_key **k, const char *path,
	const struct passphrase_source *source, struct err *e);

#endif
