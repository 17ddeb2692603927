/*
 * The store, read side: all that the registry may see.
 *
 * A store is a directory that is a valid OCI image layout at every moment, plus an SQLite index
 * (storage/README.md: layout on disk, invariants S1-S7). Content is truth: bytes are served as they
 * were received (S7), the index can be made again from the files (S6).
 *
 * Repositories are named `host/name`, as upstream names them ("docker.io/library/nginx"), or bare as
 * they were pushed here ("team/app"). Every read
 * is scoped to a repository: a blob that is here but not linked to the repository is absent.
 * A tag is looked up in the pins of the active sets first, then among the tags that were put.
 *
 * One handle is for one thread at a time; open one per thread, it is cheap. Several processes may
 * have one store open, one of them writing. Reads never wait for a writer.
 * Lookups return 1 found, 0 absent, -1 failed.
 */
#ifndef MOAT_STORE_H
#define MOAT_STORE_H

#include "storage/base/err.h"
#include "storage/oci/digest.h"
#include "storage/oci/manifest.h"
#include "storage/oci/ref.h"
#include "storage/oci/set.h"

struct store;

enum store_mode {
	STORE_READ, /* the store must be there; nothing is written but SQLite's -shm */
	STORE_WRITE, /* made when it is not there; needs store_write.h to be of use */
};

/* ERR_ABSENT: no store there; ERR_INCOMPLETE: for reading, and its database was lost; ERR_UNSUPPORTED: its
 * database is on a network file system, or of a newer schema; ERR_IO. */
MUST int store_open(struct store **s, const char *dir, enum store_mode mode, struct err *e);
void store_close(struct store **s);

/* Is the database the one that index.json was written from? 1. 0: it is not, and `why` says the way out:
 * ERR_INCOMPLETE it was lost, and nothing was made again yet (readers are refused by store_open());
 * ERR_CORRUPT it is an older copy. The next STORE_WRITE opening mends both. Cheap. */
MUST int store_is_current(struct store *s, struct err *why, struct err *e);

/*
 * Copy the database of one state, whatever others write meanwhile, into a new file `to`: rows only, no blob. In the
 * place of meta/moat.db it is an old copy, which the next STORE_WRITE opening brings forward. *bytes: its size.
 *
 * Fails:   ERR_INPUT something is there already, a link too; ERR_BUSY, ERR_FULL, ERR_RIGHTS, ERR_IO; nothing is left then.
 * Durable: on 0, with its name.
 */
MUST int store_backup(struct store *s, const char *to, uint64_t *bytes, struct err *e);

/* A number that differs after any commit of another process or thread to this store. Costs some
 * microseconds (two record locks): caches of tags compare it once a millisecond. */
MUST int store_change(struct store *s, uint64_t *number, struct err *e);

/* --- blobs (manifests are blobs too) ------------------------------------------------------- */

/* Is the blob here, durable (S2) and its file of the recorded length, in whatever repository? 1 and its size in
 * bytes, 0, -1. */
MUST int blob_stat(struct store *s, const struct digest *d, uint64_t *size, struct err *e);

/*
 * A blob that is open for reading. Owned by the caller; it outlives the store's handle, and stays what it was
 * when the blob goes to quarantine meanwhile. Thread: any, and several at a time.
 */
struct blob_reader {
	uint64_t size; /* bytes */
	int fd; /* a file of exactly these bytes, for sendfile(2); its position means nothing. -1: none */
	bool cold; /* see reader_cold() */
	struct blob_source *source; /* of an engine without files; NULL: fd is read */
};
#define BLOB_READER_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}
#define STEAL_READER(r)                                                                            \
	({                                                                                         \
		struct blob_reader stolen_reader_ = (r);                                           \
		(r) = (struct blob_reader)BLOB_READER_INIT;                                        \
		stolen_reader_;                                                                    \
	})

/* Open for reading: 1 and *r, which the caller closes; 0, -1: *r is not changed. ERR_CORRUPT when its file is
 * missing or its length is not the recorded one. */
MUST int blob_open(struct store *s, const struct digest *d, struct blob_reader *r, struct err *e);
void reader_close(struct blob_reader *r); /* for AUTO */

/* Exactly `len` bytes from `at`, which must be within it. Their digest is not looked at. ERR_CORRUPT: they are
 * not there any more; ERR_IO. Waits for the device, or for the network of an engine without files. */
MUST int reader_read(
	const struct blob_reader *r, uint64_t at, void *buf, size_t len, struct err *e);

/* The first `len` bytes will be read soon: a hint. */
void reader_ahead(const struct blob_reader *r, uint64_t len);

/* Read from now on without leaving in the page cache what was not in it: for reading much beside a server
 * that needs the cache. */
void reader_cold(struct blob_reader *r);

/* Append the whole of a small blob to `out`, its digest checked: 1, 0 absent, -1: ERR_INPUT it is larger than
 * `limit` bytes, ERR_CORRUPT it does not match, ERR_IO. On 0 and -1 `out` holds what it held. */
MUST int blob_read(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e);

/* What lies under a blob's name, without its bytes. */
struct blob_file {
	uint64_t id[2]; /* which file: a name that stands for another one now has another */
	uint64_t size;
	uint64_t stamp; /* another one after it was written to, or replaced; never 0 */
	bool regular; /* false: a directory, a link: nothing that can be read */
};

enum blob_fault {
	BLOB_GOOD,
	BLOB_MISSING, /* nothing lies under its name */
	BLOB_NO_FILE, /* a directory, a link */
	BLOB_LENGTH, /* not of the recorded length */
	BLOB_BYTES, /* of that length, and with other bytes */
	BLOB_UNREADABLE /* its device fails; a missing right is an error, and proves nothing */
};

enum blob_check {
	BLOB_CHECK_LENGTH, /* never reads bytes */
	BLOB_CHECK_CHANGED, /* reads them when the file was written to since they were read last */
	BLOB_CHECK_BYTES
};

/* What a check of one blob's file found. */
struct finding {
	struct digest digest, got; /* got: of BLOB_BYTES */
	enum blob_fault fault;
	uint64_t size; /* recorded */
	int64_t touched; /* recorded: when it was put, or promised, last */
	struct blob_file file; /* nothing of BLOB_MISSING */
	bool read; /* all its bytes were */
	bool changed; /* written to, or replaced, since its bytes were read last */
	char text[200]; /* the fault as a sentence without a subject: "is missing" */
};

/* How fast a check reads, and what it leaves behind. */
struct throttle {
	/* Called after each chunk, and may wait; -1 ends the check, and is returned. */
	int (*read)(void *ctx, size_t bytes, struct err *e);
	void *ctx;
	bool cache; /* what was read may stay in the page cache */
};

/*
 * Check a blob's file; nothing is changed.
 *
 * throttle: NULL, or for reading slowly. With one, what was not in the page cache before is not there
 *           afterwards, unless it says so.
 * Returns:  1: the blob is recorded as held, and f says how its file is; 0: it is not recorded; -1: this
 *           process or machine cannot tell now (rights, limits, ERR_BUSY), or throttle->read failed.
 */
MUST int blob_examine(struct store *s, const struct digest *d, enum blob_check how,
	const struct throttle *throttle, struct finding *f, struct err *e);

/* Tell each file in quarantine/ that was not cleared away: its name there, and the reason, a JSON object:
 * "time", "digest", "operation", "fault", "expected", "found", "text". What fn returns below 0 is returned. */
typedef int quarantine_fn(void *ctx, const char *where, const char *reason, struct err *e);
MUST int list_quarantine(struct store *s, quarantine_fn *fn, void *ctx, struct err *e);

/* --- going through all of them --------------------------------------------------------------- */

typedef int scan_fn(void *ctx, const struct digest *d, uint64_t size, struct err *e);

/* A position in the walk over all blobs. Zero: at the beginning. */
struct blob_cursor {
	bool by_age; /* those first whose bytes were read longest ago; else in no order */
	int64_t before; /* by_age: only those that were not read since then; seconds since the epoch */
	int64_t checked, id;
};

/* Blobs that are recorded as held, behind the cursor, which moves on with each: how many there were, at most
 * `max`; 0 at the end. What fn returns below 0 is returned. */
MUST int blobs_after(struct store *s, struct blob_cursor *at, unsigned max, scan_fn *fn, void *ctx,
	struct err *e);

/* When the bytes of the one that was read longest ago were read; 0 one never was. 1, 0 there is no blob. */
MUST int blobs_oldest(struct store *s, int64_t *checked, struct err *e);

/* Blobs that are needed and not held: configs, layers and manifests of what is whole otherwise, and sets. Bytewise. What fn
 * returns below 0 is returned. */
MUST int blobs_absent(struct store *s, scan_fn *fn, void *ctx, struct err *e);

/* The names by which clients reach a blob: tags, and references of active sets (tag "": by digest). Of an attachment
 * also those of its subject, in the repositories that link the blob. */
typedef int user_fn(void *ctx, const char *repo, const char *tag, struct err *e);
MUST int blob_users(struct store *s, const struct digest *d, unsigned max, user_fn *fn, void *ctx,
	struct err *e);

/*
 * A reader, which may not write metadata, leaves marks: blobs that proved bad. The next opening for writing
 * looks at each, takes what is still bad to quarantine, and removes the mark. The place is how far a reader's
 * check came: a cursor and when it began. All durable on 0.
 */
MUST int store_may_mark(struct store *s, struct err *e); /* 1; 0: nothing can be written here */
MUST int mark_put(struct store *s, const struct finding *f, struct err *e);
typedef int mark_fn(void *ctx, const struct digest *d, struct err *e);
MUST int list_marks(struct store *s, mark_fn *fn, void *ctx, struct err *e);

struct check_place {
	struct blob_cursor at;
	int64_t began,
		done; /* of this pass; when the last whole one began, 0 none; seconds since the epoch */
};
MUST int place_record(
	struct store *s, const struct check_place *p, struct err *e); /* replaces it */
MUST int place_read(struct store *s, struct check_place *p, struct err *e); /* 1, 0 none */

/* Is it linked to this repository? */
MUST int repo_has_blob(
	struct store *s, const char *repo, const struct digest *d, uint64_t *size, struct err *e);

/* Was the blob touched (store_write.h, TOUCH_AFTER) so lately that a client that will rely on it may be told of it? 1; 0:
 * apply CHANGE_TOUCH first, or it is not held; -1. */
MUST int blob_is_promised(struct store *s, const struct digest *d, struct err *e);

/* Every repository that links it, held or not, bytewise, until fn returns something else than 0, which is then the
 * result. */
typedef int name_fn(void *ctx, const char *name, struct err *e);
MUST int repos_with_blob(
	struct store *s, const struct digest *d, name_fn *fn, void *ctx, struct err *e);

/* Was anything ever put into it? 1, 0, -1. */
MUST int repo_exists(struct store *s, const char *repo, struct err *e);

/* What a repository takes of a quota. */
struct repo_use {
	uint64_t bytes; /* of all blobs that it links, each once */
	bool linked; /* the one that was asked for is among them, held or not */
};

/* d may be NULL. 1; 0 and zeros: there is no such repository; -1. */
MUST int repo_used(struct store *s, const char *repo, const struct digest *d, struct repo_use *out,
	struct err *e);

/* --- manifests ------------------------------------------------------------------------------ */

struct manifest_info {
	struct digest digest; /* the digest under which it was put or pinned */
	uint64_t size;
	char media_type[MEDIA_TYPE_MAX + 1];
};

/* What the repository serves under a tag: the pin of the set that was activated last, else the tag that was
 * put; under a digest: what is linked to it. Held (S3). 1, 0, -1. */
MUST int manifest_by_tag(struct store *s, const char *repo, const char *tag,
	struct manifest_info *out, struct err *e);
MUST int manifest_by_digest(struct store *s, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e);

/* An index of the repository that names this manifest as a child, whether or not the child is held:
 * what tells a platform that was left out on purpose from an unknown digest. */
MUST int manifest_index_of(struct store *s, const char *repo, const struct digest *d,
	struct manifest_info *out, struct err *e);

/* --- pages: at most `max` names behind `after` (NULL: from the start), bytewise order ------- */

/* Called for each; a negative result ends the page and is returned. Text is borrowed.
 * 1 when the repository exists (even when the page is empty), 0 when not. *more: names remain. */
MUST int page_tags(struct store *s, const char *repo, const char *after, unsigned max, name_fn *fn,
	void *ctx, bool *more, struct err *e);
MUST int page_repos(struct store *s, const char *after, unsigned max, name_fn *fn, void *ctx,
	bool *more, struct err *e);

struct referrer {
	struct manifest_info info;
	char artifact_type[MEDIA_TYPE_MAX + 1]; /* "" when there is none to list */
};
typedef int referrer_fn(void *ctx, const struct referrer *r, struct err *e);

/* Manifests of the repository whose subject is d, sorted by digest. fn: 0 goes on; anything else ends it
 * and is returned. */
MUST int list_referrers(struct store *s, const char *repo, const struct digest *d, referrer_fn *fn,
	void *ctx, struct err *e);

/* --- sets ------------------------------------------------------------------------------------ */

/* Sets whose tags one set may take. */
#define SET_TAKES_MAX 32
#define SET_TAKES_SIZE (SET_TAKES_MAX * (SET_NAME_MAX + 1))

struct set_info {
	char name[SET_NAME_MAX + 1];
	char version[SET_VERSION_MAX + 1];
	struct digest digest;
	uint64_t bytes; /* of all it holds */
	uint64_t pins; /* references */
	uint64_t
		missing; /* blobs of it that a rebuild did not find; bytes and pins may be 0 then */
	int64_t accepted; /* seconds since the epoch */
	int64_t created, expires; /* as the set says, or 0; seconds since the epoch */
	int64_t activated; /* last; seconds since the epoch, 0 never */
	bool back; /* what a rollback of its name goes to */
	bool active; /* its channel's current generation */
	uint64_t generation; /* of the channel, when active */
	char takes[SET_TAKES_SIZE]; /* sets whose tags it may take, when active: names with commas
				     * between, "" none */
};
/* Has it expired? now: seconds since the epoch; also by a clock that stands before its acceptance. */
bool set_info_expired(const struct set_info *info, int64_t now);
typedef int set_fn(void *ctx, const struct set_info *info, struct err *e);

/* Every accepted set: by name, then newest first. */
MUST int list_sets(struct store *s, set_fn *fn, void *ctx, struct err *e);

/* The accepted sets that hold a blob, or one of whose signatures it is part of, active or not, by name; of each only name, version, digest and active are told. */
MUST int blob_sets(struct store *s, const struct digest *d, set_fn *fn, void *ctx, struct err *e);

/* Those that are active, by name: cheap however many are accepted. */
MUST int list_active_sets(struct store *s, set_fn *fn, void *ctx, struct err *e);

/* "" = the only or most recently accepted set; NAME = the most recently accepted of that name;
 * NAME:VERSION; or a digest. ERR_ABSENT does not happen: 0 is the answer. */
MUST int set_find(struct store *s, const char *which, struct set_info *out, struct err *e);

/* What a tag is, and whose: a set's that pins it; set and version "": it was put (pushed). */
struct tag_owner {
	char set[SET_NAME_MAX + 1];
	char version[SET_VERSION_MAX + 1];
	struct digest digest; /* DIGEST_NONE: there is no such tag */
};

/* What is served under a tag, and whose it is: manifest_by_tag() and its owner, of one state. 1, 0. */
MUST int tag_owner_get(
	struct store *s, const char *repo, const char *tag, struct tag_owner *out, struct err *e);

/* Two active sets pin one tag to different manifests. Text is borrowed. */
struct tag_conflict {
	const char *repo, *tag;
	struct tag_owner served; /* by the set that was activated last */
	struct tag_owner other;
};
typedef int conflict_fn(void *ctx, const struct tag_conflict *c, struct err *e);

/* Every pin that is not served because another active set pins the tag too: by repository and tag,
 * until fn returns something else than 0, which is then the result. */
MUST int list_conflicts(struct store *s, conflict_fn *fn, void *ctx, struct err *e);

/* Each repository's host that the active sets pin ("docker.io"), sorted, moat.local left out. */
MUST int list_hosts(struct store *s, name_fn *fn, void *ctx, struct err *e);

/* Totals for people and metrics. */
struct store_totals {
	uint64_t blobs, bytes, manifests, repos, sets;
};
MUST int store_totals(struct store *s, struct store_totals *out, struct err *e);

/* Tags that were put one by one, so no pins of sets. */
MUST int store_tags(struct store *s, uint64_t *count, struct err *e);

/* Bytes that blobs may still take. */
MUST int store_free_bytes(struct store *s, uint64_t *bytes, struct err *e);

/* --- proof ----------------------------------------------------------------------------------- */

struct check_report {
	uint64_t blobs, bytes; /* looked at; bytes were hashed when `deep` */
	uint64_t problems;
	uint64_t absent; /* of these, of what is known to be missing, and comes back by an import */
	uint64_t denied; /* of these, of files that this process has no right to read */
};
/* Called for each violation with the invariant's number and a sentence. */
typedef void problem_fn(void *ctx, const char *invariant, const char *text);

/* Of a deep check: the files that are hashed. What comes or goes meanwhile is not counted. */
struct check_progress {
	uint64_t blobs, blobs_total;
	uint64_t bytes, bytes_total;
};
struct check_events {
	problem_fn *problem; /* or NULL */
	void (*moved)(void *ctx, const struct check_progress *p); /* chunk by chunk; or NULL */
	void *ctx;
};

/* Check S1-S6 against the files. deep: hash every blob. A file that cannot be read is a problem, and the
 * others are looked at all the same. Returns 0 when the check could run (look at report->problems), -1
 * when not. */
MUST int store_check(struct store *s, bool deep, const struct check_events *events,
	struct check_report *report, struct err *e);

#endif
