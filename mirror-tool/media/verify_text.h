/*
 * verify.txt: how to check a medium with sha256sum, tar, base64 and openssl alone, for whoever does
 * not have moat or does not want to trust it. The lines that begin with four spaces are commands
 * for a shell in the medium's folder.
 */
#ifndef MOAT_VERIFY_TEXT_H
#define MOAT_VERIFY_TEXT_H

#include "mirror-tool/media/volume.h"

/* The annotation of a signature's manifest that carries the PEM of its public key. Convenience for
 * moat.pub: nobody trusts it. */
#define PUBLIC_KEY_ANNOTATION "vnd.moat.public-key"

/* volume: name of the first one. ERR_UNSUPPORTED when no signature is in the legacy form. */
MUST int verify_text_write(
	struct buf *out, const struct head *h, const char *volume, struct err *e);

/* Append the public key that a signature of the head carries; false when none does. */
bool head_public_key(const struct head *h, struct buf *out);

#endif
