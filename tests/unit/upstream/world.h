/* A registry made of lies, a second host, and an upstream handle that looks at them. */
#ifndef MOAT_TEST_WORLD_H
#define MOAT_TEST_WORLD_H

#include "mirror-tool/upstream/upstream.h"
#include "tests/support/fake_upstream.h"

struct world {
	struct fake *a,
		*b; /* registry; another host: reached as 127.0.0.1, which is not localhost */
	struct upstream_host hosts[2];
	struct upstream_options o;
	struct upstream *up;
	char b_host[32]; /* "127.0.0.1:PORT" */
	struct buf notes;
	int ours; /* for handlers: a step, a switch */
	const char *body;
};

/* Both reached by plain http, one attempt a millisecond, no credentials. b may be NULL. */
void world_init(struct world *w, fake_fn *a, fake_fn *b);
void world_open(struct world *w); /* makes w->up from w->o; done by the first request */
void world_end(struct world *w); /* for AUTO */

struct result {
	int rc;
	unsigned calls;
	struct err e;
	struct digest digest;
	struct buf bytes; /* of a manifest or blob; tags joined by spaces */
	char type[300];
	uint64_t size;
	size_t count;
	bool via_tag;
};
#define RESULT_INIT                                                                                \
	{                                                                                          \
		.bytes = BUF_INIT                                                                  \
	}
void result_release(struct result *r);

/* "REPO:TAG" or "REPO@DIGEST" at a. */
void world_ref(const struct world *w, const char *name, struct ref *out);

/* Ask and run until nothing is left. */
void get_manifest(struct world *w, const char *name, bool head, struct result *r);
void get_tags(struct world *w, const char *repo, struct result *r);
void get_referrers(struct world *w, const char *name, struct result *r);
void get_blob(
	struct world *w, const char *repo, const char *content, struct store *s, struct result *r);
void get_size(struct world *w, const char *url, struct result *r);
void world_run(struct world *w);

upstream_manifest_fn on_manifest;
upstream_done_fn on_done;
upstream_bytes_fn on_bytes;

/* The result must be a failure with this code that says this. */
#define assert_failed(r, want, words)                                                              \
	do {                                                                                       \
		if ((r)->calls != 1 || (r)->rc != -1 || (r)->e.code != (want) ||                   \
			!strstr((r)->e.text, (words)))                                             \
			fail_msg("calls %u, rc %d, code %d: %s", (r)->calls, (r)->rc,              \
				(int)(r)->e.code, (r)->e.text);                                    \
	} while (0)
#define assert_found(r)                                                                            \
	do {                                                                                       \
		if ((r)->calls != 1 || (r)->rc != 1)                                               \
			fail_msg("calls %u, rc %d: %s", (r)->calls, (r)->rc, (r)->e.text);         \
	} while (0)

#endif
