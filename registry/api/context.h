/*
 * What every handler is given: the store (one handle a thread), how names map, the shared cache, and who may
 * do what. One for each thread.
 *
 * A handler that reads is a plain function from request to reply, testable without a socket. It returns 0
 * with the reply filled (refusals are replies too), or -1 with e when the store failed. dispatch.c finds it
 * by the route of a request. What writes goes another way: push/.
 */
#ifndef MOAT_CONTEXT_H
#define MOAT_CONTEXT_H

#include "registry/access/auth.h"
#include "registry/access/repo_names.h"
#include "registry/api/cache.h"
#include "registry/api/reply.h"
#include "registry/ops/check.h"
#include "storage/store.h"

struct context {
	struct store *store; /* this thread's */
	const struct repo_names *names;
	struct cache *cache; /* shared by all threads */
	struct auth *auth; /* NULL: anyone may do anything */
	struct checker *checker; /* shared; NULL: nothing is checked */
	const _Atomic(bool) *draining; /* /readyz says so */
	int64_t warn_age; /* seconds: /readyz tells active sets that are older; 0: only expired ones */
	bool catalog; /* list repositories */
	bool tls; /* for the realm of a challenge */

	/* Of the current request. */
	struct candidates
		repos; /* stored ones that its path may mean, and that the caller may pull */
	bool repos_all; /* none was left out */
	bool waits; /* answer it again when the check has read this blob */
	struct digest wait_for; /* or that it promises */
	bool promises; /* a client that may push will rely on the blob: touch it, then answer again */

	int64_t now_ms; /* when this batch of requests began */
};

typedef int handler_fn(
	struct context *ctx, const struct request *q, struct reply *r, struct err *e);

handler_fn get_base, get_manifest, get_blob, get_discover, get_health, get_ready, get_token;
handler_fn list_tags, list_catalog, list_referrers_of;

/* Find content for a request among its repositories: 1 with a reference, 0, -1 with e. hint: content of an
 * earlier epoch, or NULL. */
typedef int find_fn(struct context *ctx, const struct route *route, const char *repo,
	struct content *hint, struct content **out, struct err *e);
MUST int context_find(struct context *ctx, const struct request *q, find_fn *find,
	struct content **out, struct err *e);

/* Have the check read a blob soon, as opening it failed; unless `why` is a lack of ours. */
void context_suspect(struct context *ctx, const struct digest *d, const struct err *why);

/* Cache the list in `r`, until something changes. epoch: of the cache, before the store was asked. */
void context_cache_list(
	struct context *ctx, const struct request *q, uint64_t epoch, const struct reply *r);

/* May anyone pull and list everything? */
bool context_is_open(const struct context *ctx);

/* Cache-Control of what a digest names: for ever, by all caches where anyone may read, else by the client's
 * own (RFC 9111, 3.5). A constant. */
const char *context_cache_control(const struct context *ctx);

/* May the caller perform `action` on the stored repository `repo`, asked for as `path`? */
bool context_may(const struct context *ctx, const struct request *q, const char *path,
	const char *repo, enum action action);

/* Drop repositories that the caller may not pull. True: none was dropped. */
bool context_drop_unreadable(
	const struct context *ctx, const struct request *q, struct candidates *names);

/* Refuse: 401 with a challenge where a login could help, else 403. actions: of the scope to ask for. Returns
 * 0. */
int context_deny(struct context *ctx, const struct request *q, const char *path, unsigned actions,
	struct reply *r);

#endif
