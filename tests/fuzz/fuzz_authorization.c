/* Whatever an Authorization header or a scope says: nobody becomes somebody by it, and the answers that
 * are made of it are whole. */
#include <stdlib.h>

#include "registry/access/auth.h"
#include "storage/base/tree.h"
#include "tests/fuzz/fuzz.h"

static struct auth *opened(void)
{
	static struct auth *auth;
	struct err e;

	if (!auth)
		must(auth_open(&auth,
			     &(struct auth_config){ .service = "svc", .token_seconds = 60 },
			     &e) == 0);
	return auth;
}

/* A header, and whatever is behind a NUL as the query of the token service. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span query = input(data, size);
	AUTO(buf_release) struct buf header = BUF_INIT, json = BUF_INIT, challenge = BUF_INIT;
	AUTO(doc_release) struct doc d = DOC_INIT;
	AUTO(who_release) struct who w = { .name = "" };
	struct span first = span_until(&query, '\0');
	struct auth *auth = opened();
	const char *why;
	struct err e;

	buf_add(&header, first.data, first.len);
	buf_char(&header, '\0');
	if (auth_identify(auth, header.data, header.data, &w, &why) == AUTH_OK)
		must(*w.name == '\0');
	auth_challenge(auth, &w, header.data, false, "a/b", ACTIONS_ALL, &challenge);
	must(!memchr(challenge.data, '\n', challenge.len));
	if (auth_token(auth, &w, query, &json, &e) == 0)
		must(json_parse(&d, "token", buf_span(&json), 1 << 20, &e) == 0);
	return 0;
}
