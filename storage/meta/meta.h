/*
 * The rows behind the store: what is held, what refers to what, which names there are. Plain functions
 * over prepared statements, in files by noun; only these speak statements. They must never decide
 * anything: S1-S7 are kept by the callers.
 *
 * What is given to them are digests, names and row numbers, never a path. Row numbers are the database's
 * own, from 1, and good for as long as it is not made again. Texts handed to a callback are borrowed for
 * the call. What writes needs a transaction (db_begin); reading does not, and sees one state only within
 * a transaction or snapshot. Sizes are bytes, times seconds since the epoch.
 * Fails: as the database does (ERR_BUSY, ERR_FULL, ERR_CORRUPT, ERR_IO). 0 or -1; lookups 1, 0 or -1.
 *
 * Lookups that are one statement and everybody's are declared in store.h and defined here as well.
 */
#ifndef MOAT_META_H
#define MOAT_META_H

#include "storage/db/db.h"
#include "storage/gc.h"
#include "storage/oci/graph.h"
#include "storage/store_write.h"

/* tx.c */
struct db *store_db(const struct store *s);

/* A cell of many rows (db/rowset.h). */
void rowset_digest(struct rowset *r, const struct digest *d);

/* --- blobs ----------------------------------------------------------------------------------- */

struct blob_row {
	int64_t id;
	uint64_t size;
	bool live; /* false: known from a descriptor, not held */
	int64_t touched; /* seconds: put, or promised, last */
	uint64_t stamp; /* its file's when its bytes were read last and were right; 0: never */
	char media_type[MEDIA_TYPE_MAX + 1]; /* of its manifest row; "": it has none */
	bool whole; /* of its manifest row: config and layers are live (S3) */
};

/* The row of a blob: 1, 0, -1. */
MUST int meta_blob_get(struct db *db, const struct digest *d, struct blob_row *out, struct err *e);
/* The rows of many. digests: rows of one digest. fn is told the place of each that has a row, and whether
 * it is linked to the repository (0: to none). */
typedef void blob_row_fn(void *ctx, size_t at, const struct blob_row *row, bool linked);
MUST int meta_blobs_get(struct db *db, const struct rowset *digests, int64_t repo, blob_row_fn *fn,
	void *ctx, struct err *e);
/* Make rows of blobs that have none, as not held. blobs: digest, size. fn is told each. */
typedef void blob_id_fn(void *ctx, const struct digest *d, int64_t id);
MUST int meta_blobs_want(
	struct db *db, const struct rowset *blobs, blob_id_fn *fn, void *ctx, struct err *e);

/* Held from now on, its bytes never read; the same of files whose bytes were read just now and are
 * right (digest, size, stamp), which were put or only checked; not held any more. Each makes a new state of
 * index.json when it lists the blob. What is put is touched. */
MUST int meta_blob_live(struct db *db, const struct digest *d, uint64_t size, struct err *e);
MUST int meta_blobs_proved(struct db *db, const struct rowset *blobs, bool put, struct err *e);
/* Touch those of the rows (a digest) that are held. *touched: how many are. */
MUST int meta_blobs_touch(
	struct db *db, const struct rowset *digests, uint64_t *touched, struct err *e);
MUST int meta_blob_lost(struct db *db, const struct digest *d, struct err *e);

MUST int meta_blob_each(struct db *db, scan_fn *fn, void *ctx, struct err *e); /* live ones */

/* --- repositories ---------------------------------------------------------------------------- */

/* The number of a repository, made when there is none. */
MUST int meta_repo_make(struct db *db, const char *repo, int64_t *id, struct err *e);
/* The same of many: rows of one name, of which some may be the same; ids[], one a row, is filled. */
MUST int meta_repos_make(struct db *db, const struct rowset *names, int64_t ids[], struct err *e);

/* What links adds makes a new state of index.json when that shows it: a manifest, or what one names. */
MUST int meta_link_add(struct db *db, int64_t repo, int64_t blob, struct err *e);
MUST int meta_link_drop(
	struct db *db, const char *repo, int64_t blob, struct err *e); /* and its tags */
/* Many. blobs: repository, blob. images: repository, manifest: what it names as config or layer, as far as
 * its edges are known; not itself. */
MUST int meta_links_add(
	struct db *db, const struct rowset *blobs, const struct rowset *images, struct err *e);
/* A manifest's config, layers and children, but for foreign layers. */
MUST int meta_link_needed(struct db *db, int64_t repo, int64_t manifest, struct err *e);

/* A manifest linked to the repository that names the blob, as whatever: 1, 0. */
MUST int meta_needed_by(
	struct db *db, const char *repo, int64_t blob, struct digest *manifest, struct err *e);

/* Names behind `after`, bytewise, at most `max`. What fn returns below 0 is returned. */
MUST int meta_repos_after(
	struct db *db, const char *after, unsigned max, name_fn *fn, void *ctx, struct err *e);
MUST int meta_tags_after(struct db *db, const char *repo, const char *after, unsigned max,
	name_fn *fn, void *ctx, struct err *e);

/* --- manifests and tags ---------------------------------------------------------------------- */

/* Rows of: blob, media type, artifact type ("" none), subject (NULL none), whole. Once one is whole it stays so,
 * unless its type was another. Each manifest once. */
MUST int meta_manifests_add(struct db *db, const struct rowset *manifests, struct err *e);
/* Rows of: manifest, blob, role. */
MUST int meta_edges_add(struct db *db, const struct rowset *edges, struct err *e);
/* Rows of: repository, tag, manifest. */
MUST int meta_tags_put(struct db *db, const struct rowset *tags, struct err *e);
MUST int meta_tag_drop(struct db *db, const char *repo, const char *tag, struct err *e); /* 1, 0 */

/* The active set that pins the tag, and what to: name and version of *set, nothing else of it. 1, 0. */
MUST int meta_tag_pinned(struct db *db, const char *repo, const char *tag, struct set_info *set,
	struct digest *manifest, struct err *e);

/* --- sets ------------------------------------------------------------------------------------ */

struct set_row {
	int64_t id;
	struct set_info info;
	int64_t activation; /* order of activation over all channels; 0 when not active */
	bool unread; /* what it says of itself was never recorded: created, expires, previous */
};
typedef int set_row_fn(void *ctx, const struct set_row *row, struct err *e);

/* By digest; by name and version; the newest of a name; the newest: what is not NULL. */
MUST int meta_set_get(struct db *db, const struct digest *d, const char *name, const char *version,
	struct set_row *out, struct err *e);
/* By row: 1, 0. */
MUST int meta_set_by_id(struct db *db, int64_t id, struct set_row *out, struct err *e);
/* Those that are active, by name. */
MUST int meta_set_each_active(struct db *db, set_row_fn *fn, void *ctx, struct err *e);
/* Newest first; name NULL: all, by name. */
MUST int meta_set_each(struct db *db, const char *name, set_row_fn *fn, void *ctx, struct err *e);
/* A set, active or not, that pins in the repository and holds the blob: name and version of it. 1, 0. */
MUST int meta_set_holding(
	struct db *db, const char *repo, int64_t blob, struct set_info *set, struct err *e);

/* An accepted set: the blob is its index's. previous: of the set that it follows, or DIGEST_NONE. */
MUST int meta_set_add(struct db *db, int64_t blob, const struct set_info *info,
	const struct digest *previous, int64_t *id, struct err *e);
/* What it says of itself, and what it lacks, after more of it came. */
MUST int meta_set_update(struct db *db, int64_t id, const struct set_info *info,
	const struct digest *previous, struct err *e);
/* Rows of: repository, tag, manifest. */
MUST int meta_pins_add(struct db *db, int64_t set, const struct rowset *pins, struct err *e);
/* Add what the set pins to the entries of `to`: name, tag and digest, in no order. */
MUST int meta_pins_get(struct db *db, int64_t set, struct set *to, struct err *e);
/* Under a tag there is one: it takes the place of another. */
MUST int meta_signature_add(struct db *db, int64_t set, int64_t manifest,
	const struct set_signature *sig, struct err *e);

/* An activation of a set. */
struct generation {
	int64_t order; /* of activation over all channels */
	uint64_t number; /* in its channel */
	int64_t when;
	char takes[SET_TAKES_SIZE]; /* names of sets whose tags it may take, as in set_info */
	int64_t set; /* row */
	int64_t back; /* number of what a rollback goes to; 0: nothing; -1: the set that was active before */
};
typedef int generation_fn(void *ctx, const struct generation *g, struct err *e);

/* The generation of the channel `name` with that number, 0 the last one: 1, 0 there is none. */
MUST int meta_generation_get(
	struct db *db, const char *name, uint64_t number, struct generation *out, struct err *e);
/* A generation behind the last one, and the channel stands at it. next: its number, when, set and back; takes: as its
 * takes, and may name a set twice. Older generations of the channel are forgotten, but for the last of each set and what
 * rollbacks go to. */
#define GENERATIONS_KEPT 64
MUST int meta_activate(struct db *db, const char *name, const struct generation *next,
	const char *takes, struct err *e);
/* The channel stands at nothing. */
MUST int meta_deactivate(struct db *db, const char *name, struct err *e);
/* Forget a set that is not active, with its pins, signatures and generations; rollbacks go past it. */
MUST int meta_set_remove(struct db *db, const char *name, int64_t set, struct err *e);
/* Of the name, the newest version that was removed: 1 and a text, 0 none was. */
MUST int meta_removed_get(
	struct db *db, const char *name, char version[SET_VERSION_MAX + 1], struct err *e);
MUST int meta_removed_put(struct db *db, const char *name, const char *version, struct err *e);
typedef int removed_fn(void *ctx, const char *name, const char *version, struct err *e);
MUST int meta_removed_each(struct db *db, removed_fn *fn, void *ctx, struct err *e);
/* A generation as it was, behind those that are there; current: its channel stands at it. What has its
 * number already stays. */
MUST int meta_generation_add(struct db *db, const char *name, int64_t set,
	const struct generation *g, bool current, struct err *e);
/* The activations of one set, oldest first. */
MUST int meta_generations(
	struct db *db, const char *name, int64_t set, generation_fn *fn, void *ctx, struct err *e);

/* Something that names a tag now: a pin of an active set, or the tag that was put (now.set ""). */
struct tag_claim {
	const char *repo, *tag; /* borrowed */
	const struct set_entry *offered; /* of the set that is offered; NULL: it lacks the tag, and
					  * the set in whose place it comes pins it */
	struct tag_owner now; /* digest DIGEST_NONE: behind the last claim of each tag */
};
typedef int claim_fn(void *ctx, const struct tag_claim *claim, struct err *e);

/* Every claim to a tag that a set pins, or that the active set of its name pins: by repository and tag,
 * bytewise; of one tag, what is served comes first. */
MUST int meta_claims(
	struct db *db, const struct set *offered, claim_fn *fn, void *ctx, struct err *e);

/* --- index.json ------------------------------------------------------------------------------ */

/* Numbers of states of what index.json shows; each change makes a new one. */
struct index_state {
	uint64_t changed; /* the current state */
	uint64_t
		written; /* what index.json shows; 0: the metadata is new, and was told of nothing */
};

/* What of that which a manifest names is linked to a repository with it. */
enum links {
	LINKS_ALL, /* everything, and all that its children name */
	LINKS_NEEDED, /* everything but foreign layers */
	LINKS_ALONE, /* something is not: nothing is said of the rest */
};

/* What index.json lists beside the sets. */
struct name_row {
	const char *repo, *tag; /* borrowed; tag "" for a pin by digest */
	struct manifest_info info;
	const char *artifact_type;
	bool pin; /* of an active set; else a tag that was put, or with tag "" a manifest that nothing
		     * else names */
	enum links links; /* when not a pin */
};
typedef int name_row_fn(void *ctx, const struct name_row *row, struct err *e);

/* Whatever it shows (sets, tags, manifests, links to what they name) makes a new state when it changes;
 * meta_index_dirty() makes one by itself. */
MUST int meta_index_state(struct db *db, struct index_state *out, struct err *e);
MUST int meta_index_dirty(struct db *db, struct err *e);
/* It shows that state: 1; 0 when a later one was written meanwhile. */
MUST int meta_index_written(struct db *db, uint64_t state, struct err *e);
/* What is here was made again from an index.json that shows `serial`: it is to be written again. */
MUST int meta_index_made(struct db *db, uint64_t serial, struct err *e);
MUST int meta_index_names(struct db *db, name_row_fn *fn, void *ctx, struct err *e);

/* --- collection ------------------------------------------------------------------------------ */

/* Everything that there is, in no order. What fn returns below 0 is returned. */
struct gc_row {
	int64_t id;
	uint64_t size;
	bool live, manifest;
	int64_t touched;
};
typedef int gc_row_fn(void *ctx, const struct gc_row *row, struct err *e);
MUST int meta_gc_blobs(struct db *db, gc_row_fn *fn, void *ctx, struct err *e);
/* A blob that stays keeps another: what a manifest names; what refers to it as subject. */
typedef int gc_edge_fn(void *ctx, int64_t from, int64_t to, struct err *e);
MUST int meta_gc_edges(struct db *db, gc_edge_fn *fn, void *ctx, struct err *e);
/* What is named by itself: by a set (its row), or by a tag that was put (0), but for those of the sets' own
 * repositories. */
MUST int meta_gc_roots(struct db *db, gc_edge_fn *fn, void *ctx, struct err *e);

/* ids: rows of one. fn is told the place of each that there is. */
typedef void gc_digest_fn(void *ctx, size_t at, const struct digest *d);
MUST int meta_gc_digests(
	struct db *db, const struct rowset *ids, gc_digest_fn *fn, void *ctx, struct err *e);
/* Those that nothing refers to, and that were not touched behind `cutoff`; not condemned yet. together: nothing but
 * others of them that are told, too. */
typedef void gc_id_fn(void *ctx, int64_t id);
MUST int meta_gc_unused(struct db *db, const struct rowset *ids, int64_t cutoff, bool together,
	gc_id_fn *fn, void *ctx, struct err *e);
/* Condemn them: not held any more, and what they name and where they are linked is forgotten. */
MUST int meta_gc_condemn(struct db *db, const struct rowset *ids, struct err *e);

struct gc_condemned {
	int64_t id;
	struct digest digest;
	uint64_t size;
	int64_t when;
};
typedef int gc_condemned_fn(void *ctx, const struct gc_condemned *row, struct err *e);
/* At most `max` that are condemned. */
MUST int meta_gc_condemned(
	struct db *db, unsigned max, gc_condemned_fn *fn, void *ctx, struct err *e);
MUST int meta_gc_condemned_total(struct db *db, struct gc_count *out, struct err *e);
/* Their files have gone: forget the rows that nothing refers to; of others that they are condemned. */
MUST int meta_gc_gone(struct db *db, const struct rowset *ids, struct err *e);
/* Forget repositories in which nothing is. */
MUST int meta_gc_repos(struct db *db, uint64_t *count, struct err *e);

/* Copy the whole database, of one state, into an empty file. Not within a transaction. */
MUST int meta_copy(struct db *db, const char *path, struct err *e);

/* --- check ----------------------------------------------------------------------------------- */

typedef int broken_fn(void *ctx, const char *invariant, const char *text, struct err *e);

/* Every row that breaks S3, S4 or S5, and the database's own consistency. */
MUST int meta_broken(struct db *db, broken_fn *fn, void *ctx, struct err *e);

#endif
