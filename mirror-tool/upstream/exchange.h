/*
 * One exchange: a request to a registry or file server until its answer is final, over tokens,
 * redirects and retries. For the files of this folder only; one thread.
 *
 * Five files, each of which knows those before it: sites.c, schedule.c, exchange.c, auth.c,
 * attempt.c. The scheduler calls up by `start` of struct upstream, exchanges by their exchange_ops.
 *
 *	queued -> begin -> [token] -> sent -> redirect* -> head -> data* -> finish -> done -> drop
 *	            ^--------------- a pause, when an attempt failed -----------'
 *
 * Every attempt starts at the first URL, so that signed addresses are fresh.
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
#define RETRY_AFTER_MAX 600 /* seconds that a server may ask for */
#define ERROR_BODY_MAX (64u << 10)
#define SCOPE_MAX 300 /* "repository:" REF_REPO_MAX ":pull" */
#define BUSY_PAUSE_MS 200

struct exchange;

/* What the owner of an exchange decides at each step. -1 is what err_set() returns. */
enum verdict { VERDICT_FAIL = -1, VERDICT_TAKE = 0, VERDICT_AGAIN = 1, VERDICT_LATER = 2 };

struct exchange_ops {
	/* Called before each attempt; may set x->range. VERDICT_TAKE: send it; VERDICT_AGAIN: not
	 * needed, done; VERDICT_LATER: call again in BUSY_PAUSE_MS; VERDICT_FAIL. May be NULL. */
	enum verdict (*begin)(struct exchange *x, struct err *e);
	/* Called with the head of a 2xx or 416. VERDICT_TAKE, VERDICT_AGAIN (retry at once),
	 * VERDICT_FAIL. May be NULL. */
	enum verdict (*head)(struct exchange *x, const struct http_head *head, struct err *e);
	/* Called with data of the body of a 2xx. Returns 0, 1 to end the body here, -1. NULL: the
	 * body is collected in x->body, at most x->body_max bytes. */
	int (*data)(struct exchange *x, const char *data, size_t len, struct err *e);
	/* Called when the body is complete. VERDICT_TAKE, VERDICT_AGAIN, VERDICT_FAIL. May be NULL. */
	enum verdict (*finish)(struct exchange *x, struct err *e);
	/* Called with the result: 1, 0 absent, -1 with e. x->answer and x->body are still there. */
	void (*done)(struct exchange *x, int rc, struct err *e);
	/* Called last, also without a result when the run was aborted: free ctx. */
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
	bool strange; /* an untrusted URL: no private address, no credentials */
	bool optional; /* a 401 without a challenge is an answer (optional.h) */
	bool internal; /* token and ping: no queue, no answer to 401, redirects in the origin only */
	bool refused; /* cannot begin: see err */
	char range[48]; /* "N-"; "" = all; set by begin */

	/* of the engine */
	LIST_ENTRY(exchange) all; /* that live */
	struct exchange *link; /* in one queue: waiting, timer or token */
	struct url at; /* of this hop */
	unsigned hops, tries, denials, foreign_denials, resigns;
	int64_t due_ms; /* in the timer list */
	bool running; /* counted against its site */
	bool final, again, enough; /* why we ended the transfer */
	bool decode; /* undo a content coding that was not asked for */
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
	struct site *next; /* ring */
	char *host; /* "docker.io" */
	struct url base; /* https://registry-1.docker.io/ */
	const struct upstream_host *settings; /* NULL: none in the options */
	unsigned connections;
	struct queue small, bulk;
	size_t active, bulk_active;
	int64_t pause_until_ms;
	struct challenge auth; /* its last challenge; AUTH_NONE before */
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

struct upstream {
	struct http *http;
	struct creds *creds;
	void (*start)(struct exchange *x); /* attempt_start() */
	struct upstream_host *hosts; /* copies */
	size_t host_count;
	const char *const *certs_dirs;
	size_t certs_dir_count;
	struct upstream_options options; /* only its scalars and functions are used */
	struct site *turn; /* in the ring of sites; never NULL */
	struct site *nowhere; /* of requests with an invalid host or URL */
	LIST_HEAD(exchanges, exchange) all;
	struct exchange *timers; /* by due_ms */
	struct token *tokens;
	uint64_t token_serial;
	struct authority_certs *certs;
	void *fetches; /* tsearch(3): blobs being fetched, by digest; fetch_blob.c */
	struct upstream_progress count;
	int64_t progress_ms;
	bool abandoned;
	struct err why;
};

/* --- sites.c ---------------------------------------------------------------------------------- */

/* Find or make the site of a host as references name it, or of the authority of a URL. Borrowed;
 * NULL with e: the host is invalid, or plain http is not allowed. */
struct site *site_for(struct upstream *up, const char *host, struct err *e);
struct site *site_for_url(struct upstream *up, const struct url *u, struct err *e);
/* Find the settings of a host. Borrowed; NULL: none. */
const struct upstream_host *host_settings(const struct upstream *up, const char *authority);

void sites_init(struct upstream *up); /* makes `nowhere` */
void sites_free(struct upstream *up); /* with the certificates */

/* Get the certificates of an authority, which are read once. *out is borrowed; NULL: none. */
MUST int certs_for(
	struct upstream *up, const char *authority, const struct certs **out, struct err *e);

/* Pass a sentence to options.note, when it is set. */
void upstream_note(struct upstream *up, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- schedule.c ------------------------------------------------------------------------------- */

void schedule(struct exchange *x); /* at the end of its queue */
void schedule_first(struct exchange *x); /* at the front of its queue */
void schedule_at(struct exchange *x, int64_t due_ms); /* as of clock_ms() */
void schedule_enter(struct exchange *x); /* count it as active at its site */
void schedule_leave(struct exchange *x); /* and no longer; idempotent */
/* Run the loop: call up->start() for each exchange in its turn. Contract: upstream_run(). */
MUST int schedule_run(struct upstream *up, struct err *e);

/* --- exchange.c ------------------------------------------------------------------------------- */

/* Make an exchange. The engine owns it from schedule() or schedule_at() on, and ops->drop frees
 * ctx. */
struct exchange *exchange_new(
	struct upstream *up, struct site *site, const struct exchange_ops *ops, void *ctx);
/* The same for "/v2/REPO" + path at the registry of ref, with the scope to pull. An error is told
 * when it starts. */
struct exchange *exchange_for_ref(struct upstream *up, const struct ref *ref, const char *path,
	const struct exchange_ops *ops, void *ctx);
/* The same for a URL of the user. */
struct exchange *exchange_for_url(
	struct upstream *up, const char *url, const struct exchange_ops *ops, void *ctx);
void exchange_free(struct exchange *x); /* without a result; not during its transfer */

/* End an exchange: call done() with this result, then free it. exchange_fail() puts method and URL
 * before the text of e. */
void exchange_complete(struct exchange *x, int rc, struct err *e);
void exchange_fail(struct exchange *x, struct err *e);

void exchange_forget_answer(struct exchange *x); /* its values belong to the transfer */
const char *exchange_method(const struct exchange *x); /* "GET", "HEAD" or "POST" */
bool exchange_is_foreign(const struct exchange *x); /* not at the first origin */
/* Is the answer gzip that is not decoded yet? */
bool exchange_may_decode(const struct exchange *x);

/* --- auth.c ----------------------------------------------------------------------------------- */

/* Append the Authorization value for the next hop of x to `out` (nothing: none is needed).
 * VERDICT_TAKE; VERDICT_LATER: x waits for a token and is scheduled with it; VERDICT_FAIL. */
enum verdict auth_header(struct exchange *x, struct buf *out, struct err *e);
/* Handle a 401. VERDICT_AGAIN: send again now; VERDICT_LATER, VERDICT_FAIL: as above. */
enum verdict auth_denied(struct exchange *x, struct err *e);
void auth_free(struct upstream *up);

/* --- attempt.c -------------------------------------------------------------------------------- */

void attempt_start(struct exchange *x); /* for the scheduler: begin and send */

#endif
