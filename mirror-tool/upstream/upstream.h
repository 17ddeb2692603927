/*
 * Everything that touches a network: registries and files by URL, many requests at once from one
 * thread.
 *
 *	upstream_new(&up, &options, e);
 *	upstream_manifest(up, &ref, true, got_manifest, ctx);	hundreds of these; nothing is sent yet
 *	upstream_run(up, e);					callbacks come from in here
 *
 * A request copies its arguments. Its callback is called exactly once, from upstream_run() and
 * never from inside the call that made it, and may make further requests. The result is rc = 1
 * found, 0 absent (the registry says 404), -1 failed with e: what failed is the item's business,
 * upstream_run() goes on with the others. Result pointers are borrowed for the call.
 *
 * Codes: ERR_DENIED credentials missing or refused; ERR_NET the peer or the network, after all
 * retries, or a rate limit; ERR_CORRUPT bytes that are not what was asked for; ERR_INPUT an answer
 * that breaks the protocol or a rule of README.md (a redirect to plain http, a foreign realm);
 * ERR_UNSUPPORTED schema 1; ERR_FULL and ERR_IO from the store.
 *
 * Scheduling: hosts take turns; a host has at most `connections` requests in flight, blobs at most
 * three quarters of them; small requests go before blobs.
 */
#ifndef MOAT_UPSTREAM_H
#define MOAT_UPSTREAM_H

#include <signal.h>

#include "storage/base/err.h"
#include "storage/oci/manifest.h"
#include "storage/oci/ref.h"
#include "storage/store_write.h"

#define UPSTREAM_CONNECTIONS 8 /* a host, unless its settings say otherwise */
#define UPSTREAM_ACTIVE_MAX 32 /* transfers at once, all hosts together */
#define UPSTREAM_PAGES_MAX 1000 /* of a tag list */
#define UPSTREAM_TAGS_MAX 1000000

/* How to reach one host; from `registries:` of the list. Never has credentials. Redirects to a host
 * that is named here are allowed even when its address is private. */
struct upstream_host {
	const char *host; /* as in references: "docker.io", "localhost:5001" */
	bool plain_http; /* http instead of https, for this host only */
	unsigned connections; /* 0: UPSTREAM_CONNECTIONS */
	unsigned stop_below; /* 0: never; else no manifest is fetched when fewer pulls are left */
	const char *const *realms; /* hosts whose token service may see this host's credentials */
	size_t realm_count;
};

struct upstream_progress {
	uint64_t bytes; /* of bodies received since upstream_new() */
	/* Of blobs and files that go into a store, each counted once: bytes received, and bytes
	 * still to come. Bytes that the store has from an earlier attempt are in neither. Bytes
	 * that prove bad and are fetched again are due again. */
	uint64_t blob_bytes, blob_due;
	size_t active, waiting; /* requests */
	size_t done; /* requests whose callback was called */
};

struct upstream_options {
	const char *authfile; /* NULL: the usual places (README.md) */
	const char *const *certs_dirs; /* searched before the usual ones */
	size_t certs_dir_count;
	const struct upstream_host *hosts;
	size_t host_count;
	unsigned active_max; /* 0: UPSTREAM_ACTIVE_MAX */
	unsigned attempts; /* of one request; 0: 6 */
	unsigned retry_ms; /* longest pause before the second attempt; 0: 1000 */
	const volatile sig_atomic_t *stop; /* non-zero ends the run; may be NULL */
	/* Both may be NULL. A note is one sentence: a retry, a pause. Progress comes at most ten
	 * times a second, and once at the end of a run. */
	void (*note)(void *ctx, const char *text);
	void (*progress)(void *ctx, const struct upstream_progress *p);
	void *ctx;
};

struct upstream;

/* Options are copied. Fails when the authfile named by the user is not there or not readable. */
MUST int upstream_new(struct upstream **up, const struct upstream_options *o, struct err *e);
/* Requests that are left are dropped without a call. For AUTO. */
void upstream_free(struct upstream **up);

/* Until nothing is left to do. 0 even when items failed; -1 when the loop itself could not go on
 * or `stop` was set (ERR_BUSY "interrupted"): then nothing is called any more. */
MUST int upstream_run(struct upstream *up, struct err *e);

/* From a callback: end the run without further calls; upstream_run() returns -1 with e's text. */
void upstream_abandon(struct upstream *up, const struct err *why);

struct upstream_manifest {
	struct digest digest; /* of the body (GET), or as the registry states it (HEAD) */
	uint64_t size; /* HEAD: 0 when the registry does not say */
	const char
		*media_type; /* as announced, without parameters; "" when not. The bytes decide. */
	struct span bytes; /* empty after HEAD */
};
typedef void upstream_manifest_fn(
	void *ctx, int rc, const struct upstream_manifest *m, struct err *e);

/*
 * A manifest by ref->digest, else by ref->tag, at most MANIFEST_MAX bytes.
 *
 * MANIFEST_HEAD: only its digest is asked for (free of rate limits); when the registry does not give
 * one, the manifest is got and m->bytes is filled after all. The body's digest is the requested
 * one, and agrees with Docker-Content-Digest.
 * MANIFEST_OPTIONAL: a tag that need not be there, of a repository that was read from before: whatever
 * says no more than "there is none" is rc 0 (optional.h).
 */
enum { MANIFEST_HEAD = 1, MANIFEST_OPTIONAL = 2 };
void upstream_manifest(struct upstream *up, const struct ref *ref, unsigned how,
	upstream_manifest_fn *done, void *ctx);

/* Each tag of ref's repository in the registry's order, page after page, then done. Names that
 * are no tags are left out, with a note. A negative result of `each` fails the request. */
typedef int upstream_tag_fn(void *ctx, const char *tag, struct err *e);
typedef void upstream_done_fn(void *ctx, int rc, struct err *e);
void upstream_tags(struct upstream *up, const struct ref *ref, upstream_tag_fn *each,
	upstream_done_fn *done, void *ctx);

/*
 * Descriptors of what refers to ref->digest, which was read before: from the API, else from the
 * fallback tag.
 *
 * rc 1: the list, which may be empty, each digest once. Absence of both is an empty list, and so is
 * whatever says no more than that (optional.h); every other failure is one. A list from the tag has
 * via_tag set.
 */
struct upstream_referrers {
	const struct descriptor *items;
	size_t count;
	bool via_tag;
};
typedef void upstream_referrers_fn(
	void *ctx, int rc, const struct upstream_referrers *r, struct err *e);
void upstream_referrers(
	struct upstream *up, const struct ref *ref, upstream_referrers_fn *done, void *ctx);

/*
 * A blob of ref's repository into the store, and into `batch` when that is not NULL.
 *
 * Blobs of UPSTREAM_RESUME_MIN and more go on where an earlier attempt, process or boot stopped.
 * A blob that the store or the batch has costs no request. The same digest twice at once is got
 * once. A stage that another process writes is waited for without holding up others.
 * rc is 1 or -1; an absent blob is ERR_ABSENT. Durable: as blob_commit().
 */
#define UPSTREAM_RESUME_MIN (1u << 20)
void upstream_blob(struct upstream *up, const struct ref *ref, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done,
	void *ctx);

/* A small blob (config, signature payload) in memory, its size and digest checked. */
typedef void upstream_bytes_fn(void *ctx, int rc, struct span bytes, struct err *e);
void upstream_blob_bytes(struct upstream *up, const struct ref *ref, const struct digest *d,
	uint64_t size, upstream_bytes_fn *done, void *ctx);
#define UPSTREAM_BYTES_MAX (16u << 20)

/* How large is the file at a URL? Where no header tells, it is read to its end and counted. */
typedef void upstream_size_fn(void *ctx, int rc, uint64_t size, struct err *e);
void upstream_url_size(struct upstream *up, const char *url, upstream_size_fn *done, void *ctx);
/* And a blob of ref's repository? */
void upstream_blob_size(struct upstream *up, const struct ref *ref, const struct digest *d,
	upstream_size_fn *done, void *ctx);

/* A file by URL into the store; digest and size must be known. As upstream_blob() otherwise. */
void upstream_url(struct upstream *up, const char *url, const struct digest *d, uint64_t size,
	struct store *s, struct blob_batch *batch, upstream_done_fn *done, void *ctx);

/* The same for a URL in a manifest, which is not trusted: never with credentials, and to no private
 * address that the hosts do not name. */
void upstream_foreign_url(struct upstream *up, const char *url, const struct digest *d,
	uint64_t size, struct store *s, struct blob_batch *batch, upstream_done_fn *done,
	void *ctx);

#endif
