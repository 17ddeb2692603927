/*
 * Who signs the sets of a name. Nothing is written down for it: the signers of a set are the trusted
 * keys under which a signature that the store keeps holds, so a rebuilt store knows them too.
 */
#ifndef MOAT_SIGNERS_H
#define MOAT_SIGNERS_H

#include "mirror-tool/media/medium.h"

/*
 * Compare the signers of a medium's set with those of the set that was accepted last under its name.
 *
 * before:  that set; DIGEST_NONE: there is none.
 * m:       trusted; its trust has the keys of both sides. trust->new_signers are keys that may sign
 *          sets of this name from now on: a fingerprint, the file as it was given, or its name with
 *          or without ".pub".
 * Returns: 0 when there was no such set, when a signer stays, or when one that signs is new by consent.
 * Fails:   ERR_UNTRUSTED: the signer changed, which names both; ERR_INPUT: new_signers names a key
 *          that is not trusted.
 */
MUST int signers_check(
	struct store *s, const struct medium *m, const struct digest *before, struct err *e);

#endif
