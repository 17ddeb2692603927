/*
 * The text in front of a public key's BEGIN line: what the key may be used for. openssl and every
 * other reader of PEM skips it.
 *
 *	# the platform team's, from 2026
 *	sets: platform, apps-*
 *	strict: true
 *	-----BEGIN PUBLIC KEY-----
 *
 * Lines are empty, comments (#) or WORD: VALUE; anything else is refused, so that a slip of the pen
 * never widens what a key may do. Pure.
 */
#ifndef MOAT_KEY_TEXT_H
#define MOAT_KEY_TEXT_H

#include "mirror-tool/list/pattern.h"

#define KEY_SETS_MAX 64 /* patterns of one key */

struct key_text {
	struct pattern *sets; /* names of sets that the key may sign; */
	size_t set_count; /* 0: every set */
	char *sets_text; /* the same as one text, "platform, apps-*"; NULL: every set */
	bool strict; /* a set of this key with excuses is refused, as with --strict */
	bool has_strict; /* the word was there */
};
#define KEY_TEXT_INIT                                                                              \
	{                                                                                          \
		.set_count = 0                                                                     \
	}

/*
 * Read the text of a key file.
 *
 * name:    of the file, for messages.
 * *pem:    where the first block begins, behind the text; empty when there is none.
 * Fails:   ERR_INPUT with the line: an unknown word, a word twice or behind the first BEGIN line, a
 *          control byte, a glob that no name of a set can match. On failure nothing is owned.
 */
MUST int key_text_parse(
	struct key_text *t, const char *name, struct span bytes, struct span *pem, struct err *e);
void key_text_release(struct key_text *t); /* for AUTO */

/* May the key sign sets of that name? */
bool key_text_allows(const struct key_text *t, const char *set);
/* Do they say the same, in the same words? */
bool key_text_eq(const struct key_text *a, const struct key_text *b);

#endif
