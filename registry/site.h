/*
 * What every handler gets: the store (one handle a thread), how names map, the shared cache, who may
 * do what.
 *
 * A handler is a plain function from request to reply, testable without a socket. It returns 0
 * with the reply filled (refusals are replies too), or -1 with e when the store failed. What writes
 * goes another way: writing.h.
 */
#ifndef MOAT_SITE_H
#define MOAT_SITE_H

#include "registry/auth.h"
#include "registry/cache.h"
#include "registry/check.h"
#include "registry/metrics.h"
#include "registry/names.h"
#include "registry/reply.h"
#include "storage/store.h"

struct clients;
struct turns;
struct writers;
struct writing;
struct write_handler;
struct waker;

struct site {
	struct store *store; /* this thread's */
	const struct names *names;
	struct cache *cache; /* shared by all threads */
	struct auth *auth; /* NULL: anyone may do anything */
	struct writers *writers; /* shared; NULL: this site only reads */
	struct metrics *metrics; /* shared; NULL: not to be asked for */
	struct turns *turns; /* for metrics, as clients */
	struct clients *clients;
	struct checker *checker; /* shared; NULL: nothing is checked */
	const _Atomic(bool) *draining; /* /readyz says so */
	bool catalog; /* whether to list repositories */
	bool tls; /* for the words of a challenge */

	bool waits; /* of the answer at hand: it is known when the check has read this */
	struct digest wait_for;

	int64_t now_ms; /* when this batch of requests began */
	int64_t checked_ms; /* when store_change() was asked last */
	uint64_t change; /* what it said last */
};

typedef int handler_fn(struct site *s, const struct request *q, struct reply *r, struct err *e);

handler_fn get_base, get_manifest, get_blob, get_discover, get_health, get_ready, get_metrics,
	get_token;
handler_fn list_tags, list_catalog, list_referrers_of;

/*
 * Begin a batch. What the cache holds is compared with the store again before it is used, at most
 * once a millisecond: a hit may be that much older than a commit of another process, until any
 * thread has noticed it. Whoever looked into the store asks before the answer goes out, so nobody
 * gets new and then old (S4).
 */
void site_refresh(struct site *s, int64_t now_ms);

/* Answer a request that reads and whose route is not known yet (q->route is set here). Never fails:
 * what the handler could not do becomes a reply, and `failed` says what happened for the log. */
void site_answer(struct site *s, struct request *q, struct reply *r, struct err *failed);

/* Begin a request that may write: *w, or NULL with the reply that refuses it. */
void site_write(struct site *s, struct request *q, const struct waker *waker, struct writing **w,
	struct reply *r, struct err *failed);

/* Find content for the request among its repositories: 1 with a reference, 0, -1. hint: what an
 * earlier epoch had here, or NULL. */
typedef int find_fn(struct site *s, const struct route *route, const char *repo,
	struct content *hint, struct content **out, struct err *e);
MUST int site_find(struct site *s, const struct request *q, find_fn *find, struct content **out,
	struct err *e);

/* A blob's file could not be read as it should: the check looks at it soon, unless it was our lack of
 * something. */
void site_doubt(struct site *s, const struct digest *d, const struct err *why);

/* Keep a list that was made for this request, for whoever asks the same until something changes.
 * epoch: of the cache, before the store was asked. */
void site_keep_list(struct site *s, const struct request *q, uint64_t epoch, const struct reply *r);

/* Cache-Control of what a digest names: for ever, by all caches where anybody may read, else by the
 * client's own (RFC 9111, 3.5). */
const char *site_keep(const struct site *s);

/* May who asks do this to the stored repository `repo`, asked for as `path`? */
bool site_may(const struct site *s, const struct request *q, const char *path, const char *repo,
	enum action action);

/* 401 with a challenge where a login could help, else 403. actions: for the scope. Returns 0. */
int site_deny(struct site *s, const struct request *q, const char *path, unsigned actions,
	struct reply *r);

#endif
