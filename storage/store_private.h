/* What the files of storage/ share about `struct store`. Other files may not include it. */
#ifndef MOAT_STORE_PART
#error "store_private.h is for the files of storage/ only: include store.h or store_write.h"
#endif
#ifndef MOAT_STORE_PRIVATE_H
#define MOAT_STORE_PRIVATE_H

#include <sys/queue.h>

#include "storage/blobs/backend.h"
#include "storage/record.h"

#define TOUCHED_MAX 1024 /* blobs that were found and wait to be touched */
#define PASSED_MAX 256 /* findings of good files that wait for a transaction */

struct passed {
	struct digest digest;
	uint64_t size, stamp;
};

struct store {
	struct blobs *blobs;
	struct db *db;
	enum store_mode mode;
	bool index_dirty; /* by this handle, since index.json was last written */
	LIST_HEAD(, blob_batch) batches; /* of this handle; flushed before it waits for others */
	LIST_HEAD(, blob_writer) writers; /* of this handle; none waits for another */
	struct store_care care;
	bool suspected; /* something was bad: no other care makes this forgotten */
	size_t found_bad;
	struct passed *passed;
	size_t passed_count;
	struct digest *touched; /* to be: touched_flush() */
	size_t touched_count;
	int64_t touch_after, rules_read; /* gc_rules.c: as known at that time; seconds */
};

/* A transaction by scope: what was not committed is rolled back.
 *
 *	AUTO(tx_abort) struct store *tx = NULL;
 *	if (tx_begin(s, &tx, e) < 0) ...
 *	return tx_commit(&tx, e);
 */
MUST int tx_begin(struct store *s, struct store **tx, struct err *e);
MUST int tx_commit(struct store **tx, struct err *e);
void tx_abort(struct store **tx);
/* Reads of one state, without keeping writers waiting: `tx` ends by tx_abort(). */
MUST int tx_snapshot(struct store *s, struct store **tx, struct err *e);

/* Refuses a handle opened for reading. */
MUST int store_may_write(const struct store *s, struct err *e);

/* blobs/lookup.c: blob_read() of a blob whose row says that it is held, so long. 1; 0 it was
 * collected meanwhile; -1. */
MUST int blob_read_held(struct store *s, const struct digest *d, uint64_t size, size_t limit,
	struct buf *out, struct err *e);
/* blob_read() within a transaction: what has no good bytes is recorded as not held, and 0. */
MUST int blob_read_or_lose(
	struct store *s, const struct digest *d, size_t limit, struct buf *out, struct err *e);

/* mend.c: is the file of a live row there, and as long as recorded? 1, 0, -1. */
MUST int row_held(
	struct store *s, const struct digest *d, const struct blob_row *row, struct err *e);
/* mend.c: check what lies under the name of a blob that should be as long as its row says; row NULL: whatever
 * its length. 0 and *f, -1. Thread: any. */
MUST int file_examine(struct store *s, const struct digest *d, const struct blob_row *row,
	enum blob_check how, const struct throttle *throttle, struct finding *f, struct err *e);
/* mend.c: read a file without a live row, as a writer that died leaves it, and quarantine a bad one. 1 and its
 * size, 0, -1. */
MUST int orphan_held(struct store *s, const struct digest *d, uint64_t *size, struct err *e);
/* mend.c: blob_held() with a check of choice. */
MUST int blob_held_by(struct store *s, const struct digest *d, enum blob_check how, uint64_t *size,
	struct err *e);
/* mend.c: append the reason that lies in quarantine, or in a mark, as JSON. */
void finding_json(const struct store *s, const struct finding *f, struct buf *out);
/* mend.c: record good findings that were not recorded yet; best effort. */
void passed_flush(struct store *s);
/* gc_rules.c: how old may a touch be that is left as it is? Seconds: TOUCH_AFTER, or half the grace. Asks for the rules
 * once a second at the most. */
int64_t touch_after(struct store *s);
/* mend.c: touch what was found and was not touched lately. Not within a transaction. 0, -1. */
MUST int touched_flush(struct store *s, struct err *e);
/* marks.c: check what readers marked, quarantine what is bad, and remove the marks. 0, -1. */
MUST int marks_apply(struct store *s, struct err *e);

/* repo.c: "host/name", as upstream names it. */
MUST int repo_check(const char *repo, struct err *e);

/* image.c: put a manifest: gathered (record.h), written by the caller's record_flush(). held: NULL, or what a
 * child must be in to count. *out: the manifest. 1 put, 0 something it needs is not held (e says what), -1. */
MUST int image_put_tx(struct record *r, int64_t repo, const struct digest *d,
	const char *media_type, const struct inventory *held, struct known **out, struct err *e);

/* image.c: a pushed manifest, in the same way, into the repository of the record: its row, edges and link.
 * Nothing that it names is linked: its client could else read what others have by knowing its digest. Again:
 * nothing is gathered. */
enum put_check {
	PUT_AS_IT_IS, /* it was taken before, whatever it says */
	PUT_SIZES, /* of what is linked to the repository (ERR_INPUT) */
	PUT_STRICT /* and all that it names must be linked (ERR_INCOMPLETE) */
};
MUST int manifest_put_tx(struct record *r, const struct manifest *m, const struct digest *d,
	enum put_check check, struct known **out, struct err *e);

/* image.c: image_put_tx() of what was put before, from what is left of it: what has no bytes is recorded as
 * not held, and put by itself when they come; of a manifest without bytes its name alone. 0, -1. */
MUST int image_remake_tx(struct record *r, int64_t repo, const struct descriptor *d,
	const struct inventory *held, struct known **out, struct err *e);

/* image.c: put a manifest as index.json lists it, within a transaction. tag NULL: none. Pins of sets are
 * not asked. */
MUST int image_restore(struct store *s, const char *repo, const char *tag,
	const struct descriptor *d, enum links links, struct err *e);

/* set_compare.c: set_compare() within a transaction or a snapshot. 1: offer->successor, and it is none. */
MUST int set_compare_tx(struct store *s, const struct set *set, const struct set_offer *offer,
	struct set_changes *out, struct err *e);

/*
 * set_switch.c: compare a set as offered, have it judged and told, then write in a transaction in which that still
 * holds; else begin again. out: NULL, or what was compared last. 0, 1: as set_compare(), -1.
 */
struct set_turn {
	const struct set *set;
	/* Called before it is compared, of the same state, to fill set and offer; or NULL. */
	int (*find)(void *ctx, struct err *e);
	const struct set_offer *offer;
	int (*write)(void *ctx, const struct set_changes *c, struct err *e);
	void *ctx;
};
MUST int set_turn(
	struct store *s, const struct set_turn *t, struct set_changes *out, struct err *e);
/* set_switch.c: within a transaction, switch the channel `name` forward to the set of that row, with the consents of
 * the offer and those that the channel has. */
MUST int set_forward_tx(
	struct store *s, const char *name, int64_t id, const struct set_offer *o, struct err *e);

/* set_switch.c: within a transaction, forget a set that is not active, as set_remove() does. */
MUST int set_remove_tx(struct store *s, const struct set_row *row, struct err *e);

/* set.c: accept a set again as it was, within a transaction; nothing is activated. What it lacks is
 * recorded as not held. row: as index.json lists it; its id is filled, 0 when another is there under its
 * name and version. size: of the set index. */
MUST int set_restore(struct store *s, struct set_row *row, uint64_t size,
	const struct set_signature *signatures, size_t count, struct err *e);
/* Sets that a rebuild could not make whole: put what came since. */
MUST int sets_remake(struct store *s, struct err *e);

/* index_json.c */
MUST int index_json_write(struct store *s, struct err *e); /* unless it is fresh */
/* Tell index.json as it should be, chunk by chunk. */
typedef int text_fn(void *ctx, struct span chunk, struct err *e);
MUST int index_json_text(struct store *s, text_fn *fn, void *ctx, struct err *e);

/* index_read.c */
struct index_head {
	bool lists; /* anything, if only what was removed: the metadata was here */
	uint64_t
		serial; /* index_state.changed of what it shows; 0: it has none, so an older moat's */
};

/* Each entry of index.json, with its number from 0, however many there are. 1 there
 * is an index.json, all of which could be read; 0 there is none; -1, after entries may have been told
 * (ERR_INPUT: it is no index). */
typedef int index_item_fn(void *ctx, size_t number, const struct descriptor *d, struct err *e);
MUST int index_json_each(struct store *s, index_item_fn *fn, void *ctx, struct err *e);

/* The same, without the entries: 1, 0, -1. Reads its beginning only, when a store wrote it. */
MUST int index_json_head(struct store *s, struct index_head *head, struct err *e);
/* Append NOTE_REMOVED of index.json, nothing when it has none or is not there. */
MUST int index_json_removed(struct store *s, struct buf *out, struct err *e);

/* standing.c: how the metadata stands to index.json. */
enum due {
	NOT_DUE,
	DUE_LOST, /* it is new, and index.json lists what was here */
	DUE_BEHIND, /* it is an old copy */
	DUE_INDEX /* index.json is old, damaged or gone: to be written again */
};
struct standing {
	enum due due;
	struct index_head index;
	struct index_state now;
};
/* ERR_INPUT: the metadata is new, and index.json cannot be read. */
MUST int standing_find(struct store *s, struct standing *st, struct err *e);
/* For readers without metadata: ERR_INCOMPLETE when index.json lists what was here, else 0. */
MUST int store_was_here(struct store *s, struct err *e);

/* rebuild.c: make the metadata again from the blobs and what index.json lists, when it is new or older
 * than index.json; else see to it that index.json is written again when it is not of this metadata. */
MUST int rebuild_if_due(struct store *s, struct err *e);

#endif
