/*
 * Signers of the sets of a name: the trusted keys under which a recorded signature holds. Nothing
 * else is written down, so a rebuilt store knows them too.
 */
#ifndef MOAT_SIGNERS_H
#define MOAT_SIGNERS_H

#include "mirror-tool/media/medium.h"

/* A trusted key that signs a set, and may. */
struct signer {
	const struct verify_key *key; /* borrowed from the trust */
	bool is_new; /* it did not sign the set before */
	bool counts; /* it signed the set before, or may sign from now on */
};

struct signers {
	struct signer items[TRUST_KEYS_MAX]; /* as the trust has them */
	size_t count;
	/* There is no set before, or it is this very one and none of its signatures is left: all count. */
	bool first;
};
/* The same keys in the same order, with the same standing? */
bool signers_eq(const struct signers *a, const struct signers *b);

/* "web" for /etc/moat/trust.d/web.pub: what new_signers may call it. */
struct span signer_name(const struct verify_key *key);

/*
 * Compare the signers of a medium's set with those of the set that was accepted last under its name.
 *
 * m:       trusted; its trust has the keys of both sides. trust->new_signers are keys that may sign
 *          sets of this name from now on: a fingerprint, the file as it was given, or its name with
 *          or without ".pub".
 * before:  that set; DIGEST_NONE: there is none.
 * Returns: 0 when there was no such set, when a signer stays, or when one that signs is new by consent;
 *          also when it is the same set, whose signatures are lost: they come back so.
 *          One that joins a signer without consent does not count: whoever holds a key that is trusted
 *          for anything could add its signature, and sign the next version alone.
 * Fails:   ERR_UNTRUSTED: the signer changed, which names both, or who signed before cannot be told;
 *          ERR_INPUT: new_signers names a key that is not trusted.
 */
MUST int signers_check(struct store *s, const struct medium *m, const struct digest *before,
	struct signers *out, struct err *e);

/* Reduce a signature of the medium to the layers of signers that count: others would become signers
 * of the set by being recorded. Returns 1 with a manifest, appended to out; 0 nothing is left; -1. */
MUST int signers_keep(const struct signers *by, const struct medium *m, size_t number,
	struct buf *out, struct err *e);

#endif
