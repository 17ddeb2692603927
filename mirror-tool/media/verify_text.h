/*
 * verify.txt: how to check a medium with sha256sum, tar, base64 and openssl alone, without moat or
 * without trust in it. The lines that begin with four spaces are commands
 * for a shell in the medium's folder.
 */
#ifndef MOAT_VERIFY_TEXT_H
#define MOAT_VERIFY_TEXT_H

#include "mirror-tool/media/volume.h"

struct verify_words {
	const char *volume; /* name of the first one */
	const char *prefix; /* of the names of all */
	bool sparse; /* blobs of the set are left out */
	const struct base
		*on; /* what documents that travel packed build on; NULL: none is packed */
};

/*
 * key:    PEM, what moat.pub will be: the signature that is shown is by its first key, where there is
 *         one by it; or empty.
 * Fails:  ERR_UNSUPPORTED when no signature is in the legacy form.
 */
MUST int verify_text_write(struct buf *out, const struct head *h, const struct verify_words *words,
	struct span key, struct err *e);

/* Append the public keys that a signature of the head carries, preferably one in the legacy form.
 * False when none does. */
bool head_public_key(const struct head *h, struct buf *out);

#endif
