/*
 * The store, write side: blob writers, images, tags, sets.
 *
 * The order of every commit is S2: bytes, fsync, link, fsync of the directory, row, and only then
 * the answer. Rows are written in short immediate transactions; a busy writer is waited for up to
 * STORE_BUSY_MS (db/db.h), then ERR_BUSY names its process. ERR_FULL: no space; the store is as before.
 */
#ifndef MOAT_STORE_WRITE_H
#define MOAT_STORE_WRITE_H

#include "storage/store.h"

/* --- the database made again ------------------------------------------------------------------ */

/*
 * Make the database of the store again from its files (S6), whatever became of it, and open the store for writing. What
 * was there goes aside whole. Nobody may have the store open, this process neither.
 *
 * aside:  a name in the store, also when this fails; "": there was none, or it was left where it is.
 * Fails:  ERR_INCOMPLETE there is no index.json that can be read, and the database does not tell either: it stays where it
 *         is. As db_set_aside() and store_open().
 * Death:  in between, the next opening for writing goes on.
 */
#define STORE_ASIDE_SIZE 64
MUST int store_remake(
	struct store **s, const char *dir, char aside[STORE_ASIDE_SIZE], struct err *e);

/* --- what is held is good -------------------------------------------------------------------- */

#define QUARANTINE_NAME_SIZE 200 /* bytes: "sha256-HEX.TIME", in quarantine/ */

/*
 * How this handle takes what is there already. A blob counts as held when its row is live and its file
 * of the recorded length. A file that was written to since its bytes were read last is read again; after
 * the first bad one every other is, too. What proves bad goes to quarantine with its reason, and counts as
 * absent from then on, so that good bytes can take its place.
 */
struct store_care {
	const char *operation; /* for the reason: "import"; borrowed */
	bool check; /* read the bytes of everything that is asked for */
	/* Called after a file went to quarantine/where. May be NULL. */
	void (*found)(void *ctx, const struct finding *f, const char *where);
	void *ctx;
};
void store_set_care(struct store *s, const struct store_care *care);

/* Count the files that this handle has put into quarantine. */
size_t store_found_bad(const struct store *s);

/* Read the bytes of everything that this handle is asked for from now on, whatever its care says. A handle does
 * so by itself once a file was bad, also when that was found while the store was opened. */
void store_suspect(struct store *s);

/* Is the blob held, as said above? 1 and its size in bytes; 0, also when its file proved bad; -1. Not within a
 * transaction. */
MUST int blob_held(struct store *s, const struct digest *d, uint64_t *size, struct err *e);

/* Read the blob's bytes, and quarantine its file if they are bad. 0, -1. Not within a transaction. */
MUST int blob_drop_bad(struct store *s, const struct digest *d, struct err *e);

/*
 * Make a finding a state: record when a good file was read, quarantine a bad one, whose blob is absent then.
 * BLOB_MISSING changes nothing: should the file come back, its blob is held again.
 *
 * Returns: 1; 0: another file lies under the name by now, so check again; -1: ERR_DENIED the store was opened
 *          for reading, ERR_RIGHTS, ERR_FULL, ERR_IO.
 * Durable: on 1 for a bad file, step by step: the row first (S2), then the reason, then the file. Good ones
 *          are recorded many at once, at store_close() at the latest.
 */
MUST int blob_apply_finding(struct store *s, const struct finding *f, struct err *e);

/* Record the good findings of blob_apply_finding() now. What fails is read again some day. */
void store_record_findings(struct store *s);

/* --- promises ---------------------------------------------------------------------------------- */

/*
 * What is held and nothing refers to yet is safe from collection (gc.h) for its grace from when it was touched last:
 * put, or promised to a client that will refer to it. blob_held(), blob_begin() and blob_put() touch what they find,
 * before the next writer or change of this handle begins. A touch that is not older than this many seconds, or half the
 * grace that the store's rules name, is left as it is: so a grace protects for that much less.
 */
#define TOUCH_AFTER 3600

/* --- blob writers ---------------------------------------------------------------------------- */

struct blob_writer;
struct blob_batch;

enum {
	BLOB_RESUME =
		1, /* retain the stage on abort or death, and go on from it at the next begin */
	BLOB_TRY = 2, /* ERR_BUSY at once when another writes the same stage */
	BLOB_VERIFY = 4 /* read the bytes of what is held already: for small ones */
};

#define BLOB_SIZE_UNKNOWN UINT64_MAX

/*
 * Begin to write a blob.
 *
 * expect: its digest, or NULL when only the commit will tell (then sha256, not resumable).
 * size:   exact, in bytes, or BLOB_SIZE_UNKNOWN. Space is reserved when known: ERR_FULL here, not at the
 *         end.
 * Returns: 0 and *w, the caller's. 1, *w NULL: the store has it already, as blob_held() says it. -1: also
 *         ERR_CORRUPT: it has another size; ERR_DENIED: opened for reading.
 * Resume: with BLOB_RESUME bytes of an earlier attempt are hashed again; blob_offset() says where to go on.
 * Busy:   another process or handle that writes the same stage is waited for up to STORE_BUSY_MS, then 1
 *         is the usual answer. This handle's batches are flushed before, so that two never wait for each
 *         other's. A caller with several open writers takes BLOB_TRY, flushes its batch and comes back
 *         later, or two such processes wait for each other. A stage that this handle writes already is
 *         ERR_BUSY at once.
 */
MUST int blob_begin(struct store *s, const struct digest *expect, uint64_t size, unsigned flags,
	struct blob_writer **w, struct err *e);

/*
 * Begin to write a blob whose digest only its end will tell, as an upload. Its stage has no name and goes with
 * the writer, which ends by store_apply().
 *
 * alg:    what to hash with meanwhile.
 * Thread: any, here and in blob_write(), blob_mark(), blob_rewind(), blob_seal() and blob_abort() of such a
 *         writer, one at a time, while another thread uses the handle.
 */
MUST int blob_begin_unnamed(
	struct store *s, enum digest_alg alg, struct blob_writer **w, struct err *e);

uint64_t blob_offset(const struct blob_writer *w); /* bytes in the stage */

/* Give the offset to another attempt (a second transfer) that goes on with this writer: blob_commit() then
 * knows that the bytes are of several attempts. */
uint64_t blob_resume_at(struct blob_writer *w);

/* Append bytes. Sticky: after the first failure they are dropped, and the commit tells. Bytes beyond the
 * announced size are a failure at once. */
void blob_write(struct blob_writer *w, const void *data, size_t len);
bool blob_failed(const struct blob_writer *w);
MUST int blob_error(const struct blob_writer *w, struct err *e); /* 0, or -1 and the failure */

/* Remember this place, unless the writer failed before. */
void blob_mark(struct blob_writer *w);
/* Drop what came since blob_mark(), a failure too. -1: drop the writer. */
MUST int blob_rewind(struct blob_writer *w, struct err *e);

/*
 * Verify that the bytes are `expect`, and make them durable in the stage: what takes long of a commit.
 * store_apply() links and records. With another algorithm than the one that ran along the bytes are read again.
 *
 * Fails: ERR_CORRUPT: they are another blob, and may be sealed as that or gone on with. ERR_FULL, ERR_IO: they
 *        are lost, and the writer can only be dropped.
 */
MUST int blob_seal(struct blob_writer *w, const struct digest *expect, struct err *e);

/*
 * Publish under its digest and forget the writer: *w becomes NULL, but for "Again".
 *
 * Returns: 0; -1 with ERR_CORRUPT (size or digest differ: the stage is thrown away), ERR_FULL,
 *          ERR_IO.  got may be NULL.
 * Again:   bytes of an earlier attempt, which a power cut may have damaged, are no proof against the
 *          source. When some are among those that are wrong, -1 with ERR_CORRUPT leaves *w, emptied: give
 *          all bytes once more and commit again. That happens once; a caller that gives up just aborts.
 *
 *	do {
 *		... blob_write() from blob_offset(w) on ...
 *		rc = blob_commit(&w, batch, NULL, e);
 *	} while (w);
 *
 * Durable: on 0 when batch is NULL. With a batch it becomes durable, and visible to blob_stat(), at the
 *          batch's next flush.
 */
MUST int blob_commit(
	struct blob_writer **w, struct blob_batch *batch, struct digest *got, struct err *e);

/* Drop the writer; a BLOB_RESUME stage stays for the next attempt. For AUTO. */
void blob_abort(struct blob_writer **w);
/* Drop the writer and its stage, whose bytes are known to be bad. */
void blob_discard(struct blob_writer **w);

/* Write a small blob in one call; its digest (sha256) in *got. 0, -1. Durable: as blob_commit(). */
MUST int blob_put(struct store *s, struct blob_batch *batch, struct span bytes, struct digest *got,
	struct err *e);

/* Many blobs, one durability: one syncfs, every link, one fsync a directory, one transaction. A batch belongs to
 * its handle, and flushes by itself when it holds so many blobs or bytes. */
#define BATCH_BLOBS_MAX 256
#define BATCH_BYTES_MAX (256u << 20)

struct blob_batch *batch_new(
	struct store *s); /* never NULL; before its handle is closed, batch_free() */
/* Publish all of it. -1: none is recorded, and the batch is empty; what is resumable stays in its stage. */
MUST int batch_flush(struct blob_batch *b, struct err *e);
bool batch_has(const struct blob_batch *b, const struct digest *d); /* committed, not yet flushed */
void batch_free(struct blob_batch **b); /* for AUTO; what was not flushed is gone */

/* --- images, tags, sets ---------------------------------------------------------------------- */

struct image_item {
	const char *repo; /* "host/name"; borrowed, as all of it */
	const char *tag; /* NULL, or a tag to move to it in the same transaction */
	const struct digest *digest;
	const char *media_type;
};

/*
 * Put manifests whose blobs are live (and, for an index, those of its children that are live) into
 * repositories: manifest rows, edges, links. All or none, in one transaction (S3); other writers wait for it.
 *
 * Fails: naming the first image that cannot be put. ERR_INCOMPLETE naming its first config, layer or
 *        manifest that is not live (foreign layers and children of an index may be absent; an index of
 *        which no child is live is refused unless it has none), ERR_INPUT not a manifest.
 * Again with the same arguments: succeeds and changes nothing.
 */
#define IMAGE_PUT_STATEMENTS                                                                       \
	20 /* of an image, however many layers; one for each more, and for each child of an index */
MUST int images_put(struct store *s, const struct image_item items[], size_t count, struct err *e);

/* --- changes: what clients of a registry do, one by one or many at once ---------------------- */

enum change_kind {
	CHANGE_BLOB, /* a sealed writer becomes a blob of the repository */
	CHANGE_MOUNT, /* a blob of another repository is linked to this one too */
	CHANGE_MANIFEST, /* and its tags, all or none */
	CHANGE_UNTAG,
	CHANGE_DELETE_MANIFEST, /* and every tag on it; its bytes stay until they are collected */
	CHANGE_DELETE_BLOB,
	CHANGE_TOUCH /* a client is going to be told that it is here, whatever its repository, and relies on it */
};

struct change {
	enum change_kind kind;
	const char *repo; /* BLOB, MOUNT and MANIFEST make it */
	struct digest digest; /* of the blob or manifest; nothing for UNTAG */
	struct blob_writer *writer; /* BLOB: sealed; taken over, NULL afterwards whatever happens */
	const char *from; /* MOUNT: the repository that has it */
	struct span text; /* MANIFEST: its bytes, held already or not; borrowed */
	const struct manifest *manifest; /* MANIFEST: the same, read; borrowed */
	const char *const *tags; /* MANIFEST: to move to it; UNTAG: the one */
	size_t tag_count;
	/* MANIFEST: other stored names by which clients may mean this repository. */
	const char *const *aliases;
	size_t alias_count;
	/* MANIFEST: what it names must be linked to the repository (its subject may be absent);
	 * otherwise it is recorded as sparse. */
	bool strict;

	/* BLOB, MOUNT and MANIFEST: most bytes that the repository may link then; 0: as many as come. */
	uint64_t quota;

	int rc; /* what came of it: 0, or -1 and err */
	struct err err;
	/* Refused for the quota: bytes that were linked before, and more that this would have brought; else more is 0. */
	uint64_t used, more;
};

#define APPLY_MAX BATCH_BLOBS_MAX

/*
 * Apply changes, each by itself: one that fails leaves the others. All of them become durable by one
 * commit (group commit), and each is visible at once when this returns.
 *
 * count: 1 to APPLY_MAX.
 * err:   ERR_DENIED: the quota (c->more says so); a tag that an active set pins would move or go (here or under an alias); a
 *        manifest or blob that a set, active or not, holds in this repository would go; a blob
 *        that a manifest of the repository names would go; a set's own repository. ERR_ABSENT: not in the repository.
 *        ERR_INCOMPLETE: strict, names what is missing. ERR_INPUT: a size that is not the blob's.
 *        ERR_FULL, ERR_BUSY, ERR_IO.
 * Returns 0, or -1 with e when nothing was applied (each change says so too).
 */
#define PUSH_STATEMENTS 20 /* of one manifest under one tag, however many layers */
MUST int store_apply(struct store *s, struct change *const changes[], size_t count, struct err *e);

/*
 * Bring index.json up to date, if it is not (S6), durably: what store_apply() leaves for quieter times. In two
 * steps, both with one handle. begin reads all names, which takes its time and lets others write:
 * 1 and *flush, 0 there is nothing to do. end puts the list in place, in a short transaction, unless a later one
 * is there; *flush is NULL afterwards, whatever happens. drop is for AUTO.
 */
struct index_flush;
MUST int index_flush_begin(struct store *s, struct index_flush **flush, struct err *e);
MUST int index_flush_end(struct index_flush **flush, struct err *e);
void index_flush_drop(struct index_flush **flush);

/* A signature of a set: manifest digest in the store; tag "" for a bundle found as referrer. Under a tag
 * there is one: accepting another takes its place, so a new one is joined with the one before. */
struct set_signature {
	struct digest digest;
	char media_type[MEDIA_TYPE_MAX + 1];
	char tag[REF_TAG_MAX + 1];
};

/* A tag that is served otherwise once a set is active. Which tags are the set's own, and those whose
 * pin or push stays the same, are only counted. */
struct tag_change {
	char *name; /* host/name:tag */
	struct tag_owner from, to; /* to.digest DIGEST_NONE: it vanishes */
	bool refused; /* taken from another active set that pins something else, without consent */
};

/* How a set becomes active once it is accepted: by set_activate(); only by set_rollback() to its version, as a newer one
 * is, was last, or was removed; or by set_activate() with offer->older, as a newer one was removed. */
enum set_way { SET_WAY_FORWARD, SET_WAY_BACK, SET_WAY_OLDER };

/* What a set changes by becoming active. */
struct set_changes {
	bool held; /* the store has accepted it already */
	bool active; /* and it is the active one of its name */
	bool gap; /* sets of that name are held, and the newest is not its predecessor */
	enum set_way way;
	bool activates; /* it becomes active; else it is so already, was held back, or that was not asked */
	uint64_t added, same; /* tags that are not served yet; that stay what they are */
	uint64_t moved; /* another manifest, the same owner */
	uint64_t gone;
	uint64_t owner; /* another owner: set or push; the manifest may stay */
	uint64_t taken; /* of those, from another active set, and another manifest */
	uint64_t refused; /* of those, without consent */
	struct tag_change *items; /* moved, gone and owner: by name, bytewise */
	size_t count;
	uint64_t state; /* of the store that it was compared with */
	bool was_active; /* some version of its name is */
	uint64_t generation; /* the last of its name, 0 none */
	/* Of its name, the set that was accepted last; DIGEST_NONE: there is none. */
	struct digest newest;
	/* Over the lists of signatures of that one and of the set itself. */
	struct digest signatures;
};
#define SET_CHANGES_INIT                                                                           \
	{                                                                                          \
		.count = 0                                                                         \
	}
void set_changes_release(struct set_changes *c); /* for AUTO */
/* Do both say the same, of whatever states? */
bool set_changes_eq(const struct set_changes *a, const struct set_changes *b);

/* A set that shall be accepted, or become active. */
struct set_offer {
	const struct digest *digest;
	bool activate; /* it shall become active; else it is only compared as if */
	bool vanish; /* what is active of its name shall not be; the set has no entries (set_deactivate()) */
	const struct set_signature *signatures;
	size_t signature_count;
	const char *const *take; /* names of sets whose tags it may take */
	size_t take_count; /* to SET_TAKES_MAX */
	bool dry; /* only compare, judge and tell; also with a handle for reading */
	bool keep_owners; /* where it would take others' tags, leave it inactive */
	bool older; /* also when a newer version is held, is or was active, or was removed */
	bool successor; /* its predecessor must be the newest set of its name */
	/* May it, after c->newest and as signed as that is? Called with each comparison, before tell; it may
	 * change the signatures above. When c->newest or the signatures of either change before the switch, it is
	 * asked again. No transaction is open. 0, or -1 to refuse. May be NULL. */
	int (*judge)(void *ctx, const struct set_changes *c, struct err *e);
	/* Called with what will change, before it does; again when the store changed meanwhile. No
	 * transaction is open. May be NULL. */
	void (*tell)(void *ctx, const struct set_changes *c);
	void *ctx;
};

/*
 * Compare a set with what the store holds, in one state of it: its version, and each tag that it pins.
 * The set's blobs need not be here. Nothing is written.
 *
 * out:   set_changes_release() afterwards, whatever is returned.
 * Returns: 0; 1: offer->successor, and its predecessor is not the newest set of its name; -1.
 * Fails: ERR_UNTRUSTED: it is not held, and a newer version is or was, or this one with another digest; it shall
 *        become active, and a newer version is, was last, or was removed.
 *        ERR_DENIED: it shall become active and would take a tag that another active set pins to something else, and
 *        neither offer->take names that set nor keep_owners is set. Names both sets and the tags.
 *        ERR_INPUT: offer->take has no names of sets, or too many.
 */
MUST int set_compare(struct store *s, const struct set *set, const struct set_offer *offer,
	struct set_changes *out, struct err *e);

/*
 * Accept a set whose blobs are all live: every image, link, pin, the set's own repository with its signatures, and with
 * offer->activate the switch of its channel, in one transaction, which happens only when nothing changed of what
 * set_compare() found; else the comparison begins again. Afterwards index.json is rewritten. Whether it may be trusted
 * was decided above.
 *
 * out:     what changed; NULL, or set_changes_release() afterwards, whatever is returned.
 * Returns: 0; 1: offer->successor, and its predecessor is not the newest set of its name (any
 *          more): nothing was done; -1.
 * Fails:   as set_compare() and offer->judge; ERR_INCOMPLETE naming the first blob of the inventory that is missing
 *          and how many are; ERR_BUSY: its tags changed under each of SET_TRIES comparisons.
 * Again:   the same set succeeds and changes nothing, unless offer->take names a set that serves
 *          its tags: then it is activated again.
 */
#define SET_TRIES 16
#define SET_ACCEPT_STATEMENTS 64 /* of one comparison; however many images and tags it has */
MUST int set_accept(
	struct store *s, const struct set_offer *offer, struct set_changes *out, struct err *e);

/*
 * Make an accepted set active: the same comparison, and a transaction that switches its channel and nothing else.
 * offer->activate is taken for granted.
 *
 * out:   what changed; NULL, or set_changes_release() afterwards, whatever is returned.
 * Fails: as set_compare() and offer->judge; ERR_ABSENT: it is not accepted, or was removed meanwhile; ERR_INCOMPLETE: it
 *        lost blobs; ERR_BUSY.
 * Again: succeeds and changes nothing, as set_accept().
 */
#define SET_SWITCH_STATEMENTS 40 /* with the comparison and index.json; however many tags it has */
MUST int set_activate(
	struct store *s, const struct set_offer *offer, struct set_changes *out, struct err *e);

/*
 * Go back, without a medium: a new generation with the set of an earlier one, whose consents come along. It is told,
 * compared and switched as by set_activate(), and may be older.
 *
 * version: an accepted one, not newer than what is active, or was last; NULL: what was active before that, so the next
 *          call goes one further back. After set_deactivate() it is what was active then.
 * how:     take, dry, judge, tell and ctx are used.
 * to:      filled with what is gone back to before judge and tell are called.
 * Fails:   as set_activate(); ERR_ABSENT: nothing was active before, or that version is not accepted; ERR_INPUT: it is
 *          newer.
 */
MUST int set_rollback(struct store *s, const char *name, const char *version,
	const struct set_offer *how, struct set_info *to, struct set_changes *out, struct err *e);

/* Make no version of the name active; all stay accepted. how, out: as of set_rollback(). was: filled with what is active,
 * before judge and tell are called. ERR_ABSENT: nothing is active. */
MUST int set_deactivate(struct store *s, const char *name, const struct set_offer *how,
	struct set_info *was, struct set_changes *out, struct err *e);

/*
 * Forget an accepted set that is not active: its pins, signatures, tag and generations; rollbacks go past it. Its bytes
 * stay until they are collected. When it is the newest of its name, its version stays known, through a rebuild too: an
 * older one that is not held does not come in.
 *
 * Fails: ERR_ABSENT: it is not accepted. ERR_DENIED: it is active.
 */
MUST int set_remove(struct store *s, const struct digest *set, struct err *e);

/* Signatures that were accepted with a set; sigs is the caller's to free. */
MUST int set_signatures(struct store *s, const struct digest *set, struct set_signature **sigs,
	size_t *count, struct err *e);

#endif
