/*
 * What every handler gets: the store (one handle a thread), how names map, the shared cache.
 *
 * A handler is a plain function from request to reply, testable without a socket. It returns 0
 * with the reply filled (refusals are replies too), or -1 with e when the store failed.
 */
#ifndef MOAT_SITE_H
#define MOAT_SITE_H

#include "registry/cache.h"
#include "registry/names.h"
#include "registry/reply.h"
#include "storage/store.h"

struct site {
	struct store *store; /* this thread's */
	const struct names *names;
	struct cache *cache; /* shared by all threads */
	const _Atomic(bool) *draining; /* /readyz says so */
	bool catalog; /* whether to list repositories */

	int64_t now_ms; /* when this batch of requests began */
	int64_t checked_ms; /* when store_change() was asked last */
	bool checked; /* in this batch */
	uint64_t change; /* what it said last */
};

typedef int handler_fn(struct site *s, const struct request *q, struct reply *r, struct err *e);

handler_fn get_base, get_manifest, get_blob, get_discover, get_health, get_ready;
handler_fn list_tags, list_catalog, list_referrers_of;

/*
 * Begin a batch. What the cache holds is compared with the store again before it is used, at most
 * once a millisecond: a hit may be that much older than a commit, until any thread has noticed it.
 * A look-up in the store always asks first, so nobody gets new and then old (S4).
 */
void site_refresh(struct site *s, int64_t now_ms);

/* Answer a request whose route is not known yet (q->route is set here). Never fails: what the
 * handler could not do becomes a reply, and `failed` says what happened for the log. */
void site_answer(struct site *s, struct request *q, struct reply *r, struct err *failed);

/* Find content for the request's route among the candidates: 1 with a reference, 0, -1. hint: what
 * an earlier epoch had here, or NULL. */
typedef int find_fn(struct site *s, const struct route *route, const char *repo,
	struct content *hint, struct content **out, struct err *e);
MUST int site_find(struct site *s, const struct request *q, find_fn *find, struct content **out,
	struct err *e);

#endif
