/*
 * Answers to optional questions: referrers and the tags that signatures hide under.  No registry has
 * to support them, so only an answer that says nothing either way is a failure.
 *
 *	none		404, "I do not know such a request" (400, 405, ...), a 401 that asks for nothing,
 *			204, bytes that are something else (a web page, an error, another kind of manifest)
 *	cannot tell	5xx, 408, 429, the network, a denial (403, 401 with a challenge), a list that is broken
 *
 * An optional question is asked after the image itself was read: a 401 without a challenge then is
 * about the question.  Pure.
 */
#ifndef MOAT_UPSTREAM_OPTIONAL_H
#define MOAT_UPSTREAM_OPTIONAL_H

#include "mirror-tool/upstream/exchange.h"

/* Does the result of x (as in exchange_ops.done) mean that there is no such thing, or no such
 * request? */
bool answer_is_none(const struct exchange *x, int rc);

/* Was HEAD refused in a way that GET may not be? */
bool head_is_refused(const struct exchange *x, int rc);

/* What a body is, by its bytes; what it was announced as ("" for nothing) counts where they cannot be
 * read. BODY_INDEX is OCI's, as lists of referrers are; JSON that cannot be read passes for one. */
enum body_kind { BODY_OTHER, BODY_MANIFEST, BODY_INDEX };
enum body_kind body_kind(const char *announced, struct span bytes);

#endif
