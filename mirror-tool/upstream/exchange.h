/*
 * One exchange: a request to a registry or file server until its answer is final, over tokens,
 * redirects and repeated attempts. For the files of this folder only.
 *
 * Five files move it, each knows those before it: sites.c, schedule.c, exchange.c, auth.c, attempt.c. The
 * scheduler calls up by `start` of struct upstream, exchanges by their exchange_ops.
 *
 *	queued -> begin -> [token] -> sent -> redirect* -> head -> data* -> finish -> done -> drop
 *	            ^--------------- a pause, when an attempt failed -----------'
 *
 * Every attempt starts at the first URL again, so that signed addresses are fresh.
 */
#ifndef MOAT_UPSTREAM_EXCHANGE_H
#define MOAT_UPSTREAM_EXCHANGE_H

#include <sys/queue.h>

#include "mirror-tool/upstream/challenge.h"
#include "mirror-tool/upstream/creds.h"
#include "mirror-tool/upstream/http.h"
#include "mirror-tool/upstream/upstream.h"

#define HOPS_MAX 10 /* redirects in one attempt */
#define ATTEMPTS 6 /* unless the options say otherwise */
#define RETRY_BASE_MS 1000
#define RETRY_CAP_MS 60000
#define RETRY_AFTER_MAX 600 /* seconds that a server may make us wait */
#define ERROR_BODY_MAX (64u << 10)
#define SCOPE_MAX 300 /* "repository:" REF_REPO_MAX ":pull" */
#define BUSY_PAUSE_MS 200

struct exchange;

/* What an exchange's owner says at each step. -1 is what err_set() returns. */
enum verdict { VERDICT_FAIL = -1, VERDICT_TAKE = 0, VERDICT_AGAIN = 1, VERDICT_LATER = 2 };

struct exchange_ops {
	/* About to be sent, each time; may set x->range. VERDICT_TAKE: send; VERDICT_AGAIN: not needed, it is done;
	 * VERDICT_LATER: ask again in BUSY_PAUSE_MS; VERDICT_FAIL. May be NULL. */
	enum verdict (*begin)(struct exchange *x, struct err *e);
	/* The head of a 2xx or 416. VERDICT_TAKE, VERDICT_AGAIN (another attempt, at once), VERDICT_FAIL. May be NULL. */
	enum verdict (*head)(struct exchange *x, const struct http_head *head, struct err *e);
	/* Of a 2xx's body; 1: the rest is not needed, end as if this was all. NULL: collected in
	 * x->body, at most x->body_max bytes. */
	int (*data)(struct exchange *x, const char *data, size_t len, struct err *e);
	/* The body ended well. VERDICT_TAKE, VERDICT_AGAIN, VERDICT_FAIL. May be NULL. */
	enum verdict (*finish)(struct exchange *x, struct err *e);
	/* The result: 1, 0 absent, -1 with e. x->head and x->body are still there. */
	void (*done)(struct exchange *x, int rc, struct err *e);
	/* Last call, also when the run was given up without a result: free ctx. */
	void (*drop)(struct exchange *x);
};

struct exchange {
	/* set by the maker */
	const struct exchange_ops *ops;
	void *ctx;
	struct upstream *up;
	struct site *site;
	struct url url; /* where every attempt starts */
	char scope[SCOPE_MAX]; /* of the token; "" when none is asked for */
	const char *accept; /* static text; NULL: any */
	char *form; /* heap; POST */
	char *authorization; /* heap; fixed, for the first origin only */
	size_t body_max;
	bool head_only, bulk;
	bool counts; /* against the host's pull limit */
	bool strange; /* its URL is a stranger's: no address of our network, no credentials */
	bool optional; /* a 401 that asks for nothing is an answer (optional.h) */
	bool internal; /* token and ping: no queue, no answer to 401, redirects in the origin only */
	bool refused; /* err says why it cannot even begin */
	char range[48]; /* "N-"; "" = all; set by begin */

	/* of the engine */
	LIST_ENTRY(exchange) all; /* that live */
	struct exchange *link; /* in one queue: waiting, timer or token */
	struct url at; /* of this hop */
	unsigned hops, tries, denials, foreign_denials, resigns;
	int64_t due_ms; /* in the timer list */
	bool running; /* counted against its site */
	bool final, again, enough; /* why the transfer was ended by us */
	bool decode; /* the server codes what nobody asked it to */
	struct err err; /* when final */
	struct http_head answer;
	struct buf body;
	bool sent_auth; /* this hop carries our credentials or a token */
	uint64_t token_serial; /* of that token; 0: none */
};

struct queue {
	struct exchange *first, **tail;
};

/* A host as references name it. */
struct site {
	struct site *next; /* a ring */
	char *host; /* "docker.io" */
	struct url base; /* https://registry-1.docker.io/ */
	const struct upstream_host *settings; /* NULL when the options name it not */
	unsigned connections;
	struct queue small, bulk;
	size_t active, bulk_active;
	int64_t pause_until_ms;
	struct challenge auth; /* what it asked for last; kind AUTH_NONE before */
	bool knows_left;
	uint64_t left, window; /* pulls, seconds */
};

struct authority_certs {
	struct authority_certs *next;
	char *authority;
	struct certs certs;
};

struct token; /* auth.c */
struct blob_fetch; /* fetch_blob.c */

#define FETCH_BUCKETS 1024

struct upstream {
	struct http *http;
	struct creds *creds;
	void (*start)(struct exchange *x); /* attempt_start() */
	struct upstream_host *hosts; /* copies */
	size_t host_count;
	const char *const *certs_dirs;
	size_t certs_dir_count;
	struct upstream_options options; /* only its scalars and functions are looked at */
	struct site *turn; /* in the ring of sites; never NULL */
	struct site *nowhere; /* of requests whose host or URL is no good */
	LIST_HEAD(, exchange) all;
	struct exchange *timers; /* by due_ms */
	struct token *tokens;
	uint64_t token_serial;
	struct authority_certs *certs;
	struct blob_fetch *fetches[FETCH_BUCKETS]; /* blobs on their way, by digest */
	struct upstream_progress count;
	int64_t progress_ms;
	bool abandoned;
	struct err why;
};

/* --- sites.c ---------------------------------------------------------------------------------- */

/* The site of a host as references name it, made when it is new; of a URL's authority. NULL: e. */
struct site *site_for(struct upstream *up, const char *host, struct err *e);
struct site *site_for_url(struct upstream *up, const struct url *u, struct err *e);
/* NULL when the options do not name it. */
const struct upstream_host *host_settings(const struct upstream *up, const char *authority);

void sites_init(struct upstream *up); /* makes `nowhere` */
void sites_free(struct upstream *up); /* with the certificates */

/* Certificates of an authority, read once; *out is NULL when it has none, borrowed from up. */
MUST int certs_for(
	struct upstream *up, const char *authority, const struct certs **out, struct err *e);

/* Hand a sentence to the owner of up, if he wants it. */
void upstream_note(struct upstream *up, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- schedule.c ------------------------------------------------------------------------------- */

void schedule(struct exchange *x); /* behind the others of its kind */
void schedule_first(struct exchange *x); /* before the others */
void schedule_at(struct exchange *x, int64_t due_ms);
void schedule_enter(struct exchange *x); /* it is sent: counted against its site */
void schedule_leave(struct exchange *x); /* no longer */
/* The loop: up->start() is called for each exchange whose turn it is. As upstream_run(). */
MUST int schedule_run(struct upstream *up, struct err *e);

/* --- exchange.c ------------------------------------------------------------------------------- */

/* Owned by the engine from schedule() or schedule_at() on. */
struct exchange *exchange_new(
	struct upstream *up, struct site *site, const struct exchange_ops *ops, void *ctx);
/* The same for "/v2/REPO" + path at ref's registry, with the scope of pulling. */
struct exchange *exchange_for_ref(struct upstream *up, const struct ref *ref, const char *path,
	const struct exchange_ops *ops, void *ctx);
/* The same for a URL of the user's. */
struct exchange *exchange_for_url(
	struct upstream *up, const char *url, const struct exchange_ops *ops, void *ctx);
void exchange_free(struct exchange *x); /* drop and forget; never while it is in a transfer */

/* End it: done() with this result, then free it. fail: with method and URL before e's text. */
void exchange_complete(struct exchange *x, int rc, struct err *e);
void exchange_fail(struct exchange *x, struct err *e);

void exchange_forget_answer(struct exchange *x); /* its values are borrowed from a transfer */
const char *exchange_method(const struct exchange *x);
bool exchange_is_foreign(const struct exchange *x); /* its hop is not the first origin */
/* The answer says gzip, and is not decoded yet. */
bool exchange_may_decode(const struct exchange *x);

/* --- auth.c ----------------------------------------------------------------------------------- */

/* The Authorization value for x's next hop appended to `out` (nothing: none is needed). VERDICT_TAKE,
 * VERDICT_LATER (x waits for a token and is resumed with it), VERDICT_FAIL. */
enum verdict auth_header(struct exchange *x, struct buf *out, struct err *e);
/* x was answered 401. VERDICT_AGAIN: send again now; VERDICT_LATER: as above; VERDICT_FAIL. */
enum verdict auth_denied(struct exchange *x, struct err *e);
void auth_free(struct upstream *up);

/* --- attempt.c -------------------------------------------------------------------------------- */

void attempt_start(struct exchange *x); /* begin and send; the scheduler's */

#endif
